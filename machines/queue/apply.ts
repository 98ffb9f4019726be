// What an entry of the log does to queues. Everything a receiver may rely on is decided here, in log order and by log time:
// ONE_RECEIVER (a message that is out is given to nobody else), ONE_OUT_PER_KEY (state.ts), and that a receipt is worth nothing once
// its message was given back, ran out of time or was acknowledged.
import { requireRegister } from '../register/state.ts';
import type { Turn } from '../register/turn.ts';
import { purge, redrive } from './dead.ts';
import { queueDefaults } from './limits.ts';
import { bodyKey, encodeMessage, encodeQueue, encodeSeen, messageKey, queueKey, seenKey } from './records.ts';
import { oldestSeen, remember } from './seen.ts';
import { addQueue, enter, firstFree, type Message, type Queue, type Seen, sizeOf, timeRetention } from './state.ts';
import { at, back, done, forgotten, moved, noQueue, type QueueOutcome, refused, removed, shown } from './steps.ts';
import type { QueueMessage, QueueOptions, QueueWrite, Receipt } from './types.ts';

type Op<Name extends QueueWrite['op']> = Extract<QueueWrite, { op: Name }>;

export const executeQueue = (turn: Turn, write: QueueWrite): QueueOutcome => {
  switch (write.op) {
    case 'queue-configure':
      return configure(turn, write);
    case 'queue-delete':
      return remove(turn, write);
    case 'queue-send':
      return send(turn, write);
    case 'queue-receive':
      return receive(turn, write);
    case 'queue-ack':
      return acknowledge(turn, write);
    case 'queue-nack':
      return giveBack(turn, write);
    case 'queue-extend':
      return extend(turn, write);
    case 'queue-redrive':
      return redrive(turn, write);
    case 'queue-purge':
      return purge(turn, write);
  }
};

// ---------------------------------------------------------------- what log time does

/** Brings into sight and removes what log time has passed, earliest first, at most `left` messages. Returns how many are left. */
export const sweepQueues = (turn: Turn, left: number): number => {
  const { queues } = turn.state;
  let rest = left;
  for (; rest > 0; rest--) {
    const due = queues.timers.heap[0];
    if (due === undefined || due.atMs > turn.timeMs) break;
    if (due.kind === 'queue') tooOld(turn, Number(due.name));
    else inSight(turn, Number(due.name));
  }
  return rest;
};

const inSight = (turn: Turn, id: number): void => {
  const message = turn.state.queues.messages.get(id);
  requireRegister(message !== undefined, 'TIMED_MESSAGE_EXISTS', `message ${id} should come into sight but does not exist`);
  const { deliveries } = message;
  if (message.standing === 'out') back(turn, message, { delayMs: 0, reason: null, deliveries });
  else moved(turn, message, { standing: 'ready' });
};

/** The oldest only; its going sets the timer for the next. */
const tooOld = (turn: Turn, id: number): void => {
  const oldest = turn.state.queues.byId.get(id)?.first ?? null;
  requireRegister(oldest !== null, 'TIMED_QUEUE_EXISTS', `queue ${id} should lose its oldest message but has none`);
  removed(turn, oldest);
};

// ---------------------------------------------------------------- queues

/** The queue of that name, made if need be; null: there are too many. */
const madeQueue = (turn: Turn, name: string, options: Partial<QueueOptions>): Queue | null => {
  const { queues } = turn.state;
  const known = queues.byName.get(name);
  if (known === undefined && queues.byName.size >= queues.bounds.queuesMax) return null;
  const queue = known ?? addQueue(queues, name, turn.index, queueDefaults);
  queue.options = { ...queue.options, ...options };
  timeRetention(queues, queue);
  turn.writes.push({ key: queueKey(name), value: encodeQueue(queue) });
  return queue;
};

const tooMany = (turn: Turn): QueueOutcome =>
  refused('OVERLOADED', `there are ${turn.state.queues.byName.size} queues already`);

const configure = (turn: Turn, { queue: name, options }: Op<'queue-configure'>): QueueOutcome => {
  const queue = madeQueue(turn, name, options);
  return queue === null
    ? tooMany(turn)
    : done({ op: 'queue-configure', queue: name, options: { ...queue.options }, ...at(turn) });
};

const remove = (turn: Turn, { queue: name }: Op<'queue-delete'>): QueueOutcome => {
  const { queues } = turn.state;
  const queue = queues.byName.get(name);
  if (queue === undefined) return noQueue(name);
  if (sizeOf(queue) > 0)
    return refused('QUEUE_NOT_EMPTY', `queue ${shown(name)} has ${sizeOf(queue)} messages; purge it first`);
  let count = 0;
  for (let seen = oldestSeen(queue); seen !== null && count < queues.bounds.batchMax; seen = oldestSeen(queue)) {
    forgotten(turn, queue, seen);
    count++;
  }
  const left = queue.seen.size;
  if (left === 0) {
    queues.byName.delete(name);
    queues.byId.delete(queue.id);
    turn.writes.push({ key: queueKey(name), value: null });
  }
  return done({ op: 'queue-delete', queue: name, count, left, ...at(turn) });
};

// ---------------------------------------------------------------- sending

const send = (turn: Turn, write: Op<'queue-send'>): QueueOutcome => {
  const { queues } = turn.state;
  const { queue: name, body, delayMs = 0, ordering = null, dedup } = write;
  const known = queues.byName.get(name);
  const first = dedup === undefined || known === undefined ? null : seenBefore(turn, known, dedup);
  if (first !== null) return done({ op: 'queue-send', queue: name, message: first.message, duplicate: true, ...at(turn) });
  const why = full(turn, known, write);
  if (why !== null) return refused('OVERLOADED', why);
  const queue = known ?? madeQueue(turn, name, {});
  if (queue === null) return tooMany(turn);
  const { index: id, timeMs } = turn;
  if (dedup !== undefined) {
    const seen = { id: dedup, message: id, seenMs: timeMs };
    remember(queues, queue, seen);
    turn.writes.push({ key: seenKey(id), value: encodeSeen(queue, seen) });
  }
  const stands =
    delayMs === 0 ? { standing: 'ready' as const, atMs: 0 } : { standing: 'delayed' as const, atMs: timeMs + delayMs };
  const fresh = { deliveries: 0, token: null, reason: null };
  const message = enter(queues, queue, { id, ordering, sentMs: timeMs, bytes: body.byteLength, ...stands, ...fresh });
  turn.writes.push({ key: messageKey(id), value: encodeMessage(message) }, { key: bodyKey(id), value: body.slice() });
  return done({ op: 'queue-send', queue: name, message: id, duplicate: false, ...at(turn) });
};

/** What was sent under this id within the queue's time; forgets some of what is older on the way. */
const seenBefore = (turn: Turn, queue: Queue, id: string): Seen | null => {
  const isPast = ({ seenMs }: Seen): boolean => turn.timeMs - seenMs >= queue.options.dedupMs;
  for (let left = turn.state.queues.bounds.forgottenPerSendMax; left > 0; left--) {
    const oldest = oldestSeen(queue);
    if (oldest === null || !isPast(oldest)) break;
    forgotten(turn, queue, oldest);
  }
  const seen = queue.seen.get(id);
  if (seen === undefined) return null;
  if (!isPast(seen)) return seen;
  forgotten(turn, queue, seen);
  return null;
};

/** Why there is no room, or null. */
const full = (turn: Turn, queue: Queue | undefined, { body, dedup }: Op<'queue-send'>): string | null => {
  const { messages, bytes, seen, bounds } = turn.state.queues;
  const size = queue === undefined ? 0 : sizeOf(queue);
  if (queue !== undefined && size >= queue.options.messagesMax)
    return `queue ${shown(queue.name)} has ${size} messages already`;
  if (messages.size >= bounds.messagesMax) return `the queues of this group have ${messages.size} messages already`;
  if (bytes + body.byteLength > bounds.bytesMax) return `the queues of this group have ${bytes} bytes already`;
  if (dedup === undefined || seen < bounds.dedupsMax) return null;
  return `the queues of this group remember ${seen} deduplication ids already`;
};

// ---------------------------------------------------------------- receiving

const receive = (turn: Turn, write: Op<'queue-receive'>): QueueOutcome => {
  const { queues } = turn.state;
  const { queue: name, max } = write;
  const messages: QueueMessage[] = [];
  const queue = queues.byName.get(name);
  const token = { term: turn.term, index: turn.index };
  let bytes = 0;
  while (queue !== undefined && messages.length < max && bytes < queues.bounds.receiveBytesMax) {
    const message = firstFree(queues, queue);
    if (message === null) break;
    const atMs = turn.timeMs + (write.visibilityMs ?? queue.options.visibilityMs);
    moved(turn, message, { standing: 'out', atMs, token, deliveries: message.deliveries + 1, reason: null });
    bytes += message.bytes;
    messages.push(given(turn, message));
  }
  return done({ op: 'queue-receive', queue: name, messages, ...at(turn) });
};

/** A message that is out, as its receiver sees it. */
const given = (turn: Turn, { id, line, sentMs, deliveries, atMs, token }: Message): QueueMessage => {
  const body = turn.read(bodyKey(id));
  requireRegister(body !== undefined && token !== null, 'BODY_EXISTS', `the body of message ${id} is not in the keyspace`);
  return { message: id, body, ordering: line?.ordering ?? null, sentMs, deliveries, visibleMs: atMs, token: { ...token } };
};

/** What is still out of what an earlier entry gave out. */
export const stillGiven = (
  turn: Turn,
  numbers: readonly number[],
  { term, index }: { term: number; index: number },
): QueueMessage[] =>
  numbers.flatMap((id) => {
    const message = turn.state.queues.messages.get(id);
    const isOut = message?.standing === 'out' && message.token?.index === index && message.token.term === term;
    return isOut ? [given(turn, message)] : [];
  });

/** The message that this receipt still stands for. What is past its time is in sight, even if the sweep did not come to it yet. */
const held = (turn: Turn, queue: string, { message: id, token }: Receipt): Message | null => {
  const message = turn.state.queues.messages.get(id);
  if (message === undefined || message.queue.name !== queue || message.standing !== 'out') return null;
  const isCurrent = message.token?.term === token.term && message.token.index === token.index;
  return isCurrent && message.atMs > turn.timeMs ? message : null;
};

const receiptExpired = (queue: string, { message }: Receipt): QueueOutcome =>
  refused('RECEIPT_EXPIRED', `message ${message} of queue ${shown(queue)} is not out under this receipt (any more)`);

const acknowledge = (turn: Turn, { queue, receipt }: Op<'queue-ack'>): QueueOutcome => {
  const message = held(turn, queue, receipt);
  if (message === null) return receiptExpired(queue, receipt);
  removed(turn, message);
  return done({ op: 'queue-ack', queue, message: message.id, ...at(turn) });
};

const giveBack = (turn: Turn, write: Op<'queue-nack'>): QueueOutcome => {
  const { queue, receipt, delayMs = 0, reason = null, unseen = false } = write;
  const message = held(turn, queue, receipt);
  if (message === null) return receiptExpired(queue, receipt);
  const deliveries = message.deliveries - (unseen ? 1 : 0);
  const dead = back(turn, message, { delayMs, reason, deliveries });
  return done({ op: 'queue-nack', queue, message: message.id, dead, ...at(turn) });
};

const extend = (turn: Turn, { queue, receipt, visibilityMs }: Op<'queue-extend'>): QueueOutcome => {
  const message = held(turn, queue, receipt);
  if (message === null) return receiptExpired(queue, receipt);
  const atMs = turn.timeMs + visibilityMs;
  moved(turn, message, { standing: 'out', atMs, token: receipt.token });
  return done({ op: 'queue-extend', queue, message: message.id, visibleMs: atMs, ...at(turn) });
};
