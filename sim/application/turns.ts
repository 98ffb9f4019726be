// Where promises meet virtual time. Application code awaits, the world steps: after an event that settled something the application's
// turns run, a bounded number of them, before the next event. Nothing here ever returns to the real event loop, so real timers,
// files and sockets stand still while a seed runs; whoever waits for one of them waits for nothing that the world could give, and
// that is said instead of waited for (decision 11: promises may await only injected ports).
import type { World } from '../world.ts';

/** Turns without a call on the world after which its next event may come; what still goes on then goes on after that event. */
const quietTurns = 100;
/** Before it is said that nothing will ever happen, this many turns are given. */
const lastTurns = 20_000;
/** So many at one instant of virtual time have no end. */
const turnsMax = 100_000;

export type Settle<Value> = { resolve(value: Value): void; reject(error: unknown): void };

export type Waiting = { readonly who: string; readonly what: string; readonly sinceMs: number };

/** The application does what has no end, or goes on after its own. */
export class ApplicationFault extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ApplicationFault';
  }
}

/** What is awaited by the dead. */
export const never = <Value>(): Promise<Value> => new Promise(() => {});

export class Turns {
  readonly #world: World;
  readonly #waiting = new Set<Waiting>();
  /** Something that the application waits for has come since the turns last ran. */
  isTouched = false;
  #calls = 0;
  #isOver = false;

  constructor(world: World) {
    this.#world = world;
  }

  /** What the application has asked of the world and not got yet, oldest first. */
  get waiting(): ReadonlySet<Waiting> {
    return this.#waiting;
  }

  /** The application is about to do something. */
  touch(): void {
    this.isTouched = true;
  }

  /** The application calls on its world. False after the end of its run: then it is dead, and nothing answers it. */
  call(): boolean {
    this.#calls++;
    return !this.#isOver;
  }

  /** A promise that only the world can settle. `start` is called at once. */
  wait<Value>(who: string, what: string, start: (settle: Settle<Value>) => void): Promise<Value> {
    if (!this.call()) return never();
    const waiting: Waiting = { who, what, sinceMs: this.#world.nowMs };
    this.#waiting.add(waiting);
    return new Promise((resolve, reject) => {
      const settled = (run: () => void): void => {
        if (!this.#waiting.delete(waiting)) return;
        this.touch();
        run();
      };
      start({ resolve: (value) => settled(() => resolve(value)), reject: (error) => settled(() => reject(error)) });
    });
  }

  /** Lets the application do all that it can do now. */
  async run(): Promise<void> {
    this.isTouched = false;
    let calls = this.#calls;
    for (let turns = 0, quiet = 0; quiet < quietTurns; turns++, quiet++) {
      if (turns > turnsMax) throw new ApplicationFault('the application goes on without end at one instant of virtual time');
      await null;
      if (this.#calls !== calls) quiet = 0;
      calls = this.#calls;
    }
    this.isTouched = false;
  }

  /** True if the application waits for nothing that the world could give, whatever it still computes. */
  async isStuck(): Promise<boolean> {
    for (let turns = 0; turns < lastTurns && this.#waiting.size === 0 && !this.isTouched; turns++) await null;
    return this.#waiting.size === 0 && !this.isTouched;
  }

  /** Nothing is given to this application any more. */
  end(): void {
    this.#isOver = true;
    this.#waiting.clear();
  }
}
