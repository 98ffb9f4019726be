// Replicated actors in the log of a Raft group (decision 15): what an entry may say about an actor, what is known of it, and what the
// code that developers write looks like from here. Plain data; bytes are packed plain data that only the fold looks into.
import type { Failure } from '../errors.ts';
import type { Ink } from '../wire/octets.ts';
import type { IdTable } from './ledger-ids.ts';

/** 'type/key', as in an address without a node. A type has no '/', so the first one ends it. */
export type ActorName = string;

/** Of an effect: the entry that made it, and a number that no other effect of that entry has. */
export type EffectId = { readonly index: number; readonly n: number };

/** Of what no effect did. */
export const noEffect: EffectId = { index: 0, n: 0 };

export const effectKey = ({ index, n }: EffectId): string => `${index}.${n}`;

/** How a new leader goes about what was invoked under an earlier one. Without one it is simply begun again ('retry'). */
export type Interruption = 'fail' | 'ask';

export type LedgerItem =
  /** Makes it, unless it is there. `input` is decided once, by who asks. */
  | { kind: 'create'; actor: ActorName; version: number; input: Uint8Array }
  /**
   * `id` '': nobody sends it a second time. `isAsked`: whoever does wants the answer of the first. Refused (ACTOR_VERSION) unless the state
   * is of that version.
   */
  | { kind: 'event'; actor: ActorName; version: number; id: string; isAsked: boolean; event: Uint8Array }
  /** These were run. */
  | { kind: 'done'; actor: ActorName; effects: readonly EffectId[] }
  /** Its time has come. `set`: the number of the item that set it. */
  | { kind: 'timer'; actor: ActorName; id: string; set: number }
  /** What was invoked at `path` by that effect says something; by `noEffect`: code outside of any turn told an actor there something. */
  | { kind: 'answer'; actor: ActorName; path: string; of: EffectId; answer: Uint8Array }
  | { kind: 'interrupt'; actor: ActorName; path: string; of: EffectId; how: Interruption }
  /** Replicas differ: nothing more happens to it until it is reset or removed. */
  | { kind: 'halt'; actor: ActorName; index: number; event: string; digests: readonly [number, number] }
  /** `failed`: of deliveries up to item `seq`, those that were refused; only who has folded them knows, and nobody will any more. */
  | { kind: 'remove'; actor: ActorName; seq: number; failed: readonly (readonly [id: string, code: Failure['code']])[] }
  /**
   * All of it as of item `seq`. 'checkpoint': who could not follow so far takes it. 'upgrade': it is of that version from now on, if
   * nothing has happened since. 'reset': it is this, whatever it was.
   */
  | { kind: 'state'; actor: ActorName; why: StateReason; seq: number; version: number; dump: Uint8Array }
  /** What the leader's replica is like after item `seq`; changes nothing. */
  | { kind: 'digest'; actor: ActorName; seq: number; digest: number };

export type StateReason = 'checkpoint' | 'upgrade' | 'reset';

/** Items that are a step of an actor: each has the next number of its actor, and only the fold knows what comes of it. */
export type StepItem = Extract<LedgerItem, { kind: 'create' | 'event' | 'done' | 'timer' | 'answer' | 'interrupt' }>;

/** A step where it stands in the log. `n`: which one of its entry. */
export type Step = {
  readonly seq: number;
  readonly index: number;
  readonly n: number;
  readonly timeMs: number;
  readonly item: StepItem;
};

// ---------------------------------------------------------------- what developers' code is to the ledger

export type FoldEffect =
  | { readonly kind: 'action' | 'send' | 'tell'; readonly path: string }
  | { readonly kind: 'emit'; readonly path: string; readonly event: { readonly type: string } }
  | { readonly kind: 'invoke'; readonly path: string; readonly src: string; readonly input: unknown }
  | { readonly kind: 'uninvoke'; readonly path: string };

/** What a body wants done: as it told it, and as plain data. */
export type Wanted = { readonly effect: FoldEffect; readonly data: Readonly<Record<string, unknown>> };

export type FoldTimer = { readonly id: string; readonly delayMs: number };

/** A live one, of one version; `actors/actor-body-api.ts` says more of each. */
export interface FoldBody {
  deliver(event: { type: string }): void;
  fire(timer: string): boolean;
  answer(path: string, answer: never): boolean;
  takeEffects(): readonly Wanted[];
  takeTimerChanges(): readonly ({ type: 'set'; timer: FoldTimer } | { type: 'cleared'; id: string })[];
  snapshot(): { readonly status: string };
  /** Plain data. Throws what says where it is not. */
  persist(): unknown;
  /** The same, not looked through: what of it is no plain data is in it as it is. */
  outline(): unknown;
  stop(): void;
}

export type FoldDefinition = {
  /** More failures than this within `windowMs` of log time end it. */
  readonly failuresMax: number;
  readonly windowMs: number;
  /** What whoever asked with this event is told, packed; null: nothing yet, or nothing that can be kept. Does not throw. */
  answer(snapshot: { readonly status: string }, event: { type: string }): Uint8Array | null;
  /** Throws what its code throws. */
  open(name: ActorName, from: { input: unknown } | { persisted: unknown; timers: ReadonlySet<string> }): FoldBody;
};

/** Null: this replica has no code of that type in that version. It may get it later. */
export type FindDefinition = (type: string, version: number) => FoldDefinition | null;

// ---------------------------------------------------------------- what is known of one

/** By the log alone, so that a replica without its code knows it too. 'gone': only its delivery ids are remembered. */
export type Presence = 'live' | 'halted' | 'gone';

/** By the fold. 'empty': not made yet. */
export type Standing = 'empty' | 'active' | 'done' | 'failed';

export type Timer = { readonly delayMs: number; readonly dueMs: number; readonly set: number };
export type Invoked = EffectId & { readonly src: string; readonly input: Uint8Array; readonly asked: boolean };
export type OutboxEffect = EffectId & {
  readonly timeMs: number;
  /** Packed. */
  readonly form: Uint8Array;
  /** As the body told it, as long as that is known: its code need not be looked for by its name. */
  readonly live: FoldEffect | null;
};

/** A delivery that was taken. `failed`: the code of what it was refused with. */
export type Remembered = {
  readonly id: string;
  readonly hash: number;
  /** 0: of an actor of this name that was removed since. */
  seq: number;
  readonly timeMs: number;
  readonly place: number;
  failed: Failure['code'] | null;
};

/** Delivery ids by place, which is a number for each in the order in which they came (ledger-window.ts). */
export type DeliveryWindow = {
  /** Those that are remembered. */
  readonly table: IdTable;
  /** Oldest first. Of the oldest share the first ones may be forgotten. */
  readonly shares: Remembered[][];
  firstShare: number;
  /** Place of the oldest that is remembered. */
  first: number;
  /** Of the next that comes. */
  next: number;
  /** Shares that are in the keyspace otherwise, or not at all. */
  readonly dirty: Set<number>;
  /** The newest share as it is written, as long as all of it came here and none of it failed. */
  tail: Ink | null;
  /** None before this one is in the keyspace. */
  writtenShare: number;
  /** Records of an earlier window that are to go. */
  stale: { readonly from: number; readonly until: number } | null;
};

export type Halt = { readonly index: number; readonly event: string; readonly digests: readonly [number, number] };

/** What this replica was like after a step. */
export type Mark = { readonly seq: number; readonly index: number; readonly event: string; readonly digest: number };

export type ActorRecord = {
  readonly name: ActorName;
  // by the log
  presence: Presence;
  halt: Halt | null;
  version: number;
  /** Steps taken; the number of the last. */
  seq: number;
  /** Bytes and steps since all of its state was last in the log. */
  sinceState: { steps: number; bytes: number };
  window: DeliveryWindow;
  /** Steps that this replica has not folded, oldest first: those up to `seq`. */
  backlog: Step[];
  // by the fold, as of step seq - backlog.length
  standing: Standing;
  /** Of standing 'failed', for a person. */
  reason: string | null;
  /** Packed; overwritten by the next step. */
  state: Uint8Array | null;
  timers: Map<string, Timer>;
  invoked: Map<string, Invoked>;
  outbox: Map<string, OutboxEffect>;
  /** The last ones (ledger-answers.ts); other bytes whenever that changes. */
  answers: Uint8Array | null;
  /** Log times of the failures that count. */
  failures: number[];
  handled: number;
  refused: number;
  digest: number;
  // in memory only
  body: FoldBody | null;
  /** Not in the keyspace yet. */
  isStateNew: boolean;
  /** After each of its last steps, at the remainder of the step's number: `markAt`, `marksOf` (ledger-steps.ts). */
  marks: { -readonly [Field in keyof Mark]: Mark[Field] }[];
  /** What the leader's was, while this replica is not as far. */
  expected: { seq: number; digest: number } | null;
};

// ---------------------------------------------------------------- what comes of an item

export type ItemOutcome =
  /** `snapshot`: after it, where this replica has folded it. */
  | { type: 'ok'; seq: number; snapshot: unknown }
  /** A delivery id that was taken before, at step `seq`; 0: by one of this name that was removed since. */
  | { type: 'again'; seq: number; failed: Failure['code'] | null }
  /** It says nothing any more (a timer that was cleared). */
  | { type: 'ignored' }
  | { type: 'refused'; failure: Failure };

/** What this replica found to be otherwise than the leader's. */
export type Divergence = {
  readonly actor: ActorName;
  readonly seq: number;
  readonly digest: number;
  readonly marks: readonly Mark[];
};

/** Told of what happens at this replica, in the order of the log, while an entry is being applied. Does nothing that lasts. */
export type LedgerWatch = {
  /** A step was folded. `failure`: it was refused, the state is as before. `emitted`: by the actor itself, told to whoever hears it now. */
  folded?(
    record: ActorRecord,
    step: Step,
    failure: Failure | null,
    event: unknown,
    emitted: readonly { readonly type: string }[],
  ): void;
  halted?(record: ActorRecord): void;
  removed?(record: ActorRecord): void;
  /** Its state was replaced as a whole. */
  replaced?(record: ActorRecord): void;
  diverged?(divergence: Divergence): void;
};

/** Part of the protocol, but for the last two: replicas that differ here would diverge. */
export const ledgerLimits = {
  nameBytesMax: 900,
  idCharsMax: 256,
  /** Of one actor: its state, and what it wants done. A record of each fits a snapshot's chunk. */
  bytesMax: (1 << 20) - (8 << 10),
  eventBytesMax: (1 << 20) - (8 << 10),
  outboxMax: 1_000,
  timersMax: 1_000,
  invokedMax: 256,
  pathCharsMax: 1_024,
  windowMax: 1_000,
  windowMs: 600_000,
  /** Answers that are given once more as they were: so many of an actor, and so many bytes of them, packed. */
  answersMax: 32,
  answersBytesMax: 4 << 10,
  itemsMax: 4_096,
  actorsMax: 1_000_000,
  /** What is left of removed ones is swept so many an entry. */
  sweptPerEntry: 64,
  /** Once so much has happened since, a leader puts all of its state into the log: what others may have to keep is bounded. */
  checkpointSteps: 1_000,
  checkpointBytes: 1 << 20,
  marksKept: 512,
  /** Records of one node in memory, with their bodies. */
  residentsMax: 4_096,
} as const;
