// Raft's words: what a member remembers, what it is told (events), what it wants done (effects), what it says (messages).
// The machine is pure: `step(state, nowMs, event)` changes `state` in place and returns effects as plain data.
// Sources: Ongaro & Ousterhout 2014 (the paper), Ongaro's dissertation 2014, etcd-io/raft doc.go (asynchronous storage writes).

/** Random id of one voter, stored beside its log (decision 10). A wiped disk gets a new one. */
export type ReplicaId = string;

/** Where a replica lives. `peer` is the libp2p peer id that alone may speak for it. */
export type Member = { replica: ReplicaId; name: string; peer: string };

/**
 * Who counts. Joint while `outgoing` is not null: every decision then needs a majority of both (dissertation §4.3).
 * `learnersNext` are voters of `outgoing` that become learners when the joint phase ends.
 * `members` has exactly the replicas named in the four lists.
 */
export type Configuration = {
  voters: ReplicaId[];
  outgoing: ReplicaId[] | null;
  learners: ReplicaId[];
  learnersNext: ReplicaId[];
  members: Record<ReplicaId, Member>;
};

export type EntryKind = 'command' | 'configuration' | 'noop';

/** `timeMs` is log time: the proposing leader's wall clock, never less than the entry before (TTLs and sessions use it). */
export type Entry = { index: number; term: number; kind: EntryKind; timeMs: number; data: Uint8Array };

/** What must be durable before anything that relies on it is said. */
export type HardState = { term: number; vote: ReplicaId | null };

/** Says what a snapshot stands for; the bytes travel apart (actors, bulk lane). */
export type SnapshotMeta = { index: number; term: number; timeMs: number; configuration: Configuration };

export type Role = 'follower' | 'pre-candidate' | 'candidate' | 'leader';

// ---------------------------------------------------------------- messages between replicas of one group

type MessageBase = { from: ReplicaId; to: ReplicaId; term: number };

export type RaftMessage =
  | (MessageBase & { type: 'pre-vote' | 'vote'; lastIndex: number; lastTerm: number; transfer: boolean })
  | (MessageBase & { type: 'pre-vote-reply' | 'vote-reply'; granted: boolean })
  /** `round`: number of the leader's broadcast, echoed by the reply, for ReadIndex, check-quorum and leases. */
  | (MessageBase & { type: 'append'; prevIndex: number; prevTerm: number; entries: Entry[]; commit: number; round: number })
  | (MessageBase & {
      type: 'append-reply';
      /** On success the last index known equal to the leader's; on a refusal the refused prevIndex. */
      index: number;
      /** Null on success; on a refusal where to go on from (paper §5.3, etcd's hint). */
      conflict: { index: number; term: number } | null;
      round: number;
    })
  | (MessageBase & { type: 'heartbeat'; commit: number; round: number; quiet: boolean; lastIndex: number })
  | (MessageBase & { type: 'heartbeat-reply'; round: number; quiet: boolean; index: number })
  /** Asks the follower's actor to expect a snapshot; the chunks travel apart, bound to this meta by (term, index). */
  | (MessageBase & { type: 'snapshot'; meta: SnapshotMeta })
  | (MessageBase & { type: 'time-out-now' });

export type RaftMessageType = RaftMessage['type'];

// ---------------------------------------------------------------- events

export type ProposalRejection = 'not-leader' | 'transferring' | 'overloaded' | 'too-large';
export type ReadRejection = 'not-leader' | 'no-quorum' | 'overloaded';
/** 'lost': taken, then leadership went; whether it happens is the next leader's. */
export type ReconfigureRejection =
  | 'not-leader'
  | 'lost'
  | 'pending'
  | 'invalid'
  | 'not-caught-up'
  /** The voters that would be left could not decide anything: too few of them answer. */
  | 'unheard'
  | 'overloaded';
/** `unanswered`: the target was told to campaign and may still do so; the others surely changed nothing. */
export type TransferRejection = 'not-leader' | 'not-a-voter' | 'timed-out' | 'superseded' | 'unanswered';

/** The configuration wanted at the end; the machine goes through a joint phase by itself where voters change. */
export type ReconfigureTarget = { voters: ReplicaId[]; learners: ReplicaId[]; members: Record<ReplicaId, Member> };

export type RaftEvent =
  /** Time has passed: sent when `state.deadlineMs` is reached; harmless at any other time. */
  | { type: 'wake' }
  | { type: 'message'; message: RaftMessage }
  /** `ref` is the caller's number for the outcome. `wallMs` stamps log time. One event may carry many proposals. */
  | { type: 'propose'; wallMs: number; proposals: { ref: number; data: Uint8Array }[] }
  | { type: 'read'; ref: number; mode: 'read-index' | 'lease' }
  | { type: 'reconfigure'; ref: number; wallMs: number; target: ReconfigureTarget }
  | { type: 'transfer'; ref: number; to: ReplicaId }
  /** The persist effect with this token is durable (answers come in order of tokens). */
  | { type: 'persisted'; token: number }
  /** A write failed: the replica stops promising for good until restarted. */
  | { type: 'persist-failed' }
  /** The state machine does not know what an entry says: the same, for what is told of it could not be kept. */
  | { type: 'unreadable' }
  /** The state machine has applied up to `index` (after its state write was handed to the writer). */
  | { type: 'applied'; index: number }
  /** Log up to `index` may be dropped; `meta` is what a snapshot taken now stands for (index ≤ applied). */
  | { type: 'compact'; meta: SnapshotMeta }
  /** A whole snapshot has been received and verified into a staging area; ask the machine whether to install it. */
  | { type: 'snapshot-received'; from: ReplicaId; meta: SnapshotMeta }
  /** The leader's actor finished or gave up sending a snapshot. `index` is the meta's. */
  | { type: 'snapshot-sent'; to: ReplicaId; index: number; ok: boolean }
  /** The network could not deliver to this replica: its lane is full or there is no connection. */
  | { type: 'unreachable'; replica: ReplicaId }
  /** The peer that hosts it closed, restarted (new boot epoch) or fell silent: quiet groups wake (decision 13). */
  | { type: 'peer-lost'; replica: ReplicaId }
  /** The peer that hosts it is connected (again). */
  | { type: 'peer-found'; replica: ReplicaId }
  /** While somebody here lives by the lease, this replica is not quiet when it leads: a quiet leader has none. */
  | { type: 'attend'; awake: boolean };

// ---------------------------------------------------------------- effects

export type RaftEffect =
  /** May leave at once: relies on nothing that is not durable. */
  | { type: 'send'; message: RaftMessage }
  /**
   * One atomic durable write, then `messages` may leave and `persisted {token}` is to be answered (decision 2).
   * `entries` replace everything from `entries[0].index` on. `snapshot` (install) replaces the whole log and the state
   * machine's contents by the staged ones, before `entries`.
   */
  | {
      type: 'persist';
      token: number;
      hardState: HardState | null;
      entries: Entry[];
      snapshot: SnapshotMeta | null;
      messages: RaftMessage[];
    }
  /** Committed and locally durable: apply in order, then answer `applied`. */
  | { type: 'apply'; entries: Entry[] }
  /** Durable log batches wholly at or below `index` may be deleted (not durable by itself; order is enough). */
  | { type: 'drop-log'; meta: SnapshotMeta }
  /** Stream a snapshot (any state at or after `meta.index`) to this replica, then answer `snapshot-sent`. */
  | { type: 'send-snapshot'; to: ReplicaId; minIndex: number }
  /** Prepare to receive the snapshot that this leader streams. */
  | { type: 'expect-snapshot'; from: ReplicaId; meta: SnapshotMeta }
  | { type: 'proposed'; ref: number; index: number; term: number }
  | { type: 'proposal-rejected'; ref: number; reason: ProposalRejection; leader: ReplicaId | null }
  /** The read may be answered from a state applied at least up to `index`. */
  | { type: 'read-ready'; ref: number; index: number }
  | { type: 'read-rejected'; ref: number; reason: ReadRejection; leader: ReplicaId | null }
  | { type: 'reconfigured'; ref: number; index: number }
  | { type: 'reconfigure-rejected'; ref: number; reason: ReconfigureRejection; message: string }
  | { type: 'transferred'; ref: number }
  | { type: 'transfer-rejected'; ref: number; reason: TransferRejection }
  /** Role, term, leader, configuration or quietness changed; read them from the state. */
  | { type: 'changed' }
  /** Something a person should know, by a fixed name (e.g. LOG_REGRESSED, STOPPED_PERSIST_FAILED). */
  | { type: 'warn'; code: string; message: string };

// ---------------------------------------------------------------- configuration of one member

export type RaftOptions = {
  electionTimeoutMinMs: number;
  /** Exclusive upper bound of the randomised time-out. */
  electionTimeoutMaxMs: number;
  heartbeatMs: number;
  inflightMessagesMax: number;
  inflightBytesMax: number;
  appendBytesMax: number;
  uncommittedBytesMax: number;
  entryBytesMax: number;
  pendingReadsMax: number;
  /** A leader that is idle and fully acknowledged this long becomes quiet; 0 = never. */
  quietAfterMs: number;
  /** Bound on the drift between two nodes' clock rates that a lease relies on, e.g. 0.1. */
  leaseDriftRatio: number;
  /** Log kept for followers behind the snapshot, in entries. */
  retainEntries: number;
};

export const raftDefaults: RaftOptions = {
  electionTimeoutMinMs: 150,
  electionTimeoutMaxMs: 300,
  heartbeatMs: 50,
  inflightMessagesMax: 256,
  inflightBytesMax: 8 << 20,
  appendBytesMax: 512 << 10,
  uncommittedBytesMax: 64 << 20,
  entryBytesMax: 2 << 20,
  pendingReadsMax: 65_536,
  quietAfterMs: 1_000,
  leaseDriftRatio: 0.1,
  retainEntries: 5_000,
};

/** What the disk gave back at a start. `snapshot` null: the log starts at 1. Entries are dense from snapshot.index + 1. */
export type RaftRestored = {
  hardState: HardState;
  snapshot: SnapshotMeta | null;
  entries: Entry[];
  /** Index up to which the state machine's own keyspace is applied (≥ snapshot.index). */
  applied: number;
  /** True: this replica ran before, so it grants no vote for one maximum election time-out (decision 14). */
  restarted: boolean;
};
