// A node for tests of the doors: one replica in memory, the real register and the real watch log, no Raft and no disk. Time stands
// still unless a test moves it, and any call can be told to fail or to stay silent.
import type { BackupPart, CallOptions, GroupChange, NodeApi, NodeStatus, Outcome, WatchMessage } from '../../../actors/api.ts';
import type { Found } from '../../../actors/discovery.ts';
import type { Place } from '../../../actors/places-door.ts';
import type { NamedRoute } from '../../../actors/routes-door.ts';
import type { BreakerReport } from '../../../actors/service-api.ts';
import { callsDefaults } from '../../../actors/service-api.ts';
import { createServiceHost } from '../../../actors/services.ts';
import { createWatchLog } from '../../../actors/watch.ts';
import type { DiscoveryView } from '../../../machines/discovery/index.ts';
import { type Failure, failure } from '../../../machines/errors.ts';
import type { MemberView } from '../../../machines/membership/index.ts';
import {
  apply,
  createRegister,
  encodeCommand,
  listRange,
  listResult,
  query,
  type RegisterOutcome,
  type RegisterRead,
  type RegisterResult,
  type RegisterWrite,
} from '../../../machines/register/index.ts';
import { realClock } from '../../../src/clock.ts';
import { createInspectAlone } from '../../actors/inspect-alone.ts';
import { createLocalCalls } from '../../actors/local-calls.ts';
import { StandIn } from '../actor/stand-in.ts';
import { FakeCatalog } from './fake-catalog.ts';
import { FakeReplica } from './fake-replica.ts';
import { fakeTopics, fakeWaits } from './fake-topics.ts';
import { createGraphsAlone } from './graphs.ts';

const textOf = (key: Uint8Array): string => Buffer.from(key).toString('latin1');
const keyOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));

export const fakeStatus = (changes: Partial<NodeStatus> = {}): NodeStatus => ({
  ...{
    name: 'n1',
    peerId: 'peer-1',
    cluster: 'test',
    clusterId: 'uuid',
    state: 'ready',
    reason: null,
    version: '0.0.0',
    epoch: 1,
  },
  ...{ listen: ['/ip4/127.0.0.1/tcp/1/p2p/peer-1'], http: null },
  groups: [
    {
      ...{
        id: 'kv',
        role: 'leader',
        term: 3,
        leader: 'n1',
        voters: ['n1', 'n2'],
        learners: ['n3'],
        commitIndex: 0,
        appliedIndex: 0,
      },
      ...{ firstIndex: 1, lastIndex: 0, quiet: false, replica: 'r1', joint: false, halted: null },
    },
  ],
  peers: [{ name: 'n2', peerId: 'peer-2', connected: true, epoch: 1, addresses: [], rttMs: 0.5 }],
  actors: [{ address: 'group/kv', state: 'running', restarts: 0, reason: null }],
  breakers: [],
  ...changes,
});

export type Asked =
  | { type: 'write'; write: RegisterWrite; idempotencyKey: string | null; timeoutMs: number | undefined }
  | { type: 'read'; read: RegisterRead; consistency: string | undefined };

export class FakeNode implements NodeApi {
  readonly asked: Asked[] = [];
  readonly changes: { group: string; change: GroupChange }[] = [];
  /** Answers a call in place of the register: a failure, 'silent' for no answer, null to go on. */
  intercept: (asked: Asked) => Failure | 'silent' | null = () => null;
  changeOutcome: Outcome<{ index: number }> = { ok: true, value: { index: 7 } };
  nowMs = 1_000_000;
  index = 0;
  term = 3;
  watchers = 0;
  readonly actors = new StandIn();
  backupsOpen = 0;
  stopped = false;
  #state = createRegister();
  #records = new Map<string, Uint8Array>();
  #watchLog = createWatchLog(1_000);
  #status = fakeStatus();
  #listeners = new Set<(status: NodeStatus) => void>();

  status(): NodeStatus {
    return this.#status;
  }

  /** It hosts no actors. */
  readonly replicas: NodeApi['replicas'] = {
    reset: (_address, _timeoutMs, done) => done({ ok: false, failure: failure('NOT_READY', 'a fake node has no actors') }),
  };
  readonly shards: NodeApi['shards'] = {
    locate: (_definition, address) => ({
      ...{ where: 'nowhere', againMs: 100 },
      failure: failure('ACTOR_NOT_FOUND', `n1 hosts no actors of type '${address.type}'`),
    }),
    ...{ holds: () => false, onChanged: () => () => {}, serve: () => {}, hosted: () => {}, opened: () => {}, gone: () => {} },
    opening: (_definition, _address, done) => done(null),
    stopped: (_definition, _address, done) => done(null),
    groupOf: () => 'kv',
    leadership: (group) => ({ group, token: null, leader: null }),
    view: () => this.shardViews,
    find: ({ key, node }) =>
      node === null
        ? {
            group: 'actors-1',
            node: key === 'lost' ? null : 'n1',
            failure: key === 'lost' ? failure('NO_QUORUM', 'nobody leads') : null,
          }
        : { group: null, node, failure: null },
  };
  shardViews: ReturnType<NodeApi['shards']['view']> = [];

  /** Nobody hears what it announces. */
  readonly gossip: NodeApi['gossip'] = {
    publish: (_topic, _body, _options, done) => done({ ok: true, value: { sequence: 1 } }),
    subscribe: () => () => {},
    summary: () => ({ kept: 0, keptBytes: 0, sources: 0, waiting: 0, peers: 0 }),
  };

  /** What membership holds. */
  known: MemberView[] = [];
  readonly evicted: string[] = [];

  members(): MemberView[] {
    return this.known;
  }

  tellLoad(): void {}

  /** What is said of breakers, and what they are told. */
  reports: BreakerReport[] = [];
  readonly commands: string[] = [];

  breakers(): BreakerReport[] {
    return this.reports;
  }

  commandBreaker({ node, service }: { node: string; service: string | null }, command: string): Outcome<number> {
    if (!this.reports.some((report) => report.node === node))
      return { ok: false, failure: failure('MEMBER_NOT_FOUND', `no node is known as '${node}'`) };
    this.commands.push(`${command} ${node} ${service}`);
    return { ok: true, value: service === null ? 2 : 1 };
  }

  evict(peer: string): boolean {
    const isKnown = this.known.some((member) => member.peer === peer && !member.self);
    if (isKnown) this.evicted.push(peer);
    return isKnown;
  }

  /** What discovery holds, and how a question to its sources ends. */
  found: DiscoveryView = { peers: [], sources: [] };
  readonly lookups: { timeoutMs: number; resultsMax: number }[] = [];

  discovery(): DiscoveryView {
    return this.found;
  }

  lookup(asked: { timeoutMs: number; resultsMax: number }, done: (found: Found) => void): void {
    this.lookups.push(asked);
    const failures = this.found.sources.flatMap(({ source, lastError }) =>
      lastError === null ? [] : [{ source, ...lastError }],
    );
    done({ places: this.found.peers.slice(0, asked.resultsMax), failures });
  }

  readonly offers = new FakeCatalog('peer-1');
  readonly catalog = this.offers.api;
  readonly host = createServiceHost({
    ...{ name: 'n1', self: 'p1', clock: realClock, sink: { log: () => {}, count: () => {} }, ...callsDefaults },
  });
  readonly calls = createLocalCalls({ name: 'n1', self: 'p1', clock: realClock, host: this.host });
  readonly graph = createGraphsAlone({ calls: this.calls, catalog: this.catalog });
  /** What this node knows of ways. */
  routed: NamedRoute | null = null;
  places: readonly Place[] = [];
  readonly routes: NodeApi['routes'] = {
    wayTo: () => 'none',
    find: (_peer, done) => done(null),
    broken() {},
    locate: (_lookup, _prefer, done) => done({ ok: true, value: this.places }),
    describe: (node, _ask, done) =>
      this.routed === null
        ? done({ ok: false, failure: { code: 'MEMBER_NOT_FOUND', message: `nobody is called ${node}` } })
        : done({ ok: true, value: this.routed }),
  };

  readonly inspected = createInspectAlone(realClock);
  readonly inspect = this.inspected.api;

  readonly topics: NodeApi['topics'] = fakeTopics(this);

  readonly replicated = new FakeReplica();
  readonly replica = this.replicated.api;

  setStatus(changes: Partial<NodeStatus>): void {
    this.#status = { ...this.#status, ...changes };
    for (const listener of [...this.#listeners]) listener(this.#status);
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  onStatus(listener: (status: NodeStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #waits = fakeWaits((read) => query(this.#state, this.#read, read, this.index));
  #read = (key: Uint8Array): Uint8Array | undefined => this.#records.get(textOf(key));

  #refusal(asked: Asked, options: CallOptions): Failure | 'silent' | null {
    this.asked.push(asked);
    const { group = 'kv' } = options;
    if (group !== 'kv') return failure('GROUP_NOT_FOUND', `no group '${group}'`);
    return this.intercept(asked);
  }

  write(
    write: RegisterWrite,
    options: CallOptions & { idempotencyKey?: string },
    done: (outcome: Outcome<RegisterResult>) => void,
  ): void {
    const { idempotencyKey = null, timeoutMs } = options;
    const why = this.#refusal({ type: 'write', write, idempotencyKey, timeoutMs }, options);
    if (why === 'silent') return;
    if (why !== null) return setImmediate(done, { ok: false, failure: why }) && undefined;
    const outcome = this.apply(write, idempotencyKey);
    setImmediate(done, outcome);
  }

  /** What a write does, at once. */
  apply(write: RegisterWrite, idempotencyKey: string | null = null): Outcome<RegisterResult> {
    const data = encodeCommand(idempotencyKey === null ? { write } : { write, session: { id: idempotencyKey } });
    this.index++;
    const entry = { index: this.index, term: this.term, timeMs: this.nowMs, data };
    const { outcome, writes, events, touched } = apply(this.#state, entry, this.#read);
    for (const { key, value } of writes) {
      if (value === null) this.#records.delete(textOf(key));
      else this.#records.set(textOf(key), value);
    }
    this.#watchLog.append(events);
    this.#watchLog.flush(this.index);
    this.#waits.applied(this.index, touched);
    return outcome.ok ? { ok: true, value: outcome.result } : { ok: false, failure: outcome.failure };
  }

  read(
    read: RegisterRead,
    options: CallOptions & { consistency?: string },
    done: (outcome: Outcome<RegisterResult>) => void,
  ): void {
    const why = this.#refusal({ type: 'read', read, consistency: options.consistency }, options);
    if (why === 'silent') return;
    if (why !== null) return setImmediate(done, { ok: false, failure: why }) && undefined;
    const answer = (outcome: RegisterOutcome): unknown =>
      setImmediate(done, outcome.ok ? { ok: true, value: outcome.result } : outcome);
    if (read.op === 'list') answer(this.#list(read));
    else this.#waits.answer(read, answer);
  }

  #sorted(): [Uint8Array, Uint8Array][] {
    return [...this.#records].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]) => [keyOf(key), value]);
  }

  #list(read: Extract<RegisterRead, { op: 'list' }>) {
    const { gte, lt, limit } = listRange(read);
    const within = this.#sorted().filter(([key]) => textOf(key) >= textOf(gte) && textOf(key) < textOf(lt));
    return listResult(read, within.slice(0, limit), this.index);
  }

  /** Forgets events up to here, as a restart or a snapshot does. */
  compact(): void {
    this.#watchLog.reset(this.index);
  }

  endWatches(): void {
    this.#watchLog.stop();
  }

  watch(watch: { group?: string; prefix: string; from: number }, on: (message: WatchMessage) => void): () => void {
    let end = (): void => {};
    let ended = false;
    this.watchers++;
    setImmediate(() => {
      if (!ended) end = this.#watchLog.watch(watch.prefix, watch.from, on);
    });
    return () => {
      if (!ended) this.watchers--;
      ended = true;
      end();
    };
  }

  changeGroup(
    group: string,
    change: GroupChange,
    _options: CallOptions,
    done: (outcome: Outcome<{ index: number }>) => void,
  ): void {
    this.changes.push({ group, change });
    setImmediate(done, this.changeOutcome);
  }

  backup(group: string, _options: CallOptions, on: (part: BackupPart, more: () => void) => void): () => void {
    if (group !== 'kv') {
      setImmediate(() => on({ type: 'failed', failure: failure('GROUP_NOT_FOUND', `no group '${group}'`) }, () => {}));
      return () => {};
    }
    this.backupsOpen++;
    const records = this.#sorted();
    let at = 0;
    let ended = false;
    const more = (): void => {
      if (ended) return;
      const page = records.slice(at, at + 2);
      at += page.length;
      if (page.length > 0) on({ type: 'records', records: page }, () => setImmediate(more));
      else on({ type: 'end' }, () => {});
    };
    setImmediate(() =>
      on({ type: 'start', group, index: this.index, term: this.term, timeMs: this.nowMs }, () => setImmediate(more)),
    );
    return () => {
      if (!ended) this.backupsOpen--;
      ended = true;
    };
  }

  stop(done: () => void): void {
    this.stopped = true;
    this.offers.stop();
    this.inspected.stop();
    this.endWatches();
    setImmediate(done);
  }
}
