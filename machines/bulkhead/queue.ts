// Who waits. The more important go first; among equals each principal has a turn, whoever has many waiting no more than whoever has one
// (fair queueing, Nagle 1987, RFC 970), and his own go in their order. Whoever must leave is the newest of the one who has most
// waiting among the least important: so a flood drowns itself.
import { type Importance, importances } from './options.ts';
import type { CallId } from './state.ts';

export type Waiting = {
  readonly id: CallId;
  readonly importance: Importance;
  readonly principal: string;
  /** When it was no longer wanted, as it was said; Infinity = always wanted. */
  readonly deadlineMs: number;
  /** It waits no longer than to this moment; ≤ deadlineMs. */
  readonly endMs: number;
  /** Rises with each that arrives. */
  readonly order: number;
};

export type Queue = {
  readonly of: Map<CallId, Waiting>;
  /** The same ones: of each principal the oldest first, none of them empty; whose turn it is first. */
  readonly flows: Record<Importance, Map<string, Waiting[]>>;
  order: number;
};

export const createQueue = (): Queue => ({
  ...{ of: new Map(), flows: { critical: new Map(), normal: new Map(), background: new Map() }, order: 0 },
});

export const enqueue = (queue: Queue, call: Omit<Waiting, 'order'>): void => {
  const waiting = { ...call, order: ++queue.order };
  queue.of.set(call.id, waiting);
  const flows = queue.flows[call.importance];
  const flow = flows.get(call.principal);
  if (flow === undefined) flows.set(call.principal, [waiting]);
  else flow.push(waiting);
};

/** Whose turn it is. */
export const firstOf = (queue: Queue, importance: Importance): Waiting | null => {
  for (const flow of queue.flows[importance].values()) return flow[0]!;
  return null;
};

/** The one whose turn it is leaves; its principal's next is behind everybody else's. */
export const dequeue = (queue: Queue, importance: Importance): Waiting | null => {
  const waiting = firstOf(queue, importance);
  if (waiting === null) return null;
  const flows = queue.flows[importance];
  const flow = flows.get(waiting.principal)!;
  remove(queue, waiting.id);
  flows.delete(waiting.principal);
  if (flow.length > 0) flows.set(waiting.principal, flow);
  return waiting;
};

/** Without having had a turn: its principal's next has it. */
export const remove = (queue: Queue, id: CallId): Waiting | null => {
  const waiting = queue.of.get(id);
  if (waiting === undefined) return null;
  queue.of.delete(id);
  const flows = queue.flows[waiting.importance];
  const flow = flows.get(waiting.principal)!;
  flow.splice(flow.indexOf(waiting), 1);
  if (flow.length === 0) flows.delete(waiting.principal);
  return waiting;
};

/** Whoever has to make room. Among principals that have as many waiting, the one whose newest is the newest. */
export const removeLeast = (queue: Queue): Waiting | null => {
  for (const importance of importances.toReversed()) {
    let most: Waiting[] | null = null;
    for (const flow of queue.flows[importance].values())
      if (
        most === null ||
        flow.length > most.length ||
        (flow.length === most.length && flow.at(-1)!.order > most.at(-1)!.order)
      )
        most = flow;
    if (most !== null) return remove(queue, most.at(-1)!.id);
  }
  return null;
};

/** So many at least go before one that came now. Each principal has his turn as often as this one, until nothing of his waits. */
export const aheadOf = (queue: Queue, importance: Importance, principal: string): number => {
  let ahead = 0;
  for (const other of importances) {
    if (other === importance) break;
    for (const flow of queue.flows[other].values()) ahead += flow.length;
  }
  const own = queue.flows[importance].get(principal)?.length ?? 0;
  for (const flow of queue.flows[importance].values()) ahead += Math.min(flow.length, own);
  // Whoever comes anew comes after everybody's next.
  return own > 0 ? ahead : ahead + queue.flows[importance].size;
};

export const waitingOf = (queue: Queue, importance: Importance): number => {
  let count = 0;
  for (const flow of queue.flows[importance].values()) count += flow.length;
  return count;
};
