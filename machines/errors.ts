// The one table of errors that a user of Polity can see. Code, HTTP status, and the two questions every error answers:
// may I retry (`retryable`), and did it surely not happen (`definite`)? Docs and types are checked against this table.

type ErrorRow = { status: number; retryable: boolean; definite: boolean; title: string };

export const errorTable = {
  INVALID_REQUEST: { status: 400, retryable: false, definite: true, title: 'The request is malformed' },
  UNAUTHORIZED: { status: 401, retryable: false, definite: true, title: 'A valid token is required' },
  FORBIDDEN: { status: 403, retryable: false, definite: true, title: 'This host, origin or principal is not allowed' },
  NOT_FOUND: { status: 404, retryable: false, definite: true, title: 'There is no such resource' },
  KEY_NOT_FOUND: { status: 404, retryable: false, definite: true, title: 'The key does not exist' },
  GROUP_NOT_FOUND: { status: 404, retryable: false, definite: true, title: 'This cluster has no such group' },
  SERVICE_NOT_FOUND: { status: 404, retryable: true, definite: true, title: 'No node offers this service in that version' },
  METHOD_NOT_FOUND: { status: 404, retryable: false, definite: true, title: 'The service has no such method' },
  ACTOR_NOT_FOUND: { status: 404, retryable: true, definite: true, title: 'No node hosts actors of this type' },
  ACTOR_STOPPED: { status: 410, retryable: false, definite: true, title: 'The actor has ended' },
  ACTOR_VERSION: { status: 409, retryable: false, definite: true, title: 'No path leads from the version of its state' },
  ACTOR_REFUSED: { status: 422, retryable: false, definite: false, title: 'The actor handled the event and refused an answer' },
  MAILBOX_FULL: { status: 429, retryable: true, definite: true, title: 'Too many events wait for the actor' },
  ACTOR_FAILED: { status: 500, retryable: false, definite: false, title: 'The actor failed while it handled the event' },
  ACTOR_DIVERGED: { status: 500, retryable: false, definite: true, title: 'Replicas of the actor differ, it was stopped' },
  QUEUE_NOT_FOUND: { status: 404, retryable: false, definite: true, title: 'The group has no such queue' },
  MEMBER_NOT_FOUND: { status: 404, retryable: false, definite: true, title: 'There is no such member' },
  METHOD_NOT_ALLOWED: { status: 405, retryable: false, definite: true, title: 'The method is not allowed here' },
  ALREADY_MEMBER: { status: 409, retryable: false, definite: true, title: 'The node is already a member of the group' },
  LOCK_HELD: { status: 409, retryable: true, definite: true, title: 'Somebody else holds the lock' },
  LEASE_NOT_FOUND: { status: 404, retryable: false, definite: true, title: 'The lease does not exist or has expired' },
  QUEUE_NOT_EMPTY: { status: 409, retryable: false, definite: true, title: 'The queue has messages' },
  RECONFIGURATION_PENDING: { status: 409, retryable: true, definite: true, title: 'Another reconfiguration is under way' },
  COMPACTED: { status: 410, retryable: false, definite: true, title: 'The history from that index is gone' },
  CAS_MISMATCH: { status: 412, retryable: false, definite: true, title: 'The condition does not hold' },
  FENCED: { status: 412, retryable: false, definite: true, title: 'The fencing token is no longer the current one' },
  RECEIPT_EXPIRED: { status: 412, retryable: false, definite: true, title: 'The message is no longer out under this receipt' },
  TOO_LARGE: { status: 413, retryable: false, definite: true, title: 'The key or value is too large' },
  IDEMPOTENCY_CONFLICT: {
    status: 422,
    retryable: false,
    definite: true,
    title: 'The idempotency key was used with another request',
  },
  SERVICE_REFUSED: { status: 422, retryable: false, definite: true, title: 'The service refused the request' },
  OVERLOADED: { status: 429, retryable: true, definite: true, title: 'The node is too busy to take this request' },
  RATE_LIMITED: { status: 429, retryable: true, definite: true, title: 'The caller has used up his calls for now' },
  CANCELLED: { status: 499, retryable: false, definite: false, title: 'The caller gave up' },
  INTERNAL: { status: 500, retryable: false, definite: false, title: 'A fault in Polity' },
  SERVICE_FAILED: {
    status: 500,
    retryable: false,
    definite: false,
    title: 'The service failed while it worked on the request',
  },
  GRAPH_FAILED: {
    status: 500,
    retryable: false,
    definite: false,
    title: 'A step of the graph failed after others had happened',
  },
  UNREACHABLE: { status: 503, retryable: true, definite: true, title: 'No node can be reached' },
  BREAKER_OPEN: { status: 503, retryable: true, definite: true, title: 'The node failed too often and is left alone' },
  NO_QUORUM: { status: 503, retryable: true, definite: true, title: 'No quorum can be reached' },
  NOT_READY: { status: 503, retryable: true, definite: true, title: 'The node is not ready' },
  STOPPING: { status: 503, retryable: true, definite: true, title: 'The node is stopping' },
  STORAGE_FAILED: { status: 503, retryable: false, definite: false, title: 'The disk refused a write' },
  IDENTITY_LOST: { status: 503, retryable: false, definite: true, title: 'The node lost its disk and must be added anew' },
  BUILD_TOO_OLD: { status: 503, retryable: true, definite: true, title: 'A node runs a build that is too old for the group' },
  NOT_ACKNOWLEDGED: {
    status: 504,
    retryable: false,
    definite: false,
    title: 'Published, but not acknowledged by enough in time',
  },
  OUTCOME_UNKNOWN: { status: 504, retryable: false, definite: false, title: 'Not known whether it happened' },
  DEADLINE_EXCEEDED: { status: 504, retryable: true, definite: true, title: 'Time ran out before it began' },
  LOOP_DETECTED: {
    status: 508,
    retryable: false,
    definite: true,
    title: 'The call went in a circle or through too many nodes',
  },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof errorTable;

/** An error as plain data: travels in messages and becomes an exception or an HTTP problem at the edge. */
export type Failure = {
  code: ErrorCode;
  /** What went wrong, for a person; names the address and the node where it is known. */
  message: string;
  /** Extra facts, plain data: the current index at a mismatch, the smallest index kept at COMPACTED. */
  details?: Record<string, string | number | boolean | null>;
};

export const failure = (code: ErrorCode, message: string, details?: Failure['details']): Failure =>
  details === undefined ? { code, message } : { code, message, details };

/**
 * What was thrown, or something in its place that can be looked at: a program may throw what has no text, or throws itself when it is read,
 * and whoever has to tell of it must not break over that.
 */
export const readable = (thrown: unknown): unknown => {
  try {
    const { message, stack } = thrown instanceof Error ? thrown : { message: String(thrown), stack: '' };
    return typeof message === 'string' && (stack === undefined || typeof stack === 'string')
      ? thrown
      : new Error(String(message));
  } catch {
    return new Error('what was thrown cannot be read');
  }
};

const reasonCharsMax = 1_000;

/** A line for people. What was written down since it was thrown is no Error any more, and has its name and message still. */
export const reasonOf = (thrown: unknown, charsMax = reasonCharsMax): string => {
  try {
    const shown = readable(thrown);
    const { name, message } = (typeof shown === 'object' && shown !== null ? shown : {}) as {
      name?: unknown;
      message?: unknown;
    };
    const text = typeof message === 'string' ? `${typeof name === 'string' ? name : 'Error'}: ${message}` : String(shown);
    return text.slice(0, charsMax);
  } catch {
    return 'what was thrown cannot be read';
  }
};

/** What every rejected promise of the public API carries: which error, may I retry, did it surely not happen? */
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
