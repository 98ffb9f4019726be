// A failure at the edge: an exception for whoever embeds or calls Polity, an RFC 9457 problem for whoever speaks HTTP. Both answer
// the same three questions: which error, may I retry, did it surely not happen? Imports nothing but the table: clients load it.
import { type ErrorCode, errorTable, type Failure, failure } from '../machines/errors.ts';

export type { ErrorCode, Failure } from '../machines/errors.ts';

/** What every rejected promise of the public API carries. */
export class PolityError extends Error {
  readonly code: ErrorCode;
  /** The HTTP status that stands for the code. */
  readonly status: number;
  /** The same request may succeed later. */
  readonly retryable: boolean;
  /** True: it surely had no effect. False: it may have happened. */
  readonly definite: boolean;
  readonly details: NonNullable<Failure['details']>;

  constructor(why: Failure, options?: { cause?: unknown }) {
    super(why.message, options);
    this.name = 'PolityError';
    const row = errorTable[why.code];
    this.code = why.code;
    this.status = row.status;
    this.retryable = row.retryable;
    this.definite = row.definite;
    this.details = why.details ?? {};
  }

  get failure(): Failure {
    return failure(this.code, this.message, this.details);
  }
}

export const problemMediaType = 'application/problem+json';

/** RFC 9457 §3.1, with our extension members. */
export type Problem = {
  type: string;
  title: string;
  status: number;
  detail: string;
  instance?: string;
  code: ErrorCode;
  retryable: boolean;
  definite: boolean;
  details?: NonNullable<Failure['details']>;
};

/** `instance`: the path of the request, where there is one. */
export const toProblem = (why: Failure, instance?: string): Problem => {
  const { status, title, retryable, definite } = errorTable[why.code];
  return {
    type: `urn:polity:error:${why.code}`,
    title,
    status,
    detail: why.message,
    ...(instance === undefined ? {} : { instance }),
    ...{ code: why.code, retryable, definite },
    ...(why.details === undefined ? {} : { details: why.details }),
  };
};

const isDetails = (value: unknown): value is NonNullable<Failure['details']> =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  Object.values(value).every((one) => one === null || ['string', 'number', 'boolean'].includes(typeof one));

/** The failure in a problem that came over HTTP, or null if it is none of ours (a proxy's page, say). */
export const fromProblem = (value: unknown): Failure | null => {
  if (typeof value !== 'object' || value === null) return null;
  const { code, detail, details } = value as Record<string, unknown>;
  if (typeof code !== 'string' || !Object.hasOwn(errorTable, code)) return null;
  const known = code as ErrorCode;
  const message = typeof detail === 'string' ? detail : errorTable[known].title;
  return isDetails(details) ? failure(known, message, details) : failure(known, message);
};
