// The way out when a majority of a group is lost for good: a surviving replica is told, offline and by a person, who votes from
// now on. Raft cannot give this; it gives up what only the lost ones knew. The caller writes the operations durably and shows
// the report (`polity group recover`).
import { decodeConfiguration, InvariantBroken } from '../machines/raft/index.ts';
import type { Configuration, Entry, Member, RaftRestored, ReplicaId, SnapshotMeta } from '../machines/raft/types.ts';
import type { StorageOperation } from './ports/index.ts';
import type { RaftStore } from './raft-store.ts';

/** So far ahead that no term of the lost replicas, had they gone on among themselves, is used a second time. */
const termsSkipped = 1_000;

export type RecoveryReport = {
  appliedIndex: number;
  lastIndex: number;
  term: number;
  voters: Member[];
  /** Whoever was a member and is none any more: their disks must be wiped before they come back. */
  removed: Member[];
  /** Entries after the applied one: not known to be committed, they will be. */
  adopted: number;
  /** For a person: what is given up, in full sentences. */
  givenUp: string[];
};

export type Recovery = { ok: true; operations: StorageOperation[]; report: RecoveryReport } | { ok: false; message: string };

/** The configuration that counted last on this replica, committed or not. */
const lastConfiguration = ({ snapshot, entries }: RaftRestored): Configuration | null => {
  const entry = entries.findLast((one) => one.kind === 'configuration');
  return entry === undefined ? (snapshot?.configuration ?? null) : decodeConfiguration(entry.data);
};

const appliedPoint = ({ snapshot, entries, applied }: RaftRestored): { index: number; term: number; timeMs: number } => {
  const point = snapshot?.index === applied ? snapshot : entries.find((entry) => entry.index === applied);
  if (point === undefined) throw new InvariantBroken('recovery-applied', `the applied entry ${applied} is not in the log`);
  return { index: point.index, term: point.term, timeMs: point.timeMs };
};

/** What follows the applied entry stays, for it may be acknowledged; only its configurations are taken out. */
const withoutConfigurations = (entries: readonly Entry[]): Entry[] =>
  entries.map((entry) => (entry.kind === 'configuration' ? { ...entry, kind: 'noop', data: new Uint8Array(0) } : entry));

const nameOf = (member: Member): string => `${member.name} (${member.replica})`;

const ownName = ({ members }: Configuration, self: ReplicaId): string => {
  const member = members[self];
  return member === undefined ? self : nameOf(member);
};

/** `self` is the replica whose disk this is; `voters` are among the members it knows and contain it. */
export const forceConfiguration = (
  store: RaftStore,
  restored: RaftRestored,
  self: ReplicaId,
  voters: readonly ReplicaId[],
): Recovery => {
  const before = lastConfiguration(restored);
  if (before === null) return { ok: false, message: 'this replica never had a configuration: there is nothing to recover' };
  const unknown = voters.filter((id) => before.members[id] === undefined);
  if (unknown.length > 0) return { ok: false, message: `not members as far as this replica knows: ${unknown.join(', ')}` };
  if (new Set(voters).size !== voters.length) return { ok: false, message: 'a voter is named twice' };
  if (!voters.includes(self))
    return { ok: false, message: `${ownName(before, self)}, whose disk this is, must be one of the voters` };

  const members = Object.fromEntries(voters.map((id) => [id, before.members[id]!]));
  const configuration: Configuration = { voters: [...voters], outgoing: null, learners: [], learnersNext: [], members };
  const base: SnapshotMeta = { ...appliedPoint(restored), configuration };
  const kept = withoutConfigurations(restored.entries.filter((entry) => entry.index > restored.applied));
  const hardState = { term: restored.hardState.term + termsSkipped, vote: null };
  const removed = Object.values(before.members).filter((member) => members[member.replica] === undefined);
  const lastIndex = kept.at(-1)?.index ?? base.index;

  const givenUp = [
    `Every write that the lost replicas acknowledged after index ${lastIndex} is gone, and nobody can list them.`,
    ...(kept.length === 0
      ? []
      : [
          `${kept.length} entries (${base.index + 1} to ${lastIndex}) will count as committed, also those reported as OUTCOME_UNKNOWN.`,
        ]),
    ...(removed.length === 0
      ? []
      : [`No members any more, their data must be wiped before they return: ${removed.map(nameOf).join(', ')}.`]),
    ...(voters.length === 1
      ? []
      : ['The same recovery must be done on every voter named, and the one with the highest index started first.']),
  ];
  return {
    ok: true,
    operations: store.replaceLog(hardState, base, kept),
    report: {
      ...{ appliedIndex: base.index, lastIndex, term: hardState.term, adopted: kept.length },
      ...{ voters: Object.values(members), removed, givenUp },
    },
  };
};
