// Calls of services by a program that is no member, over the HTTP of any node: that node finds who executes them.
import type { StrategyName } from '../../machines/balancer/index.ts';
import type { Importance } from '../../machines/bulkhead/index.ts';
import { failure } from '../../machines/errors.ts';
import { fromProblem, PolityError } from '../errors.ts';
import { plainOf } from '../replica-json.ts';
import { jsonOfValue } from '../service-json.ts';
import { type Attempted, type Attempts, failureOfAnswer, jsonOf } from './attempts.ts';
import { isFields } from './entry.ts';
import { type Call, collect, NoAnswer } from './http.ts';
import { linesOf } from './lines.ts';
import { encode, invalid, queryOf } from './query.ts';

export type ServiceCallOptions = {
  /** 1 to 60 000, default 30 000: for the whole call, at whatever nodes. */
  timeoutMs?: number;
  signal?: AbortSignal;
  /** A semver range; absent: the newest release. */
  version?: string;
  /** Only at this node, by name. */
  node?: string;
  strategy?: StrategyName;
  /** What the strategy 'sticky' keeps together. */
  key?: string;
  importance?: Importance;
  /** For whom. */
  principal?: string;
  /** The same id twice has one effect at the node that executes it. */
  requestId?: string;
  /** Twice is the same as once: the call is put to another node if an answer is lost. */
  idempotent?: boolean;
};

export interface CallsClient {
  /** `input` and the result are plain data. Rejects with a PolityError, an aborted call with its signal's reason. */
  call(service: string, method: string, input?: unknown, options?: ServiceCallOptions): Promise<unknown>;
  /** Items of a method whose result is a stream, as fast as they are taken. The call is made when the first is asked for. */
  stream(
    service: string,
    method: string,
    input?: unknown,
    options?: ServiceCallOptions,
  ): AsyncGenerator<unknown, void, undefined>;
}

const timeoutMsDefault = 30_000;
const timeoutMsMax = 60_000;
/** Beyond the call's own time, for its last words to arrive. */
const marginMs = 2_500;
const lineBytesMax = 4 << 20;

const requestOf = (
  service: string,
  method: string,
  input: unknown,
  { version, node, strategy, key, importance, principal, requestId }: ServiceCallOptions,
  more: Record<string, string>,
): ((timeLimitMs: number) => Call) => {
  const text = jsonOfValue(input);
  if (text === null) throw invalid(`the input of ${service}.${method} is no plain data`);
  const body = new TextEncoder().encode(text);
  const path = `/v1/services/${encode('the service', service)}/${encode('the method', method)}`;
  const encoded = (name: string, value: string | undefined) => (value === undefined ? undefined : encode(name, value));
  const parameters = {
    ...{ version: encoded('the version', version), node: encoded('the node', node), strategy, importance },
    ...{ key: encoded('the key', key), ...more },
  };
  const headers = {
    ...(principal === undefined ? {} : { 'polity-principal': principal }),
    ...(requestId === undefined ? {} : { 'idempotency-key': requestId }),
  };
  return (timeLimitMs) => ({
    ...{ method: 'POST', headers, body },
    path: `${path}${queryOf({ ...parameters, 'timeout-ms': timeLimitMs })}`,
  });
};

const timeoutOf = ({ timeoutMs = timeoutMsDefault }: ServiceCallOptions): number => {
  if (timeoutMs >= 1 && timeoutMs <= timeoutMsMax) return timeoutMs;
  throw invalid(`timeoutMs must be from 1 to ${timeoutMsMax}`);
};

const broken = (why: string, cause?: unknown): PolityError =>
  new PolityError(failure('OUTCOME_UNKNOWN', `the stream broke off: ${why}`), { cause });

/** The item of a line; null: it was the last one. Throws what the stream failed with. */
const itemOf = (line: Buffer): { item: unknown } | null => {
  const said = jsonOf(line);
  if (!isFields(said)) throw broken('a line is not ours');
  if (said.end === true) return null;
  if ('failed' in said) throw new PolityError(fromProblem(said.failed) ?? failure('INTERNAL', 'the stream failed'));
  return { item: plainOf(said.item) };
};

export const createCallsClient = (ports: {
  attempts: Attempts;
  run: (attempted: Attempted, limits: { timeoutMs: number; signal?: AbortSignal }) => Promise<Uint8Array>;
}): CallsClient => ({
  async call(service, method, input, options = {}) {
    const call = requestOf(service, method, input, options, {});
    const { signal, idempotent = false } = options;
    const limits = { timeoutMs: timeoutOf(options), ...(signal === undefined ? {} : { signal }) };
    const bytes = await ports.run({ call, effect: true, repeatable: idempotent, isWhole: true }, limits);
    return plainOf(jsonOf(bytes));
  },
  async *stream(service, method, input, options = {}) {
    const timeoutMs = timeoutOf(options);
    const call = requestOf(service, method, input, options, { stream: 'true' })(timeoutMs);
    const { signal } = options;
    const { wire } = ports.attempts;
    signal?.throwIfAborted();
    const limitMs = timeoutMs + marginMs;
    const response = await wire.open(call, limitMs, limitMs, signal).catch((error: unknown) => {
      signal?.throwIfAborted();
      if (error instanceof NoAnswer && error.sent) throw broken(error.message, error);
      throw new PolityError(failure('UNREACHABLE', (error as Error).message), { cause: error });
    });
    try {
      if (response.statusCode !== 200) {
        const answer = { status: response.statusCode!, headers: response.headers, bytes: await collect(response) };
        throw new PolityError(failureOfAnswer(answer, wire.base.origin));
      }
      for await (const line of linesOf(response, lineBytesMax, () => broken('an item is too large'))) {
        const said = itemOf(line);
        if (said === null) return;
        yield said.item;
      }
      throw broken('it ended without a last word');
    } catch (error) {
      signal?.throwIfAborted();
      throw error instanceof PolityError ? error : broken((error as Error).message, error);
    } finally {
      response.destroy();
    }
  },
});
