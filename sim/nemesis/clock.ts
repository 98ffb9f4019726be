// Faults of clocks: what they show jumps.
import type { Strike } from './scene.ts';

export const clockFaults = {
  'clock-jump'({ nodes }, chance) {
    const node = chance.pick(nodes);
    const byMs = chance.between(-60_000, 60_000);
    node.skew.wallAheadMs += byMs;
    return { where: `${node.name} ${byMs} ms`, undo: null };
  },
} as const satisfies Record<string, Strike>;
