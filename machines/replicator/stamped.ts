// Which of two writes the last one is, where no vector is kept: the one with the higher stamp; of equal stamps the higher replica's.
// Whatever the clocks do, all replicas choose the same.
import { isStamp } from '../versions/hybrid-clock.ts';
import { isReplicaId, parseReplicaId } from '../versions/vector.ts';
import type { Unfit } from './crdt.ts';
import { textOf } from './plain.ts';
import type { Plain, ReplicaId, Stamp } from './types.ts';

/** When and by whom; stamps from 1. */
export type Mark = { readonly stamp: Stamp; readonly replica: ReplicaId };

/** Undefined: nothing is there any more. */
export type Stamped = Mark & { readonly value: Plain | undefined };

/** Older than every write. */
export const never: Mark = { stamp: 0, replica: '' };

/** Below 0 if `a` is older, 0 if they are the same write. */
export const compareMarks = (a: Mark, b: Mark): number =>
  a.stamp - b.stamp || (a.replica < b.replica ? -1 : a.replica > b.replica ? 1 : 0);

const textOfWritten = (value: Plain | undefined): string => (value === undefined ? '' : textOf(value));

/** True if `a` overwrites `b`. Two values under one mark are a lie, or an identity used twice: all still agree which one stays. */
export const isLater = (a: Stamped, b: Stamped): boolean => {
  const order = compareMarks(a, b);
  return order > 0 || (order === 0 && a.value !== b.value && textOfWritten(a.value) > textOfWritten(b.value));
};

/** True if the author of what comes, knowing `seen`, did not know of what is here, and of the two something else becomes. */
export const isContested = (here: Stamped, seen: Mark, come: Stamped): boolean =>
  compareMarks(here, seen) > 0 && textOfWritten(here.value) !== textOfWritten(come.value);

/** A stamp later than what it overwrites, even where this node's clock has gone back. */
export const stampAfter = (before: Mark | undefined, stamp: Stamp): Stamp | Unfit => {
  const after = before === undefined ? stamp : Math.max(stamp, before.stamp + 1);
  return Number.isSafeInteger(after) ? after : { unfit: 'has the last stamp that there is' };
};

export const isMark = (stamp: unknown, replica: unknown): boolean => isStamp(stamp) && stamp > 0 && isReplicaId(replica);

/** What a writer had before itself: nothing, or a mark. */
export const isSeenMark = (stamp: unknown, replica: unknown): boolean =>
  (stamp === never.stamp && replica === never.replica) || isMark(stamp, replica);

/** The one text of an id that was found to be one, or none as in `never`. */
export const sharedReplica = (replica: ReplicaId): ReplicaId => parseReplicaId(replica) ?? replica;
