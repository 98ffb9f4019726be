// The backing of actors of durability 'local' (decision 5): each has a log and a snapshot on this node's disk, by the one writer. Those with
// timers are read again when these are due, those that were alive when the node was killed when it begins anew.
import type { EventObject } from 'xstate';
import { type ActorAddress, addressText, isActorKey } from '../machines/entity/address.ts';
import { type Failure, failure } from '../machines/errors.ts';
import type { FencingToken } from '../machines/register/types.ts';
import { readUtf8 } from '../machines/wire/octets.ts';
import {
  type ActorDefinition,
  type ActorEnd,
  type ActorsApi,
  actorLimits,
  type Backing,
  type BackingEvents,
  type LiveActor,
  type Trail,
} from './actor-api.ts';
import { Burials } from './actor-burials.ts';
import type { Ask } from './actor-cell-asks.ts';
import { createDueIndex, type DueIndex } from './actor-due.ts';
import { DurableActor } from './actor-durable.ts';
import { type DurablePlace, journalLimits } from './actor-durable-place.ts';
import { Family } from './actor-family.ts';
import type { FormRef } from './actor-here.ts';
import { openCount } from './actor-records.ts';
import { removeRemains } from './actor-remains.ts';
import { createTurns, type Turns } from './actor-turns.ts';
import type { Outcome } from './api.ts';
import { createDeadlines } from './deadlines.ts';
import { keyAfter, wakeRange } from './keyspace.ts';
import type { ClockPort, RandomPort, SinkPort } from './ports/index.ts';
import { createSeldom } from './refusals.ts';
import type { Writer } from './writer.ts';

export type JournalArguments = {
  clock: ClockPort;
  random: RandomPort;
  sink: SinkPort;
  writer: Writer;
  /** Of this node: the addresses of those that are woken are of it. */
  node: string;
  formRef: FormRef | undefined;
  /**
   * Of the door: what actors send to others goes out under the id of its effect, which is the same when it is sent once more after a crash,
   * so that it has one effect there.
   */
  deliver: ActorsApi['deliver'];
  events: BackingEvents;
  /** Of the node, if others have turns too. */
  turns?: Turns;
  actorsMax?: number;
};

type Opened = (outcome: Outcome<LiveActor>) => void;

export interface Journal extends Backing {
  /** This node hosts the type from now on: its actors are woken when they are due. */
  hosted(definition: ActorDefinition): void;
  find(address: ActorAddress): LiveActor | null;
  /** Those in memory. */
  readonly size: number;
}

export const createJournal = (args: JournalArguments): Journal => new JournalTable(args);

const pageEntries = 256;
/** Why one cannot be opened that no waiting helps; the disk that refuses is told apart by the journal itself. */
const unreadable: ReadonlySet<Failure['code']> = new Set(['STORAGE_FAILED', 'ACTOR_VERSION', 'ACTOR_FAILED']);
const namesMax = 8;

class JournalTable implements Journal, DurablePlace {
  readonly durability = 'local';
  readonly clock: ClockPort;
  readonly random: RandomPort;
  readonly sink: SinkPort;
  readonly writer: Writer;
  readonly turns: Turns;
  readonly formRef: FormRef;
  readonly idle;
  readonly overdue;
  readonly #args: JournalArguments;
  readonly #actorsMax: number;
  readonly #seldom;
  /** By type and key: a disk is of one node, whatever its name is. */
  readonly #actors = new Map<string, DurableActor>();
  /** Of types that do not stand alone, in order of creation. */
  readonly #kin = new Map<string, Family<DurableActor>>();
  /** Who waits for one that is read, or for one that leaves. */
  readonly #waiting = new Map<DurableActor, ((why: Failure | null) => void)[]>();
  /** Those that are removed unread, and who waits until they are. */
  readonly #removals = new Map<string, (() => void)[]>();
  readonly #definitions = new Map<string, ActorDefinition>();
  readonly #dues: DueIndex<string>;
  readonly #burials: Burials;
  /** Those whose time has come and who have to wait. */
  readonly #toWake: string[] = [];
  #waking = 0;
  #writers = new Set<DurableActor>();
  #stopping: (() => void)[] | null = null;
  /** Until the process begins anew: what it would read may never have reached the disk. */
  #refused: Failure | null = null;

  constructor(args: JournalArguments) {
    const { clock, random, sink, writer, turns, formRef, actorsMax = actorLimits.actorsMax } = args;
    this.#args = args;
    this.clock = clock;
    this.random = random;
    this.sink = sink;
    this.writer = writer;
    this.turns = turns ?? createTurns({ clock, sink });
    this.formRef = formRef ?? ((address) => address);
    this.#actorsMax = actorsMax;
    this.#seldom = createSeldom(clock);
    this.#burials = new Burials(clock, writer);
    this.#dues = createDueIndex<string>(clock, (name) => this.#due(name));
    const now = (): number => clock.nowMs();
    this.idle = createDeadlines<DurableActor>(clock, now, (actor) => actor.look());
    this.overdue = createDeadlines<Ask>(clock, now, (ask) => ask.end({ ok: false, failure: unanswered(ask) }, () => {}));
  }

  get size(): number {
    return this.#actors.size;
  }

  // ---------------------------------------------------------------- they are opened

  /** No token: who lives on this node's disk can live nowhere else. */
  open(
    definition: ActorDefinition,
    address: ActorAddress,
    _token: FencingToken | null,
    done: Opened,
    onlyIfMade = false,
  ): void {
    const name = nameOf(address);
    const later = this.#removals.get(name);
    if (later !== undefined) return void later.push(() => this.open(definition, address, null, done, onlyIfMade));
    const actor = this.#actors.get(name);
    if (actor?.isEnding === true) return this.#queue(actor, () => this.open(definition, address, null, done, onlyIfMade));
    if (actor !== undefined) return this.#begun(actor, definition, done, onlyIfMade);
    const why = this.#whyNot();
    if (why !== null) return done({ ok: false, failure: why });
    const made = new DurableActor(this, definition, address);
    this.#dues.delete(name);
    this.#actors.set(name, made);
    if (made.definition.restart.strategy !== 'one-for-one') this.#join(made);
    this.#begun(made, definition, done, onlyIfMade);
    made.begin(onlyIfMade);
  }

  #whyNot(): Failure | null {
    if (this.#stopping !== null) return failure('STOPPING', 'the node is stopping');
    if (this.#refused !== null) return this.#refused;
    if (this.#actors.size < this.#actorsMax) return null;
    return failure('OVERLOADED', `${this.#actors.size} actors live here already, which is the most`);
  }

  #begun(actor: DurableActor, definition: ActorDefinition, done: Opened, onlyIfMade: boolean): void {
    if (actor.hasBegun) return done({ ok: true, value: actor });
    this.#queue(actor, (why) => {
      if (why === null) return done({ ok: true, value: actor });
      // There was nothing for whoever makes nothing; this one does.
      const again = !onlyIfMade && why.code === 'ACTOR_STOPPED';
      if (again) this.open(definition, actor.address, null, done);
      else done({ ok: false, failure: why });
    });
  }

  #queue(actor: DurableActor, run: (why: Failure | null) => void): void {
    const others = this.#waiting.get(actor);
    if (others === undefined) this.#waiting.set(actor, [run]);
    else others.push(run);
  }

  began(actor: DurableActor, why: Failure | null): void {
    if (why !== null) this.#remove(actor);
    const waiting = this.#waiting.get(actor) ?? [];
    this.#waiting.delete(actor);
    if (why !== null && why.code !== 'ACTOR_STOPPED') {
      const untold = this.#seldom(`open ${actor.address.type} ${why.code}`);
      if (untold !== null) this.sink.log('error', why.code, why.message, { address: actor.id, ...untold });
    }
    for (const run of waiting) run(why);
    if (why !== null) this.#stopped();
  }

  // ---------------------------------------------------------------- they are removed unread

  removal(address: ActorAddress, why: Failure): ((done: (why: Failure | null) => void) => void) | null {
    if (!unreadable.has(why.code) || this.#stopping !== null || this.#refused !== null) return null;
    return (done) => this.#removeUnread(address, done);
  }

  #removeUnread(address: ActorAddress, done: (why: Failure | null) => void): void {
    const name = nameOf(address);
    const text = addressText(address);
    if (this.#actors.has(name) || this.#removals.has(name))
      return done(failure('NOT_READY', `${text} is being read or removed`));
    const later: (() => void)[] = [];
    this.#removals.set(name, later);
    removeRemains(this.writer, address, this.clock.wallMs(), (removed) => {
      this.#removals.delete(name);
      if (!removed.ok && removed.isRefused) this.diskRefused(removed.failure);
      if (removed.ok) {
        this.#dues.delete(name);
        if (removed.hasBuried) this.buries();
        const unread = removed.unread.length === 0 ? '' : `, and with it what deliveries stood in ${namesOf(removed.unread)}`;
        this.sink.log('warn', 'ACTOR_REMOVED_UNREAD', `${text} was removed by a hard stop${unread}`, { address: text });
      }
      done(removed.ok ? null : removed.failure);
      for (const run of later) run();
      this.#stopped();
    });
  }

  find(address: ActorAddress): LiveActor | null {
    return this.#actors.get(nameOf(address)) ?? null;
  }

  live(): Iterable<LiveActor> {
    return this.#actors.values();
  }

  // ---------------------------------------------------------------- they write

  wantsWrite(actor: DurableActor): void {
    if (this.#writers.size === 0) this.clock.soon(() => this.#write());
    this.#writers.add(actor);
  }

  #write(): void {
    const writers = this.#writers;
    this.#writers = new Set();
    for (const actor of writers) actor.flush();
  }

  // ---------------------------------------------------------------- they speak to others

  send(to: ActorAddress, event: EventObject, trail: Trail, effectId: string): void {
    this.#args.deliver(to, event, { id: effectId, trail }, (outcome) => {
      if (!outcome.ok) this.deadLetter(to, event, trail, outcome.failure.code);
    });
  }

  deadLetter(to: ActorAddress, event: EventObject, { source }: Trail, reason: Failure['code']): void {
    this.#args.events.onDeadLetter({ address: addressText(to), event: event.type, source, reason });
  }

  // ---------------------------------------------------------------- they are woken

  hosted(definition: ActorDefinition): void {
    if (definition.durability !== 'local') return;
    const { name } = definition;
    const isKnown = this.#definitions.has(name);
    this.#definitions.set(name, definition);
    this.#burials.begin();
    if (!isKnown) this.#scan(name, wakeRange(name).gte);
  }

  #scan(type: string, gte: Uint8Array): void {
    const { lt } = wakeRange(type);
    let view: ReturnType<Writer['view']>;
    try {
      view = this.writer.view();
    } catch (error) {
      return this.#unreadable(type, String(error));
    }
    view.read({ gte, lt, limit: pageEntries }, (why, page) => {
      view.close();
      if (why !== null) return this.#unreadable(type, `${why.code}: ${why.message}`);
      for (const [key, value] of page) this.#found(type, key, openCount(key, value));
      const last = page.at(-1);
      if (last !== undefined && this.#stopping === null) this.#scan(type, keyAfter(last[0]));
    });
  }

  #unreadable(type: string, why: string): void {
    this.sink.log('error', 'STORAGE_FAILED', `which actors of type ${type} are to be woken cannot be read: ${why}`, { type });
  }

  /** What cannot be believed is looked into. */
  #found(type: string, key: Uint8Array, atMs: number | null): void {
    const start = wakeRange(type).gte.byteLength;
    const own = readUtf8(key, start, key.byteLength - 1);
    if (!isActorKey(own)) return this.#unreadable(type, 'a key is malformed');
    const name = `${type}/${own}`;
    if (!this.#actors.has(name)) this.#dues.set(name, atMs ?? 0);
  }

  #due(name: string): void {
    this.#toWake.push(name);
    this.#wakeNext();
  }

  #wakeNext(): void {
    while (this.#waking < journalLimits.wakingMax && this.#stopping === null) {
      const name = this.#toWake.shift();
      if (name === undefined) return;
      const slash = name.indexOf('/');
      const definition = this.#definitions.get(name.slice(0, slash));
      if (definition === undefined) continue;
      this.#waking++;
      const address = { type: definition.name, key: name.slice(slash + 1), node: this.#args.node };
      // Why it cannot be read is in the log of the node already.
      this.open(
        definition,
        address,
        null,
        () => {
          this.#waking--;
          this.clock.soon(() => this.#wakeNext());
        },
        true,
      );
    }
  }

  // ---------------------------------------------------------------- what becomes of them

  #join(actor: DurableActor): void {
    const { name } = actor.definition;
    let family = this.#kin.get(name);
    if (family === undefined) this.#kin.set(name, (family = new Family()));
    family.members.add(actor);
  }

  familyOf({ definition }: DurableActor): Family<DurableActor> | null {
    return this.#kin.get(definition.name) ?? null;
  }

  buries(): void {
    this.#burials.note();
  }

  diskRefused(why: Failure): void {
    this.#refused ??= why;
  }

  failed(actor: DurableActor, thrown: unknown, reason: string, delayMs: number | null): void {
    const { type } = actor.address;
    this.sink.count('actor_failures_total', { address: type });
    const untold = this.#seldom(`${type} ${delayMs === null} ${reason}`);
    if (untold === null) return;
    const stack = thrown instanceof Error ? thrown.stack : undefined;
    const facts = { address: actor.id, restarts: actor.view().restarts, ...untold, stack };
    if (delayMs !== null) this.sink.log('error', 'ACTOR_FAILED', reason, { ...facts, delayMs });
    else this.sink.log('error', 'ACTOR_GIVEN_UP', `${actor.id} failed too often: ${reason}`, facts);
  }

  onlookerThrew(actor: DurableActor, thrown: unknown): void {
    const untold = this.#seldom(`threw ${actor.address.type}`);
    if (untold !== null)
      this.sink.log('error', 'ACTOR_LISTENER_THREW', `who listens to ${actor.id} threw: ${String(thrown)}`, untold);
  }

  over(actor: DurableActor, why: Parameters<BackingEvents['onGone']>[1], wakeMs: number | null): void {
    const name = nameOf(actor.address);
    this.#remove(actor);
    if (wakeMs !== null && this.#stopping === null && this.#definitions.has(actor.address.type)) this.#dues.set(name, wakeMs);
    const waiting = this.#waiting.get(actor) ?? [];
    this.#waiting.delete(actor);
    this.#args.events.onGone(actor, why);
    for (const run of waiting) run(null);
    this.#stopped();
  }

  givenUp(actor: DurableActor, end: ActorEnd): void {
    this.#args.events.onGivenUp(actor, end);
  }

  #remove(actor: DurableActor): void {
    const name = nameOf(actor.address);
    if (this.#actors.get(name) === actor) this.#actors.delete(name);
    this.#writers.delete(actor);
    const members = this.#kin.get(actor.definition.name)?.members;
    members?.delete(actor);
    if (members?.size === 0) this.#kin.delete(actor.definition.name);
  }

  stop(done: () => void): void {
    const isFirst = this.#stopping === null;
    this.#stopping ??= [];
    this.#stopping.push(done);
    this.#dues.stop();
    this.#burials.stop();
    if (isFirst) for (const actor of this.#actors.values()) actor.drain();
    this.#stopped();
  }

  #stopped(): void {
    if (this.#stopping === null || this.#actors.size + this.#removals.size > 0) return;
    this.idle.end();
    this.overdue.end();
    for (const done of this.#stopping.splice(0)) done();
  }
}

const namesOf = (names: readonly string[]): string =>
  names.length <= namesMax ? names.join(', ') : `${names.slice(0, namesMax).join(', ')} and ${names.length - namesMax} more`;

const nameOf = ({ type, key }: ActorAddress): string => `${type}/${key}`;

const unanswered = ({ event }: Ask): Failure =>
  failure('OUTCOME_UNKNOWN', `the actor has handled '${event.type}' and has not answered in time`);
