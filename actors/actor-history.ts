// What a log makes of an actor (actor-body.ts driven by actor-log.ts): each entry in its order, with what follows from it alone: the state,
// when timers are due, which invocation is at which path, which deliveries were handled. The same when it is read again.
import type { EventObject } from 'xstate';
import type { ActorAddress } from '../machines/entity/address.ts';
import { pack } from '../machines/wire/envelope.ts';
import type { ActorDefinition, TimerPolicy } from './actor-api.ts';
import { createBody } from './actor-body.ts';
import type { ActorBody, BodyAnswer, BodyEffect, BodyPath } from './actor-body-api.ts';
import { replyOf } from './actor-cell-asks.ts';
import type { Cut } from './actor-log.ts';
import type { LogEntry, SnapshotRecord } from './actor-records.ts';
import { plainOf, revive } from './actor-values.ts';

export const historyLimits = {
  /** Ids of deliveries: so many, for so long after they were handled. */
  idsMax: 1_000,
  idsKeptMs: 600_000,
  /** Answers that are given once more as they were: so many of an actor, and on the disk those that are no larger than this, packed. */
  answersMax: 32,
  answerBytesMax: 4_096,
} as const;

/** The number of what an actor does when it is made. */
export const birth = 1;

export type HistoryArguments = {
  definition: ActorDefinition;
  address: ActorAddress;
  id: string;
  formRef: (address: ActorAddress) => unknown;
  onSent: (path: BodyPath, event: EventObject) => void;
  onLog: (line: readonly unknown[]) => void;
};

/** `before`: ids of deliveries that one of this name handled that was stopped since. */
export type Newborn = { atMs: number; incarnation: string; before: readonly [string, number][] };

export class History {
  /** Of this life: the same name under which it was stopped and made again is another's. */
  readonly incarnation: string | null;
  readonly body: ActorBody;
  readonly dues: Map<string, number>;
  readonly invocations: Map<BodyPath, string>;
  readonly ids: Map<string, number>;
  /** Of one of this name that was stopped since: they have no effect either, and their answers went with it. */
  readonly before: ReadonlyMap<string, number>;
  readonly answers: Map<string, unknown>;
  readonly #definition: ActorDefinition;
  readonly #policy: TimerPolicy;
  readonly #formRef: (address: ActorAddress) => unknown;
  readonly #version: number;
  /** The last entry, and its time. */
  at = birth;
  atMs: number;
  /** What it wants done that was made just now, or is to be done once more. */
  owed: BodyEffect[];

  /** For the first time, or as a snapshot has it. Throws what the logic throws. */
  constructor(args: HistoryArguments, from: { record: SnapshotRecord; snapshot: unknown } | Newborn) {
    const { definition, id, formRef, onSent, onLog, address } = args;
    const record = 'record' in from ? from.record : null;
    this.incarnation = 'record' in from ? from.record.incarnation : from.incarnation;
    this.#definition = definition;
    this.#policy = definition.timers;
    this.#version = definition.version;
    this.#formRef = formRef;
    this.dues = new Map(record?.dues);
    this.ids = new Map(record?.ids);
    this.before = new Map('record' in from ? from.record.before : from.before);
    this.answers = new Map(record?.answers);
    this.invocations = new Map(record?.invocations);
    this.atMs = 'atMs' in from ? from.atMs : from.record.atMs;
    const first =
      'record' in from
        ? { persisted: { ...from.record.body, snapshot: from.snapshot } }
        : { input: definition.input(address.key) };
    this.body = createBody({
      ...{ logic: definition.logic, id, from: first, mode: 'recorded', clock: null, formRef, onSent, onLog },
    });
    this.owed = this.#follow(birth);
    if (record === null) return;
    this.at = record.at;
    this.owed = revive(record.owed, formRef) as BodyEffect[];
  }

  /** What it wants done now. Throws what user code throws: then this history is of no use any more. */
  apply(number: number, entry: LogEntry): BodyEffect[] {
    this.at = number;
    const before = this.atMs;
    this.atMs = Math.max(before, entry.atMs);
    switch (entry.kind) {
      case 'event':
        // Whoever wrote it down may not have known: while the actor began anew nobody had its ids.
        if (this.isAgain(entry)) break;
        if (entry.id !== null) this.#remember(entry.id);
        this.body.deliver(revive(entry.event, this.#formRef) as EventObject);
        if (entry.id !== null && entry.isAsked) this.#keepAnswer(entry.id, entry.event);
        break;
      case 'fire':
        this.dues.delete(entry.timer);
        this.body.fire(entry.timer);
        break;
      case 'answer':
        this.#answer(entry.path, entry.invocation, revive(entry.answer, this.#formRef) as BodyAnswer);
        break;
      case 'woken':
        this.#countFrom(before);
        break;
      case 'skip':
        break;
    }
    return this.#follow(number);
  }

  /** A delivery that was handled under its id. */
  isAgain(entry: LogEntry): boolean {
    return entry.kind === 'event' && entry.id !== null && this.knows(entry.id);
  }

  /** It, or one of its name before it, handled what was delivered under this id. */
  knows(id: string): boolean {
    return this.ids.has(id) || this.before.has(id);
  }

  /** All that it knows of and that is not too long ago, oldest first. */
  delivered(nowMs: number): [string, number][] {
    return [...this.before, ...this.ids].filter(([, atMs]) => isKept(atMs, nowMs)).slice(-historyLimits.idsMax);
  }

  #answer(path: BodyPath, invocation: string | null, answer: BodyAnswer): void {
    if (answer.type !== 'sent' && this.invocations.get(path) !== invocation) return;
    this.body.answer(path, answer);
  }

  #follow(number: number): BodyEffect[] {
    for (const change of this.body.takeTimerChanges())
      if (change.type === 'cleared') this.dues.delete(change.id);
      else this.dues.set(change.timer.id, this.atMs + change.timer.delayMs);
    const effects = this.body.takeEffects();
    for (const [at, effect] of effects.entries())
      if (effect.kind === 'invoke') this.invocations.set(effect.path, `${number}.${at}`);
      else if (effect.kind === 'uninvoke') this.invocations.delete(effect.path);
    return effects;
  }

  #remember(id: string): void {
    this.ids.delete(id);
    this.ids.set(id, this.atMs);
    for (const [oldest, atMs] of this.ids) {
      if (this.ids.size <= historyLimits.idsMax && isKept(atMs, this.atMs)) return;
      this.ids.delete(oldest);
    }
  }

  /** Who asks once more is told what he was told, though the actor has gone on since then. */
  #keepAnswer(id: string, event: EventObject): void {
    const reply = replyOf(this.#definition, this.body.snapshot(), event);
    if (reply?.ok !== true) return;
    const plain = plainOf(reply.value, 'answer');
    if (!plain.ok) return;
    this.answers.set(id, plain.value);
    const [oldest] = this.answers.keys();
    if (this.answers.size > historyLimits.answersMax && oldest !== undefined) this.answers.delete(oldest);
  }

  /** Timers that do not stand at an instant: what was left of them when something was written last, or all of it. */
  #countFrom(beforeMs: number): void {
    if (this.#policy === 'deadline') return;
    for (const { id, delayMs } of this.body.timers()) {
      const dueMs = this.dues.get(id) ?? this.atMs;
      this.dues.set(id, this.atMs + (this.#policy === 'restart' ? delayMs : Math.max(0, dueMs - beforeMs)));
    }
  }

  /** Whether it matters that it was woken. */
  get countsFromWaking(): boolean {
    return this.#policy !== 'deadline' && this.dues.size > 0;
  }

  get firstDueMs(): number | null {
    let first: number | null = null;
    for (const dueMs of this.dues.values()) if (first === null || dueMs < first) first = dueMs;
    return first;
  }

  /** Throws an error that says what in it is no plain data. `nowMs`: what is left of timers is counted to here. */
  record(done: number, nowMs: number): Cut {
    return {
      incarnation: this.incarnation,
      ...{ version: this.#version, standing: this.body.snapshot().status === 'active' ? 'active' : 'done' },
      ...{ at: this.at, atMs: Math.max(this.atMs, nowMs), body: this.body.persist() },
      ...{
        dues: [...this.dues],
        ids: [...this.ids],
        before: [...this.before].filter(([, atMs]) => isKept(atMs, nowMs)),
        answers: [...this.answers].filter(isSmall),
        invocations: [...this.invocations],
        done,
      },
      owed: done < birth ? this.owed.flatMap((effect) => plainEffect(effect)) : [],
    };
  }
}

export const isKept = (atMs: number, nowMs: number): boolean => nowMs - atMs <= historyLimits.idsKeptMs;

const isSmall = ([, answer]: [string, unknown]): boolean => pack(answer).byteLength <= historyLimits.answerBytesMax;

/** What could be done by whoever reads it; nothing where something in it is no plain data. */
const plainEffect = (effect: BodyEffect): BodyEffect[] => {
  if (effect.kind !== 'action' && effect.kind !== 'send') return [];
  const plain = plainOf(effect, 'effect');
  return plain.ok ? [plain.value as BodyEffect] : [];
};
