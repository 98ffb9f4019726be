// What a group keeps in memory of its queues: where every message stands, never its body. All of it can be rebuilt from the records
// (restore.ts). Every step costs the logarithm of what waits, whatever else is in the queue.
import { createExpiries, type Expiries, schedule, unschedule } from '../register/expiry.ts';
import type { FencingToken } from '../register/types.ts';
import { type QueueBounds, queueLimits } from './limits.ts';
import { peek, pop, push } from './order.ts';
import type { QueueOptions } from './types.ts';

/** 'delayed' comes into sight at its time; 'out' is with a receiver until its time; 'dead' waits for a person. */
export type Standing = 'ready' | 'delayed' | 'out' | 'dead';

export type Message = {
  readonly id: number;
  readonly queue: Queue;
  /** With the others of its ordering key; null: it has none. */
  readonly line: Line | null;
  readonly sentMs: number;
  readonly bytes: number;
  standing: Standing;
  deliveries: number;
  /** When it comes into sight; 0 unless delayed or out. */
  atMs: number;
  /** Of whoever has it; null unless out. */
  token: FencingToken | null;
  reason: string | null;
  /** A receive may have it now. */
  isFree: boolean;
  /** Its number is in `queue.free`, perhaps from an earlier time. */
  isListed: boolean;
  /** Its number is in `line.waiting`, perhaps from an earlier time. */
  isWaiting: boolean;
  before: Message | null;
  after: Message | null;
};

/** The messages of one ordering key. */
export type Line = {
  readonly ordering: string;
  /** At least the numbers of those that are ready or delayed. */
  readonly waiting: number[];
  out: Message | null;
  /** The one that is free: the first, if it is ready and none is out. */
  free: Message | null;
  /** Messages that name it, dead ones too; it exists while there are any. */
  size: number;
};

/** A deduplication id: `message` was sent under it, at the entry of that index. */
export type Seen = { readonly id: string; readonly message: number; readonly seenMs: number };

export type Queue = {
  readonly name: string;
  /** Index of the entry that made it. */
  readonly id: number;
  options: QueueOptions;
  /** All messages, in the order in which they were sent. */
  first: Message | null;
  last: Message | null;
  readonly counts: Record<Standing, number>;
  bytes: number;
  /** At least the numbers of those that are free. */
  readonly free: number[];
  freeCount: number;
  readonly lines: Map<string, Line>;
  /** Numbers of dead letters, ascending. */
  readonly dead: number[];
  readonly seen: Map<string, Seen>;
  /** What is in `seen`, oldest first, from `seenFrom` on; what is not in it any more is left out. */
  seenOrder: Seen[];
  seenFrom: number;
};

export type Queues = {
  readonly bounds: QueueBounds;
  readonly byName: Map<string, Queue>;
  readonly byId: Map<number, Queue>;
  readonly messages: Map<number, Message>;
  bytes: number;
  seen: number;
  /** Every message that is delayed or out; every queue whose oldest message will be too old. */
  readonly timers: Expiries<'message' | 'queue'>;
};

export const createQueues = (bounds: QueueBounds = queueLimits): Queues => ({
  ...{ bounds, byName: new Map(), byId: new Map(), messages: new Map(), bytes: 0, seen: 0 },
  timers: createExpiries('message', 'queue'),
});

export const addQueue = (queues: Queues, name: string, id: number, options: QueueOptions): Queue => {
  const queue: Queue = {
    ...{ name, id, options, first: null, last: null, bytes: 0, free: [], freeCount: 0, lines: new Map(), dead: [] },
    ...{ counts: { ready: 0, delayed: 0, out: 0, dead: 0 }, seen: new Map(), seenOrder: [], seenFrom: 0 },
  };
  queues.byName.set(name, queue);
  queues.byId.set(id, queue);
  return queue;
};

export const sizeOf = ({ counts }: Queue): number => counts.ready + counts.delayed + counts.out + counts.dead;

// ---------------------------------------------------------------- which are free

const list = (message: Message): void => {
  const { queue } = message;
  message.isFree = true;
  queue.freeCount++;
  if (message.isListed) return;
  message.isListed = true;
  push(queue.free, message.id);
};

const unlist = (message: Message): void => {
  message.isFree = false;
  message.queue.freeCount--;
};

const isAsleep = ({ standing }: Message): boolean => standing === 'ready' || standing === 'delayed';

/** The first of a line that waits, free or not. */
const headOf = (queues: Queues, { waiting }: Line): Message | null => {
  for (let id = peek(waiting); id !== undefined; id = peek(waiting)) {
    const message = queues.messages.get(id);
    if (message !== undefined && isAsleep(message)) return message;
    pop(waiting);
    if (message !== undefined) message.isWaiting = false;
  }
  return null;
};

/** ONE_OUT_PER_KEY: of an ordering key the first alone is free, and nothing while one of them is out. */
const settle = (queues: Queues, line: Line): void => {
  const head = line.out === null ? headOf(queues, line) : null;
  const free = head?.standing === 'ready' ? head : null;
  if (line.free === free) return;
  if (line.free !== null) unlist(line.free);
  line.free = free;
  if (free !== null) list(free);
};

/** Drops from the top what is not free any more, so that what is removed without being received leaves nothing behind. */
const trim = (queues: Queues, queue: Queue): void => {
  for (let id = peek(queue.free); id !== undefined; id = peek(queue.free)) {
    const message = queues.messages.get(id);
    if (message?.isFree) return;
    pop(queue.free);
    if (message !== undefined) message.isListed = false;
  }
};

/** The first message that a receive may have; it is still free. */
export const firstFree = (queues: Queues, queue: Queue): Message | null => {
  trim(queues, queue);
  const id = peek(queue.free);
  return id === undefined ? null : (queues.messages.get(id) ?? null);
};

// ---------------------------------------------------------------- where a message stands

/** Where a number is, or would be, among ascending ones. */
export const placeOf = (numbers: readonly number[], number: number): number => {
  let from = 0;
  let to = numbers.length;
  while (from < to) {
    const middle = (from + to) >> 1;
    if (numbers[middle]! < number) from = middle + 1;
    else to = middle;
  }
  return from;
};

const take = (queues: Queues, message: Message): void => {
  const { queue, line, standing } = message;
  queue.counts[standing]--;
  if (standing === 'dead') queue.dead.splice(placeOf(queue.dead, message.id), 1);
  if (standing === 'delayed' || standing === 'out') unschedule(queues.timers, 'message', String(message.id));
  if (line === null) {
    if (message.isFree) unlist(message);
  } else if (line.out === message) line.out = null;
};

const put = (queues: Queues, message: Message): void => {
  const { queue, line, standing, id } = message;
  queue.counts[standing]++;
  if (standing === 'dead') queue.dead.splice(placeOf(queue.dead, id), 0, id);
  if (standing === 'delayed' || standing === 'out') schedule(queues.timers, 'message', String(id), message.atMs);
  if (line === null) {
    if (standing === 'ready') list(message);
    return;
  }
  if (standing === 'out') line.out = message;
  if (isAsleep(message) && !message.isWaiting) {
    message.isWaiting = true;
    push(line.waiting, id);
  }
  settle(queues, line);
};

export type Move = { standing: Standing; atMs?: number; deliveries?: number; token?: FencingToken; reason?: string | null };

/** What is not said of it: no time, no token, deliveries and reason as they were. */
export const move = (queues: Queues, message: Message, to: Move): void => {
  take(queues, message);
  message.standing = to.standing;
  message.atMs = to.atMs ?? 0;
  message.token = to.token ?? null;
  if (to.deliveries !== undefined) message.deliveries = to.deliveries;
  if (to.reason !== undefined) message.reason = to.reason;
  put(queues, message);
};

export type NewMessage = Pick<Message, 'id' | 'sentMs' | 'bytes' | 'standing' | 'atMs' | 'deliveries' | 'token' | 'reason'> & {
  ordering: string | null;
};

const lineOf = (queue: Queue, ordering: string): Line => {
  let line = queue.lines.get(ordering);
  if (line === undefined) {
    line = { ordering, waiting: [], out: null, free: null, size: 0 };
    queue.lines.set(ordering, line);
  }
  line.size++;
  return line;
};

/** The message with the greatest number so far. */
export const enter = (queues: Queues, queue: Queue, { ordering, ...fields }: NewMessage): Message => {
  const message: Message = {
    ...fields,
    ...{ queue, line: ordering === null ? null : lineOf(queue, ordering) },
    ...{ isFree: false, isListed: false, isWaiting: false, before: queue.last, after: null },
  };
  if (queue.last === null) queue.first = message;
  else queue.last.after = message;
  queue.last = message;
  queues.messages.set(message.id, message);
  queue.bytes += message.bytes;
  queues.bytes += message.bytes;
  put(queues, message);
  timeRetention(queues, queue);
  return message;
};

export const leave = (queues: Queues, message: Message): void => {
  const { queue, line, before, after } = message;
  take(queues, message);
  queues.messages.delete(message.id);
  if (before === null) queue.first = after;
  else before.after = after;
  if (after === null) queue.last = before;
  else after.before = before;
  queue.bytes -= message.bytes;
  queues.bytes -= message.bytes;
  if (line !== null) {
    settle(queues, line);
    if (--line.size === 0) queue.lines.delete(line.ordering);
  }
  trim(queues, queue);
  timeRetention(queues, queue);
};

/** Its timer stands at exactly the moment at which its oldest message is too old. */
export const timeRetention = ({ timers }: Queues, { id, first, options }: Queue): void => {
  const name = String(id);
  if (first === null || options.retentionMs === null) unschedule(timers, 'queue', name);
  else schedule(timers, 'queue', name, first.sentMs + options.retentionMs);
};
