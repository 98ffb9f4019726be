// What a node tree offers to whoever embeds it (src/node.ts, the gateway, the simulator): one status store to read and a few
// calls that answer by callback. Everything here is plain data.
import type { DiscoveryView } from '../machines/discovery/index.ts';
import type { Failure } from '../machines/errors.ts';
import type { Delivery, GossipSummary } from '../machines/gossip/index.ts';
import type { MemberView } from '../machines/membership/index.ts';
import type { Role } from '../machines/raft/types.ts';
import type { RegisterEvent, RegisterRead, RegisterResult, RegisterWrite } from '../machines/register/types.ts';
import type { Plain } from '../machines/replicator/types.ts';
import type { ActorsApi } from './actor-api.ts';
import type { Replicas } from './actor-replica.ts';
import type { NotableBreaker } from './breakers-api.ts';
import type { Found } from './discovery.ts';
import type { GraphApi } from './graph-api.ts';
import type { InspectApi } from './inspect-api.ts';
import type { RoutesApi } from './routes-door.ts';
import type { BreakersApi, CallsApi, CatalogApi, ServiceHost } from './service-api.ts';
import type { Shards } from './shard-api.ts';
import type { TopicsApi } from './topic-api.ts';

export type NodeState = 'created' | 'joining' | 'ready' | 'degraded' | 'draining' | 'left' | 'failed';

export type GroupStatus = {
  id: string;
  /** 'learner' is a follower that has no vote; 'none': this node hosts no replica of the group, or one that is no member of it. */
  role: Role | 'learner' | 'none';
  term: number;
  /** The leader's node name, or null while none is known. */
  leader: string | null;
  /** Node names. */
  voters: string[];
  learners: string[];
  commitIndex: number;
  appliedIndex: number;
  firstIndex: number;
  lastIndex: number;
  quiet: boolean;
  replica: string | null;
  /** True while a reconfiguration's joint phase lasts. */
  joint: boolean;
  /** Why this replica neither votes nor acknowledges (LOG_CORRUPT, LOG_UNREADABLE, PERSIST_FAILED …), or null. */
  halted: string | null;
};

export type PeerStatus = {
  name: string;
  peerId: string;
  connected: boolean;
  epoch: number;
  addresses: string[];
  /** Milliseconds of the last beat's round trip, or null. */
  rttMs: number | null;
};

export type NodeStatus = {
  name: string;
  peerId: string;
  cluster: string;
  clusterId: string | null;
  state: NodeState;
  /** Why the state is what it is, as a code from the error table or null (IDENTITY_LOST, NO_QUORUM, STORAGE_FAILED …). */
  reason: string | null;
  version: string;
  epoch: number;
  listen: string[];
  http: string | null;
  groups: GroupStatus[];
  peers: PeerStatus[];
  /** Every supervised actor: address, state, restarts so far, why it was last restarted or given up. */
  actors: { address: string; state: 'running' | 'backoff' | 'stopped' | 'failed'; restarts: number; reason: string | null }[];
  /** Services of peers that are not called, or only to try, or that somebody holds; at most 100, `breakers()` tells more. */
  breakers: NotableBreaker[];
};

export type Outcome<T> = { ok: true; value: T } | { ok: false; failure: Failure };

export type CallOptions = {
  /** Group of the register service; 'kv' when absent. */
  group?: string;
  /** Milliseconds from now until the caller stops waiting; 1 to 60 000, default 5 000. */
  timeoutMs?: number;
};

export type ReadOptions = CallOptions & {
  /** 'linearizable' = ReadIndex; 'lease' = the leader's lease where it is valid, else ReadIndex; 'local' = this node's state, may be old. */
  consistency?: 'linearizable' | 'lease' | 'local';
};

export type WriteOptions = CallOptions & {
  /** 1 to 128 printable characters; the same id twice has one effect (kept 10 minutes of log time). */
  idempotencyKey?: string;
};

export type GroupChange =
  /** Adds as a learner; the node must be known (connected now or earlier). */
  | { type: 'add'; node: string; role: 'learner' | 'voter' }
  | { type: 'remove'; node: string }
  | { type: 'promote'; node: string }
  | { type: 'transfer'; node: string };

export type WatchMessage =
  | { type: 'events'; events: RegisterEvent[]; index: number }
  /** No event up to `index`: a watcher that starts again from here misses nothing. */
  | { type: 'progress'; index: number }
  | { type: 'failed'; failure: Failure };

/** `source` is a peer id. `late`: what its source announced after it was heard before it. */
export type Announced = Delivery;

export type AnnounceOptions = {
  /** Milliseconds that it holds: who comes later than that never hears of it. 1 to 3 600 000, default 60 000. */
  ttlMs?: number;
};

/** Announcements to all members: small, held in memory, heard once by each, in the order of their source where that can be had. */
export interface GossipApi {
  /** `done` when this node has it, which sees to it that all others hear it while it holds; they are not waited for. */
  publish(
    topic: string,
    body: Uint8Array,
    options: AnnounceOptions,
    done: (outcome: Outcome<{ sequence: number }>) => void,
  ): void;
  /**
   * Hears what is announced from now on, by this node too, and first what was announced before and still holds. Returns what ends it,
   * or throws a PolityError: OVERLOADED at more than 1 024 listeners.
   */
  subscribe(topic: string, on: (announced: Announced) => void): () => void;
  /** What this node keeps. */
  summary(): GossipSummary;
}

/**
 * When a change of a replicated object is answered. 'write', the default: once it is on the disk, by one sync for all that is written at
 * the same time. `everyMs` (1 to 1 000): at once; it is on the disk within so long, and what is not is lost to a kill -9. 'never': at
 * once; it goes to the disk with whatever is written next, and within a second if nothing is. Others are told of a change only when it
 * is on the disk, whatever the policy.
 */
export type SyncPolicy = 'write' | 'never' | { readonly everyMs: number };

/** Changes of one object that knew nothing of each other met at this node. What is not known is absent. */
export type ReplicaConflict = {
  /** As in docs/internals/replicator-types.md: 'register', 'or-set' … */
  readonly type: string;
  readonly key: string;
  /** Where in it: the key of a map, the keys of maps in maps, the element of a set. */
  readonly path?: readonly Plain[];
  /** The values of a 'register' that stand beside each other since, by replica. */
  readonly siblings?: readonly Plain[];
  /** The value that a last writer overwrote, not knowing of it. */
  readonly lost?: Plain;
};

/** Data that every node may change without asking (AP); what it is read as and which changes it takes is its type's. */
export interface ReplicaApi {
  /**
   * Makes a change here, visible at once; `done` when it is on this node's disk, or at once if `sync` says so. Works without any other
   * node. Fails with INVALID_REQUEST, TOO_LARGE, OVERLOADED, NOT_READY, STOPPING, STORAGE_FAILED or OUTCOME_UNKNOWN.
   */
  change(
    type: string,
    key: string,
    change: unknown,
    done: (outcome: Outcome<null>) => void,
    options?: { sync?: SyncPolicy },
  ): void;
  /** As it is here now; undefined where nothing is known. Not to be changed. */
  read(type: string, key: string): unknown;
  /** Its canonical bytes: the same at nodes that know the same; undefined where nothing is known. Made anew each time. */
  form(type: string, key: string): Uint8Array | undefined;
  /** Another one after each change of the object; below 0 where nothing is known. */
  version(type: string, key: string): number;
  /**
   * Told after it changed here, by whomever, once for all changes of a turn; `ended` once the node stops, after which nothing is told.
   * Returns what ends it, or throws a PolityError: OVERLOADED at more than 16 384 followers.
   */
  follow(type: string, key: string, on: () => void, ended?: () => void): () => void;
  /**
   * Told of conflicts, of all objects or of one, after they met here: at most 1 024 a turn, the metric counts all. Returns what ends
   * it, or throws a PolityError: OVERLOADED at more than 1 024 listeners.
   */
  onConflict(on: (conflict: ReplicaConflict) => void, wanted?: { type: string; key: string }): () => void;
  /** `done` once the objects are read from the disk, or with why they are not: STOPPING, STORAGE_FAILED or OVERLOADED. */
  opened(done: (outcome: Outcome<null>) => void): void;
  /** At most 1000, by type and key; `after` one of these the next. A page of fewer than asked for is the last. */
  list(wanted: {
    type?: string;
    prefix?: string;
    after?: { type: string; key: string };
    limit?: number;
  }): { type: string; key: string }[];
  /** Who takes part in the rounds by which removed things are forgotten, as this node knows it; empty before it knows. */
  replicas(): ReplicasView;
  /**
   * For good: nobody takes anything of this replica any more, what others have of it stays. By its id, or its node's name. The node goes
   * on under a new id if it comes back; what only it had may be lost. NOT_FOUND: there is none.
   */
  retire(named: string, done: (outcome: Outcome<{ replica: string; name: string }>) => void): void;
  summary(): { replica: string | null; objects: number; conflicts: number; logBytes: number };
}

export type ListedReplica = {
  replica: string;
  peerId: string;
  /** The node's. */
  name: string;
  /** The round that it may enter; of a retired one the highest when it was retired. */
  round: number;
  /** 'begins': it takes what the others have. 'retired': what it left may not be everywhere yet. */
  standing: 'begins' | 'member' | 'retired';
};

export type ReplicasView = {
  /** This node's own; null before its disk is read. */
  replica: string | null;
  /** 'apart': not listed yet. */
  standing: 'apart' | 'begins' | 'member' | 'retired' | null;
  round: number;
  /** Everything made up to this round is everywhere. */
  stable: number;
  replicas: ListedReplica[];
};

export interface NodeApi extends BreakersApi {
  readonly topics: TopicsApi;
  /** Where actors are. */
  readonly shards: Shards;
  /** For operators, of replicated actors. */
  readonly replicas: Pick<Replicas, 'reset'>;
  readonly replica: ReplicaApi;
  /** Who offers what to be called. */
  readonly catalog: CatalogApi;
  readonly gossip: GossipApi;
  /** Calls of services, wherever they are offered. */
  readonly calls: CallsApi;
  /** What this node offers to be called. */
  readonly host: ServiceHost;
  /** Calls that hang on each other, as one. */
  readonly graph: GraphApi;
  readonly routes: RoutesApi;
  /** Actors that users write, wherever they live. */
  readonly actors: ActorsApi;
  /** Actors as who looks on sees them, the runtime's own among them. */
  readonly inspect: InspectApi;
  status(): NodeStatus;
  /** Called after the status changed, at most once a turn. Returns what ends it. */
  onStatus(listener: (status: NodeStatus) => void): () => void;
  /** Who is there as this node knows it (SWIM), itself first; empty before its first start is on its disk. */
  members(): MemberView[];
  /** How busy this process is, 0 to 1, as the outside measures it about once a second; members are told when it differs enough. */
  tellLoad(load: number): void;
  /**
   * Throws a member out: it counts as evicted for a week, whatever it says; members keep that on their disks. It stays in its groups,
   * and the secret still lets it connect. False: it was not done; no other member is known so.
   */
  evict(peer: string): boolean;
  /** Where members may live, as sources and members say it, and how the sources do. */
  discovery(): DiscoveryView;
  /**
   * Asks all sources whose last answer does not hold any more, side by side, and answers with the best places known then: when all have
   * answered, or after `timeoutMs` (1 to 60 000). What failed is named beside it.
   */
  lookup(lookup: { timeoutMs: number; resultsMax: number }, done: (found: Found) => void): void;
  write(write: RegisterWrite, options: WriteOptions, done: (outcome: Outcome<RegisterResult>) => void): void;
  read(read: RegisterRead, options: ReadOptions, done: (outcome: Outcome<RegisterResult>) => void): void;
  /**
   * Events with index ≥ `from` (0 = from now) of keys that start with `prefix`, from this node's applied state.
   * Returns what ends it. A watcher that cannot keep up is ended with a retryable failure; nothing is skipped.
   */
  watch(watch: { group?: string; prefix: string; from: number }, on: (message: WatchMessage) => void): () => void;
  changeGroup(
    group: string,
    change: GroupChange,
    options: CallOptions,
    done: (outcome: Outcome<{ index: number }>) => void,
  ): void;
  /**
   * Reads a consistent copy of a group for `polity backup`: linearizable, page by page.
   * `page` gets keyspace records in order; `more()` asks for the next one.
   */
  backup(group: string, options: CallOptions, on: (part: BackupPart, more: () => void) => void): () => void;
  /** Says goodbye, hands leadership over, flushes, closes. `done` once everything is closed. Safe to call twice. */
  stop(done: () => void): void;
}

export type BackupPart =
  | { type: 'start'; group: string; index: number; term: number; timeMs: number }
  | { type: 'records'; records: [Uint8Array, Uint8Array][] }
  | { type: 'end' }
  | { type: 'failed'; failure: Failure };
