// One life of a simulated process: a single thread with an inbox. Whatever reaches the node passes here, one turn after the other,
// so that it can be busy, slow, paused (SIGSTOP) and dead, and a dead one does nothing more.
import type { ClockPort } from '../actors/ports/index.ts';
import type { Chance, World } from './world.ts';

export type ProcessOptions = {
  /** Where it is seen in the trace, e.g. `n1#2`. */
  label: string;
  /** What one turn costs, milliseconds: at least, at most. */
  turnMs: readonly [number, number];
  /** An exception that nobody caught: a real process would end with it. */
  onCrash(error: unknown): void;
};

type Turn = { what: string; bytes: Uint8Array | null; run: () => void; atMs: number };

/** More of one turn's afterthoughts is a loop without end. */
const soonMax = 1_000_000;

export class Process {
  readonly world: World;
  readonly label: string;
  isAlive = true;
  /** Times the ordinary cost of a turn. */
  slowness = 1;
  /** That anything stood in line for its turn since somebody set this to 0. */
  longestWaitMs = 0;
  readonly #options: ProcessOptions;
  readonly #chance: Chance;
  #inbox: Turn[] = [];
  #soon: (() => void)[] = [];
  #isPaused = false;
  #isPumping = false;
  #isTurning = false;
  #freeAtMs = 0;
  readonly #next = (): void => this.#turnNext();

  constructor(world: World, options: ProcessOptions) {
    this.world = world;
    this.label = options.label;
    this.#options = options;
    this.#chance = world.chance(`process ${options.label}`);
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Gives it something to do as soon as it is free. */
  enter(what: string, run: () => void, bytes: Uint8Array | null = null): void {
    if (!this.isAlive) return;
    this.#inbox.push({ what, bytes, run, atMs: this.world.nowMs });
    this.#wake();
  }

  /** The same from an event of the world, outside of anybody's turn, as the last thing that it does: at once if it is free. */
  arrive(what: string, run: () => void, bytes: Uint8Array | null = null): void {
    const isFree = this.isAlive && !this.#isPaused && !this.#isPumping && !this.#isTurning && this.#inbox.length === 0;
    if (isFree && this.#freeAtMs <= this.world.nowMs) this.#turn(what, run, bytes);
    else this.enter(what, run, bytes);
  }

  /** Right after the current turn, before anything else; what comes from outside of any turn gets one. */
  soon(run: () => void): void {
    if (!this.isAlive) return;
    if (this.#isTurning) this.#soon.push(run);
    else this.enter('soon', run);
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#wake();
  }

  end(): void {
    this.isAlive = false;
    this.#inbox = [];
    this.#soon = [];
  }

  #wake(): void {
    if (this.#isPumping || this.#isPaused || this.#inbox.length === 0) return;
    this.#isPumping = true;
    this.world.after(this.#freeAtMs - this.world.nowMs, this.#next);
  }

  #turnNext(): void {
    this.#isPumping = false;
    if (!this.isAlive || this.#isPaused) return;
    const turn = this.#inbox.shift();
    if (turn === undefined) return;
    this.longestWaitMs = Math.max(this.longestWaitMs, this.world.nowMs - turn.atMs);
    this.#turn(turn.what, turn.run, turn.bytes);
  }

  #turn(what: string, run: () => void, bytes: Uint8Array | null): void {
    const { world } = this;
    world.trace.note(world.nowMs, this.label, what, bytes);
    this.#isTurning = true;
    try {
      run();
      if (this.#soon.length > 0) this.#afterthoughts();
    } catch (error) {
      this.end();
      this.#options.onCrash(error);
      return;
    } finally {
      this.#isTurning = false;
    }
    const [least, most] = this.#options.turnMs;
    this.#freeAtMs = world.nowMs + this.#chance.tail(least, most) * this.slowness;
    this.#wake();
  }

  /** What a turn leaves to be done right after it, and what that leaves, in order. */
  #afterthoughts(): void {
    const soon = this.#soon;
    for (let at = 0; at < soon.length && this.isAlive; at++) {
      if (at > soonMax) throw new Error('a turn has no end');
      soon[at]!();
    }
    this.#soon = [];
  }
}

/** The clocks of a machine. A change of rate moves nothing that they showed before. */
export class ClockSkew {
  /** What its wall clock has ever been ahead, at most. */
  farthestAheadMs: number;
  #wallAheadMs: number;
  #rate: number;
  /** What the monotonic clock showed when the rate was set, and when that was. */
  #shownMs = 0;
  #sinceMs = 0;

  constructor(rate: number, wallAheadMs: number) {
    this.#rate = rate;
    this.#wallAheadMs = wallAheadMs;
    this.farthestAheadMs = wallAheadMs;
  }

  /** What its wall clock is ahead, milliseconds; may jump while it runs. */
  get wallAheadMs(): number {
    return this.#wallAheadMs;
  }

  set wallAheadMs(aheadMs: number) {
    this.#wallAheadMs = aheadMs;
    this.farthestAheadMs = Math.max(this.farthestAheadMs, aheadMs);
  }

  /** Seconds of its monotonic clock in a second: 1 ± drift. */
  get rate(): number {
    return this.#rate;
  }

  setRate(rate: number, nowMs: number): void {
    this.#shownMs = this.monotonicMs(nowMs);
    this.#sinceMs = nowMs;
    this.#rate = rate;
  }

  /** Since the machine was made. */
  monotonicMs(nowMs: number): number {
    return this.#shownMs + (nowMs - this.#sinceMs) * this.#rate;
  }
}

/** When the world begins, for wall clocks: 2030, which nobody mistakes for today. */
const beginningMs = 1_893_456_000_000;

export const wallMsOf = (world: World, skew: ClockSkew): number =>
  Math.floor(beginningMs + skew.monotonicMs(world.nowMs) + skew.wallAheadMs);

export const createClock = (process: Process, skew: ClockSkew): ClockPort => {
  const { world } = process;
  const bornMs = skew.monotonicMs(world.nowMs);
  return {
    nowMs: () => skew.monotonicMs(world.nowMs) - bornMs + 1_000,
    wallMs: () => wallMsOf(world, skew),
    after(delayMs, wake) {
      let isOn = true;
      const ring = (): void => {
        if (!isOn) return;
        isOn = false;
        wake();
      };
      // Of a turn under way, for the next one: no need to wait for a moment that is here.
      const handle = delayMs > 0 ? world.after(delayMs / skew.rate, () => process.arrive('timer', ring)) : null;
      if (handle === null) process.enter('timer', ring);
      return {
        cancel() {
          isOn = false;
          handle?.cancel();
        },
      };
    },
    soon: (run) => process.soon(run),
  };
};
