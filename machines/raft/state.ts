// What one replica remembers, and how a step collects what it wants done. Every field says what is always true of it.
import { nextBetween, type RandomState, randomFrom } from '../random.ts';
import { RaftLog } from './log.ts';
import { decodeConfiguration } from './messages.ts';
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

export type ProgressMode =
  /** One append at a time until the logs are known to meet. */
  | 'probe'
  /** Appends flow without waiting, within the in-flight limits. */
  | 'replicate'
  /** The follower is behind the compaction point; nothing flows until its snapshot is sent. */
  | 'snapshot';

/** What a leader knows of one other replica. */
export type Progress = {
  /** Every entry up to here is durable on the follower and equal to ours. Never moves back. */
  match: number;
  /** The next entry to send; > match. */
  next: number;
  mode: ProgressMode;
  /** Last index and bytes of appends that are not acknowledged, oldest first; within the limits of the options. */
  inflight: { index: number; bytes: number }[];
  inflightBytes: number;
  /** Mode probe: the one append is under way. */
  probing: boolean;
  heardMs: number;
  advancedMs: number;
  /** Highest round acknowledged, and the round that was current when match last moved. */
  ackedRound: number;
  matchRound: number;
  /** Mode snapshot: not to be sent again before this time. */
  retryAtMs: number;
  /** Its log lost what it had acknowledged: its acknowledgements count for nothing (decision 12). */
  regressed: boolean;
  quiet: boolean;
};

type PendingPersist = { token: number; lastIndex: number; hardState: HardState | null; snapshot: SnapshotMeta | null };

export type RaftState = {
  readonly replica: ReplicaId;
  readonly options: RaftOptions;
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
  /** All configurations that a truncation or compaction may need, oldest first; the first is that of the log's base or before. */
  configurations: { index: number; configuration: Configuration }[];
  /** When `wake` is wanted; Infinity = never. */
  deadlineMs: number;
  electionDeadlineMs: number;
  heartbeatDeadlineMs: number;
  heartbeatMs: number;
  heardLeaderMs: number;
  /** A restarted replica grants no vote before this time (decision 14). */
  votesFromMs: number;
  votes: Map<ReplicaId, boolean>;
  transferCampaign: boolean;
  progress: Map<ReplicaId, Progress>;
  /** Number of the latest broadcast of this leadership, and when the recent ones were sent. */
  round: number;
  roundSentMs: Map<number, number>;
  /** Index of the no-op of this leadership; reads and changes wait for its commit. */
  termStartIndex: number;
  uncommittedBytes: number;
  reads: { ref: number; round: number; index: number }[];
  readsWaiting: number[];
  readRound: number;
  reconfiguration: { ref: number | null; final: boolean; index: number; target: Configuration } | null;
  transfer: { ref: number; to: ReplicaId; deadlineMs: number; sent: boolean } | null;
  leaseEnded: boolean;
  quiet: boolean;
  activeMs: number;
  halted: boolean;
  pending: PendingPersist[];
  lastToken: number;
};

export const randomTimeoutMs = (state: RaftState): number =>
  nextBetween(state.random, state.options.electionTimeoutMinMs, state.options.electionTimeoutMaxMs);

const emptyConfiguration: Configuration = { voters: [], outgoing: null, learners: [], learnersNext: [], members: {} };

export const createRaft = (args: {
  replica: ReplicaId;
  options: RaftOptions;
  restored: RaftRestored;
  seed: number;
  nowMs: number;
}): RaftState => {
  const { replica, options, restored, nowMs } = args;
  const { snapshot, hardState, entries } = restored;
  const log = new RaftLog(snapshot, entries);
  const configurations = [{ index: log.base.index, configuration: snapshot?.configuration ?? emptyConfiguration }];
  for (const entry of entries)
    if (entry.kind === 'configuration') configurations.push({ index: entry.index, configuration: decodeConfiguration(entry.data) });
  const latest = configurations.at(-1)!;
  const applied = Math.max(restored.applied, log.base.index);
  const state: RaftState = {
    ...{ replica, options, random: randomFrom(args.seed), term: hardState.term, vote: hardState.vote },
    ...{ role: 'follower', leader: null, log, commit: applied, handed: applied, applied, durable: log.lastIndex },
    durableHardState: { ...hardState },
    ...{ configuration: latest.configuration, configurationIndex: latest.index, configurations },
    ...{ deadlineMs: nowMs, electionDeadlineMs: nowMs, heartbeatDeadlineMs: Number.POSITIVE_INFINITY, heartbeatMs: nowMs },
    heardLeaderMs: Number.NEGATIVE_INFINITY,
    votesFromMs: restored.restarted ? nowMs + options.electionTimeoutMaxMs : nowMs,
    ...{ votes: new Map(), transferCampaign: false, progress: new Map(), round: 0, roundSentMs: new Map(), termStartIndex: 0 },
    ...{ uncommittedBytes: 0, reads: [], readsWaiting: [], readRound: 0, reconfiguration: null, transfer: null },
    ...{ leaseEnded: false, quiet: false, activeMs: nowMs, halted: false, pending: [], lastToken: 0 },
  };
  // Alone, there is nobody to wait for and no lease but its own.
  const alone = latest.configuration.voters.length === 1 && latest.configuration.voters[0] === replica && latest.configuration.outgoing === null;
  if (alone) state.votesFromMs = nowMs;
  else state.electionDeadlineMs = Math.max(nowMs + randomTimeoutMs(state), state.votesFromMs);
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
  flush: Set<ReplicaId>;
  /** Broadcast heartbeats with a new round at the end of the step. */
  newRound: boolean;
};

export const createOutput = (): Output => ({
  ...{ effects: [], hardStateChanged: false, appendedFrom: Number.POSITIVE_INFINITY, snapshot: null, afterPersist: [] },
  ...{ changed: false, flush: new Set(), newRound: false },
});

export const hardStateIsDurable = (state: RaftState): boolean =>
  state.durableHardState.term === state.term && state.durableHardState.vote === state.vote;

/** Says something now if all that it relies on is durable, else with the write that makes it so (decision 2). */
export const say = (state: RaftState, out: Output, message: RaftMessage, reliesOnIndex = 0): void => {
  if (!out.hardStateChanged && hardStateIsDurable(state) && reliesOnIndex <= state.durable && out.snapshot === null)
    out.effects.push({ type: 'send', message });
  else out.afterPersist.push(message);
};

export const setConfiguration = (state: RaftState, index: number, configuration: Configuration): void => {
  state.configurations.push({ index, configuration });
  state.configuration = configuration;
  state.configurationIndex = index;
};

/** Appends to the log in memory and marks it to be written. Configurations take effect at once (Raft §6). */
export const appendEntries = (state: RaftState, out: Output, entries: readonly Entry[]): void => {
  const first = entries[0];
  if (first === undefined) return;
  state.log.append(entries);
  out.appendedFrom = Math.min(out.appendedFrom, first.index);
  for (const entry of entries) {
    if (entry.kind !== 'configuration') continue;
    setConfiguration(state, entry.index, decodeConfiguration(entry.data));
    out.changed = true;
  }
};

/** Drops a conflicting suffix; nothing of it counts as durable any more, whatever write of it is still under way. */
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

/** The configuration in force at `index`, as far as the log remembers. */
export const configurationAt = (state: RaftState, index: number): Configuration => {
  let found = state.configurations[0]!.configuration;
  for (const one of state.configurations) if (one.index <= index) found = one.configuration;
  return found;
};
