// What may be asked of queues without changing them. As of the applied entries: what has come into sight by a wall clock but not by
// the log is still out of sight.
import { type Failure, failure } from '../errors.ts';
import { requireRegister } from '../register/state.ts';
import type { KeyspaceReader } from '../register/types.ts';
import { limits } from '../wire/limits.ts';
import { bodyKey } from './records.ts';
import { placeOf, type Queue, type Queues } from './state.ts';
import type { DeadLetter, QueueRead, QueueReadResult, QueueStats } from './types.ts';

type ReadOutcome = { ok: true; result: QueueReadResult } | { ok: false; failure: Failure };

/** Messages that a receive would be given now. */
export const freeIn = (queues: Queues, queue: string): number => queues.byName.get(queue)?.freeCount ?? 0;

const statsOf = ({ name, options, counts, bytes, first }: Queue): QueueStats => ({
  ...{ queue: name, options: { ...options }, ...counts, bytes },
  oldestMs: first === null ? null : first.sentMs,
});

export const queryQueues = (queues: Queues, read: KeyspaceReader, request: QueueRead, index: number): ReadOutcome => {
  if (request.op === 'queue-list') return { ok: true, result: listed(queues, request, index) };
  const queue = queues.byName.get(request.queue);
  if (queue === undefined) {
    const name = request.queue.length > 100 ? `${request.queue.slice(0, 100)}…` : request.queue;
    return { ok: false, failure: failure('QUEUE_NOT_FOUND', `there is no queue '${name}'`) };
  }
  if (request.op === 'queue-stats') return { ok: true, result: { op: 'queue-stats', stats: statsOf(queue), index } };
  return { ok: true, result: letters(queues, queue, read, request, index) };
};

const listed = (queues: Queues, { after, limit }: Extract<QueueRead, { op: 'queue-list' }>, index: number): QueueReadResult => {
  const names = [...queues.byName.keys()].filter((name) => after === undefined || name > after).sort();
  const page = names.slice(0, limit).map((name) => statsOf(queues.byName.get(name)!));
  return { op: 'queue-list', queues: page, more: names.length > page.length, index };
};

/** A page ends early where it has the bytes of a list. */
const letters = (
  queues: Queues,
  queue: Queue,
  read: KeyspaceReader,
  { after, limit }: Extract<QueueRead, { op: 'queue-dead' }>,
  index: number,
): QueueReadResult => {
  const found: DeadLetter[] = [];
  let place = after === undefined ? 0 : placeOf(queue.dead, after + 1);
  for (let bytes = 0; place < queue.dead.length && found.length < limit && bytes < limits.listBytesMax; place++) {
    const id = queue.dead[place]!;
    const message = queues.messages.get(id);
    const body = read(bodyKey(id));
    requireRegister(message !== undefined && body !== undefined, 'BODY_EXISTS', `dead letter ${id} is not in the keyspace`);
    const { line, sentMs, deliveries, reason } = message;
    found.push({ message: id, body, ordering: line?.ordering ?? null, sentMs, deliveries, reason });
    bytes += body.byteLength;
  }
  return { op: 'queue-dead', letters: found, more: place < queue.dead.length, index };
};
