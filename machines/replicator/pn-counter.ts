// A counter that is raised and lowered anywhere (PN-counter, Shapiro et al. 2011). Each replica keeps its own two sums, which only grow;
// a delta carries the sums themselves and not the step, so hearing it twice changes nothing.
import { isReplicaId } from '../versions/vector.ts';
import type { Crdt, Joined } from './crdt.ts';
import type { ReplicaId } from './types.ts';

/** Sums by replica, in no order. `[raised, lowered]`, whole numbers, never both 0. */
export type PnCounterState = Map<ReplicaId, readonly [number, number]>;

export type PnCounterChange = { type: 'add'; by: number };

/** `[replica, raised, lowered]` of its author. */
type Delta = readonly [ReplicaId, number, number];

const none = [0, 0] as const;

const joinSums = (state: PnCounterState, replica: ReplicaId, raised: number, lowered: number): Joined => {
  const [up, down] = state.get(replica) ?? none;
  if (raised <= up && lowered <= down) return 'same';
  state.set(replica, [Math.max(up, raised), Math.max(down, lowered)]);
  return 'changed';
};

const isSum = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;

const isDelta = (value: unknown): value is Delta =>
  Array.isArray(value) &&
  value.length === 3 &&
  isReplicaId(value[0]) &&
  isSum(value[1]) &&
  isSum(value[2]) &&
  value[1] + value[2] > 0;

const parse = (value: unknown): PnCounterState | null => {
  if (!Array.isArray(value)) return null;
  const state: PnCounterState = new Map();
  let before = '';
  for (const sums of value as unknown[]) {
    if (!isDelta(sums) || sums[0] <= before) return null;
    before = sums[0];
    state.set(sums[0], [sums[1], sums[2]]);
  }
  return state;
};

export const pnCounter: Crdt<PnCounterState, PnCounterChange, number> = {
  type: 'pn-counter',
  empty: () => new Map(),
  change(state, { by }, { replica }) {
    if (by === 0) return null;
    const [up, down] = state.get(replica) ?? none;
    const sums: readonly [number, number] = by > 0 ? [up + by, down] : [up, down - by];
    if (!isSum(sums[0]) || !isSum(sums[1])) return { unfit: 'would raise a sum beyond 2^53' };
    state.set(replica, sums);
    return [replica, ...sums];
  },
  parseChange(value) {
    const by = typeof value === 'object' && value !== null ? (value as { by?: unknown }).by : undefined;
    return Number.isSafeInteger(by) ? { type: 'add', by: by as number } : { unfit: 'is no whole number to add' };
  },
  apply: (state, delta) => joinSums(state, ...(delta as Delta)),
  parseDelta: (value) => (isDelta(value) ? value : null),
  join(state, other) {
    let joined: Joined = 'same';
    for (const [replica, [raised, lowered]] of other)
      if (joinSums(state, replica, raised, lowered) !== 'same') joined = 'changed';
    return joined;
  },
  form: (state) => [...state].map(([replica, sums]) => [replica, ...sums]).sort(([a], [b]) => (a! < b! ? -1 : 1)),
  parse,
  read(state) {
    let value = 0;
    for (const [raised, lowered] of state.values()) value += raised - lowered;
    return value;
  },
  latest: () => 0,
};
