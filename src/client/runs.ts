// Graphs of calls run by a program that is no member, over the HTTP of any node: that node runs them, and tells each step as it ends.
import type { IncomingMessage } from 'node:http';
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
   * It is begun at one node, once. Who stops looking gives it up.
   */
  run(graph: Graph, options?: RunOptions): AsyncGenerator<StepReport, RunEnd, undefined>;
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

const callOf = (graph: Graph, { principal }: RunOptions, isCheck = false): Call => ({
  ...{ method: 'POST', path: isCheck ? '/v1/run?check=true' : '/v1/run', body: new TextEncoder().encode(textOf(graph)) },
  ...(principal === undefined ? {} : { headers: { 'polity-principal': principal } }),
});

const silenceOf = ({ timeoutMs, compensateMs }: Graph): number =>
  (timeoutMs ?? graphLimits.timeoutMsDefault) + (compensateMs ?? graphLimits.compensateMsDefault) + marginMs;

const endOf = (said: Record<string, unknown>): RunEnd => {
  if (said.end === true) return { tookMs: Number(said.tookMs) };
  const why = fromProblem(said.failed) ?? failure('INTERNAL', 'the run failed');
  const notUndone = Array.isArray(said.notUndone) ? said.notUndone.map(String) : [];
  throw new RunError(why, typeof said.failedStep === 'string' ? said.failedStep : null, notUndone);
};

/** At the first node that can be reached: one that may have heard of the run is not followed by another. */
const open = async (
  attempts: Attempts,
  call: Call,
  silenceMs: number,
  signal: AbortSignal | undefined,
): Promise<IncomingMessage> => {
  for (let tried = 1; ; tried++) {
    signal?.throwIfAborted();
    try {
      return await attempts.wire.open(call, beginMs, silenceMs, signal);
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof NoAnswer && error.sent) throw broken(error.message, error);
      if (tried === attempts.count) throw new PolityError(failure('UNREACHABLE', (error as Error).message), { cause: error });
      attempts.next();
    }
  }
};

export const createRunsClient = (ports: {
  attempts: Attempts;
  run: (attempted: Attempted, options: CallOptions) => Promise<Record<string, unknown>>;
}): RunsClient => ({
  async *run(graph, options = {}) {
    const { signal } = options;
    const response = await open(ports.attempts, callOf(graph, options), silenceOf(graph), signal);
    try {
      if (response.statusCode !== 200) {
        const answer = { status: response.statusCode!, headers: response.headers, bytes: await collect(response) };
        throw new PolityError(failureOfAnswer(answer, ports.attempts.wire.base.origin));
      }
      for await (const line of linesOf(response, lineBytesMax, () => broken('a line is too long'))) {
        const said = jsonOf(line);
        if (!isFields(said)) throw broken('a line is not ours');
        if (typeof said.step !== 'string') return endOf(said);
        yield plainOfLine(said) as unknown as StepReport;
      }
      throw broken('it ended without a last word');
    } catch (error) {
      signal?.throwIfAborted();
      throw error instanceof PolityError ? error : broken((error as Error).message, error);
    } finally {
      response.destroy();
    }
  },
  async checkRun(graph, options = {}) {
    const call = callOf(graph, {}, true);
    await ports.run({ call: () => call, effect: false, repeatable: true }, options);
  },
});
