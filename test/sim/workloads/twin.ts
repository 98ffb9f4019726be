// A register on one machine that does what it says, or, with a bug, nearly: what the workloads have to notice.
import type { NodeApi, Outcome, WatchMessage } from '../../../actors/api.ts';
import type { ClockPort } from '../../../actors/ports/index.ts';
import { createRegisterWaits, type RegisterWaits } from '../../../actors/register-waits.ts';
import type { Scope } from '../../../actors/supervise.ts';
import type { TopicsApi } from '../../../actors/topic-api.ts';
import { createTopics } from '../../../actors/topics.ts';
import { failure } from '../../../machines/errors.ts';
import type { QueueRead } from '../../../machines/queue/index.ts';
import { apply, createRegister, encodeCommand, type PointRequest, query } from '../../../machines/register/index.ts';
import type { FencingToken, KeyValue, RegisterEvent, RegisterResult, RegisterWrite } from '../../../machines/register/types.ts';
import type { SimulatedNode } from '../../../sim/node.ts';
import type { Chance, World } from '../../../sim/world.ts';
import { createKeyspaceMap } from '../../machines/register/keyspace-map.ts';

export type Bug =
  | 'none'
  /** Acknowledges a put now and then without doing it. */
  | 'lost'
  /** Does a put under an idempotency key twice now and then. */
  | 'twice'
  /** Does not look at conditions. */
  | 'unconditional'
  /** Does not look at fences, nor at who holds a lock. */
  | 'unfenced'
  /** What expired comes back for a moment. */
  | 'undead'
  /** A watcher is not told of every event. */
  | 'deaf'
  /** Acknowledges a message that is sent now and then without keeping it. */
  | 'leaky'
  /** Acknowledges that a message is done now and then without removing it. */
  | 'stubborn';

type Holder = { owner: string; lease: string; token: FencingToken };

const everySoOften = 7;

export class Twin {
  readonly name = 'n1';
  readonly #world: World;
  readonly #chance: Chance;
  readonly #bug: Bug;
  readonly #events: RegisterEvent[] = [];
  readonly #keys = new Map<string, KeyValue & { reads: number }>();
  readonly #holders = new Map<string, Holder>();
  readonly #watchers = new Set<(event: RegisterEvent, index: number) => void>();
  readonly #queues = createRegister();
  readonly #keyspace = createKeyspaceMap();
  readonly skew = { wallAheadMs: 0, farthestAheadMs: 0 };
  readonly lives = 1;
  readonly topics: TopicsApi;
  readonly #waits: RegisterWaits;
  #index = 0;
  #puts = 0;

  constructor(world: World, bug: Bug) {
    this.#world = world;
    this.#chance = world.chance('twin');
    this.#bug = bug;
    const clock: ClockPort = {
      ...{ nowMs: () => world.nowMs, wallMs: () => world.nowMs },
      after: (delayMs, wake) => world.after(delayMs, wake),
      soon: (run) => void world.after(0, run),
    };
    const scope: Scope = { address: 'register', guard: (run) => run, after: clock.after, soon: clock.soon };
    this.#waits = createRegisterWaits({
      ...{ clock, scope },
      query: (read) => query(this.#queues, this.#keyspace.read, read, this.#index),
    });
    const gossip = { publish: () => {}, subscribe: () => () => {}, summary: () => ({}) } as unknown as NodeApi['gossip'];
    this.topics = createTopics({
      ...{ name: 'n1', self: 'p1', epoch: 1, clock, gossip, sink: { log() {}, count() {} } },
      ...{ members: () => [], peers: () => [], isStopping: () => false },
      write: (write, options, done) => this.write(write, options, done),
      read: (read, options, done) => this.read(read as never, options, done),
    }).api;
  }

  /** Answers take a while, so that others come in between. */
  #later(run: () => void): void {
    this.#world.after(this.#chance.between(0, 10), run);
  }

  enter(_what: string, run: (api: NodeApi) => void): boolean {
    run(this as unknown as NodeApi);
    return true;
  }

  asNode(): SimulatedNode {
    return this as unknown as SimulatedNode;
  }

  get #strikes(): boolean {
    return this.#puts % everySoOften === 0;
  }

  write(write: RegisterWrite, _options: unknown, answer: (outcome: Outcome<RegisterResult>) => void): void {
    const done = (outcome: Outcome<RegisterResult>): void => this.#later(() => answer(outcome));
    const index = ++this.#index;
    const at = { index, term: 1 };
    if (write.op.startsWith('queue-') || write.op.startsWith('topic-')) return done(this.#queue(write, index));
    switch (write.op) {
      case 'put':
      case 'delete':
        return done(this.#change(write, index));
      case 'lease-grant':
        return done({ ok: true, value: { op: 'lease-grant', lease: write.lease, expiresAtMs: 0, ...at } });
      case 'lock-acquire': {
        const held = this.#holders.get(write.lock);
        if (held !== undefined && this.#bug !== 'unfenced') return done(refused('LOCK_HELD'));
        const token = { term: 1, index };
        this.#holders.set(write.lock, { owner: write.owner, lease: write.lease, token });
        return done({ ok: true, value: { op: 'lock-acquire', lock: write.lock, token, ...at } });
      }
      case 'lock-release':
        this.#holders.delete(write.lock);
        return done({ ok: true, value: { op: 'lock-release', lock: write.lock, token: write.token, ...at } });
      default:
        return done(refused('INVALID_REQUEST'));
    }
  }

  /** The machine itself, for queues and topics have no twin that is much simpler; with a bug it is not asked. */
  #queue(write: RegisterWrite, index: number): Outcome<RegisterResult> {
    const at = { index, term: 1 };
    const strikes = ++this.#puts % everySoOften === 0;
    if (this.#bug === 'leaky' && strikes && write.op === 'queue-send')
      return { ok: true, value: { op: 'queue-send', queue: write.queue, message: index, duplicate: false, ...at } };
    if (this.#bug === 'stubborn' && strikes && write.op === 'queue-ack')
      return { ok: true, value: { op: 'queue-ack', queue: write.queue, message: write.receipt.message, ...at } };
    if (this.#bug === 'leaky' && strikes && write.op === 'topic-publish')
      return { ok: true, value: { op: 'topic-publish', topic: write.topic, sequence: index, subscriptions: 1, ...at } };
    const entry = { ...at, timeMs: this.#world.nowMs, data: encodeCommand({ write }) };
    const { outcome, writes, touched } = apply(this.#queues, entry, this.#keyspace.read);
    this.#keyspace.write(writes);
    this.#waits.applied(index, touched);
    return outcome.ok ? { ok: true, value: outcome.result } : outcome;
  }

  #change(write: Extract<RegisterWrite, { op: 'put' | 'delete' }>, index: number): Outcome<RegisterResult> {
    const old = this.#keys.get(write.key);
    const { condition, fence } = write;
    const holds =
      condition === undefined ||
      (condition.kind === 'index'
        ? condition.index === (old?.index ?? 0)
        : old !== undefined && isSame(old.value, condition.value));
    if (!holds && this.#bug !== 'unconditional') return refused('CAS_MISMATCH');
    if (fence !== undefined && this.#holders.get(fence.lock)?.token.index !== fence.token.index && this.#bug !== 'unfenced')
      return refused('FENCED');
    this.#puts++;
    const result = { ok: true, value: { op: write.op, key: write.key, index, term: 1 } } as const;
    if (this.#bug === 'lost' && this.#strikes) return result;
    const version = (old?.version ?? 0) + (this.#bug === 'twice' && this.#strikes ? 2 : 1);
    const value = write.op === 'put' ? write.value : null;
    if (value === null) this.#keys.delete(write.key);
    else this.#keys.set(write.key, { ...record(write.key, value, index), version, expiresAtMs: ttlOf(write), reads: 0 });
    const event = { type: write.op, key: write.key, value, index, term: 1 };
    this.#events.push(event);
    for (const tell of this.#watchers) tell(event, index);
    return result;
  }

  #readQueue(read: QueueRead): Outcome<RegisterResult> {
    this.#queue({ op: 'queue-receive', queue: 'nothing', max: 1, waitMs: 0 }, ++this.#index);
    const outcome = query(this.#queues, this.#keyspace.read, read, this.#index);
    return outcome.ok ? { ok: true, value: outcome.result } : outcome;
  }

  read(read: { op: string; key: string }, _options: unknown, answer: (outcome: Outcome<RegisterResult>) => void): void {
    const done = (outcome: Outcome<RegisterResult>): void => this.#later(() => answer(outcome));
    if (read.op.startsWith('topic-'))
      return this.#waits.answer(read as unknown as PointRequest, (outcome) =>
        done(outcome.ok ? { ok: true, value: outcome.result } : outcome),
      );
    if (read.op.startsWith('queue-')) return done(this.#readQueue(read as unknown as QueueRead));
    const found = this.#keys.get(read.key) ?? null;
    const index = this.#index;
    if (found?.expiresAtMs == null) return done({ ok: true, value: { op: 'get', found, index } });
    // It lives for two reads; then it is gone, or, with the bug, there again.
    found.reads++;
    const isThere = found.reads <= 2 || (this.#bug === 'undead' && found.reads > 3);
    done({ ok: true, value: { op: 'get', found: isThere ? found : null, index } });
  }

  watch({ prefix, from }: { prefix: string; from: number }, on: (message: WatchMessage) => void): () => void {
    let told = 0;
    const tell = (event: RegisterEvent, index: number): void => {
      if (!event.key.startsWith(prefix)) return;
      if (this.#bug === 'deaf' && ++told % everySoOften === 0) return;
      on({ type: 'events', events: [event], index });
    };
    this.#watchers.add(tell);
    const missed = from === 0 ? [] : this.#events.filter((event) => event.index >= from && event.key.startsWith(prefix));
    if (missed.length > 0) on({ type: 'events', events: missed, index: this.#index });
    else on({ type: 'progress', index: this.#index });
    return () => void this.#watchers.delete(tell);
  }
}

const refused = (code: 'LOCK_HELD' | 'FENCED' | 'CAS_MISMATCH' | 'INVALID_REQUEST'): Outcome<RegisterResult> => ({
  ok: false,
  failure: failure(code, 'refused'),
});

const record = (key: string, value: Uint8Array, index: number): KeyValue => ({
  ...{ key, value, index, term: 1, createIndex: index, version: 1, expiresAtMs: null, lease: null },
});

const ttlOf = (write: RegisterWrite): number | null => (write.op === 'put' && write.ttlMs !== undefined ? write.ttlMs : null);

const isSame = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, at) => byte === b[at]);
