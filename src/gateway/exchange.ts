// One request and its one answer. Whoever answers first wins; what comes later is dropped, so a handler may be late, a client gone
// or the node silent without a second answer or none.
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Failure, failure } from '../../machines/errors.ts';
import { limits } from '../../machines/wire/limits.ts';
import { PolityError, type Problem, problemMediaType, toProblem } from '../errors.ts';
import type { RouteMetrics } from '../metrics.ts';
import type { Query } from './query.ts';

/** As bytes: to a text, fastify would add a charset, which RFC 9457's media type does not have. */
export const problemBody = (problem: Problem): Buffer => Buffer.from(JSON.stringify(problem));

const jsonMediaType = 'application/json; charset=utf-8';

export class Exchange {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly #metrics: RouteMetrics;
  readonly #startMs: number;
  /** Bytes that the body may take, as far as known. */
  readonly bytes: number;
  /** Monotonic; the node itself should have answered by then. Infinity while nothing was asked of it. */
  overdueAtMs = Number.POSITIVE_INFINITY;
  /** What was asked of the node has an effect, so its silence is an unknown outcome. */
  effect = false;
  answered = false;
  /** Told once, when the answer is given. */
  onAnswered: () => void = () => {};

  constructor(request: FastifyRequest, reply: FastifyReply, metrics: RouteMetrics, bytes: number) {
    this.request = request;
    this.reply = reply;
    this.#metrics = metrics;
    this.#startMs = performance.now();
    this.bytes = bytes;
  }

  get url(): string {
    return this.request.raw.url ?? '/';
  }

  get body(): Uint8Array {
    const { body } = this.request;
    return body instanceof Uint8Array ? body : new Uint8Array(0);
  }

  /** Marks the answer as given and counts it; false if there was one already. */
  claim(status: number): boolean {
    if (this.answered) return false;
    this.answered = true;
    this.onAnswered();
    this.#metrics.observe(status, (performance.now() - this.#startMs) / 1_000);
    return true;
  }

  /** `text` is JSON already. */
  json(text: string, status = 200): void {
    if (this.claim(status)) this.reply.code(status).header('content-type', jsonMediaType).send(text);
  }

  send(status: number, headers: Record<string, string>, body: string | Buffer): void {
    if (this.claim(status)) this.reply.code(status).headers(headers).send(body);
  }

  problem(why: Failure, headers: Record<string, string> = {}): void {
    const problem = toProblem(why, this.url.split('?', 1)[0]);
    if (!this.claim(problem.status)) return;
    if (problem.status === 401) this.reply.header('www-authenticate', 'Bearer');
    if (problem.code === 'OVERLOADED') this.reply.header('retry-after', '1');
    this.reply.code(problem.status).headers(headers).header('content-type', problemMediaType).send(problemBody(problem));
  }

  /** What a handler threw: ours says what is wrong, anything else is a fault of the gateway. */
  thrown(error: unknown): unknown {
    if (error instanceof PolityError) {
      this.problem(error.failure);
      return null;
    }
    this.problem(failure('INTERNAL', 'the gateway failed on this request; the log says why'));
    return error;
  }

  /** The node did not answer in its own time: say what is known. */
  overdue(): void {
    this.problem(
      this.effect
        ? failure('OUTCOME_UNKNOWN', 'the node did not answer in time; it may have happened')
        : failure('NO_QUORUM', 'the node did not answer in time'),
    );
  }

  /** The whole body as a JSON object with only `known` fields; an absent body is an empty object. */
  fields<Name extends string>(known: readonly Name[]): Partial<Record<Name, unknown>> {
    const refuse = (message: string): never => {
      throw new PolityError(failure('INVALID_REQUEST', message));
    };
    if (this.body.byteLength === 0) return {};
    let value: unknown;
    try {
      value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(this.body));
    } catch {
      return refuse('the body is not JSON');
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return refuse('the body must be a JSON object');
    for (const name of Object.keys(value))
      if (!known.some((one) => one === name)) refuse(`there is no field '${name.slice(0, 40)}'; there is ${known.join(', ')}`);
    return value;
  }
}

export const callParameters = ['group', 'timeout-ms'] as const;

/** Group and time limit, which every call on a group takes. */
export const callOptionsOf = (query: Query): { group?: string; timeoutMs: number } => {
  const group = query.text('group');
  const timeoutMs = query.count('timeout-ms', 1, limits.callTimeoutMsMax) ?? limits.callTimeoutMsDefault;
  return group === undefined ? { timeoutMs } : { group, timeoutMs };
};
