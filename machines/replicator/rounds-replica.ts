// What one replica knows of the rounds: the last ledger it heard of, and what it has of each other replica. Says from whom it may take
// anything, what it may tell, and when it may ask for permission to enter the next round.
import { advance, findListed, type Ledger, type Listed, missingFor } from './rounds-ledger.ts';
import type { ReplicaId, Round } from './types.ts';

/**
 * `apart`: not listed yet, so nobody may hear of what it has. `begins`: listed, and takes what the others have. `member`: like all
 * others. `retired`: it was listed, and others go on without it.
 */
export type Standing = 'apart' | 'begins' | 'member' | 'retired';

export type RoundsState = {
  readonly self: ReplicaId;
  /** On this node's disk. */
  ledger: Ledger | null;
  /** Some ledger that this replica knew listed it. */
  wasListed: boolean;
  /** Since it was listed it has had, at one time, everything that some member had. */
  isBased: boolean;
  /** For each other replica, the last round of which everything is here, on the disk, that the other had when it left it. */
  readonly seen: Map<ReplicaId, Round>;
};

/** Replica and round, as others are told. */
export type Told = readonly (readonly [ReplicaId, Round])[];

export const createRounds = (self: ReplicaId, known: Pick<RoundsState, 'ledger' | 'wasListed'>): RoundsState => ({
  ...{ self, ledger: known.ledger, wasListed: known.wasListed, isBased: false },
  seen: seenBefore(self, known.ledger),
});

/**
 * What a replica that has permission for a round has of the others, since it was given for that: known also after a restart, when one of
 * them may be gone for good.
 */
const seenBefore = (self: ReplicaId, ledger: Ledger | null): RoundsState['seen'] => {
  const had = ledger === null ? 0 : (findListed(ledger, self)?.round ?? 0) - 2;
  const others = ledger?.listed.filter(({ id, begin }) => id !== self && begin <= had) ?? [];
  return new Map(others.map(({ id }) => [id, had]));
};

const selfIn = ({ ledger, self }: RoundsState): Listed | undefined => (ledger === null ? undefined : findListed(ledger, self));

export const standingOf = (state: RoundsState): Standing => {
  const self = selfIn(state);
  // It may have been listed and retired before it heard of the first.
  const isRetired = state.wasListed || state.ledger?.retired.some(({ id }) => id === state.self) === true;
  if (self === undefined) return isRetired ? 'retired' : 'apart';
  return self.round === 0 ? 'begins' : 'member';
};

/** Whether others may hear anything of what is here. */
export const maySpeak = (state: RoundsState): boolean => standingOf(state) === 'member';

/** The round in which this replica is; what it changes is of it. */
export const ownRound = (state: RoundsState): Round => {
  const self = selfIn(state);
  return self === undefined ? 1 : Math.max(self.begin, self.round);
};

/** True if it is later than what was known; it is on the disk by now. */
export const learnLedger = (state: RoundsState, ledger: Ledger): boolean => {
  if (state.ledger !== null && ledger.version <= state.ledger.version) return false;
  state.ledger = ledger;
  state.wasListed ||= selfIn(state) !== undefined;
  for (const id of state.seen.keys()) if (findListed(ledger, id) === undefined) state.seen.delete(id);
  return true;
};

/**
 * Whether anything of this replica may be taken. 'later': it knows of a change of the list of which nothing is known here, and what it
 * holds may come from one who is new there; or this replica is not listed itself, and what it has counts as made by it alone until it is.
 * 'stranger': it is not listed, or has no permission yet.
 */
export const judgeSender = (state: RoundsState, from: ReplicaId, edition: number): 'welcome' | 'later' | 'stranger' => {
  if (selfIn(state) === undefined || edition > (state.ledger?.edition ?? 0)) return 'later';
  const sender = findListed(state.ledger!, from);
  return sender === undefined || sender.round === 0 ? 'stranger' : 'welcome';
};

/** What this replica has; of itself, everything up to the round before its own. Only what is on the disk counts. */
export const tellSeen = (state: RoundsState): Told => {
  const self = selfIn(state);
  return self === undefined || self.round === 0 ? [] : [...state.seen, [state.self, self.round - 1]];
};

/**
 * A comparison with a member that began after this was told has ended, nothing was left out, and all that came is on the disk: what the
 * other had is here.
 */
export const learnSeen = (state: RoundsState, told: Told): void => {
  if (state.ledger === null) return;
  for (const [id, round] of told) {
    if (id === state.self || findListed(state.ledger, id) === undefined) continue;
    state.seen.set(id, Math.max(state.seen.get(id) ?? 0, round));
  }
  if (told.length > 0) state.isBased = true;
};

/** With whom to compare so that the next round comes nearer; empty: nothing is missing. */
export const missing = (state: RoundsState): readonly Listed[] =>
  state.ledger === null ? [] : missingFor(state.ledger, state.self, state.seen);

/** Whether this replica has a reason to enter its next round: others are ahead, or it wants one for which nobody has permission yet. */
export const isBehind = (state: RoundsState): boolean => {
  const self = selfIn(state);
  return self !== undefined && (self.round === 0 || self.round < state.ledger!.highest);
};

/** The ledger that is to be written instead of `ledger`, the latest that there is, for permission to enter the next round; null: not now. */
export const askPermission = (state: RoundsState, ledger: Ledger, wanted: boolean): Ledger | null => {
  const self = findListed(ledger, state.self);
  // Permission is for who has entered the round before.
  if (self === undefined || self.round !== (selfIn(state)?.round ?? -1)) return null;
  if (self.round === 0 && !state.isBased) return null;
  return advance(ledger, state.self, state.seen, wanted);
};
