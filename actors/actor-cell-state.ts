// What a cell is made of, and what others may ask of it at any time.
import type { EventObject, Snapshot } from 'xstate';
import type { ActorAddress } from '../machines/entity/address.ts';
import { type ActorDefinition, type ActorEnd, type ActorState, actorLimits, type Trail } from './actor-api.ts';
import type { ActorCell } from './actor-cell.ts';
import type { Ask, PatientAsk } from './actor-cell-asks.ts';
import type { Engine, EngineHost, EngineSeen, Inside } from './actor-cell-engine.ts';
import { CellExecution } from './actor-cell-execution.ts';
import type { Hearers, Onlookers, Taps } from './actor-cell-onlookers.ts';
import type { CellPlace, CellToken } from './actor-cell-place.ts';
import { Mailbox } from './actor-mailbox.ts';
import type { ClockPort } from './ports/index.ts';

type Letter = { readonly event: EventObject; readonly trail: Trail; readonly ask: PatientAsk | null };
/** What its timers, promises and children have said meanwhile, which nothing from outside overtakes. */
type Word = { readonly event: EventObject; readonly to: Inside };
/** The event that an actor failed over. */
export type Fatal = { readonly event: EventObject; readonly trail: Trail | null; readonly ask: Ask | null };

export type CellArguments = {
  readonly place: CellPlace;
  readonly definition: ActorDefinition;
  readonly address: ActorAddress;
  /** The address as text. */
  readonly id: string;
  readonly token: CellToken;
  readonly parent: string | null;
};

const unborn: Snapshot<unknown> = { status: 'active', output: undefined, error: undefined };

export abstract class CellState implements EngineHost {
  readonly address: ActorAddress;
  readonly definition: ActorDefinition;
  /** Its address as text. */
  readonly id: string;
  /** The hosted actor that this one is a child of, as text. */
  readonly parent: string | null;
  readonly execution: CellExecution;
  protected readonly place: CellPlace;
  protected readonly mailbox = new Mailbox<Letter>();
  protected words: Mailbox<Word> | null = null;
  protected engine: Engine | null = null;
  /** What is to be done once it has begun, or once it has ended. */
  waiting: (() => void)[] | null = null;
  /** Of the engine that was before. */
  protected last = unborn;
  protected state: ActorState = 'starting';
  /** It was made, well or not. */
  hasBegun = false;
  /** It stands in line for a turn, or will be asked whether it has more to do. */
  protected isInLine = false;
  /** How it ended, once it has; or that it was given up. */
  protected over: ActorEnd | 'moved' | null = null;
  /** What nobody inside looked after. */
  protected thrown: { readonly error: unknown } | null = null;
  /** Those who asked what has no answer yet, the one that waits longest first. */
  protected pending: Set<Ask> | null = null;
  protected onlookers: Onlookers | null = null;
  protected taps: Taps | null = null;
  protected hearers: Hearers | null = null;
  protected handled = 0;
  protected restarts = 0;
  protected reason: string | null = null;
  protected usedMs: number;

  constructor({ place, definition, address, id, token, parent }: CellArguments) {
    this.place = place;
    this.definition = definition;
    this.address = address;
    this.id = id;
    this.parent = parent;
    this.execution = new CellExecution(address, token);
    this.usedMs = place.clock.nowMs();
  }

  get clock(): ClockPort {
    return this.place.clock;
  }

  get xstateClock(): unknown {
    return this.place.xstateClock;
  }

  get seen(): ((seen: EngineSeen) => void) | null {
    return this.taps === null ? null : this.taps.seen;
  }

  get isHeard(): boolean {
    return this.hearers !== null && this.hearers.size > 0;
  }

  emitted(event: EventObject): void {
    this.hearers?.tell(event);
  }

  get isOver(): boolean {
    return this.state === 'stopped' || this.state === 'passive';
  }

  abstract arrives(event: EventObject, to: Inside): void;
  abstract fails(error: unknown): void;
  abstract lost(event: EventObject): void;
  abstract stopsItself(): void;
  abstract says(args: readonly unknown[]): void;

  /** It has something to do. */
  ready(): void {
    if (this.isInLine) return;
    this.isInLine = true;
    this.place.turns.ready(this.self);
  }

  protected get self(): ActorCell {
    return this as unknown as ActorCell;
  }

  /** False: too much of its own waits for it. */
  protected keep(word: Word): boolean {
    this.words ??= new Mailbox();
    return this.words.push(word, actorLimits.mailboxMost);
  }
}
