// What one replica remembers, and how a step collects what it wants done. Every field says what is always true of it.
import { nextBetween, type RandomState, randomFrom } from '../random.ts';
import type { RoleEvent } from './chart.ts';
import { decidesAlone, decodeConfiguration, isMemberOf, isVoter } from './configuration.ts';
import { InvariantBroken } from './invariants.ts';
import { RaftLog } from './log.ts';
import type { Progress } from './progress.ts';
import type {
  Configuration,
  Entry,
  HardState,
  RaftEffect,
  RaftMessage,
  RaftOptions,
  RaftRestored,
  ReplicaId,
  Role,
  SnapshotMeta,
} from './types.ts';

/** A write under way: `lastIndex` is how far it makes the log durable as the log is now; truncation lowers it. */
type PendingPersist = { token: number; lastIndex: number; hardState: HardState | null; snapshot: SnapshotMeta | null };

export type RaftState = {
  readonly replica: ReplicaId;
  readonly options: RaftOptions;
  /** Tests and the simulator check the costly invariants too. */
  readonly checkAll: boolean;
  random: RandomState;
  term: number;
  vote: ReplicaId | null;
  role: Role;
  leader: ReplicaId | null;
  log: RaftLog;
  /** Known to be committed; ≤ log.lastIndex. */
  commit: number;
  /** Handed out by `apply` effects; ≤ commit and ≤ durable. */
  handed: number;
  /** Reported by `applied`; ≤ handed. */
  applied: number;
  /** Every entry up to here is on this replica's disk as it is in `log`. */
  durable: number;
  durableHardState: HardState;
  /** The latest configuration in the log, committed or not (Raft §6), and the entry that holds it. */
  configuration: Configuration;
  configurationIndex: number;
  /** All configurations that a truncation or compaction may need, oldest first; the first is in force at the log's base. */
  configurations: { index: number; configuration: Configuration }[];
  /** When `wake` is wanted; Infinity = never. */
  deadlineMs: number;
  electionDeadlineMs: number;
  heartbeatDeadlineMs: number;
  heartbeatMs: number;
  heardLeaderMs: number;
  /** A restarted replica grants no vote before this time (decision 14). */
  votesFromMs: number;
  /** Answers to the campaign under way, of voters only. */
  votes: Map<ReplicaId, boolean>;
  progress: Map<ReplicaId, Progress>;
  /** Number of the latest broadcast of this leadership, and when the recent ones were sent. */
  round: number;
  roundSentMs: Map<number, number>;
  /** Index of the no-op of this leadership; reads and changes wait for its commit. */
  termStartIndex: number;
  uncommittedBytes: number;
  reads: { ref: number; round: number; index: number }[];
  readsWaiting: number[];
  reconfiguration: { ref: number | null; final: boolean; index: number; target: Configuration } | null;
  transfer: { ref: number; to: ReplicaId; deadlineMs: number; sent: boolean } | null;
  leaseEnded: boolean;
  /** A follower that stopped its election timer, or a leader that stopped its heartbeats (decision 13). */
  quiet: boolean;
  /** The first round of the leader's present proposal to be quiet; older agreements do not count. Infinity = none. */
  quietRound: number;
  activeMs: number;
  /** Never quiet when it leads. */
  awake: boolean;
  /** A write failed: nothing is promised any more. */
  halted: boolean;
  /** Writes under way, in order of tokens. */
  pending: PendingPersist[];
  lastToken: number;
  /** Why the role changed during the latest step, in the words of the chart. */
  roleEvents: RoleEvent[];
};

export type Standing =
  | 'voter'
  /** Voted until the latest configuration, which leaves it out and is not known to be committed. */
  | 'departing'
  | 'learner'
  | 'outsider';

/** What this replica is in the configuration in force. */
export const standingOf = ({ replica, configuration, configurations, configurationIndex, commit }: RaftState): Standing => {
  if (isVoter(configuration, replica)) return 'voter';
  const before = configurations.at(-2);
  if (configurationIndex > commit && before !== undefined && isVoter(before.configuration, replica)) return 'departing';
  return isMemberOf(configuration, replica) ? 'learner' : 'outsider';
};

/**
 * Voters campaign, and so does who departs: it alone may hold the entry by which it departs, and without it nobody else could
 * win in the configuration before. Its own vote does not count then (dissertation §4.2.2).
 */
export const mayCampaign = (state: RaftState): boolean => {
  const standing = standingOf(state);
  return standing === 'voter' || standing === 'departing';
};

export const randomTimeoutMs = (state: RaftState): number =>
  nextBetween(state.random, state.options.electionTimeoutMinMs, state.options.electionTimeoutMaxMs);

const emptyConfiguration: Configuration = { voters: [], outgoing: null, learners: [], learnersNext: [], members: {} };

/** When this replica, as it came back from its disk, may ask for votes at first, and when it may grant any. */
const restedUntil = (state: RaftState, restarted: boolean, nowMs: number): void => {
  const { options, replica, configurations } = state;
  // Alone in every configuration it remembers, there is nobody to wait for and no lease but its own.
  if (configurations.every((one) => decidesAlone(one.configuration, replica))) return;
  state.electionDeadlineMs = nowMs + randomTimeoutMs(state);
  if (!restarted) return;
  state.votesFromMs = nowMs + options.electionTimeoutMaxMs;
  // All of a cluster may have restarted at once: spread out again behind the time in which nobody votes.
  state.electionDeadlineMs += options.electionTimeoutMaxMs - options.electionTimeoutMinMs;
};

export const createRaft = (args: {
  replica: ReplicaId;
  options: RaftOptions;
  restored: RaftRestored;
  seed: number;
  nowMs: number;
  checkAll?: boolean;
}): RaftState => {
  const { replica, options, restored, nowMs } = args;
  const { snapshot, hardState, entries } = restored;
  const log = new RaftLog(snapshot, entries);
  const configurations = [{ index: log.base.index, configuration: snapshot?.configuration ?? emptyConfiguration }];
  for (const entry of entries)
    if (entry.kind === 'configuration')
      configurations.push({ index: entry.index, configuration: decodeConfiguration(entry.data) });
  const latest = configurations.at(-1)!;
  const applied = Math.max(restored.applied, log.base.index);
  if (applied > log.lastIndex)
    throw new InvariantBroken('applied-in-log', `${applied} was applied, but the log ends at ${log.lastIndex}`);
  if (log.lastTerm > hardState.term)
    throw new InvariantBroken('log-within-term', `the log ends in term ${log.lastTerm}, after term ${hardState.term}`);
  const state: RaftState = {
    ...{
      replica,
      options,
      checkAll: args.checkAll ?? false,
      random: randomFrom(args.seed),
      term: hardState.term,
      vote: hardState.vote,
    },
    ...{ role: 'follower', leader: null, log, commit: applied, handed: applied, applied, durable: log.lastIndex },
    durableHardState: { ...hardState },
    ...{ configuration: latest.configuration, configurationIndex: latest.index, configurations },
    ...{ deadlineMs: nowMs, electionDeadlineMs: nowMs, heartbeatDeadlineMs: Number.POSITIVE_INFINITY, heartbeatMs: nowMs },
    heardLeaderMs: Number.NEGATIVE_INFINITY,
    votesFromMs: nowMs,
    ...{ votes: new Map(), progress: new Map(), round: 0, roundSentMs: new Map(), termStartIndex: 0 },
    ...{ uncommittedBytes: 0, reads: [], readsWaiting: [], reconfiguration: null, transfer: null },
    ...{ leaseEnded: false, quiet: false, quietRound: Number.POSITIVE_INFINITY, activeMs: nowMs, awake: false, halted: false },
    ...{ pending: [], lastToken: 0, roleEvents: [] },
  };
  restedUntil(state, restored.restarted, nowMs);
  state.deadlineMs = state.electionDeadlineMs;
  return state;
};

// ---------------------------------------------------------------- what a step wants done

/** Collects one step's effects; `finish` turns what must be durable into one persist effect. */
export type Output = {
  effects: RaftEffect[];
  hardStateChanged: boolean;
  /** First index appended or replaced in this step, or Infinity. */
  appendedFrom: number;
  snapshot: SnapshotMeta | null;
  /** Messages that rely on what this step, or a write still under way, makes durable. */
  afterPersist: RaftMessage[];
  changed: boolean;
  /** Followers to send appends to, once, at the end of the step. */
  flush: ReplicaId[];
  /** Broadcast heartbeats with a new round at the end of the step. */
  newRound: boolean;
};

export const createOutput = (): Output => ({
  effects: [],
  hardStateChanged: false,
  appendedFrom: Number.POSITIVE_INFINITY,
  snapshot: null,
  afterPersist: [],
  changed: false,
  flush: [],
  newRound: false,
});

/** This replica gets what it lacks at the end of the step. */
export const flushTo = (out: Output, id: ReplicaId): void => {
  if (!out.flush.includes(id)) out.flush.push(id);
};

/** The one place where the role changes, with the reason that the chart has for it. */
export const takeRole = (state: RaftState, out: Output, role: Role, why: RoleEvent['type']): void => {
  state.role = role;
  state.roleEvents.push({ type: why });
  out.changed = true;
};

export const hardStateIsDurable = (state: RaftState): boolean =>
  state.durableHardState.term === state.term && state.durableHardState.vote === state.vote;

/** Says something now if all that it relies on is durable, else with the write that makes it so (decision 2). */
export const say = (state: RaftState, out: Output, message: RaftMessage, reliesOnIndex = 0): void => {
  if (!out.hardStateChanged && hardStateIsDurable(state) && reliesOnIndex <= state.durable && out.snapshot === null)
    out.effects.push({ type: 'send', message });
  else out.afterPersist.push(message);
};

/** Appends to the log in memory and marks it to be written. Configurations take effect at once (Raft §6). */
export const appendEntries = (state: RaftState, out: Output, entries: readonly Entry[]): void => {
  const first = entries[0];
  if (first === undefined) return;
  state.log.append(entries);
  out.appendedFrom = Math.min(out.appendedFrom, first.index);
  for (const { kind, index, data } of entries) {
    if (kind !== 'configuration') continue;
    const configuration = decodeConfiguration(data);
    state.configurations.push({ index, configuration });
    state.configuration = configuration;
    state.configurationIndex = index;
    out.changed = true;
  }
};

/** Drops a conflicting suffix, never an equal one; nothing of it counts as durable any more, whatever write of it is still under way. */
export const truncateLog = (state: RaftState, out: Output, from: number): void => {
  state.log.truncateFrom(from);
  state.durable = Math.min(state.durable, from - 1);
  for (const pending of state.pending) pending.lastIndex = Math.min(pending.lastIndex, from - 1);
  out.appendedFrom = Math.min(out.appendedFrom, from);
  if (state.configurationIndex < from) return;
  while (state.configurations.at(-1)!.index >= from) state.configurations.pop();
  const latest = state.configurations.at(-1)!;
  state.configuration = latest.configuration;
  state.configurationIndex = latest.index;
  out.changed = true;
};
