// What is shown of a node's gossip: how much it keeps, and what still holds, for who begins to listen now.
import type { GossipState } from './state.ts';
import type { Delivery } from './types.ts';

export type GossipSummary = {
  /** Announcements that are kept, and their bytes. */
  kept: number;
  keptBytes: number;
  /** Sources that are known, and of how many something is held back. */
  sources: number;
  waiting: number;
  peers: number;
};

export const gossipSummary = ({ store, sources, peers }: GossipState): GossipSummary => ({
  ...{ kept: store.all.size, keptBytes: store.bytes, sources: sources.all.size, waiting: sources.waiting.size },
  peers: peers.list.length,
});

/** What was delivered of a topic and has not ended, each source's in its order. */
export const stillTrue = (state: GossipState, nowMs: number, topic: string): Delivery[] => {
  const deliveries: Delivery[] = [];
  for (const stored of state.store.all) {
    const { source, sequence, body, endsMs } = stored;
    if (stored.topic !== topic || endsMs <= nowMs || source.held.has(sequence)) continue;
    const leftMs = endsMs - nowMs;
    deliveries.push({ source: source.peer, epoch: source.epoch, sequence, topic, body, leftMs, late: false });
  }
  return deliveries.sort((a, b) => (a.source === b.source ? a.sequence - b.sequence : a.source < b.source ? -1 : 1));
};

/** Whether two nodes know the same; for judges. */
export const gossipDigest = ({ sources }: GossipState): string => sources.buckets.join(' ');
