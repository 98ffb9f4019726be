// Answers reads from what is applied. Log time counts: what has expired by a wall clock but not by the log is still there.
import { isQueueReadOp, queryQueues } from '../queue/index.ts';
import type { QueueRead } from '../queue/types.ts';
import { limits } from '../wire/limits.ts';
import { decodeValue, nameOf, valueKey, valueRange } from './keyspace.ts';
import { isReserved, reservedPrefix } from './reserved.ts';
import type { RegisterState } from './state.ts';
import { isTopicRead, queryTopics } from './topic/read.ts';
import type { TopicRead } from './topic/types.ts';
import type { KeyspaceReader, KeyValue, RegisterOutcome, RegisterRead, RegisterResult } from './types.ts';

export type ListRequest = Extract<RegisterRead, { op: 'list' }>;
export type PointRequest = Exclude<RegisterRead, { op: 'list' }>;

const keyValue = (key: string, record: Uint8Array): KeyValue => ({ key, ...decodeValue(record) });

/** `appliedIndex` is what the answer is as of. The value is a view of what `read` returned. */
export const query = (
  state: RegisterState,
  read: KeyspaceReader,
  request: PointRequest,
  appliedIndex: number,
): RegisterOutcome =>
  isQueueRead(request)
    ? queryQueues(state.queues, read, request, appliedIndex)
    : isTopicRead(request)
      ? queryTopics(state.topics, read, request, appliedIndex)
      : { ok: true, result: answer(state, read, request, appliedIndex) };

const isQueueRead = (request: PointRequest): request is QueueRead => isQueueReadOp(request.op);

const answer = (
  state: RegisterState,
  read: KeyspaceReader,
  request: Exclude<PointRequest, QueueRead | TopicRead>,
  index: number,
): RegisterResult => {
  switch (request.op) {
    case 'get': {
      const record = read(valueKey(request.key));
      return { op: 'get', found: record === undefined ? null : keyValue(request.key, record), index };
    }
    case 'lock-get': {
      const lock = state.locks.get(request.lock);
      const holder = lock === undefined ? null : { owner: lock.owner, lease: lock.lease, token: { ...lock.token } };
      return { op: 'lock-get', holder, index };
    }
    case 'lease-get': {
      const lease = state.leases.get(request.lease);
      return {
        op: 'lease-get',
        lease: lease === undefined ? null : { ttlMs: lease.ttlMs, expiresAtMs: lease.expiresAtMs },
        index,
      };
    }
  }
};

/** What to read from the keyspace for a list: one more than asked for, to know whether there is more. */
export const listRange = (request: ListRequest): { gte: Uint8Array; lt: Uint8Array; limit: number; limitBytes: number } => ({
  ...valueRange(request.prefix, request.after ?? null),
  limit: Math.min(request.limit, limits.listItemsMax) + 1,
  limitBytes: limits.listBytesMax,
});

/** Polity's own keys lie beside each other: whoever reads a list and meets one (`reservedAt`, or -1) goes on here. */
export const behindReserved: Uint8Array = valueRange(reservedPrefix, null).lt;

export const reservedAt = ({ prefix }: ListRequest, records: readonly (readonly [Uint8Array, Uint8Array])[]): number =>
  isReserved(prefix) ? -1 : records.findIndex(([key]) => isReserved(nameOf(key)));

/**
 * `complete` is false where the page was cut by its bytes. Since a store cuts only "about" there, a page from half of that size on
 * says `more` by itself; a next page that is empty then does no harm.
 */
export const listResult = (
  request: ListRequest,
  records: readonly (readonly [Uint8Array, Uint8Array])[],
  appliedIndex: number,
  complete = true,
): RegisterOutcome => {
  const limit = Math.min(request.limit, limits.listItemsMax);
  const items: KeyValue[] = [];
  let bytes = 0;
  let more = false;
  for (const [key, record] of records) {
    bytes += key.byteLength + record.byteLength;
    const name = nameOf(key);
    if (isReserved(name) && !isReserved(request.prefix)) continue;
    if (items.length < limit) items.push(keyValue(name, record));
    else more = true;
  }
  more ||= !complete || bytes >= limits.listBytesMax / 2;
  return { ok: true, result: { op: 'list', items, more, index: appliedIndex } };
};
