// A failure at the edge: an exception for whoever embeds or calls Polity, an RFC 9457 problem for whoever speaks HTTP. Both answer
// the same three questions: which error, may I retry, did it surely not happen? Imports nothing but the table: clients load it.
import { type ErrorCode, errorTable, type Failure, failure } from '../machines/errors.ts';

export { type ErrorCode, type Failure, failure, PolityError, readable } from '../machines/errors.ts';

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
