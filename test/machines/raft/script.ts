// A small language for transcripts: commands move a few replicas by hand, one message or write at a time, and everything they do
// is written down (in the manner of etcd's testdata). No chance and no time but what the script says.
import assert from 'node:assert/strict';
import {
  createRaft,
  describe,
  describeEffect,
  describeMessage,
  describeProgress,
  type RaftState,
  step,
} from '../../../machines/raft/index.ts';
import {
  type Entry,
  type RaftEffect,
  type RaftEvent,
  type RaftMessage,
  type RaftRestored,
  type ReplicaId,
  raftDefaults,
} from '../../../machines/raft/types.ts';
import { configurationOf } from './cluster.ts';
import { type Kept, keepEntries } from './disk.ts';
import { Judge, Mapped } from './judge.ts';

type Persist = Extract<RaftEffect, { type: 'persist' }>;
type Place = { state: RaftState; chart: Mapped; kept: Kept; writes: Persist[]; owed: Set<ReplicaId> };
type Words = { names: string[]; options: Map<string, string> };

const wordsOf = (words: readonly string[]): Words => ({
  names: words.filter((word) => !word.includes('=')),
  options: new Map(words.filter((word) => word.includes('=')).map((word) => word.split('=') as [string, string])),
});

const listOf = (text: string | undefined): string[] => (text === undefined || text === '' ? [] : text.split(','));

/** With the bounds one apart, every election time-out is 150 ms. */
const options = { ...raftDefaults, electionTimeoutMaxMs: 151, quietAfterMs: 0, retainEntries: 0 };

export class Script {
  private nowMs = 0;
  private places = new Map<ReplicaId, Place>();
  private mail: RaftMessage[] = [];
  private judge = new Judge();
  private voters: string[] = [];
  private raft = { ...options };
  private ref = 0;
  private lines: string[] = [];

  /** Runs one command and returns what happened, as lines. */
  run(line: string): string {
    this.lines = [];
    const [command, ...rest] = line.split(/\s+/) as [string, ...string[]];
    const words = wordsOf(rest);
    const known = this.commands[command];
    assert.ok(known !== undefined, `no such command: ${line}`);
    known(words.names, words.options);
    return this.lines.length === 0 ? 'ok' : this.lines.join('\n');
  }

  private readonly commands: Record<string, (names: string[], options: Map<string, string>) => void> = {
    cluster: (names, given) => {
      this.voters = names;
      for (const key of [
        'quietAfterMs',
        'inflightMessagesMax',
        'appendBytesMax',
        'uncommittedBytesMax',
        'retainEntries',
      ] as const)
        if (given.has(key)) this.raft[key] = Number(given.get(key));
      for (const id of names) this.place(id, this.kept([], 0));
    },
    /** Time passes until this replica campaigns, wins and everybody knows it; none of it is written down. */
    elect: ([id]) => {
      this.nowMs += 150;
      this.step(id!, { type: 'wake' });
      this.stabilize([...this.places.keys()]);
      this.beat(id!);
      this.lines = [describe(this.at(id!).state)];
    },
    /** A heartbeat interval passes, and what the leader's heartbeat brings about. */
    beat: (names) => {
      for (const id of names) this.beat(id);
    },
    /** An empty replica that waits for a leader. */
    empty: (names) => {
      for (const id of names) this.place(id, { ...this.kept([], 0), snapshot: null });
    },
    /** `log a 1,1,2 term=3 commit=1`: a replica restored with entries of these terms. */
    log: ([id, terms], given) => {
      const entries = listOf(terms).map((term, at): Entry => {
        return { index: at + 1, term: Number(term), kind: 'command', timeMs: 0, data: Buffer.from(`${term}.${at + 1}`) };
      });
      const hardState = { term: Number(given.get('term') ?? entries.at(-1)?.term ?? 0), vote: given.get('vote') ?? null };
      this.place(id!, { ...this.kept(entries, Number(given.get('commit') ?? 0)), hardState });
    },
    advance: ([ms]) => {
      this.nowMs += Number(ms);
    },
    wake: (names) => {
      for (const id of names) this.step(id, { type: 'wake' });
    },
    /** `deliver a>b …` or `deliver b …`: what is under way there, in order, once; without names everything. */
    deliver: (names) => this.deliver(names),
    drop: (names) => {
      for (const message of this.take(names)) this.lines.push(`drop ${describeMessage(message)}`);
    },
    /** Delivers again what the last matching `deliver` took: a message that the network doubled or delayed. */
    stash: (names) => {
      this.stashed = this.take(names);
      for (const message of this.stashed) this.lines.push(`stash ${describeMessage(message)}`);
    },
    unstash: () => {
      this.mail.unshift(...this.stashed);
      this.stashed = [];
    },
    persist: (names) => {
      for (const id of names) this.persist(id);
    },
    /** Everything among these replicas (or all) that can happen without time passing. */
    stabilize: (names) => this.stabilize(names.length === 0 ? [...this.places.keys()] : names),
    propose: ([id, ...texts]) => {
      const proposals = texts.map((text) => ({ ref: ++this.ref, data: Buffer.from(text) }));
      this.step(id!, { type: 'propose', wallMs: 0, proposals });
    },
    read: ([id, mode]) => this.step(id!, { type: 'read', ref: ++this.ref, mode: mode === 'lease' ? 'lease' : 'read-index' }),
    reconfigure: ([id], given) => {
      const { voters, learners, members } = configurationOf(listOf(given.get('voters')), listOf(given.get('learners')));
      this.step(id!, { type: 'reconfigure', ref: ++this.ref, wallMs: 0, target: { voters, learners, members } });
    },
    transfer: ([id, to]) => this.step(id!, { type: 'transfer', ref: ++this.ref, to: to! }),
    lost: ([id, replica]) => this.step(id!, { type: 'peer-lost', replica: replica! }),
    found: ([id, replica]) => this.step(id!, { type: 'peer-found', replica: replica! }),
    fail: ([id]) => this.step(id!, { type: 'persist-failed' }),
    /** kill -9 and a new start: what was not synced is gone. */
    restart: (names) => {
      for (const id of names) this.place(id, this.at(id).kept, true);
    },
    /** The disk comes back without its last entries, and does not know it. */
    lose: ([id, count]) => {
      const { kept } = this.at(id!);
      kept.entries.splice(kept.entries.length - Number(count));
      kept.applied = Math.min(kept.applied, kept.entries.at(-1)?.index ?? 0);
      this.place(id!, kept, true);
    },
    compact: ([id]) => {
      const { applied } = this.at(id!).state;
      this.step(id!, {
        type: 'compact',
        meta: { index: applied, term: 0, timeMs: 0, configuration: configurationOf(['nobody']) },
      });
    },
    /** `snapshot a>b ok|lost`: streams the snapshot that a owes b. */
    snapshot: ([pair, end]) => {
      const [from, to] = pair!.split('>') as [string, string];
      const { state, owed } = this.at(from);
      assert.ok(owed.delete(to), `${from} owes ${to} no snapshot`);
      const { applied: index, log, term } = state;
      const { configuration } = state.configurations.findLast((one) => one.index <= index)!;
      const meta = { index, term: log.termAt(index)!, timeMs: 0, configuration };
      if (end === 'ok') {
        this.step(to, { type: 'message', message: { type: 'snapshot', from, to, term, meta } });
        this.step(to, { type: 'snapshot-received', from, meta });
      }
      this.step(from, { type: 'snapshot-sent', to, index, ok: end === 'ok' });
    },
    status: (names) => {
      for (const id of names.length === 0 ? this.places.keys() : names) this.lines.push(describe(this.at(id).state));
    },
    progress: ([id]) => {
      for (const [other, progress] of this.at(id!).state.progress) this.lines.push(describeProgress(other, progress));
    },
    deadline: (names) => {
      for (const id of names) {
        const { deadlineMs } = this.at(id).state;
        this.lines.push(`${id} ${deadlineMs === Number.POSITIVE_INFINITY ? 'never' : `in ${deadlineMs - this.nowMs} ms`}`);
      }
    },
  };

  private stashed: RaftMessage[] = [];

  private kept(entries: Entry[], applied: number): Kept {
    const snapshot = { index: 0, term: 0, timeMs: 0, configuration: configurationOf(this.voters) };
    return { hardState: { term: 0, vote: null }, snapshot, entries, applied };
  }

  private at(id: ReplicaId): Place {
    const place = this.places.get(id);
    assert.ok(place !== undefined, `no replica ${id}`);
    return place;
  }

  private place(id: ReplicaId, kept: Kept, restarted = false): void {
    const restored: RaftRestored = { ...kept, entries: [...kept.entries], restarted };
    const state = createRaft({ replica: id, options: this.raft, restored, seed: 1, nowMs: this.nowMs, checkAll: true });
    const chart = new Mapped();
    chart.step(state, 'start');
    this.judge.reset(id);
    this.places.set(id, { state, chart, kept, writes: [], owed: new Set() });
  }

  private step(id: ReplicaId, event: RaftEvent): void {
    const place = this.at(id);
    const { role, term } = place.state;
    const effects = step(place.state, this.nowMs, event);
    place.chart.step(place.state, event.type);
    this.judge.step(place.state);
    for (const effect of effects) this.fulfil(id, place, effect);
    if (place.state.role !== role || place.state.term !== term)
      this.lines.push(`${id} is ${place.state.role} in term ${place.state.term}`);
    for (const effect of effects) if (effect.type === 'apply') this.applied(id, effect.entries);
  }

  private fulfil(id: ReplicaId, place: Place, effect: RaftEffect): void {
    if (effect.type === 'changed') return;
    this.lines.push(`${id} ${describeEffect(effect)}`);
    if (effect.type === 'send') this.mail.push(effect.message);
    else if (effect.type === 'persist') place.writes.push(effect);
    else if (effect.type === 'send-snapshot') place.owed.add(effect.to);
    else if (effect.type === 'drop-log') {
      place.kept.entries = place.kept.entries.filter((entry) => entry.index > effect.meta.index);
      place.kept.snapshot = effect.meta;
    }
  }

  private applied(id: ReplicaId, entries: readonly Entry[]): void {
    this.judge.applied(entries, id);
    this.at(id).kept.applied = entries.at(-1)!.index;
    this.step(id, { type: 'applied', index: entries.at(-1)!.index });
  }

  private take(names: readonly string[]): RaftMessage[] {
    const wanted = ({ from, to }: RaftMessage): boolean =>
      names.length === 0 || names.includes(to) || names.includes(`${from}>${to}`);
    const taken = this.mail.filter(wanted);
    this.mail = this.mail.filter((message) => !wanted(message));
    return taken;
  }

  private deliver(names: readonly string[]): boolean {
    const taken = this.take(names).filter(({ to }) => this.places.has(to));
    for (const message of taken) {
      this.lines.push(`deliver ${describeMessage(message)}`);
      this.step(message.to, { type: 'message', message });
    }
    return taken.length > 0;
  }

  private persist(id: ReplicaId): boolean {
    const { kept, writes } = this.at(id);
    const write = writes.shift();
    if (write === undefined) return false;
    this.lines.push(`${id} has written #${write.token}`);
    if (write.hardState !== null) kept.hardState = write.hardState;
    if (write.snapshot !== null) Object.assign(kept, { snapshot: write.snapshot, entries: [], applied: write.snapshot.index });
    keepEntries(kept, write.entries);
    this.mail.push(...write.messages);
    this.step(id, { type: 'persisted', token: write.token });
    return true;
  }

  private beat(id: ReplicaId): void {
    this.nowMs += 50;
    this.step(id, { type: 'wake' });
    this.stabilize([...this.places.keys()]);
  }

  private stabilize(ids: readonly ReplicaId[]): void {
    const among = ids.flatMap((from) => ids.map((to) => `${from}>${to}`));
    for (let turns = 0, moved = true; moved; turns++) {
      assert.ok(turns < 100, 'it does not settle');
      moved = this.deliver(among);
      for (const id of ids) while (this.persist(id)) moved = true;
    }
  }
}
