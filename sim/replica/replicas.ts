// Clients that change and read replicated objects at any node, whatever happens to the cluster, and what must be true of what they see
// (judge.ts). When all is mended everybody must hold the same, of a size that follows from what is in it; then one change after the
// other, each made by whoever has all before it, must have the very effect that it would have on one machine.
import type { NodeApi, Outcome, SyncPolicy } from '../../actors/api.ts';
import { replicatorAddress } from '../../actors/replicator.ts';
import type { Sibling } from '../../machines/replicator/register.ts';
import { aheadMsMax, stampMs } from '../../machines/versions/hybrid-clock.ts';
import type { Disk } from '../disk.ts';
import type { SimulatedNode } from '../node.ts';
import { wallMsOf } from '../process.ts';
import type { Chance, World } from '../world.ts';
import { collections } from './collections.ts';
import { counters } from './counters.ts';
import { type Made, ObjectJudge } from './judge.ts';
import type { Kind, View } from './kind.ts';
import { registers } from './registers.ts';
import { sequences } from './sequences.ts';
import { whyNotOneForAll } from './strategies.ts';

export const kinds: readonly Kind[] = [...counters, ...registers, ...collections, ...sequences];

export type ReplicasOptions = {
  clients: number;
  /** Between two changes of a client, milliseconds, at most. */
  thinkMs: number;
  /** Changes of each client, at most. */
  changesMax: number;
};

/** Changes of every object in the end, each after all before it. */
const lastChanges = 2;
const everyMsMax = 500;
/** Whether all hold the same is asked after every event, and looked at so often: the longer it takes, the less. */
const lookEveryMs = [100, 3_000] as const;
/** So long after damage everything has been written anew, by a disk that works and by one that is slow. */
const [healMs, healSlowMs] = [1_000, 20_000];
/** Of an object whatever is in it. */
const bytesOfNothing = 40;
/** A hybrid clock that was pushed by a count instead of by time. */
const stampSlackMs = 1_000;

type Judged = { readonly judge: ObjectJudge; numbers: number; changes: number };

const neverLooked = { atMs: Number.NEGATIVE_INFINITY, everyMs: lookEveryMs[0] as number, text: null };

export class Replicas {
  /** What was seen first that cannot be true. */
  violation: string | null = null;
  /** Changes so far. */
  changes = 0;
  /** Not answered. */
  readonly #open = new Set<Made>();
  readonly #world: World;
  readonly #nodes: readonly SimulatedNode[];
  readonly #options: ReplicasOptions;
  readonly #objects = new Map<string, Judged>();
  /** By kind: the object that is changed now. */
  readonly #current = new Map<Kind, Judged>();
  readonly #disks = new Map<string, Disk>();
  /** By disk: the replica that lives there, from when to when it was seen, and how slow its disk was. */
  readonly #replicas = new Map<string, { id: string; fromMs: number; toMs: number; slowness: number }>();
  readonly #idsSeen = new Set<string>();
  #isStopped = true;
  #asked = 0;
  #why: { atMs: number; everyMs: number; text: string | null } = neverLooked;

  constructor(world: World, nodes: readonly SimulatedNode[], options: ReplicasOptions) {
    this.#world = world;
    this.#nodes = nodes;
    this.#options = options;
  }

  start(): void {
    this.#isStopped = false;
    for (let client = 0; client < this.#options.clients; client++) this.#wait(client, 0);
  }

  stop(): void {
    this.#isStopped = true;
  }

  #wait(client: number, call: number): void {
    if (call >= this.#options.changesMax) return;
    // Each call has its own, so that leaving one out moves no other.
    const chance = this.#world.chance(`replicas ${client} call ${call}`);
    this.#world.after(chance.fraction() * this.#options.thinkMs, () => {
      if (this.#isStopped) return;
      const node = chance.pick(this.#nodes);
      const kind = chance.pick(kinds);
      node.enter('replicas', (api) => this.#change(node, api, this.#objectOf(kind), chance));
      this.#wait(client, call + 1);
    });
  }

  #objectOf(kind: Kind): Judged {
    const known = this.#current.get(kind);
    if (known !== undefined && known.changes < kind.changesMax) return known;
    const number = [...this.#objects.values()].filter(({ judge }) => judge.kind === kind).length;
    const judge = new ObjectJudge(kind, `o${number}`, (one) => this.#isExcused(one));
    const made = { judge, numbers: 0, changes: 0 };
    this.#objects.set(judge.name, made);
    this.#current.set(kind, made);
    return made;
  }

  /** Its author's disk was lost, or damaged after it was answered: nobody else may have had it. */
  #isExcused({ keeper, answeredMs }: Made): boolean {
    const disk = this.#disks.get(keeper);
    return disk === undefined || !this.#nodes.some((node) => node.disk === disk) || disk.hurtAtMs >= answeredMs;
  }

  #blame(what: string): void {
    this.violation ??= what;
  }

  // ------------------------------------------------------------ one change

  /** Null: what is on the disk is not read yet. */
  #incarnationOf(node: SimulatedNode, api: NodeApi): string | null {
    const { replica } = api.replica.summary();
    if (replica === null) return null;
    const { disk, lives, begunAnew } = node;
    this.#judgeId(node, replica);
    this.#idsSeen.add(replica);
    this.#disks.set(disk.identity, disk);
    const actor = api.status().actors.find(({ address }) => address === replicatorAddress);
    if (actor?.state !== 'running') return null;
    return `${node.name}#${lives}.${actor.restarts}.${begunAnew} ${replica}`;
  }

  /** Another id after damage alone; a crash while what is left is written anew may show the same damage once more. */
  #judgeId({ name, disk }: SimulatedNode, id: string): void {
    const { nowMs } = this.#world;
    const known = this.#replicas.get(disk.identity);
    if (known?.id === id) {
      known.toMs = nowMs;
      known.slowness = Math.max(known.slowness, disk.slowness);
      return;
    }
    this.#replicas.set(disk.identity, { id, fromMs: nowMs, toMs: nowMs, slowness: disk.slowness });
    if (known === undefined || disk.hurtAtMs >= known.fromMs) return;
    const isHealed = known.toMs - known.fromMs > (known.slowness > 1 ? healSlowMs : healMs);
    if (isHealed || disk.hurtAtMs === Number.NEGATIVE_INFINITY)
      this.#blame(`${name} was the replica ${known.id} and is ${id}, and nothing happened to its disk`);
  }

  #viewAt(api: NodeApi, { key, kind }: ObjectJudge): View {
    return kind.viewOf(api.replica.read(kind.type, key));
  }

  #change(node: SimulatedNode, api: NodeApi, object: Judged, chance: Chance): Made | null {
    const incarnation = this.#incarnationOf(node, api);
    if (incarnation === null) return null;
    const { judge } = object;
    const { kind, key, name } = judge;
    const view = this.#viewAt(api, judge);
    const seenBy = { node: node.name, keeper: node.disk.identity, incarnation };
    const wrong = judge.whyNot({ ...seenBy, view });
    if (wrong !== null) this.#blame(wrong);
    const { change, adds, takes, after } = kind.draw(chance, view, () => object.numbers++);
    const { nowMs } = this.#world;
    const made: Made = {
      ...{ ...seenBy, number: this.changes++, atMs: nowMs, adds, takes, after },
      ...{ outcome: 'open', answeredMs: Number.POSITIVE_INFINITY },
    };
    object.changes++;
    this.#why = neverLooked;
    this.#open.add(made);
    judge.made(made);
    const sync = this.#drawSync(chance);
    this.#world.trace.note(nowMs, 'replicas', `${made.number} ${node.name} ${name} ${JSON.stringify(change)}`);
    let isAsked = false;
    const answer = (outcome: Outcome<null>): void => {
      this.#open.delete(made);
      made.answeredMs = this.#world.nowMs;
      if (outcome.ok) made.outcome = sync === 'write' ? 'acknowledged' : 'unknown';
      else if (outcome.failure.code === 'INVALID_REQUEST')
        this.#blame(`${name}: ${node.name} refuses ${JSON.stringify(change)}: ${outcome.failure.message}`);
      else made.outcome = isRefusal(outcome.failure.code, isAsked) ? 'not done' : 'unknown';
      this.#world.trace.note(this.#world.nowMs, 'replicas', `${made.number} ${made.outcome}`);
    };
    api.replica.change(kind.type, key, change, answer, { sync });
    isAsked = true;
    this.#lookAfter(node, api, made, judge);
    return made;
  }

  /** What is in no hurry is acknowledged at once, and a crash may take it. */
  #drawSync(chance: Chance): SyncPolicy {
    if (this.#isStopped || chance.happens(0.7)) return 'write';
    return chance.happens(0.5) ? 'never' : { everyMs: chance.between(1, everyMsMax) };
  }

  /** Visible at once, unless it was refused at once; and stamped within what a clock may be ahead. */
  #lookAfter(node: SimulatedNode, api: NodeApi, made: Made, judge: ObjectJudge): void {
    const view = this.#viewAt(api, judge);
    if (made.outcome !== 'not done' && view.join(' ') !== made.after.join(' '))
      this.#blame(`${judge.name}: ${node.name} shows '${view.join(' ')}' after a change to '${made.after.join(' ')}'`);
    if (judge.kind.type !== 'register') return;
    const siblings = (api.replica.read('register', judge.key) ?? []) as readonly Sibling[];
    const wrong = whyNotOneForAll(siblings);
    if (wrong !== null) this.#blame(`${judge.name}: ${wrong}`);
    const latestMs =
      wallMsOf(this.#world, node.skew) - node.skew.wallAheadMs + node.skew.farthestAheadMs + aheadMsMax + stampSlackMs;
    for (const [, , stamp] of siblings)
      if (stampMs(stamp) > latestMs)
        this.#blame(
          `${judge.name}: ${node.name} believes a stamp ${Math.round(stampMs(stamp) - latestMs)} ms beyond what it may`,
        );
  }

  // ------------------------------------------------------------ when all is mended

  /** Changes that nobody has been asked for yet, or somebody who lives has not answered. */
  get open(): number {
    const lives = new Set(this.#nodes.filter(({ isUp }) => isUp).map(({ name, lives }) => `${name}#${lives}.`));
    return this.#asked + [...this.#open].filter(({ incarnation }) => lives.has(incarnation.replace(/\..*/, '.'))).length;
  }

  /** Clocks as they were on the first day; what was stamped by a clock that was ahead must be believed before all can agree. */
  mendClocks(): void {
    for (const { skew } of this.#nodes) skew.wallAheadMs = 0;
  }

  /** What an operator does whose machine lost its disk for good: nobody waits for that replica any more. */
  retireLost(): void {
    const living = new Set(this.#nodes.map(({ disk }) => disk.identity));
    for (const node of this.#nodes)
      node.enter('retire', (api) => {
        for (const { replica, peerId, standing } of api.replica.replicas().replicas)
          if (!living.has(peerId) && standing !== 'retired') api.replica.retire(replica, () => {});
      });
  }

  /** So much longer than without jumps of clocks it may take until all agree. */
  get patienceMs(): number {
    return Math.max(0, ...this.#nodes.map(({ skew }) => skew.farthestAheadMs - aheadMsMax));
  }

  /** Why not all hold the same, or null; asked often, looked at now and then. */
  whyNotSame(): string | null {
    const { nowMs } = this.#world;
    const { atMs, everyMs } = this.#why;
    if (nowMs - atMs >= everyMs)
      this.#why = { atMs: nowMs, everyMs: Math.min(everyMs * 1.2, lookEveryMs[1]), text: this.#whyNotSame() };
    return this.#why.text;
  }

  #whyNotSame(): string | null {
    const apis = this.#nodes.map(({ api }) => api);
    const away = this.#nodes.find(({ api }) => api === null || api.replica.summary().replica === null);
    if (away !== undefined) return `${away.name} does not know its objects`;
    const [first, ...others] = apis as NodeApi[];
    for (const { judge } of this.#objects.values()) {
      const formAt = (api: NodeApi): string => api.replica.form(judge.kind.type, judge.key)?.join() ?? 'nothing';
      const form = formAt(first!);
      const at = others.findIndex((api) => formAt(api) !== form);
      if (at === -1) continue;
      const [a, b] = [first!, others[at]!].map((api) => this.#viewAt(api, judge).join(' '));
      const [here, there] = [this.#nodes[0]!.name, this.#nodes[at + 1]!.name];
      if (a === b) return `${judge.name}: ${here} and ${there} show the same and do not hold the same`;
      return `${judge.name}: ${here} shows '${a}', ${there} shows '${b}'`;
    }
    return null;
  }

  /** All hold the same: is it what they must hold, and no more? */
  judgeTheEnd(): void {
    const { api } = this.#nodes[0]!;
    for (const { judge } of this.#objects.values()) {
      const view = this.#viewAt(api!, judge);
      const wrong = judge.whyNotInTheEnd(view) ?? this.#whyTooLarge(api!, judge, view);
      if (wrong !== null) this.#blame(wrong);
    }
  }

  /** Vectors name every replica that ever was; nothing else may stay of what has gone. */
  #whyTooLarge(api: NodeApi, { key, name, kind, changes }: ObjectJudge, view: View): string | null {
    const [ofReplica, ofToken] = kind.bytes;
    // Tombstones stay as long as no rounds are passed: as many as there were tokens, at most.
    const tokens = keepsTombstones.has(kind.type) ? changes.reduce((sum, { adds }) => sum + adds.length, 0) : view.length;
    const bytes = api.replica.form(kind.type, key)?.byteLength ?? 0;
    const bytesMax = bytesOfNothing + ofReplica * this.#idsSeen.size + ofToken * tokens;
    return bytes <= bytesMax
      ? null
      : `${name}: ${bytes} bytes for ${tokens} tokens of ${this.#idsSeen.size} replicas, not ${bytesMax}`;
  }

  /** Changes every object at some node: all that was before is known there. Ends with what all must show then. */
  *lastRounds(): Generator<void, void> {
    for (let round = 0; round < lastChanges; round++) {
      const expected = new Map<string, View>();
      for (const [name, object] of this.#objects) {
        const chance = this.#world.chance(`last replicas ${round} ${name}`);
        const node = chance.pick(this.#nodes);
        this.#asked++;
        node.enter('last replicas', (api) => {
          this.#asked--;
          const made = this.#change(node, api, object, chance);
          if (made !== null) expected.set(name, made.after);
        });
      }
      yield;
      for (const [name, { judge }] of this.#objects) {
        const view = this.#viewAt(this.#nodes[0]!.api!, judge).join(' ');
        const wanted = expected.get(name)?.join(' ');
        if (wanted === undefined) this.#blame(`${name}: nobody could be asked for a change`);
        else if (view !== wanted) this.#blame(`${name}: all show '${view}' after a change of all they had to '${wanted}'`);
      }
      this.judgeTheEnd();
    }
  }
}

/** Until tombstones are collected. */
const keepsTombstones: ReadonlySet<string> = new Set(['lww-map', 'text', 'list']);

/** Of what was refused before it began. What a node that stops says later it says of what could be read meanwhile. */
const isRefusal = (code: string, wasAsked: boolean): boolean =>
  code === 'NOT_READY' || code === 'OVERLOADED' || (!wasAsked && (code === 'STOPPING' || code === 'STORAGE_FAILED'));
