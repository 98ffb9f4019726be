// A counter that only rises (G-counter, Shapiro et al. 2011): one sum for each replica. Half a PN-counter, for what must never fall.
import { isEventCount, isReplicaId, vectorLimits } from '../versions/vector.ts';
import type { Crdt, Joined } from './crdt.ts';
import type { ReplicaId } from './types.ts';

/** Sums by replica, in no order; whole numbers from 1. */
export type GCounterState = Map<ReplicaId, number>;

export type GCounterChange = { type: 'add'; by: number };

/** The sum itself and not the step, so that hearing it twice changes nothing. */
type Delta = readonly [ReplicaId, number];

const isDelta = (value: unknown): value is Delta =>
  Array.isArray(value) && value.length === 2 && isReplicaId(value[0]) && isEventCount(value[1]);

const joinSum = (state: GCounterState, [replica, sum]: Delta): Joined => {
  if (sum <= (state.get(replica) ?? 0)) return 'same';
  state.set(replica, sum);
  return 'changed';
};

const parse = (value: unknown): GCounterState | null => {
  if (!Array.isArray(value) || value.length > vectorLimits.replicasMax) return null;
  const state: GCounterState = new Map();
  let before = '';
  for (const sum of value as unknown[]) {
    if (!isDelta(sum) || sum[0] <= before) return null;
    before = sum[0];
    state.set(sum[0], sum[1]);
  }
  return state;
};

/** Also for a counter inside a map: a step up, checked. */
export const parseStepUp = (value: unknown): GCounterChange | { unfit: string } => {
  const by = typeof value === 'object' && value !== null ? (value as { by?: unknown }).by : undefined;
  return Number.isSafeInteger(by) && (by as number) >= 0
    ? { type: 'add', by: by as number }
    : { unfit: 'is no whole number from 0 to add' };
};

export const gCounter: Crdt<GCounterState, GCounterChange, number> = {
  type: 'g-counter',
  empty: () => new Map(),
  change(state, { by }, { replica }) {
    if (by === 0) return null;
    const sum = (state.get(replica) ?? 0) + by;
    if (!Number.isSafeInteger(sum)) return { unfit: 'would raise a sum beyond 2^53' };
    state.set(replica, sum);
    return [replica, sum];
  },
  parseChange: parseStepUp,
  apply: (state, delta) => joinSum(state, delta as Delta),
  parseDelta: (value) => (isDelta(value) ? value : null),
  join(state, other) {
    let joined: Joined = 'same';
    for (const sum of other) if (joinSum(state, sum) !== 'same') joined = 'changed';
    return joined;
  },
  form: (state) => [...state].sort(([a], [b]) => (a < b ? -1 : 1)),
  parse,
  read(state) {
    let value = 0;
    for (const sum of state.values()) value += sum;
    return value;
  },
  latest: () => 0,
};
