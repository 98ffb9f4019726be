// A counter that is raised and lowered anywhere (PN-counter, Shapiro et al. 2011). Each replica keeps its own two sums, which only grow;
// a delta carries the sums themselves and not the step, so hearing it twice changes nothing.
import { parseReplicaId, vectorLimits } from '../versions/vector.ts';
import type { Crdt, Joined } from './crdt.ts';
import type { ReplicaId } from './types.ts';

/**
 * `[replica, raised, lowered, replica, raised, lowered …]`, sorted by replica, each once; whole numbers, never both 0. Replaced where a
 * replica is new, so that it takes no more room than it needs.
 */
export type PnCounterState = { sums: (ReplicaId | number)[] };

export type PnCounterChange = { type: 'add'; by: number };

/** `[replica, raised, lowered]` of its author. */
type Delta = readonly [ReplicaId, number, number];

const width = 3;

/** Where this replica's sums are, or should be. */
const placeOf = (sums: PnCounterState['sums'], replica: ReplicaId): number => {
  let from = 0;
  let to = sums.length / width;
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((sums[middle * width] as ReplicaId) < replica) from = middle + 1;
    else to = middle;
  }
  return from * width;
};

const put = (state: PnCounterState, at: number, [replica, raised, lowered]: Delta): void => {
  const { sums } = state;
  if (sums[at] === replica) {
    sums[at + 1] = raised;
    sums[at + 2] = lowered;
  } else state.sums = sums.length === 0 ? [replica, raised, lowered] : sums.toSpliced(at, 0, replica, raised, lowered);
};

const joinSums = (state: PnCounterState, replica: ReplicaId, raised: number, lowered: number): Joined => {
  const { sums } = state;
  const at = placeOf(sums, replica);
  const isKnown = sums[at] === replica;
  const [up, down] = isKnown ? [sums[at + 1] as number, sums[at + 2] as number] : [0, 0];
  if (raised <= up && lowered <= down) return 'same';
  put(state, at, [replica, Math.max(up, raised), Math.max(down, lowered)]);
  return 'changed';
};

const isSum = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;

/** Takes the value over. */
const parseDelta = (value: unknown): Delta | null => {
  if (!Array.isArray(value) || value.length !== width) return null;
  const replica = parseReplicaId(value[0]);
  if (replica === null || !isSum(value[1]) || !isSum(value[2]) || value[1] + value[2] === 0) return null;
  value[0] = replica;
  return value as unknown as Delta;
};

const parse = (value: unknown): PnCounterState | null => {
  if (!Array.isArray(value) || value.length > vectorLimits.replicasMax) return null;
  const sums: PnCounterState['sums'] = [];
  let before = '';
  for (const given of value as unknown[]) {
    const delta = parseDelta(given);
    if (delta === null || delta[0] <= before) return null;
    before = delta[0];
    sums.push(...delta);
  }
  return { sums: sums.slice() };
};

export const pnCounter: Crdt<PnCounterState, PnCounterChange, number> = {
  type: 'pn-counter',
  saysAll: true,
  empty: () => ({ sums: [] }),
  change(state, { by }, { replica }) {
    if (by === 0) return null;
    const { sums } = state;
    const at = placeOf(sums, replica);
    const isKnown = sums[at] === replica;
    const raised = (isKnown ? (sums[at + 1] as number) : 0) + Math.max(0, by);
    const lowered = (isKnown ? (sums[at + 2] as number) : 0) + Math.max(0, -by);
    if (!isSum(raised) || !isSum(lowered)) return { unfit: 'would raise a sum beyond 2^53' };
    const delta: Delta = [replica, raised, lowered];
    put(state, at, delta);
    return delta;
  },
  parseChange(value) {
    const by = typeof value === 'object' && value !== null ? (value as { by?: unknown }).by : undefined;
    return Number.isSafeInteger(by) ? { type: 'add', by: by as number } : { unfit: 'is no whole number to add' };
  },
  apply: (state, delta) => joinSums(state, ...(delta as Delta)),
  parseDelta,
  join(state, { sums }) {
    let joined: Joined = 'same';
    for (let at = 0; at < sums.length; at += width)
      if (joinSums(state, ...(sums.slice(at, at + width) as unknown as Delta)) !== 'same') joined = 'changed';
    return joined;
  },
  form({ sums }) {
    const form: unknown[] = [];
    for (let at = 0; at < sums.length; at += width) form.push([sums[at], sums[at + 1], sums[at + 2]]);
    return form;
  },
  parse,
  read({ sums }) {
    let value = 0;
    for (let at = 0; at < sums.length; at += width) value += (sums[at + 1] as number) - (sums[at + 2] as number);
    return value;
  },
  latest: () => 0,
};
