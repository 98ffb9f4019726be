// A register of which the last write stays (LWW-register, Shapiro et al. 2011), for the sake of memory: a value, a stamp and a replica,
// no vector. Of writes that knew nothing of each other one is lost. It is counted where the lost value was when the other's delta came;
// where the lost one came later, or the other came within a whole state, nobody can tell it from old news. Who must know: register.ts.
import type { Crdt, Joined } from './crdt.ts';
import { isValue, unfitValue } from './plain.ts';
import {
  isContested,
  isLater,
  isMark,
  isSeenMark,
  type Mark,
  never,
  type Stamped,
  sharedReplica,
  stampAfter,
} from './stamped.ts';
import type { Plain, ReplicaId, Stamp } from './types.ts';

/** Undefined value, stamp 0: never written; else: cleared. */
export type LwwRegisterState = { stamp: Stamp; replica: ReplicaId; value: Plain | undefined };

export type LwwRegisterChange = { type: 'set'; value: Plain } | { type: 'clear' };

/** Stamp and replica of what its author overwrote, of the write itself, and its value unless it clears. */
type Delta = readonly [Stamp, ReplicaId, Stamp, ReplicaId, Plain?];

const take = (state: LwwRegisterState, { stamp, replica, value }: Stamped): void => {
  state.stamp = stamp;
  state.replica = replica;
  state.value = value;
};

export const lwwRegister: Crdt<LwwRegisterState, LwwRegisterChange, Plain | undefined> = {
  type: 'lww-register',
  empty: () => ({ ...never, value: undefined }),
  change(state, change, author) {
    if (change.type === 'clear' && state.value === undefined) return null;
    const stamp = stampAfter(state, author.stamp());
    if (typeof stamp !== 'number') return stamp;
    const { stamp: seenStamp, replica: seenReplica } = state;
    take(state, { stamp, replica: author.replica, value: change.type === 'set' ? change.value : undefined });
    return state.value === undefined
      ? [seenStamp, seenReplica, stamp, state.replica]
      : [seenStamp, seenReplica, stamp, state.replica, state.value];
  },
  parseChange(value) {
    if (typeof value !== 'object' || value === null) return { unfit: 'is no change of a register' };
    const given = value as { type?: unknown; value?: unknown };
    if (given.type === 'clear') return { type: 'clear' };
    if (given.type !== 'set') return { unfit: 'is neither set nor clear' };
    return unfitValue(given.value) ?? { type: 'set', value: given.value as Plain };
  },
  apply(state, delta): Joined {
    const [seenStamp, seenReplica, stamp, replica, value] = delta as Delta;
    const come: Stamped = { stamp, replica: sharedReplica(replica), value };
    if (!isLater(come, state)) return 'same';
    const contested = isContested(state, { stamp: seenStamp, replica: seenReplica }, come);
    take(state, come);
    return contested ? 'conflict' : 'changed';
  },
  parseDelta(value) {
    if (!Array.isArray(value) || (value.length !== 4 && value.length !== 5)) return null;
    const given = value as unknown[];
    if (!isSeenMark(given[0], given[1]) || !isMark(given[2], given[3])) return null;
    return value.length === 4 || isValue(given[4]) ? value : null;
  },
  join(state, other) {
    if (!isLater(other, state)) return 'same';
    take(state, other);
    return 'changed';
  },
  form({ stamp, replica, value }) {
    if (stamp === 0) return [];
    return value === undefined ? [stamp, replica] : [stamp, replica, value];
  },
  parse(value) {
    if (!Array.isArray(value) || value.length > 3) return null;
    if (value.length === 0) return { ...never, value: undefined };
    const [stamp, replica, written] = value as [Stamp, ReplicaId, unknown];
    if (!isMark(stamp, replica) || (value.length === 3 && !isValue(written))) return null;
    return { stamp, replica: sharedReplica(replica), value: written as Plain | undefined };
  },
  read: ({ value }) => value,
  latest: (given) => (Array.isArray(given) ? (given as unknown as Delta)[2] : (given as Mark).stamp),
};
