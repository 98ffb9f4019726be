// Who takes part in the rounds of replicated objects (types.ts), and how far each is: one small value that only Raft changes, by
// compare-and-set, so that all who ever decide anything by it decide the same. Its rules are pure functions from ledger to ledger; who
// reads and writes it is the actor's matter. What each rule is for, and why it is enough, is in docs/internals/replicator-rounds.md.
import type { ReplicaId, Round } from './types.ts';

/** A replica whose changes count: rounds wait for it. */
export type Listed = {
  readonly id: ReplicaId;
  /** The node on which it lives. */
  readonly peer: string;
  readonly name: string;
  /** What it brought when it was listed, and all it changed since, is of this round or later. */
  readonly begin: Round;
  /** The round that it may enter; 0: none yet, it begins. */
  readonly round: Round;
};

/** Of whom nobody takes anything any more; what it left may not be everywhere yet. */
export type Retired = {
  readonly id: ReplicaId;
  readonly peer: string;
  readonly name: string;
  /** The highest round that anybody might enter when it was retired. */
  readonly at: Round;
};

export type Ledger = {
  /** Of two copies the higher one is later. */
  readonly version: number;
  /** Raised whenever who is listed changes. */
  readonly edition: number;
  /** No replica may enter a later round than this. */
  readonly highest: Round;
  /** Everything made up to this round is at every replica that is listed and does not begin, and nobody makes more of it. */
  readonly stable: Round;
  readonly listed: readonly Listed[];
  readonly retired: readonly Retired[];
};

export const ledgerLimits = {
  /** Replicas that are listed, and that are retired and not yet forgotten. */
  replicasMax: 256,
  /** A former replica of the same node is retired by the next; one node cannot fill the ledger. */
  retiredMax: 256,
  peerCharsMax: 128,
  nameCharsMax: 128,
} as const;

export const findListed = ({ listed }: Ledger, id: ReplicaId): Listed | undefined => listed.find((one) => one.id === id);

/**
 * Raises `stable` as far as what all have been permitted allows. Whoever has permission for round r has all that was made up to r - 2
 * (`advance`). It stands still while somebody begins, for he has nothing yet; and while what a retired replica left may not be
 * everywhere: those in round `at + 2` have all of it, so what was made without knowledge of it is of round `at + 1` at the latest, and
 * what it removed may be forgotten only once that, too, is everywhere. Hence three, not two.
 */
const settle = (ledger: Ledger): Ledger => {
  const { listed } = ledger;
  const lowest = listed.reduce((least, { round }) => Math.min(least, round), Number.POSITIVE_INFINITY);
  const retired = ledger.retired.filter(({ at }) => lowest < at + 3);
  const isStill = retired.length > 0 || listed.length === 0;
  return { ...ledger, retired, stable: isStill ? ledger.stable : Math.max(ledger.stable, lowest - 2) };
};

const next = (ledger: Ledger, changed: Partial<Ledger>): Ledger =>
  settle({
    ...{ ...ledger, ...changed },
    version: ledger.version + 1,
    edition: changed.listed === undefined ? ledger.edition : ledger.edition + 1,
  });

const withoutListed = (ledger: Ledger, leaves: (one: Listed) => boolean): Pick<Ledger, 'listed' | 'retired'> => {
  const left = ledger.listed.filter(leaves);
  // Who never had permission has told nobody anything.
  const retired = left
    .filter(({ round }) => round > 0)
    .map(({ id, peer, name }): Retired => ({ id, peer, name, at: ledger.highest }));
  return { listed: ledger.listed.filter((one) => !leaves(one)), retired: [...ledger.retired, ...retired] };
};

/** From that version on nobody who knows of it takes anything of this replica. Null: it is not listed. */
export const retire = (ledger: Ledger, id: ReplicaId): Ledger | null =>
  findListed(ledger, id) === undefined
    ? null
    : next(
        ledger,
        withoutListed(ledger, (one) => one.id === id),
      );

/** For what was made in `last` to be forgotten, somebody must get permission for a round that nobody has yet. */
export const needsRound = ({ highest, retired }: Ledger, last: Round): boolean =>
  retired.reduce((latest, { at }) => Math.max(latest, at), last) + 3 > highest;

/** While nobody is further nothing was ever forgotten. */
export const roundsWithoutLoss = 2;

export type Newcomer = Pick<Listed, 'id' | 'peer' | 'name'>;

/**
 * Lists a replica, and retires those that its node had before. While nobody has entered round 3 nothing was ever forgotten, and what
 * was made in round 1 may still come: it goes on as it is. Later it begins: what it brings, which nobody has heard of, counts as made in the
 * highest round, and it gets permission for that once it has what the others have. Where there is nobody from whom it could have
 * anything, it is what there is. 'full': there are enough. Null: it is listed already, or retired.
 */
export const register = (ledger: Ledger | null, { id, peer, name }: Newcomer): Ledger | 'full' | null => {
  if (ledger === null) {
    const first: Listed = { id, peer, name, begin: 1, round: 1 };
    return { version: 1, edition: 1, highest: 1, stable: 0, listed: [first], retired: [] };
  }
  if (findListed(ledger, id) !== undefined || ledger.retired.some((one) => one.id === id)) return null;
  const { listed, retired } = withoutListed(ledger, (one) => one.peer === peer);
  if (listed.length >= ledgerLimits.replicasMax || retired.length > ledgerLimits.retiredMax) return 'full';
  const { highest } = ledger;
  const isEarly = highest <= roundsWithoutLoss;
  const isAlone = listed.every(({ round }) => round === 0);
  const fresh: Listed = { id, peer, name, begin: isEarly ? 1 : highest, round: isEarly ? 1 : isAlone ? highest : 0 };
  return next(ledger, { listed: [...listed, fresh], retired });
};

/** What a replica has of the others: for each, the last round of which it has all that the other had when it left it. */
export type Seen = ReadonlyMap<ReplicaId, Round>;

const roundAfter = ({ round, begin }: Listed): Round => (round === 0 ? begin : round + 1);

/** Of whom something is missing for the next round: those that are to be asked, or asked by others. */
export const missingFor = (ledger: Ledger, id: ReplicaId, seen: Seen): Listed[] => {
  const self = findListed(ledger, id);
  if (self === undefined) return [];
  const needed = roundAfter(self) - 2;
  return ledger.listed.filter((one) => one.id !== id && needed >= one.begin && (seen.get(one.id) ?? 0) < needed);
};

/**
 * Permission for the next round, for who is in the one before. Given only if it has all that was made up to two rounds before: all
 * that everybody listed here had when he entered the round before. (Who is listed later brings nothing of those rounds.) `wanted`: also
 * a round for which nobody has permission yet. Null: not now.
 */
export const advance = (ledger: Ledger, id: ReplicaId, seen: Seen, wanted: boolean): Ledger | null => {
  const self = findListed(ledger, id);
  if (self === undefined) return null;
  const round = roundAfter(self);
  if (round > ledger.highest && !wanted) return null;
  if (missingFor(ledger, id, seen).length > 0) return null;
  const listed = ledger.listed.map((one) => (one.id === id ? { ...one, round } : one));
  return { ...next(ledger, { listed, highest: Math.max(ledger.highest, round) }), edition: ledger.edition };
};
