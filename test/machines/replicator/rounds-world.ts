// A few replicas with their rounds, and a world that loses, delays and repeats what they tell, stops them at any moment, retires them and
// lets them return: the ledger is one value that is compared and set, everything else is the replicas' own. Beside each replica stands
// what it has heard of, so that what it reads can be judged: see `judge`.
import assert from 'node:assert/strict';
import { nextBetween, type RandomState, randomFrom } from '../../../machines/random.ts';
import {
  awaitsRound,
  beginIn,
  change,
  createObjects,
  dropRounded,
  enterRound,
  formOf,
  hear,
  hearState,
  nameOf,
  type Objects,
} from '../../../machines/replicator/index.ts';
import { lwwMap } from '../../../machines/replicator/lww-map.ts';
import { formLedger, parseLedger } from '../../../machines/replicator/rounds-form.ts';
import { type Ledger, needsRound, register, retire } from '../../../machines/replicator/rounds-ledger.ts';
import {
  askPermission,
  createRounds,
  judgeSender,
  learnLedger,
  learnSeen,
  maySpeak,
  ownRound,
  type RoundsState,
  standingOf,
  type Told,
  tellSeen,
} from '../../../machines/replicator/rounds-replica.ts';
import { list } from '../../../machines/replicator/sequence.ts';

/** Something that was done, and what its author had heard of then. */
type Made = {
  readonly id: number;
  readonly by: string;
  readonly what: 'put' | 'remove' | 'insert' | 'cut';
  readonly on: string | number;
  readonly seen: ReadonlySet<Made>;
  readonly record: unknown;
  round: number;
  /** What its author had heard of before he told it to anybody. */
  before: ReadonlySet<Made>;
};

type Exchange = {
  readonly with: Peer;
  readonly told: Told;
  readonly of: string;
  readonly names: string[];
  readonly born: number;
};

type Letter = {
  readonly from: string;
  readonly edition: number;
  readonly record: unknown;
  readonly known: ReadonlySet<Made>;
  readonly isState: boolean;
};

const types = [lwwMap, list];
const keys = ['a', 'b', 'c'];

export class Peer {
  readonly name: string;
  objects: Objects;
  rounds: RoundsState;
  known = new Set<Made>();
  /** What was begun to take from another. */
  exchange: Exchange | null = null;
  inbox: Letter[] = [];
  isUp = true;
  /** What it brought counts as of the round in which it began. */
  isTagged = false;
  births = 0;
  isTold = false;
  skewMs: number;
  cut = false;

  constructor(name: string, skewMs: number) {
    this.name = name;
    this.skewMs = skewMs;
    this.objects = createObjects(`${name}0`, types as never);
    this.rounds = createRounds(`${name}0`, { ledger: null, wasListed: false });
  }

  get id(): string {
    return this.rounds.self;
  }
}

export class World {
  readonly random: RandomState;
  readonly peers: Peer[];
  raft: Ledger | null = null;
  made: Made[] = [];
  counter = 0;
  nowMs = 1_000_000;
  collected = 0;
  retirements = 0;
  stables = '';
  /** What was stable when each replica was listed. */
  readonly stableAt = new Map<string, number>();

  constructor(seed: number, names: readonly string[]) {
    this.random = randomFrom(seed);
    this.peers = names.map((name) => new Peer(name, this.chance(4) * 50));
  }

  chance(below: number): number {
    return nextBetween(this.random, 0, below);
  }

  one<T>(of: readonly T[]): T {
    return of[this.chance(of.length)]!;
  }

  // ---------------------------------------------------------------- changes

  change(peer: Peer): void {
    const { objects } = peer;
    const seen = new Set(peer.known);
    const isMap = this.chance(2) === 0;
    const length = isMap
      ? 0
      : ((objects.all.get('list/l')?.type.read(objects.all.get('list/l')!.state) ?? []) as unknown[]).length;
    const removes = this.chance(3) === 0;
    const id = ++this.counter;
    const key = this.one(keys);
    const at = length === 0 ? 0 : this.chance(length + (removes ? 0 : 1));
    const on = isMap
      ? key
      : removes
        ? ((objects.all.get('list/l')?.type.read(objects.all.get('list/l')!.state) ?? []) as number[])[at]!
        : id;
    const given = isMap
      ? removes
        ? { type: 'remove', key }
        : { type: 'put', key, value: id }
      : removes
        ? { type: 'remove', at, count: length === 0 ? 0 : 1 }
        : { type: 'insert', at, content: [id] };
    const changed = change(objects, this.nowMs + peer.skewMs, isMap ? 'lww-map' : 'list', isMap ? 'm' : 'l', given);
    assert.ok(changed.ok);
    if (changed.record === null) return;
    const what = isMap ? (removes ? 'remove' : 'put') : removes ? 'cut' : 'insert';
    const made: Made = {
      id,
      by: peer.id,
      what,
      on,
      seen,
      record: structuredClone(changed.record),
      round: objects.round,
      before: seen,
    };
    this.mustKnow(peer, made);
    this.made.push(made);
    peer.known.add(made);
    if (!maySpeak(peer.rounds)) return;
    for (const other of this.peers)
      if (other !== peer && this.chance(3) > 0) this.post(peer, other, made.record, new Set([made]), false);
  }

  // ---------------------------------------------------------------- what rounds promise, at every moment

  members(): Peer[] {
    return this.peers.filter(({ id }) => this.raft?.listed.some((one) => one.id === id && one.round > 0));
  }

  /** Whoever makes a change in round r has everything made up to r - 2; of what a retired one left, two rounds after that. */
  mustKnow(peer: Peer, { round }: Made): void {
    if (standingOf(peer.rounds) !== 'member' || !this.members().includes(peer)) return;
    const leaving = new Map(this.raft!.retired.map(({ id, at }) => [id, at]));
    for (const other of this.members())
      for (const made of other.known) {
        if (made.round > round - 2 || round <= (leaving.get(made.by) ?? 0) + 1) continue;
        assert.ok(peer.known.has(made), `${peer.id} in round ${round} lacks ${made.id} of round ${made.round}`);
      }
  }

  /** Of what was forgotten anywhere, whatever may still be taken as new was made by one who knew of it. */
  judgeForgotten(): void {
    const members = this.members().filter(({ isTold }) => isTold);
    const known = new Set(members.flatMap((peer) => [...peer.known]));
    for (const { id, objects } of members)
      for (const gone of known) {
        if (gone.round >= objects.stable || (gone.what !== 'remove' && gone.what !== 'cut')) continue;
        for (const made of known)
          if (made.round > objects.stable && !made.before.has(gone) && (this.stableAt.get(made.by) ?? 0) <= gone.round)
            assert.fail(
              `${made.id} of round ${made.round} knew nothing of ${gone.id} of round ${gone.round}, which ${id} forgot at ${objects.stable}`,
            );
      }
  }

  check(): void {
    const members = this.members();
    const stables = members.map(({ id, objects }) => `${id} ${objects.stable}`).join();
    if (stables !== this.stables) this.judgeForgotten();
    this.stables = stables;
    for (const peer of members) {
      const { stable } = peer.objects;
      for (const other of members)
        for (const made of other.known) {
          if (made.round <= stable)
            assert.ok(
              peer.known.has(made),
              `${made.id} of round ${made.round} is not at ${peer.id} though ${stable} is stable`,
            );
        }
    }
    for (const { id, objects } of members)
      for (const other of members)
        if (other.objects.round <= objects.stable)
          assert.fail(`${other.id} may still change something of round ${objects.stable} (${id})`);
    for (const peer of this.peers)
      for (const made of peer.known) {
        if (made.by === peer.id) continue;
        assert.ok(
          !this.raft!.listed.some(({ id, round }) => id === made.by && round === 0),
          `${peer.id} heard of ${made.by}, which begins`,
        );
        if (standingOf(peer.rounds) === 'member')
          assert.ok(
            peer.objects.stable >= (this.stableAt.get(made.by) ?? 0),
            `${peer.id} heard of ${made.by} before it forgot what that has never seen`,
          );
      }
  }

  // ---------------------------------------------------------------- messages

  post(from: Peer, to: Peer, record: unknown, known: ReadonlySet<Made>, isState: boolean): void {
    to.inbox.push({ from: from.id, edition: from.rounds.ledger?.edition ?? 0, record, known, isState });
    if (to.inbox.length > 60) to.inbox.splice(this.chance(30), 1);
  }

  /** Any of them, in any order, and some again. */
  receive(peer: Peer): void {
    if (peer.inbox.length === 0) return;
    const at = this.chance(peer.inbox.length);
    const letter = peer.inbox[at]!;
    if (this.chance(3) > 0) peer.inbox.splice(at, 1);
    if (standingOf(peer.rounds) !== 'member') return;
    this.take(peer, letter);
  }

  take(peer: Peer, { from, edition, record, known, isState }: Letter): boolean {
    const judged = judgeSender(peer.rounds, from, edition);
    if (judged !== 'welcome') {
      if (judged === 'later') this.poll(peer);
      return false;
    }
    const far = Number.MAX_SAFE_INTEGER;
    const [type, key, what] = structuredClone(record) as [string, string, unknown];
    const heard = isState ? hearState(peer.objects, far, [type, key, what], 0) : hear(peer.objects, far, [type, key, what], 0);
    assert.equal(typeof heard, 'string', JSON.stringify(heard));
    if (heard !== 'gap') for (const made of known) peer.known.add(made);
    return heard !== 'gap';
  }

  // ---------------------------------------------------------------- comparing

  /** The other tells what it has; from then on its states are taken, one by one. */
  compare(peer: Peer, other: Peer): void {
    if (peer === other || !other.isUp || peer.cut || other.cut) return;
    const standing = standingOf(peer.rounds);
    if (standing !== 'member' && standing !== 'begins') return;
    if (standing === 'begins' && !peer.isTagged) return;
    // Whoever knows a later ledger tells it.
    const [mine, theirs] = [peer.rounds.ledger?.version ?? 0, other.rounds.ledger?.version ?? 0];
    if (mine < theirs) this.learn(peer, other.rounds.ledger!);
    else if (theirs < mine) this.learn(other, peer.rounds.ledger!);
    if (standingOf(other.rounds) !== 'member' || standingOf(peer.rounds) !== standing) return;
    if (judgeSender(peer.rounds, other.id, other.rounds.ledger!.edition) !== 'welcome') return;
    peer.exchange = {
      with: other,
      told: tellSeen(other.rounds),
      of: other.id,
      names: ['lww-map/m', 'list/l'],
      born: other.births,
    };
  }

  /** One object: its state comes, and what is here goes. */
  proceed(peer: Peer): void {
    const { exchange } = peer;
    if (exchange === null) return;
    const other = exchange.with;
    if (!other.isUp || other.births !== exchange.born || peer.cut || other.cut) return void (peer.exchange = null);
    if (standingOf(other.rounds) !== 'member') return void (peer.exchange = null);
    const name = exchange.names.pop();
    if (name === undefined) {
      peer.exchange = null;
      learnSeen(peer.rounds, exchange.told);
      return;
    }
    const object = other.objects.all.get(name);
    const letter = (from: Peer, record: unknown): Letter => ({
      from: from.id,
      edition: from.rounds.ledger!.edition,
      record,
      known: this.knownOf(from, name),
      isState: true,
    });
    // Part of what was heard is in no object any more, as what was forgotten: it counts as told all the same.
    if (object === undefined) for (const made of this.knownOf(other, name)) peer.known.add(made);
    else if (!this.take(peer, letter(other, structuredClone(formOf(object))))) return void (peer.exchange = null);
    const own = peer.objects.all.get(name);
    if (own === undefined || standingOf(peer.rounds) !== 'member') return;
    if (this.chance(3) === 0) this.post(peer, other, structuredClone(formOf(own)), this.knownOf(peer, name), true);
    else if (standingOf(other.rounds) === 'member') this.take(other, letter(peer, structuredClone(formOf(own))));
  }

  knownOf({ known }: Peer, name: string): Set<Made> {
    const isMap = name.startsWith('lww-map');
    return new Set([...known].filter(({ what }) => (what === 'put' || what === 'remove') === isMap));
  }

  // ---------------------------------------------------------------- the ledger

  learn(peer: Peer, ledger: Ledger): void {
    const parsed = parseLedger(structuredClone(formLedger(ledger)))!;
    assert.deepEqual(parsed, ledger);
    if (!learnLedger(peer.rounds, parsed)) return;
    this.settle(peer);
  }

  settle(peer: Peer): void {
    const { rounds, objects } = peer;
    const standing = standingOf(rounds);
    if (standing === 'member' && !peer.isTold)
      for (const made of peer.known) if (made.by === peer.id) made.before = new Set(peer.known);
    peer.isTold = standing === 'member';
    if (standing === 'member') this.collected += enterRound(objects, ownRound(rounds), rounds.ledger!.stable).length;
    if (standing === 'begins' && !peer.isTagged) {
      beginIn(objects, ownRound(rounds));
      for (const made of peer.known) made.round = ownRound(rounds);
      peer.isTagged = true;
    }
    if (standing === 'retired') this.startAfresh(peer);
  }

  startAfresh(peer: Peer): void {
    const id = `${peer.name}${++peer.births}`;
    // What only it had is lost, which operators are told.
    peer.known.clear();
    const before = peer.objects;
    peer.objects = { ...before, replica: id, round: 1, stable: 0 };
    dropRounded(peer.objects);
    peer.rounds = createRounds(id, { ledger: peer.rounds.ledger, wasListed: false });
    peer.isTagged = false;
    peer.exchange = null;
  }

  poll(peer: Peer): void {
    if (this.raft !== null && !peer.cut) this.learn(peer, this.raft);
  }

  /** Reads and writes the ledger; between the two others may have written. */
  write(peer: Peer): void {
    if (peer.cut) return;
    const base = this.raft;
    const { rounds } = peer;
    if (base !== null) this.learn(peer, base);
    const standing = standingOf(rounds);
    let wanted: Ledger | null = null;
    if (standing === 'apart') {
      const listed = register(base, { id: rounds.self, peer: peer.name, name: peer.name });
      assert.notEqual(listed, 'full');
      wanted = listed as Ledger | null;
      if (wanted !== null) this.stableAt.set(rounds.self, wanted.stable);
    } else if (base !== null && (standing === 'member' || standing === 'begins'))
      wanted = askPermission(
        rounds,
        base,
        awaitsRound(peer.objects, (last) => needsRound(base, last)),
      );
    if (wanted === null) return;
    this.set(base, wanted);
    // The answer may be lost.
    if (this.chance(4) > 0) this.learn(peer, this.raft!);
  }

  set(base: Ledger | null, wanted: Ledger): void {
    assert.equal(this.raft?.version ?? 0, base?.version ?? 0);
    assert.ok(
      base === null || (wanted.stable >= base.stable && wanted.highest >= base.highest && wanted.version > base.version),
    );
    this.raft = wanted;
  }

  retire(peer: Peer): void {
    if (this.raft === null || this.raft.listed.filter(({ round }) => round > 0).length < 3) return;
    const wanted = retire(this.raft, peer.id);
    if (wanted === null) return;
    this.retirements++;
    this.set(this.raft, wanted);
  }

  // ---------------------------------------------------------------- faults

  crash(peer: Peer): void {
    peer.isUp = false;
    peer.exchange = null;
  }

  restart(peer: Peer): void {
    peer.isUp = true;
    const { ledger, wasListed, self } = peer.rounds;
    peer.rounds = createRounds(self, { ledger, wasListed });
    this.settle(peer);
  }

  // ---------------------------------------------------------------- a run

  step(): void {
    const peer = this.one(this.peers);
    const other = this.one(this.peers);
    this.nowMs += this.chance(20);
    const dice = this.chance(100);
    if (!peer.isUp) {
      if (dice < 30) this.restart(peer);
      return;
    }
    if (dice < 20) this.change(peer);
    else if (dice < 40) this.receive(peer);
    else if (dice < 50) this.write(peer);
    else if (dice < 54) this.poll(peer);
    else if (dice < 66) this.fullExchange(peer, other);
    else if (dice < 72) this.compare(peer, other);
    else if (dice < 82) this.proceed(peer);
    else if (dice < 84) this.crash(peer);
    else if (dice < 86) peer.cut = !peer.cut && this.chance(2) === 0;
    else if (dice < 87) this.retire(peer);
    else this.pass();
  }

  /** All that can enter the next round. */
  pass(): void {
    const up = this.peers.filter(({ isUp }) => isUp);
    for (const peer of up) for (const other of up) this.fullExchange(peer, other);
    for (const peer of up) this.write(peer);
  }

  fullExchange(peer: Peer, other: Peer): void {
    this.compare(peer, other);
    for (let steps = 0; steps < 5 && peer.exchange !== null; steps++) this.proceed(peer);
  }

  /** Everybody is there and everything arrives, until nothing changes any more. */
  heal(): void {
    for (const peer of this.peers) {
      peer.cut = false;
      if (!peer.isUp) this.restart(peer);
      this.poll(peer);
    }
    for (let turns = 0; turns < 40; turns++) {
      this.pass();
      for (const peer of this.peers) {
        this.poll(peer);
        for (let letters = 0; letters < 80 && peer.inbox.length > 0; letters++) this.receive(peer);
      }
      if (
        turns > 1 &&
        this.peers.every(({ rounds, objects }) => standingOf(rounds) === 'member' && !awaitsRound(objects, () => true))
      )
        return;
    }
  }

  judge(): void {
    const members = this.peers.filter(({ rounds }) => standingOf(rounds) === 'member');
    assert.equal(members.length, this.peers.length, 'everybody is a member in the end');
    const [first, ...others] = members as [Peer, ...Peer[]];
    const formsOf = ({ objects }: Peer): string =>
      JSON.stringify([...objects.all.values()].map(formOf).sort((a, b) => (nameOf(a[0], a[1]) < nameOf(b[0], b[1]) ? -1 : 1)));
    for (const other of others) assert.equal(formsOf(other), formsOf(first), 'they agree, to the byte');
    for (const { objects } of members)
      assert.equal(
        awaitsRound(objects, () => true),
        false,
        'nothing waits to be forgotten',
      );
    const known = new Set(members.flatMap((peer) => [...peer.known]));
    this.judgeMap(first, known);
    this.judgeList(first, known);
  }

  /** Of what nobody overwrote who had seen it, one is there; if all of it are removals, none is. */
  judgeMap({ objects }: Peer, known: ReadonlySet<Made>): void {
    const map = objects.all.get('lww-map/m');
    for (const key of keys) {
      const on = [...known].filter((made) => made.on === key);
      const last = on.filter((made) => !on.some(({ seen }) => seen.has(made)));
      const value = map === undefined ? undefined : (lwwMap.read(map.state as never).get(key) as number | undefined);
      const puts = last.filter(({ what }) => what === 'put');
      if (value !== undefined)
        assert.ok(
          puts.some(({ id }) => id === value),
          `${key}: ${value} was overwritten or removed by one who had seen it`,
        );
      else assert.ok(puts.length < last.length || last.length === 0, `${key}: a put that nobody overwrote is lost`);
    }
  }

  judgeList({ objects }: Peer, known: ReadonlySet<Made>): void {
    const object = objects.all.get('list/l');
    const read = object === undefined ? [] : [...list.read(object.state as never)].map(Number).sort((a, b) => a - b);
    const gone = new Set([...known].filter(({ what }) => what === 'cut').map(({ on }) => on));
    const living = [...known]
      .filter(({ what, id }) => what === 'insert' && !gone.has(id))
      .map(({ id }) => id)
      .sort((a, b) => a - b);
    assert.deepEqual(read, living, 'every element that nobody removed is there, and no other');
  }
}

export const runWorld = (seed: number, { steps = 250, names = ['a', 'b', 'c'] } = {}): World => {
  const world = new World(seed, names);
  for (let step = 0; step < steps; step++) {
    world.step();
    world.check();
  }
  world.heal();
  world.judge();
  return world;
};
