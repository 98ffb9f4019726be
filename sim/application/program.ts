// One simulated program of the developer's: a thread of his code outside of the cluster, with a name, chance and time of its own. It
// can be paused as any process can (SIGSTOP, a long garbage collection, a laptop's lid): then all that comes to it comes late.
import { failure, PolityError } from '../../machines/errors.ts';
import type { Chance, World } from '../world.ts';
import type { Settle, Turns } from './turns.ts';

export type ProgramOptions = { name: string; pauses: boolean };

/** One line of what the application did and was told. */
export type Said = { readonly atMs: number; readonly who: string; readonly what: string };

const saidMax = 2_000;
const shownCharsMax = 100;

/** What all programs of a run said, the latest of it. */
export class Story {
  readonly #said: Said[] = [];

  tell(said: Said): void {
    this.#said.push(said);
    if (this.#said.length > 2 * saidMax) this.#said.splice(0, saidMax);
  }

  get said(): readonly Said[] {
    return this.#said.slice(-saidMax);
  }
}

const sleepMsMax = 30 * 24 * 3_600_000;
const pauseEveryMs = [500, 20_000] as const;
const pauseLastsMs = [10, 10_000] as const;

export class Program {
  readonly name: string;
  readonly world: World;
  readonly turns: Turns;
  readonly chance: Chance;
  readonly #story: Story;
  #pausedUntilMs = 0;
  #mayPause: boolean;

  constructor(world: World, turns: Turns, story: Story, { name, pauses }: ProgramOptions) {
    this.name = name;
    this.world = world;
    this.turns = turns;
    this.chance = world.chance(`program ${name}`);
    this.#story = story;
    this.#mayPause = pauses;
    if (pauses) this.#planPause(world.chance(`pauses of ${name}`));
  }

  #planPause(chance: Chance): void {
    const { world } = this;
    world.after(chance.tail(...pauseEveryMs), () => {
      if (!this.#mayPause) return;
      const lastsMs = chance.tail(...pauseLastsMs);
      this.#pausedUntilMs = Math.max(this.#pausedUntilMs, world.nowMs + lastsMs);
      this.tell(`stands still for ${lastsMs.toFixed(0)} ms`);
      this.#planPause(chance);
    });
  }

  /** From now on it runs as it should. */
  mend(): void {
    this.#mayPause = false;
  }

  /** Into the trace, and kept for whoever reads a failure. `bytes` are in the trace's hash, not in its words. */
  tell(what: string, bytes: Uint8Array | null = null): void {
    const { world, name } = this;
    world.trace.note(world.nowMs, name, what, bytes);
    const shown = what.length > shownCharsMax ? `${what.slice(0, shownCharsMax)}…` : what;
    this.#story.tell({ atMs: world.nowMs, who: name, what: shown });
  }

  /** Something comes to it: at once, or when it runs again. */
  deliver(run: () => void): void {
    const lateMs = this.#pausedUntilMs - this.world.nowMs;
    if (lateMs <= 0) return run();
    this.world.after(lateMs, () => this.deliver(run));
  }

  wait<Value>(what: string, start: (settle: Settle<Value>) => void): Promise<Value> {
    return this.turns.wait<Value>(this.name, what, ({ resolve, reject }) =>
      start({
        resolve: (value) => this.deliver(() => resolve(value)),
        reject: (error) => this.deliver(() => reject(error)),
      }),
    );
  }

  /** Calls `run` inside the program after `delayMs`, unless what this returns was called before. */
  after(delayMs: number, run: () => void): () => void {
    let isOn = true;
    const handle = this.world.after(delayMs, () =>
      this.deliver(() => {
        if (!isOn) return;
        this.turns.touch();
        run();
      }),
    );
    return () => {
      isOn = false;
      handle.cancel();
    };
  }

  async sleep(delayMs: number): Promise<void> {
    if (!(delayMs <= sleepMsMax))
      throw new PolityError(failure('INVALID_REQUEST', `sleep takes milliseconds, at most ${sleepMsMax}, not ${delayMs}`));
    return this.wait(`sleep ${delayMs} ms`, ({ resolve }) => void this.world.after(delayMs, () => resolve()));
  }
}
