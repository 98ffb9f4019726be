// Who leads groups of which this node has no replica, or whose leader its replica does not hear: asked of another node. What was
// learnt is used at once and asked again when it is old; a node that was wrongly asked says who leads instead, so that an old answer
// costs a detour and never an error.
import type { PeerId } from './ports/index.ts';
import type { Delivery, Router } from './router.ts';
import type { Scope } from './supervise.ts';

const askTimeoutMs = 1_000;
const oldAfterMs = 2_000;
const askEveryMs = 50;
const peerIdCharsMax = 128;

export type ShardLeadersArguments = {
  scope: Pick<Scope, 'guard'>;
  router: Pick<Router, 'ask'>;
  nowMs: () => number;
  address: string;
  self: PeerId;
  /** A node that probably knows. */
  guide: (group: string) => PeerId | null;
  onLearnt: () => void;
};

export interface ShardLeaders {
  /** Null: not known yet; it is being asked. */
  leader(group: string): PeerId | null;
  /** The same, and nothing that is old: for who has a replica himself, and mostly knows it better. */
  fresh(group: string): PeerId | null;
  /** It cannot be reached. */
  lost(peer: PeerId): void;
}

/** Answers another node's question. */
export const answerLeader = (
  { body, answer }: Pick<Delivery, 'body' | 'answer'>,
  leaderOf: (group: string) => PeerId | null,
): void => answer(['leader', typeof body === 'string' && body.length <= 63 ? leaderOf(body) : null]);

export const createShardLeaders = (args: ShardLeadersArguments): ShardLeaders => {
  const known = new Map<string, { peer: PeerId | null; atMs: number; isAsking: boolean }>();

  const parse = (answer: unknown): PeerId | null => {
    const leader: unknown = Array.isArray(answer) && answer[0] === 'leader' ? answer[1] : null;
    // This node does not lead, or would know it: whoever says so is behind.
    return typeof leader === 'string' && leader.length <= peerIdCharsMax && leader !== args.self ? leader : null;
  };

  const ask = (group: string, entry: { peer: PeerId | null; atMs: number; isAsking: boolean }): void => {
    const peer = args.guide(group);
    if (peer === null || entry.isAsking) return;
    entry.isAsking = true;
    const { address } = args;
    args.router.ask(
      { peer, lane: 'calls', source: address, target: address, type: 'leader', body: group, timeoutMs: askTimeoutMs },
      args.scope.guard((why, answer) => {
        entry.isAsking = false;
        entry.atMs = args.nowMs();
        const leader = why === null ? parse(answer) : null;
        const isNews = leader !== null && leader !== entry.peer;
        if (why === null) entry.peer = leader;
        if (isNews) args.onLearnt();
      }),
    );
  };

  const leader = (group: string): PeerId | null => {
    const entry = known.get(group) ?? { peer: null, atMs: Number.NEGATIVE_INFINITY, isAsking: false };
    known.set(group, entry);
    if (args.nowMs() - entry.atMs >= (entry.peer === null ? askEveryMs : oldAfterMs)) ask(group, entry);
    return entry.peer;
  };

  return {
    leader,
    fresh(group) {
      const peer = leader(group);
      return args.nowMs() - (known.get(group)?.atMs ?? 0) < oldAfterMs ? peer : null;
    },
    lost(peer) {
      for (const entry of known.values()) if (entry.peer === peer) entry.peer = null;
    },
  };
};
