// A run of a graph as promises: its steps one after the other as they end, and what came of all of them.
import type { GraphApi, GraphEvents, GraphHandle, GraphOptions } from '../../actors/graph-api.ts';
import { type Failure, failure } from '../../machines/errors.ts';
import type { Graph, GraphOutcome, StepReport } from '../../machines/graph/index.ts';
import { PolityError } from '../errors.ts';
import { ServiceContext } from '../service/index.ts';
import { GraphBuilder } from './define.ts';

export type RunOptions = Omit<GraphOptions, 'within' | 'durable'> & {
  /**
   * It goes on when the node that runs it, or this one, is gone: its id, or that and for how many milliseconds it is remembered once it has
   * ended (ten minutes). The same graph under the same id again joins what runs, or ran; another one is an IDEMPOTENCY_CONFLICT.
   */
  durable?: string | { readonly id: string; readonly keepMs?: number };
  /** Gives the run up when it aborts: what runs is cancelled, what happened is compensated. */
  signal?: AbortSignal;
  /** The call in whose handler it runs: no more time than that has, its chain and its principal. */
  within?: ServiceContext;
};

const names = new Set(['timeoutMs', 'compensateMs', 'concurrency', 'principal', 'trace', 'signal', 'within', 'durable']);

export type GraphResult<Results> = {
  /** By step. Null: it did not end well, which the run bears, or its result is null. */
  readonly results: { readonly [Step in keyof Results]: Results[Step] | null };
  readonly steps: { readonly [Step in keyof Results]: StepReport };
  readonly tookMs: number;
};

/** A graph that began and did not end well. `code` is why, `definite` that nothing happened at all; `outcome` has every step. */
export class GraphError extends PolityError {
  readonly outcome: GraphOutcome;
  constructor(why: Failure, outcome: GraphOutcome) {
    super(why);
    this.name = 'GraphError';
    this.outcome = outcome;
  }
}

const resultOf = <Results>({ steps, tookMs }: GraphOutcome): GraphResult<Results> => {
  const results = Object.fromEntries(Object.entries(steps).map(([name, { result }]) => [name, result]));
  return { results, steps, tookMs } as unknown as GraphResult<Results>;
};

const optionsOf = ({ signal: _signal, within, durable, ...options }: RunOptions): GraphOptions => {
  for (const name of Object.keys(options))
    if (!names.has(name)) throw new PolityError(failure('INVALID_REQUEST', `a run has no option '${name.slice(0, 32)}'`));
  return {
    ...options,
    ...(within === undefined ? {} : { within: ServiceContext.within(within) }),
    ...(durable === undefined ? {} : { durable: typeof durable === 'string' ? { id: durable } : durable }),
  };
};

const cancelled = (signal: AbortSignal): PolityError =>
  new PolityError(failure('CANCELLED', 'the run was given up before it began'), { cause: signal.reason });

/** In place of a graph: one that was begun already. */
class DurableId {
  readonly id: string;
  constructor(id: string) {
    this.id = id;
  }
}

/**
 * A graph that runs. `for await` gives each step when it has settled, from the first one on, whenever it begins to look; one that was
 * compensated comes once more. It ends like `result` does. To stop looking does not stop the run.
 */
export class GraphRun<Results = Readonly<Record<string, unknown>>> implements AsyncIterable<StepReport> {
  /** Rejects with a GraphError, or with a PolityError if nothing was called: INVALID_REQUEST, SERVICE_NOT_FOUND, OVERLOADED … */
  readonly result: Promise<GraphResult<Results>>;
  /** At most two of each step. */
  readonly #reports: StepReport[] = [];
  #over: { readonly error: PolityError | null } | null = null;
  #waiting: (() => void)[] = [];
  #handle: GraphHandle | null = null;

  #end: (error: PolityError | null, outcome?: GraphOutcome) => void = () => {};

  /** A durable run that somebody has begun, from its first step on. Rejects with NOT_FOUND if there is none, or none any more. */
  static attached(api: GraphApi, id: string, options: Pick<RunOptions, 'signal'> = {}): GraphRun {
    return new GraphRun(api, new DurableId(id), options);
  }

  constructor(api: GraphApi, graph: Graph | GraphBuilder<Results> | DurableId, options: RunOptions = {}) {
    this.result = new Promise((resolve, reject) => {
      const begin = (on: GraphEvents): GraphHandle => {
        if (graph instanceof DurableId) return api.attach(graph.id, on);
        return api.run(graph instanceof GraphBuilder ? graph.graph : graph, optionsOf(options), on);
      };
      this.#begin(begin, options, resolve, reject);
    });
    // Whoever only looks at the steps hears of it there.
    this.result.catch(() => {});
  }

  #begin(
    begin: (on: GraphEvents) => GraphHandle,
    options: RunOptions,
    resolve: (result: GraphResult<Results>) => void,
    reject: (error: unknown) => void,
  ): void {
    const { signal } = options;
    const onAbort = (): void => this.cancel();
    const end = (error: PolityError | null, outcome?: GraphOutcome): void => {
      if (this.#over !== null) return;
      signal?.removeEventListener('abort', onAbort);
      this.#over = { error };
      this.#wake();
      if (error === null) resolve(resultOf(outcome!));
      else reject(error);
    };
    this.#end = end;
    try {
      if (signal?.aborted === true) return end(cancelled(signal));
      signal?.addEventListener('abort', onAbort);
      this.#handle = begin({
        step: (report) => this.#tell(report),
        compensated: (step, compensation) => {
          const report = this.#reports.find((one) => one.step === step);
          if (report !== undefined) this.#tell({ ...report, compensation });
        },
        end: (ended) => {
          if (!ended.ok) return end(new PolityError(ended.failure));
          const why = ended.value.failure;
          end(why === null ? null : new GraphError(why, ended.value), ended.value);
        },
      });
    } catch (error) {
      // A graph that is made of what throws when it is read.
      const why = failure(
        'INVALID_REQUEST',
        `the graph cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      );
      end(error instanceof PolityError ? error : new PolityError(why, { cause: error }));
    }
  }

  /** What runs is given up, and what happened is compensated; `result` rejects with CANCELLED once that is done. */
  cancel(): void {
    this.#handle?.cancel();
  }

  /** Nobody looks on any more: `result` rejects with CANCELLED. A durable run goes on, another one is given up. */
  leave(): void {
    this.#handle?.leave();
    this.#end(new PolityError(failure('CANCELLED', 'nobody looks on any more')));
  }

  #tell(report: StepReport): void {
    this.#reports.push(report);
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<StepReport, void, undefined> {
    for (let at = 0; ; at++) {
      while (at >= this.#reports.length && this.#over === null)
        await new Promise<void>((resolve) => void this.#waiting.push(resolve));
      if (at < this.#reports.length) yield this.#reports[at]!;
      else if (this.#over!.error !== null) throw this.#over!.error;
      else return;
    }
  }
}
