// A failure made small enough to be understood: fewer faults, nodes, clients and calls, less time, and still the same failure. Faults
// and clients have chance of their own (sim/nemesis/), so what is left out moves nothing else; faults are left out by delta debugging
// (Zeller and Hildebrandt 2002). Every step is one run of the seed, and whoever drives the generator may stop it between two.
import { stepsMax } from './phases.ts';
import { type RunOptions, type RunResult, runSeed, timeMsDefault } from './swarm.ts';

export type Size = {
  readonly nodes: number;
  readonly faults: number;
  readonly clients: number;
  /** Calls that clients made. */
  readonly calls: number;
  readonly virtualMs: number;
};

export type ShrinkStep = {
  readonly runs: number;
  /** What was left out in this run, in words. */
  readonly tried: string;
  /** It failed in the same way. */
  readonly isSame: boolean;
  readonly before: Size;
  readonly smallest: Size;
  /** Of the smallest run so far. */
  readonly options: RunOptions;
  readonly result: RunResult;
};

export type Shrunk = {
  readonly options: RunOptions;
  readonly result: RunResult;
  readonly before: Size;
  readonly after: Size;
  readonly runs: number;
  /** Nothing more can be left out; otherwise the runs allowed were used up. */
  readonly isMinimal: boolean;
};

export type ShrinkLimits = {
  /** Runs of the seed, at most. */
  readonly runsMax?: number;
  /** For tests: instead of the simulator. */
  readonly run?: (seed: number, options: RunOptions) => RunResult;
};

const runsMaxDefault = 400;
/** A run that is much longer than the failing one is not smaller, whatever comes of it. */
const eventsMaxFactor = 5;
const eventsMaxLeast = 200_000;
/** A fire this short is not made shorter. */
const timeStepMs = 50;

export const sizeOf = ({ knobs, faults, history, virtualMs }: RunResult): Size => ({
  ...{ nodes: knobs.nodes, faults: faults.length, clients: knobs.clients, virtualMs },
  calls: history.filter(({ type }) => type === 'invoke').length,
});

/**
 * Which failure it is, without what a smaller run changes: names of nodes, numbers, and all that explains. `correctness: leader
 * completeness of 'kv'`, `liveness: n# serves a write`.
 */
export const failureKind = ({ verdict, reason }: Pick<RunResult, 'verdict' | 'reason'>): string => {
  const [first = ''] = reason.split('\n');
  const [what = ''] = first.split(/: |; /);
  // An exception is told apart by its message: what stands before it is the node it came from.
  const kind = verdict === 'crash' ? first : what;
  return `${verdict}: ${kind.replaceAll(/"[^"]*"/g, '"…"').replaceAll(/\d+/g, '#')}`;
};

export const isSameFailure = (a: RunResult, b: RunResult): boolean => b.verdict !== 'held' && failureKind(a) === failureKind(b);

class RunsUsedUp extends Error {}

class Shrinking {
  options: RunOptions;
  smallest: RunResult;
  runs = 0;
  readonly #failing: RunResult;
  readonly #run: (seed: number, options: RunOptions) => RunResult;
  readonly #runsMax: number;
  /** What was tried since the last success, so that nothing is run twice. */
  readonly #tried = new Set<string>();

  constructor(failing: RunResult, options: RunOptions, { runsMax = runsMaxDefault, run = runSeed }: ShrinkLimits) {
    this.#failing = failing;
    this.options = options;
    this.smallest = failing;
    this.#run = run;
    this.#runsMax = runsMax;
  }

  /** Takes what is left out for good if the seed still fails in the same way. */
  *attempt(tried: string, change: Partial<RunOptions>): Generator<ShrinkStep, boolean> {
    const options = { ...this.options, ...change };
    const key = JSON.stringify(options);
    if (this.#tried.has(key)) return false;
    if (this.runs >= this.#runsMax) throw new RunsUsedUp();
    this.#tried.add(key);
    this.runs++;
    const eventsMax = Math.max(eventsMaxLeast, eventsMaxFactor * this.#failing.steps);
    const result = this.#run(this.#failing.seed, { ...options, eventsMax: Math.min(eventsMax, stepsMax) });
    const isSame = isSameFailure(this.#failing, result);
    if (isSame) {
      this.options = options;
      this.smallest = result;
    }
    yield {
      ...{ runs: this.runs, tried, isSame, before: sizeOf(this.#failing), smallest: sizeOf(this.smallest) },
      ...{ options: this.options, result: this.smallest },
    };
    return isSame;
  }

  /** The first number from the smallest that still fails, of those below `now`. */
  *#fewest(name: 'nodes' | 'clients' | 'operations', now: number): Generator<ShrinkStep, void> {
    const word = name === 'operations' ? 'calls of each client' : name;
    for (const fewer of countsBelow(now)) if (yield* this.attempt(`${fewer} ${word}`, { [name]: fewer })) return;
  }

  *nodes(): Generator<ShrinkStep, void> {
    yield* this.#fewest('nodes', this.smallest.knobs.nodes);
  }

  /** One kind of work, if that is enough. */
  *works(): Generator<ShrinkStep, void> {
    const { works } = this.smallest.knobs;
    if (works.length > 1) for (const work of works) if (yield* this.attempt(`only ${work}`, { works: [work] })) return;
  }

  *clients(): Generator<ShrinkStep, void> {
    yield* this.#fewest('clients', this.smallest.knobs.clients);
    const made = new Map<number, number>();
    for (const { type, process } of this.smallest.history)
      if (type === 'invoke') made.set(process, (made.get(process) ?? 0) + 1);
    // A process that was told nothing goes on as another: a client made at most all calls together.
    const most = this.options.operations ?? [...made.values()].reduce((sum, count) => sum + count, 0);
    yield* this.#fewest('operations', most);
  }

  /** After the failure nothing matters; before it, less time may do. */
  *time(): Generator<ShrinkStep, void> {
    const timeMs = this.options.timeMs ?? timeMsDefault;
    let least = 0;
    let most = Math.min(timeMs, Math.ceil(this.smallest.virtualMs / timeStepMs) * timeStepMs);
    if (most < timeMs) yield* this.attempt(`${most} ms`, { timeMs: most });
    while (most - least > Math.max(timeStepMs, most / 16)) {
      const middle = Math.ceil((least + most) / 2 / timeStepMs) * timeStepMs;
      if (middle >= most) return;
      if (yield* this.attempt(`${middle} ms`, { timeMs: middle })) most = middle;
      else least = middle;
    }
  }

  /** ddmin: leaves out halves, then quarters, and so on, and what remains when one of them can go. */
  *faults(): Generator<ShrinkStep, void> {
    let parts = 2;
    for (;;) {
      const kept = this.smallest.faults.map(({ number }) => number);
      if (kept.length === 0) return;
      if (yield* this.#without(kept, [])) return;
      const size = Math.ceil(kept.length / parts);
      let isSmaller = false;
      for (let from = 0; from < kept.length && !isSmaller; from += size)
        isSmaller = yield* this.#without(kept, [...kept.slice(0, from), ...kept.slice(from + size)]);
      if (isSmaller) parts = Math.max(2, parts - 1);
      else if (size <= 1) return;
      else parts = Math.min(kept.length, 2 * parts);
    }
  }

  /** Faults that did nothing in the run before may do something now: all numbers but those that stay are left out. */
  *#without(kept: readonly number[], stay: readonly number[]): Generator<ShrinkStep, boolean> {
    const staying = new Set(stay);
    const left = this.options.without ?? [];
    const last = Math.max(...kept, ...left);
    const without = Array.from({ length: last + 1 }, (_, number) => number).filter((number) => !staying.has(number));
    return yield* this.attempt(`${stay.length} of ${kept.length} faults`, { without });
  }

  *all(): Generator<ShrinkStep, boolean> {
    try {
      for (let before = -1; before !== this.#weight(); ) {
        before = this.#weight();
        yield* this.time();
        yield* this.nodes();
        yield* this.works();
        yield* this.clients();
        yield* this.faults();
      }
      return true;
    } catch (error) {
      if (error instanceof RunsUsedUp) return false;
      throw error;
    }
  }

  #weight(): number {
    const { nodes, faults, clients, calls, virtualMs } = sizeOf(this.smallest);
    return nodes + faults + clients + calls + virtualMs + this.smallest.knobs.works.length;
  }
}

/** Fewer than `now`, from the least on: 1, 2, 3, then by halves of what is left. */
export const countsBelow = (now: number): number[] => {
  const counts: number[] = [];
  for (let count = 1; count < now; count = count < 4 ? count + 1 : count + Math.ceil((now - count) / 3)) counts.push(count);
  return counts;
};

export function* shrink(failing: RunResult, options: RunOptions, limits: ShrinkLimits = {}): Generator<ShrinkStep, Shrunk> {
  if (failing.verdict === 'held') throw new Error(`seed ${failing.seed} holds: there is nothing to shrink`);
  const shrinking = new Shrinking(failing, options, limits);
  const isMinimal = yield* shrinking.all();
  const { smallest: result, runs } = shrinking;
  return { options: shrinking.options, result, before: sizeOf(failing), after: sizeOf(result), runs, isMinimal };
}
