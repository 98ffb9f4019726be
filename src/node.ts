// A node in the real world: the tree of actors/node.ts on LevelDB, libp2p and the operating system's clock, with its HTTP door.
import type {
  Announced,
  AnnounceOptions,
  CallOptions,
  GroupChange,
  NodeApi,
  NodeStatus,
  Outcome,
  ReadOptions,
  WatchMessage,
  WriteOptions,
} from '../actors/api.ts';
import { metaKeys } from '../actors/keyspace.ts';
import { createNodeTree } from '../actors/node.ts';
import { type SinkPort, type StorageFailure, StorageFault, type StoragePort } from '../actors/ports/index.ts';
import type { NodeSettings } from '../actors/settings.ts';
import type { ActorAddress } from '../machines/entity/address.ts';
import { failure } from '../machines/errors.ts';
import type { Graph } from '../machines/graph/index.ts';
import { Entry, type Written } from '../machines/register/entry.ts';
import type { RegisterRead, RegisterResult, RegisterWrite } from '../machines/register/types.ts';
import { deleteOf, type Guards, onlyIf, type PutWords, putOf, writtenOf } from '../machines/register/words.ts';
import { pack, unpack } from '../machines/wire/envelope.ts';
import { type AnyDefinedActor, Ref, type RefOptions, refPortOf, type SpawnOptions } from './actor/index.ts';
import { type Assembly, assemble, settledStatus } from './assembly.ts';
import { Services } from './catalog/index.ts';
import { realClock } from './clock.ts';
import { type NodeConfigInput, resolveConfig, splitActors } from './config/index.ts';
import { contextOf, createLookup, type SourcePlan } from './discovery/index.ts';
import { PolityError } from './errors.ts';
import { type GraphBuilder, GraphRun, type RunOptions } from './graph/index.ts';
import { createLog } from './log.ts';
import { localPort, type OpenQueue, openQueue } from './queue/index.ts';
import { realRandom } from './random.ts';
import { Replica } from './replica/index.ts';
import { runtimeProblem } from './runtime.ts';
import {
  callService,
  clientOf,
  type Handlers,
  type MethodDefinitions,
  type Schema,
  type ServedService,
  type ServiceCallOptions,
  type ServiceClient,
  type ServiceDefinition,
  type ServiceStream,
  serve,
  streamService,
} from './service/index.ts';
import { databaseIn } from './storage/directory.ts';
import { openLevelStorage } from './storage/level.ts';
import { Topic, type TopicOptions } from './topic/index.ts';
import { createTransport, generateIdentity } from './transport/index.ts';

/** The key that makes the peer id: made at the first start, kept with the data, lost with it. */
const identityOf = async (storage: StoragePort): Promise<Uint8Array> => {
  const stored = storage.get(metaKeys.identity);
  if (stored !== undefined) return stored;
  const identity = await generateIdentity();
  await new Promise<void>((resolve, reject) => {
    const done = (why: StorageFailure | null): void => (why === null ? resolve() : reject(new StorageFault(why)));
    storage.write([{ key: metaKeys.identity, value: identity }], { durable: true }, done);
  });
  return identity;
};

export type NodeParts = {
  settings: NodeSettings;
  /** Directory of this node's data; made if it is not there. */
  data: string;
  /** Multiaddrs to listen on. */
  listen: string[];
  /** Multiaddrs to tell others instead of those listened on; may be empty. */
  announce: string[];
  discover: readonly SourcePlan[];
  secret: Uint8Array;
  messaging: 'auto' | 'gossipsub';
  sink: SinkPort;
  /** Told of the tree as soon as there is one, before it restores anything. */
  host?: (api: NodeApi) => void;
};

/** Opens the data, makes the transport, starts the tree. Throws a StorageFault or TransportFault that says what is wrong. */
export const startTree = async (parts: NodeParts): Promise<NodeApi> => {
  const { settings, listen, announce, discover, secret, messaging, sink } = parts;
  const { cluster } = settings;
  const storage = await openLevelStorage(databaseIn(parts.data));
  try {
    const identity = await identityOf(storage);
    const network = await createTransport({ identity, listen, announce, cluster, secret, messaging, sink });
    const lookup = createLookup({ plans: discover, context: contextOf({ cluster, self: network.self, secret, sink }) });
    const references = refPortOf(() => api.actors, sink);
    const formRef = (address: ActorAddress) => new Ref(references, address);
    const ports = { clock: realClock, random: realRandom, network, lookup, storage, sink };
    const api: NodeApi = createNodeTree(settings, ports, { formRef });
    try {
      parts.host?.(api);
    } catch (error) {
      // Nobody else would ever stop it.
      await new Promise<void>((resolve) => api.stop(resolve));
      throw error;
    }
    return api;
  } catch (error) {
    await new Promise<void>((resolve) => storage.stop(resolve));
    throw error;
  }
};

/** A timer for longer would ring at once. */
const readyMsMax = 2 ** 31 - 1;

const settled = <Value>(start: (done: (outcome: Outcome<Value>) => void) => void): Promise<Value> =>
  new Promise((resolve, reject) => {
    start((outcome) => (outcome.ok ? resolve(outcome.value) : reject(new PolityError(outcome.failure))));
  });

export type PutOptions = WriteOptions & PutWords;

/** The register service of one group, from inside a member: linearizable unless said otherwise. Rejects with PolityError. */
export class Register {
  readonly #api: NodeApi;
  readonly #group: string;

  constructor(api: NodeApi, group: string) {
    this.#api = api;
    this.#group = group;
  }

  write(write: RegisterWrite, options: WriteOptions = {}): Promise<RegisterResult> {
    return settled((done) => this.#api.write(write, { ...options, group: this.#group }, done));
  }

  read(read: RegisterRead, options: ReadOptions = {}): Promise<RegisterResult> {
    return settled((done) => this.#api.read(read, { ...options, group: this.#group }, done));
  }

  async put(key: string, value: string | Uint8Array, options: PutOptions = {}): Promise<Written> {
    return writtenOf(key, await this.write(putOf(key, value, options), options));
  }

  /** Puts `next` only if the value is `old`; null = only if the key does not exist. Else rejects with CAS_MISMATCH. */
  cas(key: string, old: string | Uint8Array | null, next: string | Uint8Array, options: PutOptions = {}): Promise<Written> {
    return this.put(key, next, { ...options, ...onlyIf(old) });
  }

  /** Null if the key does not exist. */
  async get(key: string, options: ReadOptions = {}): Promise<Entry | null> {
    const result = await this.read({ op: 'get', key }, options);
    return result.op === 'get' && result.found !== null ? new Entry(result.found) : null;
  }

  async delete(key: string, options: WriteOptions & Guards = {}): Promise<Written> {
    return writtenOf(key, await this.write(deleteOf(key, options), options));
  }

  /** Events with index ≥ `from` (0 = from now) of keys that start with `prefix`. Returns what ends it. */
  watch(watch: { prefix: string; from?: number }, on: (message: WatchMessage) => void): () => void {
    return this.#api.watch({ group: this.#group, prefix: watch.prefix, from: watch.from ?? 0 }, on);
  }
}

/** `source` is a peer id, `epoch` the starts of its process, `late` says that it comes after what its source announced behind it. */
export type Announcement = Pick<Announced, 'source' | 'epoch' | 'sequence' | 'late'> & { value: unknown };

const ownTopics = 'polity.';

const packed = (value: unknown): Uint8Array => {
  try {
    return pack(value);
  } catch (error) {
    throw new PolityError(failure('INVALID_REQUEST', `only plain data can be announced: ${(error as Error).message}`));
  }
};

/** A running member of a cluster. */
export class Node {
  readonly api: NodeApi;
  /** Data that every node may change without asking. */
  readonly replica: Replica;
  /** Who offers what to be called. */
  readonly services: Services;
  /** Work queues: each message to one receiver at a time, until one says that it is done. */
  readonly queue: OpenQueue;
  readonly #assembly: Assembly;
  readonly #flush: () => void;

  constructor(assembly: Assembly, flush: () => void) {
    this.api = assembly.api;
    this.replica = new Replica(assembly.api.replica);
    this.services = new Services(assembly.api);
    this.queue = openQueue((group) => localPort(assembly.api, group));
    this.#assembly = assembly;
    this.#flush = flush;
  }

  /** Base URL of its HTTP, or null. */
  get http(): string | null {
    return this.#assembly.http;
  }

  status(): NodeStatus {
    return this.api.status();
  }

  /** Resolves when the node serves; rejects after `timeoutMs` with the reason why it does not (NOT_READY), or with INVALID_REQUEST. */
  async ready(timeoutMs = 30_000): Promise<NodeStatus> {
    const isTime = typeof timeoutMs === 'number' && timeoutMs >= 0 && timeoutMs <= readyMsMax;
    if (!isTime) throw new PolityError(failure('INVALID_REQUEST', `timeoutMs is a number of milliseconds, 0 to ${readyMsMax}`));
    const status = await settledStatus(this.api, ({ state }) => state === 'ready' || state === 'failed', timeoutMs);
    if (status.state === 'ready') return status;
    const why = `${status.name} is not ready after ${timeoutMs} ms: ${status.state}${status.reason === null ? '' : `, ${status.reason}`}`;
    throw new PolityError(failure('NOT_READY', why));
  }

  kv(group = 'kv'): Register {
    return new Register(this.api, group);
  }

  /**
   * Announces a value to all members: plain data, at most 16 KiB as MessagePack. Resolves when this node has it, which sees to it that
   * the others hear it within `ttlMs` (default a minute, at most an hour). Rejects with TOO_LARGE, OVERLOADED or INVALID_REQUEST. What
   * begins with `polity.` is the node's own.
   */
  announce(topic: string, value: unknown, options: AnnounceOptions = {}): Promise<{ sequence: number }> {
    return settled((done) => {
      if (String(topic).startsWith(ownTopics))
        return done({
          ok: false,
          failure: failure('INVALID_REQUEST', `topics that begin with ${ownTopics} are the node's own`),
        });
      this.api.gossip.publish(topic, packed(value), options, done);
    });
  }

  /**
   * Hears what members announce, this one too, each announcement once: first what still holds, then what comes. Returns what ends it.
   * What no member packed as `announce` does is left out, with a line in the log.
   */
  listen(topic: string, on: (announcement: Announcement) => void): () => void {
    return this.api.gossip.subscribe(topic, ({ source, epoch, sequence, body, late }) =>
      on({ source, epoch, sequence, late, value: unpack(body) }),
    );
  }

  /**
   * Offers a service to all members. Resolves when this node takes calls of it and the others are being told. Rejects with
   * INVALID_REQUEST (it is served here already, a handler is missing) or STOPPING.
   */
  serve<Methods extends MethodDefinitions>(
    definition: ServiceDefinition<Methods>,
    handlers: Handlers<Methods>,
  ): Promise<ServedService> {
    return serve(this.api, this.#assembly.sink, definition, handlers);
  }

  /**
   * Calls a service by names, wherever it is offered, here first. `input` and the result are plain data. Rejects with a PolityError; its
   * `definite` says whether it surely did not happen.
   */
  call(service: string, method: string, input?: unknown, options?: ServiceCallOptions): Promise<unknown> {
    return callService(this.api.calls, service, method, input, options, null);
  }

  /** The same of a method whose result is a stream. The call is made when the first item is asked for. */
  stream(service: string, method: string, input?: unknown, options?: ServiceCallOptions): ServiceStream<unknown> {
    return streamService(this.api.calls, service, method, input, options, null);
  }

  /**
   * A typed client: a function for each method of the definition, in versions that fit it (`^1.2.0`). `options` are those of all its
   * calls; each call may have its own.
   */
  service<Methods extends MethodDefinitions>(
    definition: ServiceDefinition<Methods>,
    options?: ServiceCallOptions,
  ): ServiceClient<Methods> {
    return clientOf(this.api.calls, definition, options, null);
  }

  /**
   * Runs calls that hang on each other: each as soon as what it needs is there, side by side, at most 30 s in all unless the graph says
   * otherwise. If one fails, what had happened is undone, where the graph says how. The whole graph is checked before anything is
   * called. Await `result`, or look at each step as it ends. `durable` keeps it in the cluster.
   */
  run<Results = Readonly<Record<string, unknown>>>(
    graph: Graph | GraphBuilder<Results>,
    options?: RunOptions,
  ): GraphRun<Results> {
    return new GraphRun(this.api.graph, graph, options);
  }

  /** A durable run that was begun anywhere in the cluster, looked at from its first step on. To cancel it is to give it up. */
  attachRun(id: string, options?: Pick<RunOptions, 'signal'>): GraphRun {
    return GraphRun.attached(this.api.graph, id, options);
  }

  /**
   * A topic: publish values, subscribe handlers, with the promise that `delivery` names. Costs nothing; ask again as often as you like.
   * Throws INVALID_REQUEST.
   */
  topic<S extends Schema | undefined = undefined>(name: string, options: TopicOptions<S> = {}): Topic<S> {
    return new Topic(this.api.topics, name, options);
  }

  /** This node can be where actors of this type live, from now on. Throws INVALID_REQUEST: another one of its name is hosted here. */
  host(actor: AnyDefinedActor): void {
    this.#assembly.actors.host(actor);
  }

  /**
   * An actor by its key, wherever it lives; nothing happens by that. One that belongs to a node is this node's unless `node` names another;
   * of a singleton, and of what is at each node, there is no key. Throws INVALID_REQUEST.
   */
  ref<Actor extends AnyDefinedActor>(actor: Actor, key?: string, options: RefOptions = {}): Ref<Actor> {
    return this.#assembly.actors.ref(actor, key, options);
  }

  /** A new actor at this node, of a type that is placed at nodes, which begins at once. Throws INVALID_REQUEST. */
  spawn<Actor extends AnyDefinedActor>(actor: Actor, options: SpawnOptions<Actor> = {}): Ref<Actor> {
    return this.#assembly.actors.spawn(actor, options);
  }

  changeGroup(group: string, change: GroupChange, options: CallOptions = {}): Promise<{ index: number }> {
    return settled((done) => this.api.changeGroup(group, change, options, done));
  }

  /** Hands leadership over, flushes and closes everything. Safe to call twice. */
  async stop(): Promise<void> {
    await this.#assembly.stop();
    this.#flush();
  }
}

/**
 * Starts a node in this process, which has read what its disk holds. What is not given has its default (docs/reference/configuration.md); HTTP is off unless `http`
 * says where. Throws a PolityError INVALID_REQUEST that names every mistake, a StorageFault or a TransportFault.
 */
export const createNode = async (config: NodeConfigInput): Promise<Node> => {
  const unfit = runtimeProblem(process.versions.node);
  if (unfit !== null) throw new PolityError(failure('INVALID_REQUEST', unfit));
  if (typeof config !== 'object' || config === null)
    throw new PolityError(failure('INVALID_REQUEST', 'a node is given a configuration: { name, cluster, data, … }'));
  const actors = splitActors(config.actors);
  const resolution = resolveConfig({
    defaults: { http: null, log: { level: 'warn' } },
    code: { ...config, ...(config.actors === undefined ? {} : { actors: actors.config }) },
  });
  if (!resolution.ok) throw new PolityError(failure('INVALID_REQUEST', resolution.problems.join('; ')));
  const { config: complete } = resolution;
  const log = createLog({ level: complete.log.level, name: complete.name });
  try {
    const node = new Node(await assemble(complete, { log: log.log, startTree, actors: actors.definitions }), log.flush);
    // One that cannot read its objects is there all the same: its status and every change say why.
    await node.replica.opened().catch(() => {});
    return node;
  } catch (error) {
    log.flush();
    throw error;
  }
};
