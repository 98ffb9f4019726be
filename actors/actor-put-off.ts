// What is said of followers and finds no room on the way to a peer, because too much waits for it already: it is said once there is, for the
// connection may live for as long as it likes. Its end tells more than anything that was put off.
import { postLimits } from '../machines/entity/post-limits.ts';
import type { CallPost } from './calls-post.ts';
import type { PeerId } from './ports/index.ts';

export type PutOff = {
  /** Once there is room. False: nobody is there. */
  later(peer: PeerId, run: () => void): boolean;
  drained(peer: PeerId): void;
  closed(peer: PeerId): void;
};

const putOffMax = postLimits.feedsPerPeerMax + postLimits.watchesPerPeerMax;

export const createPutOff = (post: Pick<CallPost, 'isSlow'>): PutOff => {
  const waiting = new Map<PeerId, (() => void)[]>();
  return {
    later(peer, run) {
      if (!post.isSlow(peer)) return false;
      let all = waiting.get(peer);
      if (all === undefined) waiting.set(peer, (all = []));
      if (all.length < putOffMax) all.push(run);
      return true;
    },
    drained(peer) {
      const all = waiting.get(peer) ?? [];
      waiting.delete(peer);
      for (const run of all) run();
    },
    closed: (peer) => void waiting.delete(peer),
  };
};
