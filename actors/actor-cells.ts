// The backing of actors of durability 'none': all cells of a node, found by address, with those that stand or fall together.
import { type ActorAddress, addressText } from '../machines/entity/address.ts';
import { type Failure, failure } from '../machines/errors.ts';
import type { FencingToken } from '../machines/register/types.ts';
import {
  type ActorDefinition,
  type ActorEnd,
  actorLimits,
  type Backing,
  type BackingEvents,
  type LiveActor,
  type Placing,
} from './actor-api.ts';
import { ActorCell } from './actor-cell.ts';
import type { Ask } from './actor-cell-asks.ts';
import type { CellPlace } from './actor-cell-place.ts';
import { Sweep } from './actor-cell-sweep.ts';
import { createDeadLetters, type DeadLetters } from './actor-dead-letters.ts';
import { Family } from './actor-family.ts';
import { createTurns, type Turns } from './actor-turns.ts';
import type { Outcome } from './api.ts';
import { createDeadlines } from './deadlines.ts';
import type { ClockPort, RandomPort, SinkPort } from './ports/index.ts';
import { createSeldom } from './refusals.ts';
import { xstateClock } from './supervise.ts';

export type CellsArguments = {
  clock: ClockPort;
  random: RandomPort;
  sink: SinkPort;
  /** Of the node, if others have turns too. */
  turns?: Turns;
  /** Of the node. */
  deadLetters?: DeadLetters;
  /** Of those that were given a token; without it, tokens hold for ever. */
  holds?: Placing['holds'];
  actorsMax?: number;
  onGone?: BackingEvents['onGone'];
  onGivenUp?: BackingEvents['onGivenUp'];
};

/**
 * Of one actor in the table. V8's maps leave their old tables behind as they grow and shrink, each with a way to the next and with what was
 * in it: without this in between, cells that have ended would live on there until the next full collection.
 */
type Place = { cell: ActorCell | null };

type Opened = (outcome: Outcome<LiveActor>) => void;

export interface Cells extends Backing {
  /** `parent`: a hosted actor that this one is a child of. It ends with it, and if it is given up, that one fails. */
  open(
    definition: ActorDefinition,
    address: ActorAddress,
    token: FencingToken | null,
    done: Opened,
    onlyIfMade?: boolean,
    parent?: ActorAddress | null,
  ): void;
  find(address: ActorAddress): LiveActor | null;
  /** Those that have not ended, of which some are on their way to it. */
  readonly size: number;
}

export const createCells = (args: CellsArguments): Cells => new CellTable(args);

class CellTable implements Cells, CellPlace {
  readonly durability = 'none';
  readonly clock: ClockPort;
  readonly random: RandomPort;
  readonly sink: SinkPort;
  readonly turns: Turns;
  readonly deadLetters: DeadLetters;
  readonly xstateClock: unknown;
  readonly holds: Placing['holds'];
  readonly overdue;
  readonly #actorsMax: number;
  readonly #onGone: BackingEvents['onGone'];
  readonly #onGivenUp: BackingEvents['onGivenUp'];
  readonly #seldom;
  /** By address. */
  readonly #places = new Map<string, Place>();
  /** By what they have in common: the parent, or the type of those that do not stand alone. In order of creation. */
  readonly #kin = new Map<string, Family<ActorCell>>();
  /** Who waits for one that has not begun, or for one that ends. */
  readonly #waiting = new Map<ActorCell, (() => void)[]>();
  /** Those whose tokens do not hold at the moment. */
  readonly #held = new Set<ActorCell>();
  readonly #sweep: Sweep;
  #stopping: (() => void)[] | null = null;

  constructor({
    clock,
    random,
    sink,
    turns,
    deadLetters,
    holds,
    actorsMax = actorLimits.actorsMax,
    onGone = () => {},
    onGivenUp = () => {},
  }: CellsArguments) {
    this.clock = clock;
    this.random = random;
    this.sink = sink;
    this.turns = turns ?? createTurns({ clock, sink });
    this.deadLetters = deadLetters ?? createDeadLetters({ clock, sink });
    this.xstateClock = xstateClock(clock);
    this.holds = holds ?? (() => true);
    this.#actorsMax = actorsMax;
    this.#onGone = onGone;
    this.#onGivenUp = onGivenUp;
    this.#seldom = createSeldom(clock);
    const now = (): number => clock.nowMs();
    this.#sweep = new Sweep(clock, () => this.live());
    this.overdue = createDeadlines<Ask>(clock, now, (ask) => ask.end({ ok: false, failure: unanswered(ask) }, () => {}));
  }

  get size(): number {
    return this.#places.size;
  }

  open(
    definition: ActorDefinition,
    address: ActorAddress,
    token: FencingToken | null,
    done: Opened,
    onlyIfMade = false,
    parent: ActorAddress | null = null,
  ): void {
    const id = addressText(address);
    const cell = this.#at(id);
    if (cell?.isEnding === true) this.#queue(cell, () => this.open(definition, address, token, done, onlyIfMade, parent));
    else if (cell !== undefined) this.#begun(cell, done);
    else {
      // Nothing of it is durable: what does not live was never made, or has ended.
      const why = onlyIfMade ? failure('ACTOR_STOPPED', `${id} does not live`) : this.#whyNot();
      if (why !== null) return done({ ok: false, failure: why });
      const made = new ActorCell({
        ...{ place: this, definition, address, id, token },
        parent: parent === null ? null : addressText(parent),
      });
      this.#add(made);
      this.#begun(made, done);
      made.ready();
    }
  }

  #whyNot(): Failure | null {
    if (this.#stopping !== null) return failure('STOPPING', 'the node is stopping');
    if (this.size < this.#actorsMax) return null;
    return failure('OVERLOADED', `${this.size} actors live here already, which is the most`);
  }

  #begun(cell: ActorCell, done: Opened): void {
    const answer = (): void => done(cell.hasBegun ? { ok: true, value: cell } : { ok: false, failure: unmade(cell) });
    if (cell.hasBegun) answer();
    else this.#queue(cell, answer);
  }

  #queue(cell: ActorCell, run: () => void): void {
    cell.waiting ??= [];
    cell.waiting.push(run);
  }

  #release(cell: ActorCell): void {
    const { waiting } = cell;
    cell.waiting = null;
    for (const run of waiting ?? []) run();
  }

  held(cell: ActorCell): void {
    if (this.#held.size === 0) this.clock.after(heldLookMs, this.#lookAgain);
    this.#held.add(cell);
  }

  readonly #lookAgain = (): void => {
    const cells = [...this.#held];
    this.#held.clear();
    for (const cell of cells) if (!cell.isOver) cell.ready();
  };

  find(address: ActorAddress): LiveActor | null {
    return this.#at(addressText(address)) ?? null;
  }

  #at(id: string): ActorCell | undefined {
    return this.#places.get(id)?.cell ?? undefined;
  }

  *live(): Generator<ActorCell> {
    for (const { cell } of this.#places.values()) if (cell !== null) yield cell;
  }

  stop(done: () => void): void {
    if (this.#stopping !== null) {
      if (this.size === 0) done();
      else this.#stopping.push(done);
      return;
    }
    this.#stopping = [done];
    for (const cell of this.live()) cell.drain();
    if (this.size === 0) this.#stopped();
  }

  #stopped(): void {
    this.#sweep.stop();
    this.overdue.end();
    for (const done of this.#stopping?.splice(0) ?? []) done();
  }

  // ---------------------------------------------------------------- who stands or falls together

  #add(cell: ActorCell): void {
    this.#places.set(cell.id, { cell });
    this.#sweep.watch(cell);
    const kin = kinOf(cell);
    if (kin === null) return;
    let family = this.#kin.get(kin);
    if (family === undefined) this.#kin.set(kin, (family = new Family()));
    family.members.add(cell);
  }

  familyOf(cell: ActorCell): Family<ActorCell> | null {
    const kin = cell.definition.restart.strategy === 'one-for-one' ? null : kinOf(cell);
    return kin === null ? null : (this.#kin.get(kin) ?? null);
  }

  childrenOf(cell: ActorCell): Iterable<ActorCell> {
    return this.#kin.size === 0 ? nobody : (this.#kin.get(cell.id)?.members ?? nobody);
  }

  // ---------------------------------------------------------------- what becomes of them

  began(cell: ActorCell): void {
    this.#release(cell);
  }

  failed(cell: ActorCell, thrown: unknown, reason: string, delayMs: number | null): void {
    const { type } = cell.address;
    this.sink.count('actor_failures_total', { address: type });
    // Thousands of them may fail over the same thing.
    const untold = this.#seldom(`${type} ${delayMs === null} ${reason}`);
    const stack = thrown instanceof Error ? thrown.stack : undefined;
    const facts = { address: cell.id, restarts: cell.view().restarts, ...untold };
    if (untold !== null && delayMs !== null) this.sink.log('error', 'ACTOR_FAILED', reason, { ...facts, delayMs, stack });
    if (delayMs !== null) return;
    if (untold !== null)
      this.sink.log('error', 'ACTOR_GIVEN_UP', `${cell.id} failed too often: ${reason}`, { ...facts, stack });
    const parent = cell.parent === null ? undefined : this.#at(cell.parent);
    parent?.fails(new Error(`its child ${cell.id} failed too often: ${reason}`));
  }

  onlookerThrew(cell: ActorCell, thrown: unknown): void {
    const untold = this.#seldom(`threw ${cell.address.type}`);
    if (untold !== null)
      this.sink.log('error', 'ACTOR_LISTENER_THREW', `who listens to ${cell.id} threw: ${String(thrown)}`, untold);
  }

  gone(cell: ActorCell, why: ActorEnd | 'passivated' | 'moved'): void {
    this.#onGone(cell, why);
  }

  givenUp(cell: ActorCell, end: ActorEnd): void {
    this.#onGivenUp(cell, end);
  }

  over(cell: ActorCell): void {
    const place = this.#places.get(cell.id);
    if (place !== undefined) place.cell = null;
    this.#places.delete(cell.id);
    const kin = kinOf(cell);
    if (kin !== null) {
      const members = this.#kin.get(kin)?.members;
      members?.delete(cell);
      if (members?.size === 0) this.#kin.delete(kin);
    }
    this.#release(cell);
    if (this.#stopping !== null && this.size === 0) this.#stopped();
  }
}

const nobody: readonly ActorCell[] = [];
/** A lease is back with the next heartbeat. */
const heldLookMs = 10;

/** Null: it stands alone. A type's name has no slash, an address has. */
const kinOf = ({ parent, definition, address }: ActorCell): string | null =>
  parent ?? (definition.restart.strategy === 'one-for-one' ? null : address.type);

const unmade = ({ id }: ActorCell): Failure => failure('NOT_READY', `the token of ${id} was lost before it was made`);

const unanswered = ({ event }: Ask): Failure =>
  failure('OUTCOME_UNKNOWN', `the actor has handled '${event.type}' and has not answered in time`);
