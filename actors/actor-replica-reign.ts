// While this node leads a group: looks after the actors in it that have something to do, whether or not anybody talks to them. Effects and
// invocations of each (actor-replica-work.ts), timers that are due by the wall clock, states for those who cannot follow, and digests of
// what this replica is like, which others compare with theirs.
import type { EventObject } from 'xstate';
import { catchUpSome, dumpOf, type Ledger, lookAt, markAt } from '../machines/entity/ledger.ts';
import { typeOfName } from '../machines/entity/ledger-items.ts';
import { type ActorName, type ActorRecord, type LedgerItem, ledgerLimits } from '../machines/entity/ledger-types.ts';
import type { FencingToken } from '../machines/register/types.ts';
import type { ActorDefinition } from './actor-api.ts';
import type { ActorGroup } from './actor-groups.ts';
import { upgrade } from './actor-replica-opening.ts';
import type { ItemEnd } from './actor-replica-proposals.ts';
import { ActorWork, type WorkPlace } from './actor-replica-work.ts';
import type { ClockPort, Timer } from './ports/index.ts';

export type ReignPlace = Omit<WorkPlace, 'token' | 'propose' | 'again' | 'group'> & {
  readonly definition: (type: string) => ActorDefinition | undefined;
  propose(item: LedgerItem, done?: (end: ItemEnd) => void): void;
  /** This replica cannot follow it. */
  ask(name: ActorName): boolean;
};

export const reignLimits = {
  /** Actors looked after in one turn, and steps folded. */
  actorsPerTurn: 64,
  stepsPerTurn: 256,
  /** A wall clock may jump: timers are looked at so often at least. */
  alarmMsMax: 1_000,
  /** A timer is due of an actor that this replica has no code for. */
  stuckMs: 100,
  /** What follows of nothing goes with the next entry; without one, after so long. */
  digestMs: 500,
  digestsPerEntry: 256,
  ringsMax: 1_024,
} as const;

export class Reign {
  readonly token: FencingToken;
  readonly #place: ReignPlace;
  readonly #port: ActorGroup;
  readonly #works = new Map<ActorName, ActorWork>();
  /** To be looked at. */
  #touched = new Set<ActorName>();
  #isDue = false;
  #isOver = false;
  #alarm: { atMs: number; timer: Timer } | null = null;
  /** Timers that were proposed. */
  readonly #rung = new Set<string>();
  readonly #checkpoints = new Set<ActorName>();
  /** Of another version: being made one of the definition's, or refused as such until a definition comes. */
  readonly #upgraded = new Set<ActorName>();
  /** A timer is due that cannot be rung here. */
  #isStuck = false;
  #digests = new Set<ActorName>();
  #digestTimer: Timer | null = null;
  #isBehind = true;

  constructor(place: ReignPlace, port: ActorGroup, token: FencingToken) {
    this.#place = place;
    this.#port = port;
    this.token = token;
    for (const name of this.#ledger.store.busy) this.#touched.add(name);
    this.#schedule();
  }

  get #ledger(): Ledger {
    return this.#port.ledger();
  }

  get #clock(): ClockPort {
    return this.#place.clock;
  }

  stop(): void {
    this.#isOver = true;
    this.#alarm?.timer.cancel();
    this.#digestTimer?.cancel();
    for (const work of this.#works.values()) work.stop();
    this.#works.clear();
  }

  /** A step of it was folded, or its state was replaced. */
  touch(name: ActorName): void {
    this.#touched.add(name);
    this.#digests.add(name);
    this.#digestTimer ??= this.#clock.after(reignLimits.digestMs, () => this.#flushDigests());
  }

  /** Entries were applied. */
  applied(): void {
    if (this.#touched.size > 0 || this.#ledger.store.behind.size > 0) this.#schedule();
    this.#arm();
  }

  /** A definition came. */
  hosted(): void {
    this.#isBehind = true;
    this.#upgraded.clear();
    for (const name of this.#ledger.store.busy) this.#touched.add(name);
    this.#schedule();
  }

  sent(name: ActorName, path: string, event: EventObject): void {
    if (!this.#isOver) this.#workOf(name).sent(path, event);
  }

  // ---------------------------------------------------------------- turns

  #schedule(): void {
    if (this.#isDue || this.#isOver) return;
    this.#isDue = true;
    this.#clock.after(0, () => this.#turn());
  }

  #turn(): void {
    this.#isDue = false;
    if (this.#isOver) return;
    if (this.#isBehind) this.#isBehind = catchUpSome(this.#ledger, this.#port.read, reignLimits.stepsPerTurn);
    let left = reignLimits.actorsPerTurn;
    for (const name of this.#touched) {
      if (left-- <= 0) break;
      this.#touched.delete(name);
      this.#look(name);
    }
    if (this.#touched.size > 0 || this.#isBehind) this.#schedule();
    this.#arm();
  }

  #look(name: ActorName): void {
    const ledger = this.#ledger;
    const record = lookAt(ledger, name, this.#port.read);
    const work = this.#works.get(name);
    if (record === null || record.presence !== 'live') {
      work?.stop();
      this.#works.delete(name);
      return;
    }
    this.#checkpointInTime(record);
    const definition = this.#place.definition(typeOfName(name));
    const fold = ledger.host?.find(typeOfName(name), record.version) ?? null;
    if (fold === null) return this.#upgrade(record, definition);
    if (definition === undefined || record.backlog.length > 0) return;
    if (work === undefined && record.outbox.size === 0 && record.invoked.size === 0) return;
    const own = this.#workOf(name);
    own.look({ record, store: ledger.store, definition, fold });
    if (own.isIdle) this.#works.delete(name);
  }

  /** One of an older version has something to do, and perhaps nobody will ever ask for it. */
  #upgrade(record: ActorRecord, definition: ActorDefinition | undefined): void {
    const { name, version, timers, outbox, invoked } = record;
    const isIdle = outbox.size + invoked.size + timers.size === 0;
    if (definition === undefined || definition.version <= version || isIdle || this.#upgraded.has(name)) return;
    this.#upgraded.add(name);
    const find = this.#ledger.host?.find ?? (() => null);
    const { propose, ask } = this.#place;
    upgrade({ propose, ask, find, record: (of) => lookAt(this.#ledger, of, this.#port.read) }, definition, name, (why) => {
      if (why?.code === 'ACTOR_VERSION') return;
      this.#upgraded.delete(name);
      if (why !== null) this.#clock.after(reignLimits.stuckMs, () => this.#again(name));
    });
  }

  #workOf(name: ActorName): ActorWork {
    const known = this.#works.get(name);
    if (known !== undefined) return known;
    const { token } = this;
    const work = new ActorWork(name, {
      ...this.#place,
      ...{ group: this.#port.group, token },
      holds: () => !this.#isOver && this.#place.holds(),
      again: (of, afterMs) => void this.#clock.after(afterMs, () => this.#again(of)),
    });
    this.#works.set(name, work);
    return work;
  }

  #again(name: ActorName): void {
    if (this.#isOver) return;
    this.#touched.add(name);
    this.#schedule();
  }

  // ---------------------------------------------------------------- timers

  #arm(): void {
    const earliestMs = this.#ledger.store.due.heap[0]?.atMs;
    if (earliestMs === undefined || this.#isOver) return;
    const nowMs = this.#clock.nowMs();
    const leastMs = this.#isStuck ? reignLimits.stuckMs : 1;
    const waitMs = Math.min(Math.max(leastMs, earliestMs - this.#clock.wallMs()), reignLimits.alarmMsMax);
    if (this.#alarm !== null && this.#alarm.atMs <= nowMs + waitMs) return;
    this.#alarm?.timer.cancel();
    const timer = this.#clock.after(waitMs, () => {
      this.#alarm = null;
      this.#ring();
      this.#arm();
    });
    this.#alarm = { atMs: nowMs + waitMs, timer };
  }

  /** Names of actors with a timer that is due; the heap is not in order, but what is not due has nothing due below it. */
  #due(wallMs: number): ActorName[] {
    const { heap } = this.#ledger.store.due;
    const names: ActorName[] = [];
    const places = [0];
    for (let place = places.pop(); place !== undefined && names.length < reignLimits.ringsMax; place = places.pop()) {
      const one = heap[place];
      if (one === undefined || one.atMs > wallMs) continue;
      names.push(one.name);
      places.push(2 * place + 1, 2 * place + 2);
    }
    return names;
  }

  #ring(): void {
    const wallMs = this.#clock.wallMs();
    const { host } = this.#ledger;
    this.#isStuck = false;
    for (const actor of this.#due(wallMs)) {
      const record = lookAt(this.#ledger, actor, this.#port.read);
      if (record === null) continue;
      const type = typeOfName(actor);
      // Whatever comes of it here nobody would know: it rings once this replica has its code, or has made it one that it has code for.
      if (record.backlog.length > 0 || (host?.find(type, record.version) ?? null) === null) {
        this.#isStuck = true;
        this.#upgrade(record, this.#place.definition(type));
        continue;
      }
      for (const [id, { dueMs, set }] of record.timers) {
        const rung = `${actor} ${set} ${id}`;
        if (dueMs > wallMs || this.#rung.has(rung)) continue;
        this.#rung.add(rung);
        this.#place.propose({ kind: 'timer', actor, id, set }, (end) => {
          // Kept where nothing came of it here, since this replica lacks the code: it would ring for ever.
          const isKept = end.type === 'applied' && end.outcome.type === 'ok' && end.outcome.snapshot === null;
          if (!isKept || this.#rung.size > reignLimits.ringsMax) this.#rung.delete(rung);
          if (end.type !== 'applied') this.#clock.after(reignLimits.alarmMsMax / 10, () => this.#arm());
        });
      }
    }
  }

  // ---------------------------------------------------------------- for those who cannot follow, and against those who differ

  #checkpointInTime(record: ActorRecord): void {
    const { sinceState } = record;
    const isMuch =
      sinceState.steps >= ledgerLimits.checkpointSteps ||
      sinceState.bytes >= Math.max(ledgerLimits.checkpointBytes, record.state?.byteLength ?? 0);
    if (isMuch) this.checkpoint(record);
  }

  /** Puts all of it into the log, for those who cannot follow. */
  checkpoint(record: ActorRecord): void {
    const { name, version } = record;
    if (this.#checkpoints.has(name)) return;
    const state = dumpOf(record);
    if (state === null) return;
    this.#checkpoints.add(name);
    this.#place.propose({ kind: 'state', actor: name, why: 'checkpoint', version, ...state }, () =>
      this.#checkpoints.delete(name),
    );
  }

  /** What the next entry carries of this replica's digests. */
  takeDigests(): LedgerItem[] {
    if (this.#digests.size === 0 || this.#isOver) return [];
    const items: LedgerItem[] = [];
    for (const name of this.#digests) {
      if (items.length >= reignLimits.digestsPerEntry) break;
      this.#digests.delete(name);
      const record = this.#ledger.store.loaded.get(name)?.record;
      const mark = record === undefined ? null : markAt(record, record.seq - record.backlog.length);
      if (mark !== null) items.push({ kind: 'digest', actor: name, seq: mark.seq, digest: mark.digest });
    }
    return items;
  }

  #flushDigests(): void {
    this.#digestTimer = null;
    const [first, ...others] = this.takeDigests();
    if (first === undefined || this.#isOver) return;
    for (const item of [first, ...others]) this.#place.propose(item);
    if (this.#digests.size > 0) this.#digestTimer = this.#clock.after(reignLimits.digestMs, () => this.#flushDigests());
  }
}
