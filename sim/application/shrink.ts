// A failure of an application made smaller: fewer programs and nodes, less time, fewer faults, and still the same failure. What is left
// out moves nothing else, since programs and faults have chance of their own; each step is one run of the seed.
import { countsBelow } from '../shrink.ts';
import type { RunOptions, SeedResult } from './application.ts';

/** What makes it smaller, beside the options that it failed with. */
export type Smaller = Pick<RunOptions, 'clients' | 'nodes' | 'timeMs' | 'without'>;

const runsMax = 80;

/** Which failure it is, without names and numbers that a smaller run changes. */
const kindOf = ({ verdict, reason }: SeedResult): string =>
  `${verdict}: ${(reason.split('\n')[0] ?? '').replaceAll(/"[^"]*"/g, '"…"').replaceAll(/\d+/g, '#')}`;

class Shrinking {
  smallest: SeedResult;
  smaller: Smaller = {};
  #runs = 0;
  readonly #kind: string;
  readonly #run: (smaller: Smaller) => Promise<SeedResult>;

  constructor(failing: SeedResult, run: (smaller: Smaller) => Promise<SeedResult>) {
    this.smallest = failing;
    this.#kind = kindOf(failing);
    this.#run = run;
  }

  /** Takes what is left out for good if the seed still fails in the same way. */
  async #attempt(change: Smaller): Promise<boolean> {
    if (this.#runs++ >= runsMax) return false;
    const smaller = { ...this.smaller, ...change };
    const result = await this.#run(smaller);
    if (kindOf(result) !== this.#kind) return false;
    this.smallest = result;
    this.smaller = smaller;
    return true;
  }

  async fewest(name: 'clients' | 'nodes'): Promise<void> {
    for (const count of countsBelow(this.smallest.knobs[name])) if (await this.#attempt({ [name]: count })) return;
  }

  /** After the failure nothing matters, and often less time does. */
  async time(): Promise<void> {
    for (let timeMs = this.smallest.virtualMs; timeMs >= 100; timeMs = Math.floor(timeMs / 2))
      if (!(await this.#attempt({ timeMs }))) return;
  }

  /** All of them, then halves, quarters and so on of those that are left. */
  async faults(): Promise<void> {
    const done = (): number[] => this.smallest.faults.map(({ number }) => number);
    const left = (): readonly number[] => this.smaller.without ?? [];
    if (done().length > 0 && (await this.#attempt({ without: [...left(), ...done()] }))) return;
    for (let size = Math.ceil(done().length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2))
      for (let from = 0; from < done().length; ) {
        const leaves = [...left(), ...done().slice(from, from + size)];
        if (!(await this.#attempt({ without: leaves }))) from += size;
      }
  }
}

/** `run` runs the seed with what is given here in place of the options it failed with. */
export const shrinkFailure = async (
  failing: SeedResult,
  run: (smaller: Smaller) => Promise<SeedResult>,
): Promise<{ result: SeedResult; smaller: Smaller }> => {
  const shrinking = new Shrinking(failing, run);
  await shrinking.time();
  await shrinking.fewest('clients');
  await shrinking.fewest('nodes');
  await shrinking.faults();
  await shrinking.time();
  return { result: shrinking.smallest, smaller: shrinking.smaller };
};
