// The same key to the same node, at every caller, without any table: whoever scores highest for the key (rendezvous hashing: Thaler,
// Ravishankar 1998). When a node goes only its own keys move, to each of the others their share; when one comes it takes only its own.
// By weight: the score -weight / ln(hash) gives each its share exactly (Mosharaf et al.; Schindelhauer, Schomaker 2005).
import { mixHashes, textHash } from '../../hash.ts';
import type { Seat } from '../state.ts';
import type { Strategy } from '../strategy.ts';

const twoTo32 = 0x1_0000_0000;

const scoreOf = ({ memory, candidate }: Seat, keyHash: number): number =>
  -(candidate.weight || 1) / Math.log((mixHashes(mixHashes(keyHash, memory.hashes[0]), memory.hashes[1]) + 0.5) / twoTo32);

export const sticky: Strategy = {
  byKey: true,
  pick(usable, { key }) {
    const keyHash = textHash(key);
    let next: Seat = usable[0]!;
    let highest = Number.NEGATIVE_INFINITY;
    for (const seat of usable) {
      const score = scoreOf(seat, keyHash);
      // Equal scores are as good as impossible, and yet all callers must agree.
      if (score < highest || (score === highest && seat.memory.node > next.memory.node)) continue;
      next = seat;
      highest = score;
    }
    return next;
  },
};
