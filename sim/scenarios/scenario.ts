// A named mixture of faults and what it asks of the knobs. Without a name the seed draws its own mixture.
import type { Knobs } from '../knobs.ts';
import type { Fault } from '../nemesis/index.ts';

export type Scenario = {
  readonly name: string;
  /** What happens, for a person; the first line of its file says the same. */
  readonly sentence: string;
  readonly faults: readonly Fault[];
  /** What must be so for its faults to show, given what the seed drew. */
  readonly knobs: (drawn: Knobs) => Partial<Knobs>;
  /** Only by its name: no seed draws it, so that seeds that were found before it stay what they were. */
  readonly byNameOnly?: true;
};

/** Faults come often enough that a short run shows them. */
export const often = { everyMs: [30, 700], lastsMs: [20, 2_000] } satisfies Partial<Knobs>;

// What several scenarios have in common, in the order in which they draw it: another order would be other seeds.
export const plainPaths = ['partition', 'one-way', 'reset', 'slow-network', 'loss'] as const satisfies Fault[];
export const paths = [
  'partition',
  'one-way',
  'bridge',
  'reset',
  'flapping-connection',
  'slow-network',
  'loss',
] as const satisfies Fault[];
export const deaths = ['kill', 'kill-all', 'power-loss'] as const satisfies Fault[];
export const leaders = ['restart', 'pause', 'pause-leader', 'transfer', 'membership'] as const satisfies Fault[];
