// Who of a node's actors runs when: one after the other, each for a turn of so many events or so much time, so that one that is flooded
// does not keep the others waiting. What was begun by a message runs before the next one comes in (`soon`), but only for a few
// milliseconds: then the event loop has its turn (`after(0)`), for a heartbeat that is late is a false failure (decision 4). A promise that
// sends again as soon as it is answered would go on in microtasks for ever; that is why what counts is the time since the event loop had
// its turn, and not since the round began.
import { actorLimits } from './actor-api.ts';
import { Mailbox } from './actor-mailbox.ts';
import type { ClockPort, SinkPort } from './ports/index.ts';

/** Whoever has turns. */
export interface TakesTurns {
  /** Works until nothing is left or `turn.isOver()`. True: something is left, it stands in line again. Must not throw. */
  run(turn: Turn): boolean;
}

export interface Turn {
  /** When the turn began. */
  readonly nowMs: number;
  /** To be asked after each event. */
  isOver(): boolean;
}

export interface Turns {
  /** It has something to do. Must not be called again before `run` was: whoever stands in line stands there once. */
  ready(one: TakesTurns): void;
  /** A turn is going on. */
  readonly isRunning: boolean;
  /** Those that stand in line. */
  readonly waiting: number;
  stop(): void;
}

export const turnLimits = {
  /** Since the event loop had its turn; a heartbeat is due every 50 ms. */
  roundMs: 4,
  /** Where time does not pass while somebody works, as in the simulator, events are counted. */
  roundEvents: 16_384,
  /** The clock is read after so many events, which costs more than to pass one on, as long as so many together took less than `quickMs`. */
  quickEvents: 4,
  quickMs: 0.1,
} as const;

type TurnsArguments = { clock: ClockPort; sink: SinkPort; turnEvents?: number; turnMs?: number };

export const createTurns = (args: TurnsArguments): Turns => new RoundRobin(args);

class RoundRobin implements Turns, Turn {
  readonly #clock: ClockPort;
  readonly #sink: SinkPort;
  readonly #turnEvents: number;
  readonly #turnMs: number;
  readonly #line = new Mailbox<TakesTurns>();
  /** A round is planned or goes on. */
  #isPlanned = false;
  /** Since the event loop had its turn: when that was, and how many events were handled. */
  #burst: { readonly sinceMs: number; events: number } | null = null;
  #isStopped = false;
  isRunning = false;
  nowMs = 0;
  /** When the clock was last read, and after how many events it is read again. */
  #lookedMs = 0;
  #unlooked = 1;
  #events = 0;

  constructor({ clock, sink, turnEvents = actorLimits.turnEvents, turnMs = actorLimits.turnMs }: TurnsArguments) {
    this.#clock = clock;
    this.#sink = sink;
    this.#turnEvents = turnEvents;
    this.#turnMs = turnMs;
  }

  get waiting(): number {
    return this.#line.size;
  }

  ready(one: TakesTurns): void {
    if (this.#isStopped) return;
    this.#line.push(one, Number.POSITIVE_INFINITY);
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    if (this.#burst !== null && this.#isSpent(this.#burst)) this.#clock.after(0, this.#freshRound);
    else this.#clock.soon(this.#round);
  }

  isOver(): boolean {
    if (--this.#unlooked <= 0) this.#look();
    return ++this.#events >= this.#turnEvents || this.#lookedMs - this.nowMs >= this.#turnMs;
  }

  stop(): void {
    this.#isStopped = true;
    this.#line.drain();
  }

  #look(): void {
    const nowMs = this.#clock.nowMs();
    this.#unlooked = nowMs - this.#lookedMs < turnLimits.quickMs ? turnLimits.quickEvents : 1;
    this.#lookedMs = nowMs;
  }

  #isSpent(burst: { readonly sinceMs: number; readonly events: number }): boolean {
    return burst.events >= turnLimits.roundEvents || this.#lookedMs - burst.sinceMs >= turnLimits.roundMs;
  }

  readonly #freshRound = (): void => {
    this.#burst = null;
    this.#round();
  };

  readonly #endBurst = (): void => {
    this.#burst = null;
  };

  readonly #round = (): void => {
    if (this.#burst === null) {
      this.#lookedMs = this.#clock.nowMs();
      this.#unlooked = 1;
      this.#burst = { sinceMs: this.#lookedMs, events: 0 };
      this.#clock.after(0, this.#endBurst);
    }
    const burst = this.#burst;
    this.isRunning = true;
    for (let one = this.#line.shift(); one !== undefined; one = this.#line.shift()) {
      this.#turnOf(one);
      burst.events += Math.max(1, this.#events);
      if (this.#isSpent(burst)) break;
    }
    this.isRunning = false;
    this.#isPlanned = this.#line.size > 0;
    if (this.#isPlanned) this.#clock.after(0, this.#freshRound);
  };

  #turnOf(one: TakesTurns): void {
    this.nowMs = this.#lookedMs;
    this.#events = 0;
    try {
      if (one.run(this)) this.#line.push(one, Number.POSITIVE_INFINITY);
    } catch (error) {
      const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
      this.#sink.log('error', 'INTERNAL', `a turn threw, which none may: ${reason}`);
    }
  }
}
