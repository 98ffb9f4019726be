// A call on a cluster over HTTP: tried on one node after the other until it is decided or its time is over, where machines/attempts.ts
// says that it is safe.
import * as rule from '../../machines/attempts.ts';
import { type Failure, failure } from '../../machines/errors.ts';
import { fromProblem, PolityError } from '../errors.ts';
import { type Answered, type Call, NoAnswer, type Wire } from './http.ts';

export type CallLimits = {
  /** Milliseconds for the whole call, all attempts together. */
  timeoutMs: number;
  signal?: AbortSignal;
};

export type Attempted = rule.Attempted & {
  /** `timeLimitMs`: what the node should be told to take at most. */
  call: (timeLimitMs: number) => Call;
  /** One node may take all of the time: work that takes its time is not to be begun at another meanwhile. */
  isWhole?: boolean;
};

const decoder = new TextDecoder();

export const jsonOf = (bytes: Uint8Array): unknown => {
  try {
    return JSON.parse(decoder.decode(bytes)) as unknown;
  } catch {
    return null;
  }
};

/** What an answer that is no success says; an answer that is not ours came from something between us and the node. */
export const failureOfAnswer = ({ status, bytes }: Answered, at: string): Failure => {
  const known = fromProblem(jsonOf(bytes));
  if (known !== null) return known;
  if (status === 502 || status === 503) return failure('UNREACHABLE', `${at} answered ${status}, but not in Polity's words`);
  if (status === 504) return failure('OUTCOME_UNKNOWN', `${at} answered 504, but not in Polity's words`);
  return failure('INTERNAL', `${at} answered ${status}, but not in Polity's words`);
};

export const sleep = (delayMs: number, signal: AbortSignal | undefined): Promise<void> =>
  new Promise((resolve) => {
    if (signal?.aborted === true) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, delayMs);
    signal?.addEventListener('abort', done, { once: true });
  });

export const backoffMs = (round: number): number => rule.backoffMs(round, Math.random());

/** A function, since an abort between two looks is news to the compiler. */
const isAborted = (signal: AbortSignal | undefined): signal is AbortSignal => signal?.aborted === true;

export class Attempts {
  readonly #wires: readonly Wire[];
  readonly #roundsMax: number;
  /** Where the next call begins: the node that answered last. */
  #at = 0;

  constructor(wires: readonly Wire[], roundsMax: number) {
    this.#wires = wires;
    this.#roundsMax = roundsMax;
  }

  get wire(): Wire {
    return this.#wires[this.#at]!;
  }

  /** Goes on with another node. */
  next(): void {
    this.#at = (this.#at + 1) % this.#wires.length;
  }

  get count(): number {
    return this.#wires.length;
  }

  async run(attempted: Attempted, { timeoutMs, signal }: CallLimits): Promise<Answered> {
    const deadlineMs = performance.now() + timeoutMs;
    const attemptMs = attempted.isWhole === true ? timeoutMs : rule.attemptMsOf(timeoutMs, this.#wires.length);
    let last = failure('UNREACHABLE', 'there was no time for an attempt');
    let cause: unknown;
    /** What a node said last. More worth telling than that the last bit of time was too short for another answer. */
    let said: Failure | null = null;
    /** An attempt may have had its effect. */
    let lost = false;
    for (let attempt = 1; ; attempt++) {
      if (isAborted(signal)) throw cancelled(signal, lost);
      const timeLimitMs = Math.min(attemptMs, deadlineMs - performance.now());
      if (timeLimitMs < 1) throw ended(said ?? last, lost, cause);
      const result = await this.#attempt(attempted, Math.ceil(timeLimitMs), signal);
      if ('answered' in result) return result.answered;
      if (isAborted(signal)) throw cancelled(signal, lost || (attempted.effect && result.sent));
      ({ last, cause } = { last: result.why, cause: result.cause });
      if (result.cause === undefined) said = last;
      const { isInDoubt, mayTryAgain } = rule.afterAttempt(attempted, { code: last.code, sent: result.sent }, lost);
      lost = isInDoubt;
      if (!mayTryAgain) throw ended(said ?? last, lost, cause);
      this.next();
      const round = Math.floor(attempt / this.#wires.length);
      if (round >= this.#roundsMax) throw ended(said ?? last, lost, cause);
      if (attempt % this.#wires.length === 0)
        await sleep(Math.min(backoffMs(round - 1), Math.max(0, deadlineMs - performance.now())), signal);
    }
  }

  async #attempt(
    { call }: Attempted,
    timeLimitMs: number,
    signal: AbortSignal | undefined,
  ): Promise<{ answered: Answered } | { why: Failure; sent: boolean; cause?: unknown }> {
    try {
      const answered = await this.wire.ask(call(rule.nodeMsOf(timeLimitMs)), timeLimitMs, signal);
      if (answered.status >= 200 && answered.status < 300) return { answered };
      return { why: failureOfAnswer(answered, this.wire.base.origin), sent: true };
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      return { why: failure('UNREACHABLE', error.message), sent: error.sent, cause: error };
    }
  }
}

const ended = (last: Failure, lost: boolean, cause: unknown): PolityError =>
  new PolityError(rule.endOfCall(last, lost), { cause });

/** What was surely not done is cancelled with the caller's own reason. */
const cancelled = (signal: AbortSignal, lost: boolean): unknown =>
  lost
    ? new PolityError(failure('OUTCOME_UNKNOWN', 'cancelled while it may have happened'), { cause: signal.reason })
    : signal.reason;
