// What a handler's end means to whoever called. A ServiceError says that nothing happened. Whatever else is thrown may have left half of
// something behind, and the caller is told that; how it came about is for the log of the node where it happened.
import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { CallContext } from '../../actors/service-api.ts';
import { type Failure, failure, PolityError } from '../../machines/errors.ts';
import { issuesOf } from './schema.ts';

const reasonCharsMax = 64;
const messageCharsMax = 1_024;
const leakedCharsMax = 256;
const detailsMax = 32;
const detailCharsMax = 1_024;

const reasonForm = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
/** Said by Polity about each refusal. */
const ours = ['reason', 'service', 'method', 'node', 'chain'];

const checkedDetails = (details: Readonly<Record<string, unknown>>): NonNullable<Failure['details']> => {
  const entries = Object.entries(details);
  if (entries.length > detailsMax) throw new TypeError(`a ServiceError has at most ${detailsMax} details`);
  for (const [name, value] of entries) {
    if (ours.includes(name)) throw new TypeError(`a ServiceError's detail may not be called ${name}`);
    const isPlain = value === null || typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value));
    if (!isPlain && !(typeof value === 'string' && value.length <= detailCharsMax))
      throw new TypeError(
        `a ServiceError's detail ${name} is a number, a boolean, null or a text of at most ${detailCharsMax} characters`,
      );
  }
  return details as NonNullable<Failure['details']>;
};

/**
 * A handler throws it to say: I do not do this, and nothing has happened. Whoever called gets SERVICE_REFUSED (definite, not to be
 * repeated) with `details.reason` and the details given here.
 */
export class ServiceError extends PolityError {
  readonly reason: string;

  /** `reason`: a word for programs, 1 to 64 of a-z A-Z 0-9 . _ - ('SOLD_OUT'). Throws a TypeError if it is none. */
  constructor(reason: string, message: string, details: Readonly<Record<string, string | number | boolean | null>> = {}) {
    if (typeof reason !== 'string' || reason.length > reasonCharsMax || !reasonForm.test(reason))
      throw new TypeError(`the reason of a ServiceError is a word of at most ${reasonCharsMax} characters`);
    super(failure('SERVICE_REFUSED', String(message).slice(0, messageCharsMax), { ...checkedDetails(details), reason }));
    this.name = 'ServiceError';
    this.reason = reason;
  }
}

type Where = Pick<CallContext, 'service' | 'method' | 'chain'> & { node: string };

const detailsOf = ({ service, method, node, chain }: Where): NonNullable<Failure['details']> => ({
  ...{ service, method, node, chain: chain.join(' > ') },
});

/** The first line: a stack, or a page of HTML, is nobody's business elsewhere. */
const said = (error: unknown): string => {
  const text = error instanceof Error ? error.message : typeof error === 'string' ? error : '';
  return (text.split('\n', 1)[0] ?? '').slice(0, leakedCharsMax);
};

/** `isCancelled`: the handler was told that nobody waits any more. */
export const failureOf = (error: unknown, where: Where, isCancelled: boolean): Failure => {
  const at = `${where.service}.${where.method}`;
  if (error instanceof ServiceError) {
    const { message, details } = error.failure;
    return failure('SERVICE_REFUSED', message, { ...details, ...detailsOf(where) });
  }
  if (isCancelled) return failure('CANCELLED', `${at} was given up`, detailsOf(where));
  const why = said(error);
  const told = `${at} failed at ${where.node}${why === '' ? '' : `: ${why}`}`;
  if (!(error instanceof PolityError)) return failure('SERVICE_FAILED', told, detailsOf(where));
  // A call within it: which error, and the whole way to where it came from.
  const { chain } = error.details;
  return failure('SERVICE_FAILED', `${at} failed at ${where.node}: ${error.code}: ${why}`, {
    ...detailsOf(where),
    ...{ cause: error.code, ...(typeof chain === 'string' ? { chain } : {}) },
  });
};

export const invalidInput = (issues: readonly StandardSchemaV1.Issue[], where: Where): Failure => {
  const { message, details } = issuesOf('input', issues);
  const { service, method, node } = where;
  return failure('INVALID_REQUEST', `${service}.${method}: ${message}`, { ...details, service, method, node });
};

export const invalidOutput = (issues: readonly StandardSchemaV1.Issue[], where: Where): Failure => {
  const { message } = issuesOf('output', issues);
  return failure(
    'SERVICE_FAILED',
    `${where.service}.${where.method} gave what it does not promise: ${message}`,
    detailsOf(where),
  );
};
