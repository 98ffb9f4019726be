// A few Raft machines with a seeded network and disks that lose what was not synced: the smallest world in which safety can be
// broken. Judges election safety, log matching of what is applied, leader completeness and reads after every step.
import assert from 'node:assert/strict';
import { nextBetween, nextUint32, type RandomState, randomFrom } from '../../../machines/random.ts';
import { createRaft, formRaftMessage, parseRaftMessage, type RaftState, step } from '../../../machines/raft/index.ts';
import {
  type Configuration,
  type Entry,
  type HardState,
  type RaftEffect,
  type RaftEvent,
  type RaftMessage,
  type RaftOptions,
  type ReplicaId,
  raftDefaults,
  type SnapshotMeta,
} from '../../../machines/raft/types.ts';

type Disk = { hardState: HardState; snapshot: SnapshotMeta | null; entries: Entry[]; applied: number };
type Persist = Extract<RaftEffect, { type: 'persist' }>;
type Scheduled = { atMs: number; order: number; run: () => void };

const member = (id: string) => ({ replica: id, name: id, peer: `peer-${id}` });
export const configurationOf = (voters: string[], learners: string[] = []): Configuration => ({
  ...{ voters, outgoing: null, learners, learnersNext: [] },
  members: Object.fromEntries([...voters, ...learners].map((id) => [id, member(id)])),
});

class Replica {
  readonly id: ReplicaId;
  disk: Disk;
  state: RaftState | null = null;
  life = 0;
  /** Data of applied commands by index: what the state machine has seen, kept over restarts as far as `disk.applied`. */
  seen: Map<number, string> = new Map();
  constructor(id: ReplicaId, disk: Disk) {
    this.id = id;
    this.disk = disk;
  }
}

export type ClusterOptions = { lossRatio: number; latencyMs: [number, number]; diskMs: [number, number]; raft: Partial<RaftOptions> };

export class Cluster {
  nowMs = 0;
  readonly replicas = new Map<ReplicaId, Replica>();
  readonly random: RandomState;
  readonly options: ClusterOptions;
  readonly results = new Map<number, RaftEffect>();
  readonly placed = new Map<number, { index: number; term: number }>();
  readonly warnings: string[] = [];
  private queue: Scheduled[] = [];
  private order = 0;
  private cut = new Set<string>();
  private leaders = new Map<number, ReplicaId>();
  private committed = new Map<number, string>();
  private ref = 0;
  private readFloor = new Map<number, number>();

  constructor(seed: number, ids: string[], options: Partial<ClusterOptions> = {}) {
    this.random = randomFrom(seed);
    this.options = { lossRatio: 0, latencyMs: [1, 5], diskMs: [1, 4], raft: {}, ...options };
    for (const id of ids) {
      const snapshot = { index: 0, term: 0, timeMs: 0, configuration: configurationOf(ids) };
      this.replicas.set(id, new Replica(id, { hardState: { term: 0, vote: null }, snapshot, entries: [], applied: 0 }));
      this.start(id, false);
    }
  }

  addEmpty(id: string): void {
    this.replicas.set(id, new Replica(id, { hardState: { term: 0, vote: null }, snapshot: null, entries: [], applied: 0 }));
    this.start(id, false);
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

  start(id: ReplicaId, restarted = true): void {
    const replica = this.replicas.get(id)!;
    replica.life++;
    const { hardState, snapshot, entries, applied } = replica.disk;
    replica.state = createRaft({
      replica: id,
      options: { ...raftDefaults, quietAfterMs: 0, retainEntries: 5, ...this.options.raft },
      restored: { hardState, snapshot, entries: [...entries], applied, restarted },
      seed: nextUint32(this.random),
      nowMs: this.nowMs,
    });
    for (const index of [...replica.seen.keys()]) if (index > applied) replica.seen.delete(index);
  }

  /** kill -9: what was not synced is gone, and so is everything in memory. */
  crash(id: ReplicaId): void {
    const replica = this.replicas.get(id)!;
    replica.life++;
    replica.state = null;
  }

  partition(groups: ReplicaId[][]): void {
    this.cut.clear();
    for (const a of groups) for (const b of groups) if (a !== b) for (const x of a) for (const y of b) this.cut.add(`${x}>${y}`);
  }

  heal(): void {
    this.cut.clear();
  }

  send(id: ReplicaId, event: RaftEvent): void {
    const replica = this.replicas.get(id)!;
    const { state } = replica;
    if (state === null) return;
    for (const effect of step(state, this.nowMs, event)) this.fulfil(replica, effect);
    if (state.role === 'leader') {
      const other = this.leaders.get(state.term);
      assert.ok(other === undefined || other === id, `two leaders in term ${state.term}: ${other} and ${id}`);
      this.leaders.set(state.term, id);
    }
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
        replica.disk.entries = replica.disk.entries.filter((entry) => entry.index > effect.meta.index);
        replica.disk.snapshot = effect.meta;
        return;
      case 'send-snapshot':
        return this.streamSnapshot(replica, effect.to);
      case 'expect-snapshot':
        return;
      case 'proposed':
        this.placed.set(effect.ref, { index: effect.index, term: effect.term });
        return;
      case 'read-ready': {
        const floor = this.readFloor.get(effect.ref)!;
        assert.ok(effect.index >= floor, `read ${effect.ref} at ${effect.index} misses acknowledged ${floor}`);
        this.results.set(effect.ref, effect);
        return;
      }
      case 'warn':
        this.warnings.push(effect.code);
        return;
      case 'changed':
        return;
      default:
        this.results.set(effect.ref, effect);
    }
  }

  private transmit(message: RaftMessage): void {
    if (this.chance(this.options.lossRatio)) return;
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

  private lastDiskMs = new Map<ReplicaId, number>();

  private persist(replica: Replica, effect: Persist): void {
    const { life } = replica;
    // Writes of one disk end in order.
    const endMs = Math.max(this.nowMs + this.between(this.options.diskMs), this.lastDiskMs.get(replica.id) ?? 0);
    this.lastDiskMs.set(replica.id, endMs);
    this.at(endMs - this.nowMs, () => {
      if (replica.life !== life) return;
      const { disk } = replica;
      if (effect.hardState !== null) disk.hardState = effect.hardState;
      if (effect.snapshot !== null) {
        disk.snapshot = effect.snapshot;
        disk.entries = [];
        disk.applied = effect.snapshot.index;
        for (const [index, data] of this.committed) if (index <= effect.snapshot.index) replica.seen.set(index, data);
      }
      const first = effect.entries[0];
      if (first !== undefined) disk.entries = [...disk.entries.filter((entry) => entry.index < first.index), ...effect.entries];
      for (const message of effect.messages) this.transmit(message);
      this.send(replica.id, { type: 'persisted', token: effect.token });
    });
  }

  private apply(replica: Replica, entries: Entry[]): void {
    for (const entry of entries) {
      const text = `${entry.term}:${entry.kind}:${Buffer.from(entry.data).toString()}`;
      const known = this.committed.get(entry.index);
      assert.ok(known === undefined || known === text, `entry ${entry.index} applied as ${known} and as ${text}`);
      this.committed.set(entry.index, text);
      replica.seen.set(entry.index, text);
    }
    const last = entries.at(-1)!.index;
    replica.disk.applied = last;
    const { life } = replica;
    this.at(0, () => {
      if (replica.life !== life) return;
      this.send(replica.id, { type: 'applied', index: last });
      if (last % 20 === 0) {
        const { log } = replica.state!;
        const meta = { index: last, term: log.termAt(last)!, timeMs: 0, configuration: replica.state!.configuration };
        this.send(replica.id, { type: 'compact', meta });
      }
    });
  }

  private streamSnapshot(replica: Replica, to: ReplicaId): void {
    const state = replica.state!;
    const meta = { index: state.applied, term: state.log.termAt(state.applied)!, timeMs: 0, configuration: this.configurationAt(state.applied, state) };
    const { life } = replica;
    const { term } = state;
    this.transmit({ type: 'snapshot', from: replica.id, to, term, meta });
    this.at(20, () => {
      if (replica.life !== life) return;
      const ok = !this.chance(this.options.lossRatio) && !this.cut.has(`${replica.id}>${to}`);
      if (ok) this.send(to, { type: 'snapshot-received', from: replica.id, meta });
      this.send(replica.id, { type: 'snapshot-sent', to, index: meta.index, ok });
    });
  }

  private configurationAt(index: number, state: RaftState): Configuration {
    let found = state.configurations[0]!.configuration;
    for (const one of state.configurations) if (one.index <= index) found = one.configuration;
    return found;
  }

  get acknowledged(): number {
    return Math.max(0, ...this.committed.keys());
  }

  leader(): RaftState | undefined {
    const leading = [...this.replicas.values()].flatMap((one) => (one.state?.role === 'leader' ? [one.state] : []));
    return leading.sort((a, b) => b.term - a.term)[0];
  }

  propose(id: ReplicaId, text: string): number {
    const ref = ++this.ref;
    this.send(id, { type: 'propose', wallMs: this.nowMs, proposals: [{ ref, data: Buffer.from(text) }] });
    return ref;
  }

  read(id: ReplicaId, mode: 'read-index' | 'lease'): number {
    const ref = ++this.ref;
    this.readFloor.set(ref, this.acknowledged);
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

  /** Runs whatever is due until `untilMs`, in order of time. */
  run(forMs: number): void {
    const untilMs = this.nowMs + forMs;
    for (;;) {
      let next: Scheduled | undefined;
      for (const one of this.queue) if (next === undefined || one.atMs < next.atMs || (one.atMs === next.atMs && one.order < next.order)) next = one;
      let wakeMs = Number.POSITIVE_INFINITY;
      let wakes: ReplicaId | null = null;
      for (const replica of this.replicas.values())
        if (replica.state !== null && replica.state.deadlineMs < wakeMs) {
          wakeMs = replica.state.deadlineMs;
          wakes = replica.id;
        }
      const atMs = Math.min(next?.atMs ?? Number.POSITIVE_INFINITY, wakeMs);
      if (atMs > untilMs) break;
      this.nowMs = Math.max(this.nowMs, atMs);
      if (next !== undefined && next.atMs <= wakeMs) {
        this.queue.splice(this.queue.indexOf(next), 1);
        next.run();
      } else if (wakes !== null) this.send(wakes, { type: 'wake' });
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
}
