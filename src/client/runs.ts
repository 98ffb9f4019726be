// Graphs of calls run by a program that is no member, over the HTTP of any node: that node runs them, and tells each step as it ends.
import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { failure } from '../../machines/errors.ts';
import type { Graph, StepReport } from '../../machines/graph/index.ts';
import { graphLimits } from '../../machines/graph/limits.ts';
import type { Plain } from '../../machines/replicator/types.ts';
import { fromProblem, PolityError } from '../errors.ts';
import { plainOfLine } from '../graph-json.ts';
import { jsonTextOf } from '../replica-json.ts';
import { type Attempted, type Attempts, failureOfAnswer, jsonOf } from './attempts.ts';
import type { CallOptions } from './client.ts';
import { isFields } from './entry.ts';
import { type Call, collect, NoAnswer } from './http.ts';
import { linesOf } from './lines.ts';
import { invalid } from './query.ts';

export type RunOptions = {
  /** Gives the run up: what runs is cancelled, what happened is compensated. */
  signal?: AbortSignal;
  /** For whom all calls are made. */
  principal?: string;
  /**
   * It is kept in the cluster under this id, and for so many milliseconds once it has ended (ten minutes): it goes on when the node that runs it
   * is lost, or this program. Who stops looking does not give it up. The same graph under the same id joins.
   */
  durable?: string | { readonly id: string; readonly keepMs?: number };
};

/** How a run ended that went well. */
export type RunEnd = { readonly tookMs: number };

/** A run that began and did not end well; `notUndone` names steps that were to be compensated and could not be. */
export class RunError extends PolityError {
  readonly failedStep: string | null;
  readonly notUndone: readonly string[];
  constructor(why: ConstructorParameters<typeof PolityError>[0], failedStep: string | null, notUndone: readonly string[]) {
    super(why);
    this.name = 'RunError';
    this.failedStep = failedStep;
    this.notUndone = notUndone;
  }
}

export interface RunsClient {
  /**
   * Gives each step as it settles; one that was compensated comes once more. Returns when the run ended well, throws a RunError when it
   * did not, or a PolityError: nothing was called (INVALID_REQUEST, SERVICE_NOT_FOUND …), or nobody knows (OUTCOME_UNKNOWN).
   * It is begun at one node, once, unless it is durable. Who stops looking gives it up, unless it is.
   */
  run(graph: Graph, options?: RunOptions): AsyncGenerator<StepReport, RunEnd, undefined>;
  /** A durable run, from its first step on. NOT_FOUND: nobody began it, or it was forgotten. Who stops looking does not give it up. */
  attach(id: string, options?: { signal?: AbortSignal }): AsyncGenerator<StepReport, RunEnd, undefined>;
  /** Gives a durable run up: what runs is cancelled, what happened is compensated. One that has ended stays as it is. */
  cancel(id: string, options?: CallOptions): Promise<void>;
  /** Whether it would run now; rejects with INVALID_REQUEST, SERVICE_NOT_FOUND or METHOD_NOT_FOUND with everything that is wrong. */
  checkRun(graph: Graph, options?: CallOptions): Promise<void>;
}

const beginMs = 5_000;
/** Beyond the run's own times, for its last words to arrive. */
const marginMs = 5_000;
const lineBytesMax = 64 << 20;

const broken = (why: string, cause?: unknown): PolityError =>
  new PolityError(failure('OUTCOME_UNKNOWN', `the run broke off: ${why}`), { cause });

const textOf = (graph: Graph): string => {
  try {
    return jsonTextOf(graph as unknown as Plain);
  } catch (error) {
    throw invalid(`the graph is no plain data: ${(error as Error).message}`);
  }
};

const durableOf = ({ durable }: RunOptions): { id: string; keepMs?: number } | null =>
  durable === undefined ? null : typeof durable === 'string' ? { id: durable } : durable;

const callOf = (graph: Graph, options: RunOptions, isCheck = false): Call => {
  const query = new URLSearchParams(isCheck ? { check: 'true' } : {});
  const durable = durableOf(options);
  if (durable !== null) query.set('id', durable.id);
  if (durable?.keepMs !== undefined) query.set('keep-ms', String(durable.keepMs));
  const { principal } = options;
  return {
    ...{ method: 'POST', path: `/v1/run${query.size === 0 ? '' : `?${query}`}`, body: new TextEncoder().encode(textOf(graph)) },
    ...(principal === undefined ? {} : { headers: { 'polity-principal': principal } }),
  };
};

const pathOf = (id: string): string => {
  if (id === '') throw invalid('the id of a run is empty');
  return `/v1/runs/${encodeURIComponent(id)}`;
};

/** A graph's own times are not known to who only looks on. */
const attachSilenceMs = 2 * graphLimits.timeoutMsMax + marginMs;

const silenceOf = ({ timeoutMs, compensateMs }: Graph): number =>
  (timeoutMs ?? graphLimits.timeoutMsDefault) + (compensateMs ?? graphLimits.compensateMsDefault) + marginMs;

const endOf = (said: Record<string, unknown>): RunEnd => {
  if (said.end === true) return { tookMs: Number(said.tookMs) };
  const why = fromProblem(said.failed) ?? failure('INTERNAL', 'the run failed');
  const notUndone = Array.isArray(said.notUndone) ? said.notUndone.map(String) : [];
  throw new RunError(why, typeof said.failedStep === 'string' ? said.failedStep : null, notUndone);
};

/** `again`: a durable run that has begun is looked at by this, at any node; to ask for it once more might begin it once more, if it was forgotten. */
type Wanted = { readonly call: Call; readonly silenceMs: number; readonly again: Call | null };

/** At the first node that can be reached: one that may have heard of a run that is not durable is not followed by another. */
const open = async (attempts: Attempts, wanted: Wanted, signal: AbortSignal | undefined): Promise<IncomingMessage> => {
  for (let tried = 1; ; tried++) {
    signal?.throwIfAborted();
    try {
      return await attempts.wire.open(wanted.call, beginMs, wanted.silenceMs, signal);
    } catch (error) {
      signal?.throwIfAborted();
      const isSent = error instanceof NoAnswer && error.sent;
      if (isSent && wanted.again === null) throw broken(error.message, error);
      if (tried === attempts.count) {
        if (isSent) throw broken(error.message, error);
        throw new PolityError(failure('UNREACHABLE', (error as Error).message), { cause: error });
      }
      attempts.next();
    }
  }
};

type Line = { readonly begun: true } | { readonly step: StepReport } | { readonly end: Record<string, unknown> };

/** What one answer says, from its first line on. Without an end it throws. */
async function* linesFrom(attempts: Attempts, wanted: Wanted, signal: AbortSignal | undefined): AsyncGenerator<Line> {
  const response = await open(attempts, wanted, signal);
  try {
    if (response.statusCode !== 200) {
      const answer = { status: response.statusCode!, headers: response.headers, bytes: await collect(response) };
      throw new PolityError(failureOfAnswer(answer, attempts.wire.base.origin));
    }
    yield { begun: true };
    for await (const line of linesOf(response, lineBytesMax, () => broken('a line is too long'))) {
      const said = jsonOf(line);
      if (!isFields(said)) throw broken('a line is not ours');
      if (typeof said.step === 'string') yield { step: plainOfLine(said) as unknown as StepReport };
      else return yield { end: said };
    }
    throw broken('it ended without a last word');
  } catch (error) {
    signal?.throwIfAborted();
    throw error instanceof PolityError ? error : broken((error as Error).message, error);
  } finally {
    response.destroy();
  }
}

/** How often a durable run is looked for anew after an answer that broke off, and how long after. */
const lookAgainMax = 10;
const lookAgainMs = 500;

/** Another node, or this one in a moment, may know how it goes on. */
const isPassing = (error: unknown): boolean =>
  error instanceof PolityError && (error.retryable || error.code === 'OUTCOME_UNKNOWN');

async function* stepsOf(
  attempts: Attempts,
  wanted: Wanted,
  signal: AbortSignal | undefined,
): AsyncGenerator<StepReport, RunEnd, undefined> {
  const { again } = wanted;
  let now = wanted;
  let told = 0;
  for (let looks = 1; ; looks++) {
    // Who looks at a durable run anew is told it from its first step on.
    let seen = 0;
    try {
      for await (const line of linesFrom(attempts, now, signal)) {
        if ('begun' in line) {
          now = { ...wanted, call: again ?? wanted.call };
          continue;
        }
        if ('end' in line) {
          const gone = again !== null && looks < lookAgainMax ? passingEnd(line.end) : null;
          if (gone !== null) throw gone;
          return endOf(line.end);
        }
        if (++seen <= told) continue;
        told = seen;
        looks = 1;
        yield line.step;
      }
    } catch (error) {
      if (now !== wanted && error instanceof PolityError && error.code === 'NOT_FOUND')
        throw broken('it was forgotten before this program heard how it ended', error);
      if (again === null || looks >= lookAgainMax || error instanceof RunError || !isPassing(error)) throw error;
      attempts.next();
      await sleep(lookAgainMs, undefined, signal === undefined ? {} : { signal }).catch(() => signal?.throwIfAborted());
    }
  }
}

const passingCodes: readonly string[] = ['STOPPING', 'OVERLOADED', 'OUTCOME_UNKNOWN'];

/** The node that told it stops, cannot follow it any more, or takes this program for too slow: no end of the run. */
const passingEnd = (said: Record<string, unknown>): PolityError | null => {
  const isOfRun = said.end === true || said.failedStep !== null || said.tookMs !== 0;
  const why = isOfRun ? null : fromProblem(said.failed);
  return why !== null && passingCodes.includes(why.code) ? new PolityError(why) : null;
};

export const createRunsClient = (ports: {
  attempts: Attempts;
  run: (attempted: Attempted, options: CallOptions) => Promise<Record<string, unknown>>;
}): RunsClient => ({
  async *run(graph, options = {}) {
    const durable = durableOf(options);
    const again: Call | null = durable === null ? null : { method: 'GET', path: pathOf(durable.id) };
    const wanted = { call: callOf(graph, options), silenceMs: silenceOf(graph), again };
    return yield* stepsOf(ports.attempts, wanted, options.signal);
  },
  async *attach(id, { signal } = {}) {
    const call: Call = { method: 'GET', path: pathOf(id) };
    return yield* stepsOf(ports.attempts, { call, silenceMs: attachSilenceMs, again: call }, signal);
  },
  async cancel(id, options = {}) {
    const call: Call = { method: 'DELETE', path: pathOf(id) };
    await ports.run({ call: () => call, effect: false, repeatable: true }, options);
  },
  async checkRun(graph, options = {}) {
    const call = callOf(graph, {}, true);
    await ports.run({ call: () => call, effect: false, repeatable: true }, options);
  },
});
