// A counter that only rises (G-counter, Shapiro et al. 2011): one sum for each replica. Half a PN-counter, for what must never fall.
import { countOf, exact, isEventCount, parseReplicaId, parseVector, raised, raisedToAll } from '../versions/vector.ts';
import type { Crdt, Joined } from './crdt.ts';
import type { ReplicaId, Vector } from './types.ts';

/** Sums by replica: a vector, of steps instead of events. */
export type GCounterState = { sums: Vector };

export type GCounterChange = { type: 'add'; by: number };

/** The sum itself and not the step, so that hearing it twice changes nothing. */
type Delta = readonly [ReplicaId, number];

/** Takes the value over. */
const parseDelta = (value: unknown): Delta | null => {
  const replica = Array.isArray(value) && value.length === 2 && isEventCount(value[1]) ? parseReplicaId(value[0]) : null;
  return replica === null ? null : [replica, (value as [unknown, number])[1]];
};

const parse = (value: unknown): GCounterState | null => {
  const arePairs = Array.isArray(value) && value.every((sum: unknown) => Array.isArray(sum) && sum.length === 2);
  const sums = arePairs ? parseVector(value.flat()) : null;
  return sums === null ? null : { sums: exact(sums) };
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
  saysAll: true,
  empty: () => ({ sums: [] }),
  change(state, { by }, { replica }) {
    if (by === 0) return null;
    const sum = countOf(state.sums, replica) + by;
    if (!Number.isSafeInteger(sum)) return { unfit: 'would raise a sum beyond 2^53' };
    state.sums = raised(state.sums, replica, sum);
    return [replica, sum];
  },
  parseChange: parseStepUp,
  apply(state, delta): Joined {
    const [replica, sum] = delta as Delta;
    if (sum <= countOf(state.sums, replica)) return 'same';
    state.sums = raised(state.sums, replica, sum);
    return 'changed';
  },
  parseDelta,
  join(state, { sums }): Joined {
    const before = state.sums;
    state.sums = raisedToAll(before, sums);
    return state.sums === before ? 'same' : 'changed';
  },
  form({ sums }) {
    const form: unknown[] = [];
    for (let at = 0; at < sums.length; at += 2) form.push([sums[at], sums[at + 1]]);
    return form;
  },
  parse,
  read({ sums }) {
    let value = 0;
    for (let at = 1; at < sums.length; at += 2) value += sums[at] as number;
    return value;
  },
  latest: () => 0,
};
