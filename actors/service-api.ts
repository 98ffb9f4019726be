// What a node offers to be called, how it calls others, and how it knows who offers what (rows K1, K2, R1 to R4): the seams between
// what developers write (src/service), what stands behind a call (actors/calls.ts, actors/services.ts) and the catalog. Plain data and
// callbacks; a promise is made at the edge.
import type { StrategyName } from '../machines/balancer/index.ts';
import type { BreakerStatus } from '../machines/breaker/index.ts';
import type { BulkheadOptions, BulkheadView, Importance } from '../machines/bulkhead/index.ts';
import type { CatalogChange, Description, Found, ListPage, Lookup, Offer, OfferId, Query } from '../machines/catalog/index.ts';
import type { Failure } from '../machines/errors.ts';
import { type LimiterOptions, limiterDefaults } from '../machines/limiter/index.ts';
import type { Outcome } from './api.ts';
import type { PeerId } from './ports/index.ts';

export type CallsSettings = {
  /** Of whoever calls, where calls are executed. */
  limits: LimiterOptions;
  /** What others let through counts here too, of all nodes that have this on. */
  sharesLimits: boolean;
  /** Local calls pack and unpack what they carry, too: what would not work remotely does not work locally. For tests. */
  serialize: boolean;
  /** How long a stop waits for the calls that this node executes. */
  graceMs: number;
};

export const callsDefaults: CallsSettings = { limits: limiterDefaults, sharesLimits: false, serialize: false, graceMs: 2_000 };

// ---------------------------------------------------------------- a call, as its caller sees it

export type ServiceCall = {
  service: string;
  method: string;
  /** Plain data: what MessagePack carries without extensions. */
  input: unknown;
  /** A semver range; absent: the newest release. */
  version?: string;
  /** Milliseconds until the caller stops waiting; 1 to 60 000, default 30 000 (row R2). Never longer than what the call that makes it has left. */
  timeoutMs?: number;
  strategy?: StrategyName;
  /** What `sticky` keeps together. */
  key?: string;
  /** For whom: limits and fairness where the call is executed (row R6). */
  principal?: string;
  /** Whoever calls takes items of a stream: false, and a method that gives one refuses the call at once; absent: it is not said. */
  takesItems?: boolean;
  /** Only this node, by name. */
  node?: string;
  /** The same id twice has one effect at the node that executes it. Absent: one of its own for each call, kept over its retries. */
  requestId?: string;
  /** Asks another node too if there is no answer after so long; only methods that are idempotent. */
  hedgeAfterMs?: number;
  /** Less than what the method says, never more. */
  importance?: Importance;
  /** Resources and capabilities that the offer must have (row K2). */
  resources?: Readonly<Record<string, number | string>>;
  capabilities?: readonly string[];
  /** The call within which this one is made: its deadline, its chain and its principal go on. */
  within?: CallContext;
  /** W3C traceparent. */
  trace?: string;
};

/** How a call got to its end, as its caller knows it; whoever executes says none. */
export type CallTrail = {
  /** The name of the node that was asked last; null: nobody was. */
  node: string | null;
  /** How often it was sent or begun here; 0: never. */
  attempts: number;
  /** Its result came as a stream: all of it were its items. */
  isStream: boolean;
};

/** What becomes of a call: items of a stream, each asked for by `more`, and one end. Nothing comes after it. */
export type CallEvents = {
  item(value: unknown): void;
  end(outcome: Outcome<unknown>, trail?: CallTrail): void;
};

export interface CallHandle {
  /** The caller wants no answer any more; it is told to who executes. Ends with CANCELLED. Nothing after the end. */
  cancel(): void;
  /** So many more items of a stream may come. Results that are no streams need none. */
  more(items: number): void;
}

export interface CallsApi {
  /** Never throws: what is wrong with the call is its end, in a later turn or at once. */
  call(call: ServiceCall, on: CallEvents): CallHandle;
}

// ---------------------------------------------------------------- a call, where it is executed

/** What a handler is told of its call. */
export type CallContext = {
  service: string;
  version: string;
  method: string;
  /** Name of the node that called; this one's own if it was a local call. */
  caller: string;
  /** Of who calls over other nodes: `relayed:` and the peer id that they say he has; nobody proves it. */
  callerPeer: PeerId;
  principal: string | null;
  /** On the clock port. */
  deadlineMs: number;
  requestId: string;
  /** 'node service.method' of each call that led here, first the one that began it; this one last. */
  chain: readonly string[];
  trace: string;
};

/** A call to be executed at this node. */
export type Execution = {
  service: string;
  /** A semver range. */
  version: string | null;
  method: string;
  input: unknown;
  callerPeer: PeerId;
  caller: string;
  principal: string | null;
  importance: Importance | null;
  /** As its caller said. */
  takesItems?: boolean | undefined;
  /** When it came, on the clock port, if whoever hands it over has just looked; to look takes a good part of a short call. */
  atMs?: number | undefined;
  deadlineMs: number;
  /** A text, or the number of a call's first attempt: few handlers read it. */
  requestId: string | number;
  /** Without this call. */
  chain: readonly string[];
  trace: string;
};

export type HostedMethod = {
  idempotent: boolean;
  /** Its result is a stream. */
  isStream: boolean;
  importance: Importance;
  /** Cost in tokens of the limiter. */
  cost: number;
  /** Validates the input, runs the handler, validates the result. `on.end` once; may throw, which is SERVICE_FAILED. */
  invoke(input: unknown, context: CallContext, on: CallEvents): CallHandle;
};

export type HostedService = {
  offer: Offer;
  methods: Readonly<Record<string, HostedMethod>>;
  bulkhead: BulkheadOptions;
};

/** The services of this node; outlives every actor. Limiter first, then the bulkhead of the service, then the handler. */
export interface ServiceHost {
  /** INVALID_REQUEST: it is offered already, or malformed. */
  add(service: HostedService): Failure | null;
  remove(id: OfferId): void;
  /** Whether a call would be executed here at all. */
  offers(service: string, version: string | null): HostedService | null;
  execute(execution: Execution, on: CallEvents): CallHandle;
  /** Refuses what comes and lets what runs end, for at most `graceMs`. */
  stop(done: () => void): void;
  view(): HostedView[];
  /** By name of the service, since the node started, also of those that it no longer offers. */
  counts(): readonly ServiceCounts[];
}

export type HostedView = { service: string; version: string; bulkhead: BulkheadView };

/** What became of calls of a service here. */
export type ServiceCounts = {
  readonly service: string;
  /** Those that a handler began, by how they ended: 'ok' or a code. */
  readonly ended: ReadonlyMap<string, number>;
  /** Those that none began, by reason: 'node' and 'principal' of the limiter, and the bulkhead's words. */
  readonly refused: ReadonlyMap<string, number>;
  /** How many of those that ended took at most so many seconds, and all together. */
  readonly seconds: { readonly atMost: readonly number[]; readonly counts: readonly number[]; readonly sum: number };
};

// ---------------------------------------------------------------- who offers what

export type CatalogSummary = {
  /** Offers that are known, this node's among them, and their bytes. */
  offers: number;
  bytes: number;
  own: number;
  owners: number;
  /** Owners of whom something else is known here than they say: it is being asked for. */
  differing: number;
  revision: number;
};

export interface CatalogApi {
  /**
   * Offers it from now on, in place of what this node offered under the same id; `done` when it is announced. Renewed until it is
   * withdrawn or the node stops, whatever becomes of the actor. Fails with INVALID_REQUEST, TOO_LARGE, OVERLOADED (more than 256 offers
   * or 1 MiB of one node) or STOPPING.
   */
  offer(offer: Offer, done: (outcome: Outcome<null>) => void): void;
  /** NOT_FOUND: this node does not offer it. */
  withdraw(id: OfferId, done: (outcome: Outcome<null>) => void): void;
  /** All that fit, the highest version first; the same list as long as nothing of that name has changed. Costs under a microsecond then. */
  find(lookup: Lookup): Found;
  /** INVALID_REQUEST for a query, a limit (1 to 500) or a cursor that makes no sense. */
  list(query: Query, page: { limit: number; cursor?: string | null }): Outcome<ListPage>;
  /** All versions of a name; null: nobody offers it. */
  describe(wanted: Query & { readonly name: string }): Outcome<Description | null>;
  /**
   * What changes from now on and is wanted, before or after; take `revision` of a list, then what is above it. `ended` once the node
   * stops, after which nothing is told. Returns what ends it, or throws a PolityError: INVALID_REQUEST, or OVERLOADED at more than
   * 1 024 watchers.
   */
  watch(query: Query, on: (revision: number, changes: readonly CatalogChange[]) => void, ended?: () => void): () => void;
  /** Only rises while the node runs. */
  revision(): number;
  summary(): CatalogSummary;
}

// ---------------------------------------------------------------- breakers, one a peer and service

export type BreakerReport = {
  peer: PeerId;
  /** The peer's name, if it is known. */
  node: string | null;
  service: string;
  status: BreakerStatus;
  /** Milliseconds until it is half-open; 0 unless it is open. */
  openForMs: number;
  isForced: boolean;
  /** Calls that failed, and calls that were not made, since there is this breaker. */
  failures: number;
  refused: number;
};

export interface BreakersApi {
  /** Those that are not closed, are held closed by hand, or have counted failures: at most 1 000, by nodes and services. */
  breakers(): BreakerReport[];
  /**
   * Of one service at a node, or of all that there are; how many were told. Nodes by name or peer id. 'open' and 'close' hold until
   * somebody says otherwise. INVALID_REQUEST; MEMBER_NOT_FOUND; OVERLOADED at more than 4 096 that are held.
   */
  commandBreaker(which: { node: string; service: string | null }, command: 'open' | 'close' | 'reset'): Outcome<number>;
}
