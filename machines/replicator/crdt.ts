// What a replicated data type is: a state that only grows in knowledge, changes that yield deltas, and a join that is commutative,
// associative and idempotent (Shapiro et al. 2011; deltas: Almeida, Shoker, Baquero 2018). One file a type; `test/machines/replicator/laws.ts`
// holds every type against the same laws. States are changed in place; what is read from them is not to be changed.
import type { ReplicaId, Round, Stamp } from './types.ts';

/** Who makes a change. */
export type Author = {
  readonly replica: ReplicaId;
  /** The next stamp of this node's hybrid clock; taken at most once a change. */
  stamp(): Stamp;
  /** The round in which this node is. */
  readonly round: Round;
};

/** What came of joining: nothing new; something new; something new of which others had decided differently at the same time. */
export type Joined = 'same' | 'changed' | 'conflict';

/** Why a change cannot be made, in words that end a sentence: `is no list`. */
export type Unfit = { unfit: string };

export interface Crdt<State, Change, Read> {
  readonly type: string;
  empty(): State;
  /**
   * Makes a change here; answers the delta by which others make it too, as plain data. Null: there is nothing to tell. A change
   * that cannot be made changes nothing.
   */
  change(state: State, change: Change, author: Author): unknown | null | Unfit;
  /** A change as it comes from a program, a request or a command, checked. */
  parseChange(value: unknown): Change | Unfit;
  /**
   * Joins a delta. 'gap': it builds on what is not here, nothing was changed, the whole state must be fetched. `stable`: everything
   * made up to this round is here and at every registered replica; what such a round brings and is not here has been collected.
   */
  apply(state: State, delta: unknown, stable?: Round): Joined | 'gap';
  /** A delta from outside, checked; null: it is none. Called before `apply`. */
  parseDelta(value: unknown): unknown | null;
  /** Joins a whole state; `other` is not changed and shares nothing with `state` afterwards that changes. */
  join(state: State, other: State, stable?: Round): Joined;
  /** Plain data, the same for states that know the same: for the disk, for repair, for digests. Shares nothing that changes. */
  form(state: State): unknown;
  /** What `form` made, from outside; null: it is no such state. Takes the value over. */
  parse(value: unknown): State | null;
  read(state: State): Read;
  /** Forgets the tombstones of rounds before `stable`; true if there were any. Types without it have none. */
  collect?(state: State, stable: Round): boolean;
  /** A delta says all that its author's earlier ones say, and is never a gap: of several, the last may stand for all. */
  readonly saysAll?: true;
  /** The latest round of which anything waits to be forgotten or settled; 0: nothing does. With `collect` only. */
  pending?(state: State): Round;
  /** Nothing is in it, nor remembered: it is as good as none. With `collect` only. */
  isEmpty?(state: State): boolean;
  /** Counts all of it as made in this round: it was made here, and nobody else has heard of it. With `collect` only. */
  retag?(state: State, round: Round): State;
  /** The highest stamp in it, or 0: so that a restarted clock begins behind it, and one from the far future is seen. */
  latest(stateOrDelta: unknown): Stamp;
}

export const isUnfit = (value: unknown): value is Unfit => typeof value === 'object' && value !== null && 'unfit' in value;
