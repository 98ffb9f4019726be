// A few Raft machines with a seeded network that loses, doubles, reorders and cuts, clocks that drift, and disks that forget what
// was not synced: the smallest world in which safety can be broken. The judge looks after every step.
import assert from 'node:assert/strict';
import type { Observe } from '../../../actors/observe.ts';
import { createRaft, formRaftMessage, parseRaftMessage, type RaftState, step } from '../../../machines/raft/index.ts';
import {
  type Configuration,
  type Entry,
  type RaftEffect,
  type RaftEvent,
  type RaftMessage,
  type RaftOptions,
  type ReplicaId,
  raftDefaults,
  type SnapshotMeta,
} from '../../../machines/raft/types.ts';
import { nextBetween, nextUint32, type RandomState, randomFrom } from '../../../machines/random.ts';
import { Disk, type Kept, keepEntries } from './disk.ts';
import { Judge, Mapped } from './judge.ts';

type Scheduled = { atMs: number; order: number; run: () => void };

const member = (id: string) => ({ replica: id, name: id, peer: `peer-${id}` });

export const configurationOf = (voters: string[], learners: string[] = []): Configuration => ({
  ...{ voters, outgoing: null, learners, learnersNext: [] },
  members: Object.fromEntries([...voters, ...learners].map((id) => [id, member(id)])),
});

const snapshotMs = 20;

class Replica {
  readonly id: ReplicaId;
  readonly disk: Disk;
  state: RaftState | null = null;
  chart = new Mapped();
  life = 0;
  /** Its clock: local = rate × world. */
  rate = 1;
  /** Index of what its state machine has seen in this life. */
  applied = 0;
  constructor(id: ReplicaId, disk: Disk) {
    this.id = id;
    this.disk = disk;
  }
}

export type ClusterOptions = {
  lossRatio: number;
  latencyMs: [number, number];
  diskMs: [number, number];
  /** Largest deviation of a replica's clock rate from 1. */
  driftRatio: number;
  /** Do connections close (and open again) when a replica dies or a cut appears? */
  closes: boolean;
  compactEvery: number;
  raft: Partial<RaftOptions>;
  /** Sees what actors/raft.ts would show of its replicas, in the same order. */
  observe: Observe;
};

const defaults: ClusterOptions = {
  ...{ lossRatio: 0, latencyMs: [1, 5], diskMs: [1, 4], driftRatio: 0, closes: false, compactEvery: 20, raft: {} },
  observe: () => {},
};

export class Cluster {
  nowMs = 0;
  readonly replicas = new Map<ReplicaId, Replica>();
  readonly random: RandomState;
  readonly options: ClusterOptions;
  readonly judge = new Judge();
  readonly results = new Map<number, RaftEffect>();
  readonly placed = new Map<number, { index: number; term: number }>();
  readonly warnings: string[] = [];
  /** Messages sent so far, by type. */
  readonly sent = new Map<string, number>();
  /** Drops what it returns true for. */
  filter: (message: RaftMessage) => boolean = () => false;
  private queue: Scheduled[] = [];
  private order = 0;
  private cut = new Set<string>();
  private ref = 0;
  private readFloor = new Map<number, number>();

  constructor(seed: number, ids: string[], options: Partial<ClusterOptions> = {}) {
    this.random = randomFrom(seed);
    this.options = { ...defaults, ...options };
    for (const id of ids) {
      const snapshot = { index: 0, term: 0, timeMs: 0, configuration: configurationOf(ids) };
      this.add(id, { hardState: { term: 0, vote: null }, snapshot, entries: [], applied: 0 });
    }
  }

  private add(id: ReplicaId, kept: Kept): void {
    const replica = new Replica(id, new Disk(kept, (run) => this.at(this.between(this.options.diskMs), run)));
    replica.rate = 1 + (this.options.driftRatio * (this.between([0, 2_000]) - 1_000)) / 1_000;
    this.replicas.set(id, replica);
    this.start(id, false);
  }

  /** A replica that knows nobody yet and waits for a leader to speak to it. */
  addEmpty(id: ReplicaId): void {
    this.add(id, { hardState: { term: 0, vote: null }, snapshot: null, entries: [], applied: 0 });
  }

  between([from, to]: [number, number]): number {
    return nextBetween(this.random, from, to + 1);
  }

  chance(ratio: number): boolean {
    return nextUint32(this.random) / 0x1_0000_0000 < ratio;
  }

  at(delayMs: number, run: () => void): void {
    this.queue.push({ atMs: this.nowMs + delayMs, order: this.order++, run });
  }

  state(id: ReplicaId): RaftState {
    const { state } = this.replicas.get(id)!;
    assert.ok(state !== null, `${id} is down`);
    return state;
  }

  start(id: ReplicaId, restarted = true): void {
    const replica = this.replicas.get(id)!;
    if (replica.state !== null) return;
    const { hardState, snapshot, entries, applied } = replica.disk.kept;
    replica.life++;
    replica.chart = new Mapped();
    this.judge.reset(id);
    replica.state = createRaft({
      ...{ replica: id, seed: nextUint32(this.random), nowMs: this.nowMs * replica.rate, checkAll: true },
      options: { ...raftDefaults, quietAfterMs: 0, retainEntries: 5, ...this.options.raft },
      restored: { hardState, snapshot, entries: [...entries], applied, restarted },
    });
    replica.applied = replica.state.applied;
    const shown = { group: 'g', replica: id };
    this.options.observe({ type: 'restored', ...shown, hardState, snapshot, entries: [...entries], applied });
    replica.chart.step(replica.state, 'start');
    if (this.options.closes) this.tellOthers(id, 'peer-found');
  }

  crash(id: ReplicaId): void {
    const replica = this.replicas.get(id)!;
    if (replica.state === null) return;
    replica.life++;
    replica.state = null;
    replica.disk.crash((underWay) => this.between([0, underWay]));
    if (this.options.closes) this.tellOthers(id, 'peer-lost');
  }

  /** The other ends notice, each a little later. */
  private tellOthers(id: ReplicaId, type: 'peer-lost' | 'peer-found'): void {
    for (const other of this.replicas.keys())
      if (other !== id) this.at(this.between(this.options.latencyMs), () => this.send(other, { type, replica: id }));
  }

  partition(groups: ReplicaId[][]): void {
    this.cut.clear();
    for (const a of groups)
      for (const b of groups) if (a !== b) for (const x of a) for (const y of b) this.cut.add(`${x}>${y}`);
    if (this.options.closes) for (const pair of this.cut) this.tellPair(pair, 'peer-lost');
  }

  heal(): void {
    const pairs = [...this.cut];
    this.cut.clear();
    if (this.options.closes) for (const pair of pairs) this.tellPair(pair, 'peer-found');
  }

  private tellPair(pair: string, type: 'peer-lost' | 'peer-found'): void {
    const [from, to] = pair.split('>') as [string, string];
    this.at(this.between(this.options.latencyMs), () => this.send(to, { type, replica: from }));
  }

  send(id: ReplicaId, event: RaftEvent): void {
    const replica = this.replicas.get(id)!;
    const { state } = replica;
    if (state === null) return;
    const effects = step(state, this.nowMs * replica.rate, event);
    const cause = event.type === 'message' ? event.message.type : event.type;
    replica.chart.step(state, cause);
    this.judge.step(state);
    for (const effect of effects) this.fulfil(replica, effect);
  }

  private fulfil(replica: Replica, effect: RaftEffect): void {
    switch (effect.type) {
      case 'send':
        return this.transmit(effect.message);
      case 'persist':
        return this.persist(replica, effect);
      case 'apply':
        return this.apply(replica, effect.entries);
      case 'drop-log':
        this.options.observe({ type: 'compacted', group: 'g', replica: replica.id, meta: effect.meta });
        return replica.disk.write((kept) => {
          kept.entries = kept.entries.filter((entry) => entry.index > effect.meta.index);
          kept.snapshot = effect.meta;
        });
      case 'send-snapshot':
        return this.streamSnapshot(replica, effect.to);
      case 'proposed':
        this.placed.set(effect.ref, { index: effect.index, term: effect.term });
        return;
      case 'read-ready': {
        const floor = this.readFloor.get(effect.ref)!;
        assert.ok(effect.index >= floor, `read ${effect.ref} at ${effect.index} misses acknowledged ${floor}`);
        this.options.observe({ type: 'read-ended', group: 'g', replica: replica.id, ref: effect.ref, index: effect.index });
        return this.answer(effect.ref, effect);
      }
      case 'warn':
        this.warnings.push(effect.code);
        return;
      case 'changed': {
        const { role, term, leader, commit, configuration } = replica.state!;
        return this.options.observe({
          type: 'role',
          group: 'g',
          replica: replica.id,
          role,
          term,
          leader,
          commit,
          configuration,
        });
      }
      case 'expect-snapshot':
        return;
      default:
        return this.answer(effect.ref, effect);
    }
  }

  private answer(ref: number, effect: RaftEffect): void {
    assert.ok(!this.results.has(ref), `ref ${ref} is answered twice`);
    this.results.set(ref, effect);
  }

  private transmit(message: RaftMessage): void {
    this.sent.set(message.type, (this.sent.get(message.type) ?? 0) + 1);
    if (this.filter(message) || this.chance(this.options.lossRatio)) return;
    const wire = structuredClone(formRaftMessage(message));
    const copies = this.chance(this.options.lossRatio / 2) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++)
      this.at(this.between(this.options.latencyMs), () => {
        if (this.cut.has(`${message.from}>${message.to}`) || !this.replicas.has(message.to)) return;
        const parsed = parseRaftMessage(wire);
        assert.ok(parsed.ok, `refused ${JSON.stringify(message)}`);
        this.send(message.to, { type: 'message', message: parsed.message });
      });
  }

  private persist(replica: Replica, effect: Extract<RaftEffect, { type: 'persist' }>): void {
    const { hardState, snapshot, entries, messages, token } = effect;
    if (snapshot !== null) replica.applied = snapshot.index;
    const change = (kept: Kept): void => {
      if (hardState !== null) kept.hardState = hardState;
      if (snapshot !== null) Object.assign(kept, { snapshot, entries: [], applied: snapshot.index });
      keepEntries(kept, entries);
    };
    if (replica.disk.failing) return this.at(1, () => this.send(replica.id, { type: 'persist-failed' }));
    replica.disk.write(change, () => {
      this.observePersisted(replica.id, effect);
      for (const message of messages) this.transmit(message);
      this.send(replica.id, { type: 'persisted', token });
    });
  }

  private observePersisted(id: ReplicaId, { hardState, entries, snapshot }: Extract<RaftEffect, { type: 'persist' }>): void {
    const shown = { group: 'g', replica: id };
    if (hardState !== null) this.options.observe({ type: 'hard-state', ...shown, hardState });
    if (entries.length > 0) this.options.observe({ type: 'logged', ...shown, entries });
    if (snapshot === null) return;
    const { index, term, configuration } = snapshot;
    this.options.observe({ type: 'installed', ...shown, index, term, configuration });
  }

  private apply(replica: Replica, entries: Entry[]): void {
    assert.equal(entries[0]!.index, replica.applied + 1, `${replica.id} applies in order`);
    this.judge.applied(entries, replica.id);
    this.options.observe({ type: 'applied', group: 'g', replica: replica.id, entries });
    const last = entries.at(-1)!;
    replica.applied = last.index;
    replica.disk.write((kept) => {
      kept.applied = last.index;
    });
    const { life } = replica;
    this.at(0, () => {
      if (replica.life !== life) return;
      this.send(replica.id, { type: 'applied', index: last.index });
      const every = this.options.compactEvery;
      if (Math.floor(last.index / every) > Math.floor((entries[0]!.index - 1) / every)) this.compact(replica.id);
    });
  }

  compact(id: ReplicaId): void {
    const state = this.state(id);
    // The label's configuration is wrong on purpose: the machine makes its own from its log.
    const configuration = configurationOf(['nobody']);
    this.send(id, { type: 'compact', meta: { index: state.applied, term: 0, timeMs: 0, configuration } });
  }

  private streamSnapshot(replica: Replica, to: ReplicaId): void {
    const state = replica.state!;
    const { applied, term, log } = state;
    const { configuration } = state.configurations.findLast((one) => one.index <= applied)!;
    const meta: SnapshotMeta = { index: applied, term: log.termAt(applied)!, timeMs: log.timeAt(applied), configuration };
    const { life } = replica;
    this.transmit({ type: 'snapshot', from: replica.id, to, term, meta });
    this.at(snapshotMs, () => {
      if (replica.life !== life) return;
      const ok =
        !this.chance(this.options.lossRatio) && !this.cut.has(`${replica.id}>${to}`) && this.replicas.get(to)?.state !== null;
      if (ok) this.send(to, { type: 'snapshot-received', from: replica.id, meta });
      this.send(replica.id, { type: 'snapshot-sent', to, index: meta.index, ok });
    });
  }

  get acknowledged(): number {
    return this.judge.acknowledged;
  }

  up(): RaftState[] {
    return [...this.replicas.values()].flatMap(({ state }) => (state === null ? [] : [state]));
  }

  leader(): RaftState | undefined {
    return this.up()
      .filter((state) => state.role === 'leader')
      .sort((a, b) => b.term - a.term)[0];
  }

  propose(id: ReplicaId, text: string): number {
    const ref = ++this.ref;
    this.send(id, { type: 'propose', wallMs: this.nowMs, proposals: [{ ref, data: Buffer.from(text) }] });
    return ref;
  }

  read(id: ReplicaId, mode: 'read-index' | 'lease'): number {
    const ref = ++this.ref;
    this.readFloor.set(ref, this.acknowledged);
    this.options.observe({ type: 'read-asked', group: 'g', replica: id, ref });
    this.send(id, { type: 'read', ref, mode });
    return ref;
  }

  reconfigure(id: ReplicaId, voters: string[], learners: string[] = []): number {
    const ref = ++this.ref;
    const { members } = configurationOf(voters, learners);
    this.send(id, { type: 'reconfigure', ref, wallMs: 0, target: { voters, learners, members } });
    return ref;
  }

  transfer(id: ReplicaId, to: ReplicaId): number {
    const ref = ++this.ref;
    this.send(id, { type: 'transfer', ref, to });
    return ref;
  }

  private nextWake(): { atMs: number; id: ReplicaId | null } {
    let soonest: { atMs: number; id: ReplicaId | null } = { atMs: Number.POSITIVE_INFINITY, id: null };
    for (const { id, state, rate } of this.replicas.values()) {
      // Rounded up, as a timer rings late rather than early.
      const atMs = state === null ? Number.POSITIVE_INFINITY : Math.ceil((state.deadlineMs / rate) * 1_000 + 1) / 1_000;
      if (atMs < soonest.atMs) soonest = { atMs, id };
    }
    return soonest;
  }

  /** Runs whatever is due within the time given, in order of time. */
  run(forMs: number): void {
    const untilMs = this.nowMs + forMs;
    for (;;) {
      let next: Scheduled | undefined;
      for (const one of this.queue)
        if (next === undefined || one.atMs < next.atMs || (one.atMs === next.atMs && one.order < next.order)) next = one;
      const wake = this.nextWake();
      const atMs = Math.min(next?.atMs ?? Number.POSITIVE_INFINITY, wake.atMs);
      if (atMs > untilMs) break;
      this.nowMs = Math.max(this.nowMs, atMs);
      if (next !== undefined && next.atMs <= wake.atMs) {
        this.queue.splice(this.queue.indexOf(next), 1);
        next.run();
      } else if (wake.id !== null) this.send(wake.id, { type: 'wake' });
    }
    this.nowMs = untilMs;
  }

  runUntil(holds: () => boolean, what: string, limitMs = 10_000): void {
    const endMs = this.nowMs + limitMs;
    while (!holds()) {
      assert.ok(this.nowMs < endMs, `${what} did not happen within ${limitMs} ms`);
      this.run(5);
    }
  }

  /** A leader that has committed in its term. */
  settle(limitMs = 10_000): RaftState {
    const settled = (): boolean => {
      const leader = this.leader();
      return leader !== undefined && leader.commit >= leader.termStartIndex;
    };
    this.runUntil(settled, 'a leader that commits', limitMs);
    return this.leader()!;
  }

  /** Proposes at the leader and waits until it is applied there. */
  write(text: string, limitMs = 2_000): number {
    const { replica } = this.leader()!;
    const ref = this.propose(replica, text);
    const at = this.placed.get(ref);
    assert.ok(at !== undefined, `${replica} rejects ${text}`);
    this.runUntil(() => this.state(replica).applied >= at.index, `${text} applied`, limitMs);
    return at.index;
  }

  result<Type extends RaftEffect['type']>(ref: number, type: Type): Extract<RaftEffect, { type: Type }> {
    const effect = this.results.get(ref);
    assert.equal(effect?.type, type, `outcome of ${ref}: ${JSON.stringify(effect)}`);
    return effect as Extract<RaftEffect, { type: Type }>;
  }
}
