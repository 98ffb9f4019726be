// What a group knows of its queues, for comparison and for a person.
import type { Queues } from './state.ts';

/** As plain data with one form, whatever history led to it. */
export const dumpQueues = ({ byName, messages, timers, bytes, seen }: Queues): unknown => ({
  ...{ bytes, seen },
  queues: [...byName.values()]
    .sort((a, b) => a.id - b.id)
    .map((queue) => ({
      ...{ name: queue.name, id: queue.id, options: queue.options, counts: { ...queue.counts }, bytes: queue.bytes },
      ...{ freeCount: queue.freeCount, dead: [...queue.dead] },
      seen: [...queue.seen.values()].sort((a, b) => a.message - b.message).map((one) => ({ ...one })),
      lines: [...queue.lines.values()]
        .map(({ ordering, out, free, size }) => ({ ordering, out: out?.id ?? null, free: free?.id ?? null, size }))
        .sort((a, b) => (a.ordering < b.ordering ? -1 : 1)),
    })),
  messages: [...messages.values()]
    .sort((a, b) => a.id - b.id)
    .map(({ id, queue, line, sentMs, standing, deliveries, atMs, token, reason, isFree, bytes: size }) => ({
      ...{ id, queue: queue.name, ordering: line?.ordering ?? null, sentMs, bytes: size, standing, deliveries, atMs },
      ...{ token: token === null ? null : { ...token }, reason, isFree },
    })),
  timers: [...timers.heap]
    .map(({ kind, name, atMs }) => ({ kind, name, atMs }))
    .sort((a, b) => (a.kind + a.name < b.kind + b.name ? -1 : 1)),
});
