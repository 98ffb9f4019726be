// `polity/client`: a cluster as seen from a program that is no member, over the HTTP of any of its nodes.
import { randomBytes, randomUUID } from 'node:crypto';
import type { TopicsApi } from '../../actors/topic-api.ts';
import { failure } from '../../machines/errors.ts';
import type { AnyDefinedActor } from '../actor/types.ts';
import { PolityError } from '../errors.ts';
import type { OpenQueue } from '../queue/index.ts';
import type { Schema } from '../service/schema.ts';
import { Topic, type TopicOptions } from '../topic/index.ts';
import { type ActorClient, type ActorPorts, actorOver } from './actors.ts';
import { type Attempted, Attempts, backoffMs, failureOfAnswer, jsonOf, sleep } from './attempts.ts';
import { type BreakersClient, createBreakersClient } from './breakers.ts';
import { type CallsClient, createCallsClient } from './calls.ts';
import { type Entry, entryOf, type Fence, type FencingToken, isFields, textOfToken, tokenOf, type Written } from './entry.ts';
import { type Call, collect, createWire } from './http.ts';
import { createInspectionClient, type InspectionClient } from './inspection.ts';
import { HeldLease, HeldLock, type Lease, type Lock } from './leases.ts';
import { encode, invalid, type Parameters, queryOf } from './query.ts';
import { queuesOver } from './queues.ts';
import { createReplica, type ReplicaClient } from './replica.ts';
import { createRunsClient, type RunsClient } from './runs.ts';
import { createServices, type ServicesClient } from './services.ts';
import { createTopicsOver } from './topics.ts';
import { type WatchEvent, type WatchOptions, watch } from './watch.ts';

export type ClientOptions = {
  /** HTTP of some or all nodes, e.g. http://127.0.0.1:7501; tried in turn. */
  urls: readonly string[];
  token?: string;
  /** For every call that says nothing else; 1 to 60 000, default 5 000. */
  timeoutMs?: number;
  /** Group of the register service; 'kv' when absent. */
  group?: string;
  /** How often all urls are tried before a call fails early; default: until its time is over. */
  roundsMax?: number;
};

export type CallOptions = { timeoutMs?: number; group?: string; signal?: AbortSignal };
export type ReadOptions = CallOptions & { consistency?: 'linearizable' | 'lease' | 'local' };
export type WriteOptions = CallOptions & {
  /** The same key twice has one effect for ten minutes; made up when absent, so that a retry is safe. */
  idempotencyKey?: string;
};
export type Guards = {
  /** Only if the key has this value. */
  ifValue?: string | Uint8Array;
  /** Only if the key was last written at this index; 0 = does not exist. */
  ifIndex?: number;
  /** Only while this lock is held under exactly this token. */
  fence?: Fence;
};
export type PutOptions = WriteOptions & Guards & { ttlMs?: number; lease?: string | Lease };
export type DeleteOptions = WriteOptions & Guards;
export type ListOptions = ReadOptions & { after?: string; limit?: number };
export type LockOptions = CallOptions & {
  /** Default 15 000: how long the lock outlives this process. */
  ttlMs?: number;
  /** Who holds it, for people; made up when absent. */
  owner?: string;
  /** How long to wait for a lock that somebody holds; default 0. */
  waitMs?: number;
};
export type GroupChange =
  | { type: 'add'; node: string; role: 'learner' | 'voter' }
  | { type: 'remove' | 'promote' | 'transfer'; node: string };

export interface Client extends Disposable, CallsClient {
  put(key: string, value: string | Uint8Array, options?: PutOptions): Promise<Written>;
  /** Null if there is no such key. */
  get(key: string, options?: ReadOptions): Promise<Entry | null>;
  delete(key: string, options?: DeleteOptions): Promise<Written>;
  /** Puts `next` only if the value is `old`; null = only if the key does not exist. Else rejects with CAS_MISMATCH. */
  cas(key: string, old: string | Uint8Array | null, next: string | Uint8Array, options?: PutOptions): Promise<Written>;
  /** One page, in byte order of keys. */
  page(prefix: string, options?: ListOptions): Promise<{ items: Entry[]; more: boolean; index: number }>;
  /** Every key with the prefix, page by page; each page is consistent in itself. */
  list(prefix: string, options?: ListOptions): AsyncIterable<Entry>;
  /** Events of keys with the prefix, in log order, for ever; rejects with COMPACTED when the history from `from` is gone. */
  watch(prefix: string, options?: WatchOptions): AsyncIterable<WatchEvent>;
  /** A lease that renews itself until it is revoked. */
  lease(ttlMs: number, options?: CallOptions): Promise<Lease>;
  leases: {
    grant(ttlMs: number, options?: WriteOptions & { lease?: string }): Promise<{ lease: string; expiresAtMs: number }>;
    renew(lease: string, options?: WriteOptions): Promise<{ expiresAtMs: number }>;
    revoke(lease: string, options?: WriteOptions): Promise<void>;
    get(lease: string, options?: ReadOptions): Promise<{ ttlMs: number; expiresAtMs: number } | null>;
  };
  /** Takes the lock on a lease of its own, which renews itself; rejects with LOCK_HELD after `waitMs`. */
  lock(name: string, options?: LockOptions): Promise<Lock>;
  locks: {
    acquire(name: string, args: { lease: string; owner: string }, options?: WriteOptions): Promise<FencingToken>;
    release(name: string, token: FencingToken, options?: WriteOptions): Promise<void>;
    get(name: string, options?: ReadOptions): Promise<{ owner: string; lease: string; token: FencingToken } | null>;
  };
  /** Data that every node may change without asking. */
  readonly replica: ReplicaClient;
  /** Graphs of calls. */
  readonly runs: RunsClient;
  /** Topics, as calls; `topic` is how programs use one. */
  readonly topics: TopicsApi;
  /** A topic, as `node.topic` gives it to a member. Throws INVALID_REQUEST. */
  topic<S extends Schema | undefined = undefined>(name: string, options?: TopicOptions<S>): Topic<S>;
  /** An actor by its address, `counter/visits` or `counter/visits@n1`: `client.actor<typeof Counter>('counter/visits')`. Throws INVALID_REQUEST. */
  actor<Actor extends AnyDefinedActor = AnyDefinedActor>(address: string): ActorClient<Actor>;
  /** Which services of other nodes the node that answers does not call. */
  readonly breakers: BreakersClient;
  /** Who offers what to be called. */
  readonly services: ServicesClient;
  /** Actors as who looks on sees them, the runtime's own among them. */
  readonly inspection: InspectionClient;
  /** Work queues: each message to one receiver at a time, until one says that it is done. */
  readonly queue: OpenQueue;
  /** What the node that answers first says of itself (design, contracts). */
  status(options?: CallOptions): Promise<Record<string, unknown>>;
  members(options?: CallOptions): Promise<Record<string, unknown>[]>;
  /** Where members may live, as sources and members say it to the node that answers first, and how the sources do. */
  discovery(options?: CallOptions): Promise<{ peers: Record<string, unknown>[]; sources: Record<string, unknown>[] }>;
  /** Has the node ask its sources whose last answer does not hold any more; the best places, and what failed. `max`: default 10. */
  lookup(
    options?: CallOptions & { max?: number },
  ): Promise<{ peers: Record<string, unknown>[]; failures: Record<string, unknown>[] }>;
  /** How the node that answers first reaches another, by its name or peer id; with `ask` it looks for a way if it knows none. */
  route(node: string, options?: CallOptions & { ask?: boolean }): Promise<Record<string, unknown>>;
  /** Where the node that answers first would go for something that is offered, the best place first; `prefer`: a node's name or peer id. */
  locate(
    name: string,
    options?: CallOptions & { kind?: string; range?: string; prefer?: string },
  ): Promise<Record<string, unknown>[]>;
  /** Throws a member out: its peer id (not its name) counts as evicted for a week, at members that restart, too. */
  evict(peerId: string, options?: CallOptions): Promise<void>;
  groups: {
    list(options?: CallOptions): Promise<Record<string, unknown>[]>;
    change(group: string, change: GroupChange, options?: CallOptions): Promise<{ index: number }>;
    /** The lines of a backup, as bytes; the last line says whether it is whole. */
    backup(group: string, options?: CallOptions): AsyncIterable<Uint8Array>;
  };
  close(): void;
}

const timeoutMsDefault = 5_000;
const timeoutMsMax = 60_000;
const pageLimit = 200;
const lockTtlMs = 15_000;
const backupSilenceMs = 60_000;

const parseUrls = (urls: readonly string[]): URL[] => {
  if (urls.length === 0) throw invalid('urls is empty: name at least one node');
  return urls.map((text) => {
    const url = URL.canParse(text) ? new URL(text) : null;
    if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:'))
      throw invalid(`'${text}' is not an http(s) URL`);
    return url;
  });
};

const bytesOf = (value: string | Uint8Array): Uint8Array =>
  typeof value === 'string' ? new TextEncoder().encode(value) : value;

/** Any bytes in a query. */
const encodeBytes = (bytes: Uint8Array): string => {
  let text = '';
  for (const byte of bytes) text += `%${byte.toString(16).padStart(2, '0')}`;
  return text;
};

const fieldsOf = (value: unknown): Record<string, unknown>[] => (Array.isArray(value) ? value.filter(isFields) : []);

class HttpClient implements Client {
  readonly #attempts: Attempts;
  readonly #wires: ReturnType<typeof createWire>[];
  readonly #options: ClientOptions;
  readonly call: CallsClient['call'];
  readonly stream: CallsClient['stream'];
  readonly replica: ReplicaClient;
  readonly runs: RunsClient;
  readonly topics: TopicsApi;
  readonly breakers: BreakersClient = createBreakersClient((attempted, call) => this.#run(attempted, call));
  readonly services: ServicesClient;
  readonly inspection: InspectionClient = createInspectionClient({
    run: (attempted, call) => this.#run(attempted, call),
    attempts: () => this.#attempts,
  });
  readonly queue: OpenQueue;
  readonly #actors: ActorPorts;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#wires = parseUrls(options.urls).map((url) => createWire(url, options.token));
    this.#attempts = new Attempts(this.#wires, options.roundsMax ?? Number.POSITIVE_INFINITY);
    const calls = createCallsClient({
      attempts: this.#attempts,
      run: async (attempted, limits) => (await this.#attempts.run(attempted, limits)).bytes,
    });
    this.#actors = {
      run: async (attempted, limits) => (await this.#attempts.run(attempted, limits)).bytes,
      attempts: () => new Attempts(this.#wires, Number.POSITIVE_INFINITY),
    };
    this.call = calls.call;
    this.stream = calls.stream;
    this.runs = createRunsClient({ attempts: this.#attempts, run: (attempted, call) => this.#run(attempted, call) });
    const ports = {
      run: (attempted: Attempted, call: CallOptions) => this.#run(attempted, call),
      attempts: () => new Attempts(this.#wires, Number.POSITIVE_INFINITY),
    };
    this.replica = createReplica(ports);
    this.services = createServices(ports);
    this.queue = queuesOver({
      write: (method, path, parameters, call, body) => this.#write(method, path, call, parameters, body),
      read: (path, parameters, call) => this.#read(path, call, parameters),
    });
    this.topics = createTopicsOver({
      write: (method, path, call, parameters, body) => this.#write(method, path, call, parameters, body),
      once: (method, path, call, parameters, body) => this.#once(method, path, call, parameters, body),
      read: (path, call, parameters) => this.#read(path, call, parameters),
      attempts: () => new Attempts(this.#wires, Number.POSITIVE_INFINITY),
      group: options.group,
    });
  }

  topic<S extends Schema | undefined = undefined>(name: string, options: TopicOptions<S> = {}): Topic<S> {
    return new Topic(this.topics, name, options);
  }

  actor<Actor extends AnyDefinedActor>(address: string): ActorClient<Actor> {
    return actorOver(this.#actors, address);
  }

  // -------------------------------------------------------------- calls

  async #run(attempted: Attempted, options: CallOptions): Promise<Record<string, unknown>> {
    const timeoutMs = options.timeoutMs ?? this.#options.timeoutMs ?? timeoutMsDefault;
    if (!(timeoutMs >= 1 && timeoutMs <= timeoutMsMax)) throw invalid(`timeoutMs must be from 1 to ${timeoutMsMax}`);
    const limits = { timeoutMs, ...(options.signal === undefined ? {} : { signal: options.signal }) };
    const { bytes } = await this.#attempts.run(attempted, limits);
    const fields = jsonOf(bytes);
    if (isFields(fields)) return fields;
    const answer = failure('INTERNAL', `${this.#attempts.wire.base.origin} answered with something that is not ours`);
    throw new PolityError(attempted.effect ? { ...answer, code: 'OUTCOME_UNKNOWN' } : answer);
  }

  #common(options: CallOptions): Parameters {
    const group = options.group ?? this.#options.group;
    return { group: group === undefined ? undefined : encode('the group', group) };
  }

  #write(
    method: string,
    path: string,
    options: WriteOptions,
    parameters: Parameters,
    body?: Uint8Array,
  ): Promise<Record<string, unknown>> {
    const headers = { 'idempotency-key': options.idempotencyKey ?? randomUUID() };
    const call = (timeLimitMs: number): Call => ({
      ...{ method, headers, path: `${path}${queryOf({ ...this.#common(options), ...parameters, 'timeout-ms': timeLimitMs })}` },
      ...(body === undefined ? {} : { body }),
    });
    return this.#run({ call, effect: true, repeatable: true }, options);
  }

  /** Without a key nobody may try it again. */
  #once(
    method: string,
    path: string,
    options: CallOptions,
    parameters: Parameters,
    body: Uint8Array,
  ): Promise<Record<string, unknown>> {
    const call = (timeLimitMs: number): Call => ({
      ...{ method, body, path: `${path}${queryOf({ ...this.#common(options), ...parameters, 'timeout-ms': timeLimitMs })}` },
    });
    return this.#run({ call, effect: true, repeatable: false }, options);
  }

  #read(path: string, options: ReadOptions, parameters: Parameters = {}): Promise<Record<string, unknown>> {
    const call = (timeLimitMs: number): Call => {
      const all = { ...this.#common(options), consistency: options.consistency, ...parameters, 'timeout-ms': timeLimitMs };
      return { method: 'GET', path: `${path}${queryOf(all)}` };
    };
    return this.#run({ call, effect: false, repeatable: true }, options);
  }

  async #readOr404<Value>(
    code: string,
    read: Promise<Record<string, unknown>>,
    as: (fields: Record<string, unknown>) => Value,
  ): Promise<Value | null> {
    try {
      return as(await read);
    } catch (error) {
      if (error instanceof PolityError && error.code === code) return null;
      throw error;
    }
  }

  // -------------------------------------------------------------- keys

  #guards({ ifValue, ifIndex, fence }: Guards): Parameters {
    return {
      'if-value': ifValue === undefined ? undefined : encodeBytes(bytesOf(ifValue)),
      'if-index': ifIndex,
      fence: fence === undefined ? undefined : `${encode('the lock', fence.lock)}:${textOfToken(fence.token)}`,
    };
  }

  async put(key: string, value: string | Uint8Array, options: PutOptions = {}): Promise<Written> {
    const { ttlMs, lease } = options;
    const id = typeof lease === 'object' ? lease.id : lease;
    const parameters = {
      ...this.#guards(options),
      'ttl-ms': ttlMs,
      lease: id === undefined ? undefined : encode('the lease', id),
    };
    return this.#written(await this.#write('PUT', this.#pathOf(key), options, parameters, bytesOf(value)));
  }

  async delete(key: string, options: DeleteOptions = {}): Promise<Written> {
    return this.#written(await this.#write('DELETE', this.#pathOf(key), options, this.#guards(options)));
  }

  cas(key: string, old: string | Uint8Array | null, next: string | Uint8Array, options: PutOptions = {}): Promise<Written> {
    return this.put(key, next, { ...options, ...(old === null ? { ifIndex: 0 } : { ifValue: old }) });
  }

  async get(key: string, options: ReadOptions = {}): Promise<Entry | null> {
    return await this.#readOr404('KEY_NOT_FOUND', this.#read(this.#pathOf(key), options), entryOf);
  }

  #pathOf(key: string): string {
    if (key === '') throw invalid('the key must not be empty');
    return `/v1/kv/${encode('the key', key)}`;
  }

  #written(fields: Record<string, unknown>): Written {
    return { key: String(fields.key), index: Number(fields.index), term: Number(fields.term) };
  }

  async page(prefix: string, options: ListOptions = {}): Promise<{ items: Entry[]; more: boolean; index: number }> {
    const { after, limit } = options;
    const parameters = {
      prefix: encode('the prefix', prefix),
      after: after === undefined ? undefined : encode('after', after),
      limit,
    };
    const fields = await this.#read('/v1/kv', options, parameters);
    const items = Array.isArray(fields.items) ? fields.items.filter(isFields).map(entryOf) : [];
    return { items, more: fields.more === true, index: Number(fields.index) };
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<Entry, void, undefined> {
    let { after, limit: left = Number.POSITIVE_INFINITY } = options;
    while (left > 0) {
      const limit = Math.min(left, pageLimit);
      const { items, more } = await this.page(prefix, { ...options, limit, ...(after === undefined ? {} : { after }) });
      yield* items;
      left -= items.length;
      after = items.at(-1)?.key;
      if (!more || after === undefined) return;
    }
  }

  watch(prefix: string, options: WatchOptions = {}): AsyncIterable<WatchEvent> {
    const group = options.group ?? this.#options.group;
    // A watch moves from node to node by itself, without moving the other calls.
    const attempts = new Attempts(this.#wires, Number.POSITIVE_INFINITY);
    return watch(attempts, prefix, { ...options, ...(group === undefined ? {} : { group }) });
  }

  // -------------------------------------------------------------- leases

  readonly leases: Client['leases'] = {
    grant: async (ttlMs, { lease, ...options } = {}) => {
      const id = lease ?? randomBytes(12).toString('hex');
      const body = bytesOf(JSON.stringify({ lease: id, ttlMs }));
      return { lease: id, expiresAtMs: Number((await this.#write('POST', '/v1/leases', options, {}, body)).expiresAtMs) };
    },
    renew: async (lease, options = {}) => {
      return { expiresAtMs: Number((await this.#write('PUT', this.#leasePath(lease), options, {})).expiresAtMs) };
    },
    revoke: async (lease, options = {}) => {
      await this.#write('DELETE', this.#leasePath(lease), options, {});
    },
    get: async (lease, options = {}) =>
      await this.#readOr404('LEASE_NOT_FOUND', this.#read(this.#leasePath(lease), options), (fields) => ({
        ...{ ttlMs: Number(fields.ttlMs), expiresAtMs: Number(fields.expiresAtMs) },
      })),
  };

  #leasePath(lease: string): string {
    return `/v1/leases/${encode('the lease', lease)}`;
  }

  async lease(ttlMs: number, options: CallOptions = {}): Promise<Lease> {
    const sentAtMs = performance.now();
    const group = options.group === undefined ? {} : { group: options.group };
    const { lease } = await this.leases.grant(ttlMs, options);
    return new HeldLease(lease, ttlMs, sentAtMs, {
      renew: async (id, timeoutMs) => void (await this.leases.renew(id, { ...group, timeoutMs })),
      revoke: (id) => this.leases.revoke(id, group),
    });
  }

  // -------------------------------------------------------------- locks

  readonly locks: Client['locks'] = {
    acquire: async (name, { lease, owner }, options = {}) => {
      const body = bytesOf(JSON.stringify({ lease, owner }));
      return tokenOf((await this.#write('POST', this.#lockPath(name), options, {}, body)).token);
    },
    release: async (name, token, options = {}) => {
      await this.#write('DELETE', this.#lockPath(name), options, { token: textOfToken(token) });
    },
    get: async (name, options = {}) =>
      await this.#readOr404('NOT_FOUND', this.#read(this.#lockPath(name), options), (fields) => ({
        ...{ owner: String(fields.owner), lease: String(fields.lease), token: tokenOf(fields.token) },
      })),
  };

  #lockPath(name: string): string {
    return `/v1/locks/${encode('the lock', name)}`;
  }

  async lock(name: string, options: LockOptions = {}): Promise<Lock> {
    const { ttlMs = lockTtlMs, owner = randomUUID(), waitMs = 0, ...call } = options;
    const untilMs = performance.now() + waitMs;
    const lease = await this.lease(ttlMs, call);
    try {
      for (let round = 0; ; round++) {
        try {
          const token = await this.locks.acquire(name, { lease: lease.id, owner }, call);
          return new HeldLock(name, owner, token, lease);
        } catch (error) {
          const leftMs = untilMs - performance.now();
          if (!(error instanceof PolityError) || error.code !== 'LOCK_HELD' || leftMs <= 0) throw error;
          await sleep(Math.min(leftMs, backoffMs(Math.min(round, 4))), call.signal);
          call.signal?.throwIfAborted();
        }
      }
    } catch (error) {
      // Without the lock the lease is of no use; if it cannot be revoked it falls by itself.
      await lease.revoke().catch(() => {});
      throw error;
    }
  }

  // -------------------------------------------------------------- the cluster

  #plain(path: string, options: CallOptions): Promise<Record<string, unknown>> {
    return this.#run({ call: () => ({ method: 'GET', path }), effect: false, repeatable: true }, options);
  }

  status(options: CallOptions = {}): Promise<Record<string, unknown>> {
    return this.#plain('/v1/status', options);
  }

  async evict(peerId: string, options: CallOptions = {}): Promise<void> {
    const path = `/v1/members/${encode('the peer id', peerId)}`;
    await this.#run({ call: () => ({ method: 'DELETE', path }), effect: true, repeatable: true }, options);
  }

  async members(options: CallOptions = {}): Promise<Record<string, unknown>[]> {
    const { members } = await this.#plain('/v1/members', options);
    return Array.isArray(members) ? members.filter(isFields) : [];
  }

  async discovery(options: CallOptions = {}): ReturnType<Client['discovery']> {
    const { peers, sources } = await this.#plain('/v1/discovery', options);
    return { peers: fieldsOf(peers), sources: fieldsOf(sources) };
  }

  async lookup({ max, ...options }: CallOptions & { max?: number } = {}): ReturnType<Client['lookup']> {
    const call = (timeLimitMs: number): Call => ({
      ...{ method: 'GET', path: `/v1/discovery/lookup${queryOf({ max, 'timeout-ms': timeLimitMs })}` },
    });
    const { peers, failures } = await this.#run({ call, effect: false, repeatable: true }, options);
    return { peers: fieldsOf(peers), failures: fieldsOf(failures) };
  }

  route(node: string, { ask = false, ...options }: CallOptions & { ask?: boolean } = {}): ReturnType<Client['route']> {
    return this.#plain(`/v1/routes/${encode('the node', node)}${ask ? '?ask=true' : ''}`, options);
  }

  async locate(
    name: string,
    { kind, range, prefer, ...options }: CallOptions & { kind?: string; range?: string; prefer?: string } = {},
  ): ReturnType<Client['locate']> {
    const { places } = await this.#plain(`/v1/routes${queryOf({ name, kind, range, prefer })}`, options);
    return fieldsOf(places);
  }

  readonly groups: Client['groups'] = {
    list: async (options = {}) => {
      const { groups } = await this.#plain('/v1/groups', options);
      return Array.isArray(groups) ? groups.filter(isFields) : [];
    },
    change: async (group, change, options = {}) => {
      const path = `/v1/groups/${encode('the group', group)}`;
      const node = encode('the node', change.node);
      const body = (fields: unknown) => ({ body: bytesOf(JSON.stringify(fields)) });
      const calls = {
        add: () => ({
          method: 'POST',
          path: `${path}/members`,
          ...body({ node: change.node, role: change.type === 'add' ? change.role : undefined }),
        }),
        remove: () => ({ method: 'DELETE', path: `${path}/members/${node}` }),
        promote: () => ({ method: 'POST', path: `${path}/members/${node}/promote` }),
        transfer: () => ({ method: 'POST', path: `${path}/transfer`, ...body({ node: change.node }) }),
      };
      const call = (timeLimitMs: number): Call => {
        const wanted = calls[change.type]();
        return { ...wanted, path: `${wanted.path}?timeout-ms=${timeLimitMs}` };
      };
      // No session makes a change of members have one effect: after a lost answer the caller must look.
      return { index: Number((await this.#run({ call, effect: true, repeatable: false }, options)).index) };
    },
    backup: (group, options = {}) => this.#backup(group, options),
  };

  async *#backup(group: string, options: CallOptions): AsyncGenerator<Uint8Array, void, undefined> {
    const timeoutMs = options.timeoutMs ?? this.#options.timeoutMs ?? timeoutMsDefault;
    const path = `/v1/groups/${encode('the group', group)}/backup?timeout-ms=${timeoutMs}`;
    const { wire } = this.#attempts;
    const stream = await wire
      .open({ method: 'GET', path }, timeoutMs + 1_000, backupSilenceMs, options.signal)
      .catch((error: unknown) => {
        throw new PolityError(failure('UNREACHABLE', (error as Error).message), { cause: error });
      });
    const chunks = stream as AsyncIterable<Buffer>;
    if (stream.statusCode !== 200) {
      const bytes = await collect(stream);
      throw new PolityError(failureOfAnswer({ status: stream.statusCode!, headers: stream.headers, bytes }, wire.base.origin));
    }
    try {
      yield* chunks;
    } finally {
      stream.destroy();
    }
  }

  close(): void {
    for (const wire of this.#wires) wire.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Connects when it is first used. Rejections are PolityErrors; an aborted call rejects with the signal's own reason. */
export const createClient = (options: ClientOptions): Client => new HttpClient(options);
