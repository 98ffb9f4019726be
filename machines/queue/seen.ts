// Deduplication ids of a queue, in the order in which they came: the oldest is at hand, what is forgotten in between is left out when it
// comes to the front.
import type { Queue, Queues, Seen } from './state.ts';

export const remember = (queues: Queues, queue: Queue, seen: Seen): void => {
  queue.seen.set(seen.id, seen);
  queue.seenOrder.push(seen);
  queues.seen++;
};

/** Its place in the order stays until it comes to the front. */
export const forget = (queues: Queues, queue: Queue, seen: Seen): void => {
  queue.seen.delete(seen.id);
  queues.seen--;
};

/** The oldest that is remembered. */
export const oldestSeen = (queue: Queue): Seen | null => {
  while (queue.seenFrom < queue.seenOrder.length) {
    const seen = queue.seenOrder[queue.seenFrom]!;
    if (queue.seen.get(seen.id) === seen) return seen;
    queue.seenFrom++;
    if (queue.seenFrom * 2 <= queue.seenOrder.length) continue;
    queue.seenOrder = queue.seenOrder.slice(queue.seenFrom);
    queue.seenFrom = 0;
  }
  return null;
};
