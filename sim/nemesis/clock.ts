// Faults of clocks: wall clocks jump, and the rate at which all clocks of a machine run changes, within what leases rely on.
import type { Strike } from './scene.ts';

/** Two nodes at the ends differ by less than `leaseDriftRatio` of machines/raft. */
const driftMax = 0.04;

export const clockFaults = {
  'clock-jump'({ nodes }, chance) {
    const node = chance.pick(nodes);
    const mostMs = chance.pick([50, 2_000, 60_000]);
    const byMs = chance.between(-mostMs, mostMs);
    node.skew.wallAheadMs += byMs;
    return { where: `${node.name} ${byMs} ms`, undo: null };
  },
  /** A node's clocks run slower or faster than before; it stays so when the fault is over. */
  'clock-drift'({ nodes, world }, chance) {
    const node = chance.pick(nodes);
    const rate = 1 + driftMax * chance.pick([-1, -0.5, 0, 0.5, 1]);
    node.skew.setRate(rate, world.nowMs);
    return { where: `${node.name} ×${rate}`, undo: null };
  },
} as const satisfies Record<string, Strike>;
