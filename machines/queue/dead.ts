// Dead letters: what becomes of them when a person has looked, and what goes with a purge. A bounded number an entry; `left` says what
// remains.
import type { Turn } from '../register/turn.ts';
import { type Message, type Queue, sizeOf } from './state.ts';
import { at, done, moved, noQueue, type QueueOutcome, removed } from './steps.ts';
import type { QueueWrite } from './types.ts';

type Op<Name extends QueueWrite['op']> = Extract<QueueWrite, { op: Name }>;

/** Those of the named messages, or else the oldest of `numbers`, that are this queue's dead letters; a bounded number. */
const deadOf = (turn: Turn, queue: Queue, named: readonly number[] | undefined): Message[] => {
  const { messages, bounds } = turn.state.queues;
  const found: Message[] = [];
  for (const id of named === undefined ? queue.dead.slice(0, bounds.batchMax) : new Set(named)) {
    const message = messages.get(id);
    if (message?.queue === queue && message.standing === 'dead') found.push(message);
  }
  return found;
};

export const redrive = (turn: Turn, { queue: name, messages: named }: Op<'queue-redrive'>): QueueOutcome => {
  const queue = turn.state.queues.byName.get(name);
  if (queue === undefined) return noQueue(name);
  const found = deadOf(turn, queue, named);
  for (const message of found) moved(turn, message, { standing: 'ready', deliveries: 0, reason: null });
  return done({ op: 'queue-redrive', queue: name, count: found.length, left: queue.counts.dead, ...at(turn) });
};

export const purge = (turn: Turn, { queue: name, which, messages: named }: Op<'queue-purge'>): QueueOutcome => {
  const queue = turn.state.queues.byName.get(name);
  if (queue === undefined) return noQueue(name);
  let count = 0;
  if (which === 'dead')
    for (const message of deadOf(turn, queue, named)) {
      removed(turn, message);
      count++;
    }
  else
    for (let oldest = queue.first; oldest !== null && count < turn.state.queues.bounds.batchMax; oldest = queue.first) {
      removed(turn, oldest);
      count++;
    }
  const left = which === 'dead' ? queue.counts.dead : sizeOf(queue);
  return done({ op: 'queue-purge', queue: name, count, left, ...at(turn) });
};
