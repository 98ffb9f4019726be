// The same key to the same node, at every caller, without any table: whoever scores highest for the key (rendezvous hashing: Thaler,
// Ravishankar 1998). When a node goes only its own keys move, to each of the others their share; when one comes it takes only its own.
// By weight: the score -weight / ln(hash) gives each its share exactly (Mosharaf et al.; Schindelhauer, Schomaker 2005).
import { mixHashes, textHash } from '../mix.ts';
import type { Memory } from '../state.ts';
import type { Strategy } from '../strategy.ts';

const twoTo32 = 0x1_0000_0000;

const scoreOf = ({ hashes, candidate }: Memory, keyHash: number): number =>
  -(candidate.weight || 1) / Math.log((mixHashes(mixHashes(keyHash, hashes[0]), hashes[1]) + 0.5) / twoTo32);

export const sticky: Strategy = {
  byKey: true,
  pick(usable, { key }) {
    const keyHash = textHash(key);
    let next: Memory = usable[0]!;
    let highest = Number.NEGATIVE_INFINITY;
    for (const memory of usable) {
      const score = scoreOf(memory, keyHash);
      // Equal scores are as good as impossible, and yet all callers must agree.
      if (score < highest || (score === highest && memory.node > next.node)) continue;
      next = memory;
      highest = score;
    }
    return next;
  },
};
