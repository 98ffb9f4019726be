// What a leader does for one actor beside the log: runs the effects that wait in its outbox and what it invoked, and says in the log what
// came of it. Only after the entry that wants it is applied, only while this node's token holds, looked at before each; what was run is
// run again by the next leader unless the log has it as done (decision 15: at least once, with the same id).

import type { EventObject } from 'xstate';
import { type ActorAddress, addressText } from '../machines/entity/address.ts';
import { bodyOf } from '../machines/entity/ledger-fold.ts';
import { type LedgerStore, pin, unpin } from '../machines/entity/ledger-store.ts';
import {
  type ActorName,
  type ActorRecord,
  type EffectId,
  effectKey,
  type FoldDefinition,
  type Invoked,
  type LedgerItem,
  ledgerLimits,
  noEffect,
  type OutboxEffect,
} from '../machines/entity/ledger-types.ts';
import { errorTable, type Failure, reasonOf } from '../machines/errors.ts';
import type { FencingToken } from '../machines/register/types.ts';
import { pack, unpack } from '../machines/wire/envelope.ts';
import type { ActorDefinition, ActorExecution, ActorsApi, ResumeRule } from './actor-api.ts';
import type { BodyAnswer, BodyEffect } from './actor-body-api.ts';
import { executing } from './actor-execution.ts';
import { addressOfName, effectOf, type FormRef, innerOf } from './actor-replica-code.ts';
import type { ItemEnd } from './actor-replica-proposals.ts';
import { plainError, plainOf, revive } from './actor-values.ts';
import type { ClockPort, SinkPort } from './ports/index.ts';

export type WorkPlace = {
  readonly group: string;
  readonly clock: ClockPort;
  readonly sink: SinkPort;
  readonly formRef: FormRef;
  readonly deliver: ActorsApi['deliver'];
  readonly token: FencingToken;
  /** This node may do something under its token, now. */
  holds(): boolean;
  propose(item: LedgerItem, done?: (end: ItemEnd) => void): void;
  /** Look at this actor again after so long. */
  again(name: ActorName, afterMs: number): void;
  onDeadLetter(address: ActorAddress, event: EventObject, source: string, reason: Failure['code']): void;
};

type Handle = { readonly id: string; readonly store: LedgerStore; tell(event: EventObject): void; stop(): void };
type Folding = { record: ActorRecord; store: LedgerStore; definition: ActorDefinition; fold: FoldDefinition };

const retryMs = 50;
const sendTimeoutMs = 10_000;
const sendRetryMsMax = 5_000;
/** Of one invocation, that wait for the log: who says more than it can take is ended. */
const answersMax = 1_000;

/** Another attempt may fare better, or nobody knows how this one fared. */
const isWorthRetrying = (code: Failure['code']): boolean =>
  errorTable[code].retryable || code === 'OUTCOME_UNKNOWN' || code === 'ACTOR_VERSION' || code === 'CANCELLED';

export class ActorWork {
  readonly #name: ActorName;
  readonly #address: ActorAddress;
  readonly #place: WorkPlace;
  /** Handed out under this token, and not done in the log as far as this node has applied it. */
  readonly #ran = new Set<string>();
  readonly #handles = new Map<string, Handle>();
  /** Interruptions that were proposed. */
  readonly #interrupted = new Set<string>();
  /** Messages to each receiver go one after the other. */
  readonly #lines = new Map<string, OutboxEffect[]>();
  #finished: EffectId[] = [];
  #isOver = false;

  constructor(name: ActorName, place: WorkPlace) {
    this.#name = name;
    this.#address = addressOfName(name);
    this.#place = place;
  }

  get isIdle(): boolean {
    return this.#ran.size === 0 && this.#handles.size === 0 && this.#interrupted.size === 0;
  }

  /** Nothing is done any more; what is under way is ended. */
  stop(): void {
    this.#isOver = true;
    for (const path of [...this.#handles.keys()]) this.#end(path);
    this.#lines.clear();
  }

  /** Does what is to be done now. */
  look(folding: Folding): void {
    const { record } = folding;
    for (const [path, { id }] of [...this.#handles]) {
      const invoked = record.invoked.get(path);
      if (invoked === undefined || effectKey(invoked) !== id) this.#end(path);
    }
    for (const id of this.#interrupted) if (!this.#isInvoked(record, id)) this.#interrupted.delete(id);
    for (const effect of record.outbox.values()) if (!this.#runOnce(folding, effect)) break;
    this.#tellDone();
    for (const [path, invoked] of record.invoked) if (!this.#begin(folding, path, invoked)) break;
  }

  #isInvoked({ invoked }: ActorRecord, id: string): boolean {
    for (const one of invoked.values()) if (effectKey(one) === id) return true;
    return false;
  }

  // ---------------------------------------------------------------- effects

  /** False: not now. */
  #runOnce(folding: Folding, effect: OutboxEffect): boolean {
    const key = effectKey(effect);
    if (this.#ran.has(key)) return true;
    const { holds, again, formRef } = this.#place;
    if (!holds()) {
      again(this.#name, retryMs);
      return false;
    }
    this.#ran.add(key);
    const told = (effect.live ?? effectOf(unpack(effect.form), formRef)) as BodyEffect;
    if (told.kind === 'send') this.#stand(addressText(told.to), effect);
    else {
      this.#attempt(effect, told.kind, () => this.#run(folding, told));
      this.#finished.push({ index: effect.index, n: effect.n });
    }
    return true;
  }

  #run({ record, fold }: Folding, told: BodyEffect): void {
    if (told.kind === 'tell') return this.#handles.get(told.path)?.tell(told.event);
    if (told.kind !== 'action') return;
    if (innerOf(bodyOf(record, fold)).run(told)) return;
    const { sink } = this.#place;
    sink.log('error', 'EFFECT_UNKNOWN', `actor '${this.#name}' has no action '${told.type}' any more: it is left out`, {
      ...{ actor: this.#name, action: told.type },
    });
  }

  #execution(id: EffectId): ActorExecution {
    const { group, token } = this.#place;
    return { address: this.#address, token, effectId: `${group}.${effectKey(id)}` };
  }

  /** What it throws is its own: the entry that wanted it stands. */
  #attempt(id: EffectId, what: string, run: () => void): void {
    const { sink, group } = this.#place;
    sink.count('actor_effects_total', { group, kind: what });
    try {
      executing(this.#execution(id), run);
    } catch (error) {
      sink.log('error', 'EFFECT_THREW', `an effect of actor '${this.#name}' threw ${reasonOf(error)}`, {
        ...{ actor: this.#name, effect: `${group}.${effectKey(id)}` },
      });
    }
  }

  #tellDone(): void {
    if (this.#finished.length === 0) return;
    const effects = this.#finished;
    this.#finished = [];
    const { propose, again, clock } = this.#place;
    propose({ kind: 'done', actor: this.#name, effects }, (end) => {
      if (end.type === 'applied') for (const effect of effects) this.#ran.delete(effectKey(effect));
      else if (!this.#isOver)
        clock.after(retryMs, () => {
          if (this.#isOver) return;
          this.#finished.push(...effects);
          this.#tellDone();
          again(this.#name, 0);
        });
    });
  }

  // ---------------------------------------------------------------- messages to others

  #stand(to: string, effect: OutboxEffect): void {
    const line = this.#lines.get(to);
    if (line !== undefined) return void line.push(effect);
    this.#lines.set(to, [effect]);
    this.#send(to, 0);
  }

  #send(to: string, tries: number): void {
    const effect = this.#lines.get(to)?.[0];
    if (effect === undefined || this.#isOver) return void this.#lines.delete(to);
    const { holds, clock, deliver, sink, group, formRef } = this.#place;
    const later = (): void =>
      void clock.after(Math.min(retryMs << Math.min(tries, 10), sendRetryMsMax), () => this.#send(to, tries + 1));
    if (!holds()) return later();
    sink.count('actor_effects_total', { group, kind: 'send' });
    const told = (effect.live ?? effectOf(unpack(effect.form), formRef)) as Extract<BodyEffect, { kind: 'send' }>;
    const source = addressText(this.#address);
    const id = `${group}.${effectKey(effect)}`;
    const isLate = clock.wallMs() - effect.timeMs >= ledgerLimits.windowMs;
    deliver(told.to, told.event, { id, timeoutMs: sendTimeoutMs, trail: { source, correlation: id } }, (outcome) => {
      if (this.#isOver) return;
      // Whoever it is for remembers ids no longer than this: a later attempt might be a second event.
      if (!outcome.ok && isWorthRetrying(outcome.failure.code) && !isLate) return later();
      if (!outcome.ok) this.#place.onDeadLetter(told.to, told.event, source, outcome.failure.code);
      this.#lines.get(to)?.shift();
      this.#finished.push({ index: effect.index, n: effect.n });
      this.#tellDone();
      this.#send(to, 0);
    });
  }

  // ---------------------------------------------------------------- promises, callbacks, observables

  /** False: not now. */
  #begin(folding: Folding, path: string, invoked: Invoked): boolean {
    const id = effectKey(invoked);
    if (invoked.asked || this.#handles.has(path) || this.#interrupted.has(id)) return true;
    const { holds, again, token, propose } = this.#place;
    if (!holds()) {
      again(this.#name, retryMs);
      return false;
    }
    // Whatever stands before the first entry of this reign was begun by somebody else, or may have been.
    const rule: ResumeRule = invoked.index < token.index ? ruleOf(folding.definition, path, invoked) : 'retry';
    if (rule === 'retry') this.#start(folding, path, invoked);
    else {
      this.#interrupted.add(id);
      const of = { index: invoked.index, n: invoked.n };
      propose({ kind: 'interrupt', actor: this.#name, path, of, how: rule }, (end) => {
        if (end.type === 'applied' || this.#isOver) return;
        this.#interrupted.delete(id);
        again(this.#name, retryMs);
      });
    }
    return true;
  }

  #start({ record, store, fold }: Folding, path: string, invoked: Invoked): void {
    const { index, n, src, input } = invoked;
    const id = effectKey(invoked);
    const waiting = { count: 0 };
    const on = (answer: BodyAnswer): void => this.#say(path, { index, n }, answer, waiting);
    let begun: { tell(event: EventObject): void; stop(): void } | null = null;
    // What it says at once is said after it is known here.
    this.#handles.set(path, { id, store, tell: (event) => begun?.tell(event), stop: () => begun?.stop() });
    pin(store, this.#name);
    this.#attempt(invoked, 'invoke', () => {
      const given = revive(unpack(input), this.#place.formRef);
      begun = innerOf(bodyOf(record, fold)).invoke({ kind: 'invoke', path, src, input: given }, on);
      if (begun === null) on({ type: 'error', error: new Error(`'${src}' is not there any more`) });
    });
  }

  #say(path: string, of: EffectId, answer: BodyAnswer, waiting: { count: number }): void {
    const handle = this.#handles.get(path);
    if (this.#isOver || handle?.id !== effectKey(of)) return;
    const isFlood = waiting.count >= answersMax && (answer.type === 'event' || answer.type === 'next');
    const told = isFlood ? tooMuch(path) : answer;
    if (isFlood) this.#end(path);
    waiting.count++;
    this.propose(path, of, told, () => waiting.count--);
  }

  /** Puts what was said into the log, however long that takes while this node leads. */
  propose(path: string, of: EffectId, answer: BodyAnswer, done: () => void = () => {}): void {
    const bytes = packed(plainAnswer(answer));
    const attempt = (): void =>
      this.#place.propose({ kind: 'answer', actor: this.#name, path, of, answer: bytes }, (end) => {
        if (end.type === 'applied' || this.#isOver) return done();
        this.#place.clock.after(retryMs, () => (this.#isOver ? done() : attempt()));
      });
    attempt();
  }

  /** Code of the actor, outside of any turn, told one of its own something. */
  sent(path: string, event: EventObject): void {
    this.propose(path, noEffect, { type: 'sent', event });
  }

  #end(path: string): void {
    const handle = this.#handles.get(path);
    if (handle === undefined) return;
    this.#handles.delete(path);
    unpin(handle.store, this.#name);
    try {
      handle.stop();
    } catch (error) {
      this.#place.sink.log('error', 'EFFECT_THREW', `what '${this.#name}' invoked threw when it was ended: ${reasonOf(error)}`);
    }
  }
}

const ruleOf = ({ resume }: ActorDefinition, path: string, { src }: Invoked): ResumeRule => {
  const id = path.slice(path.lastIndexOf('/') + 1);
  if (Object.hasOwn(resume, src)) return resume[src]!;
  return Object.hasOwn(resume, id) ? resume[id]! : 'retry';
};

const tooMuch = (path: string): BodyAnswer => ({
  ...{ type: 'error', error: new Error(`'${path}' said more than the log of its group can take`) },
});

const packed = (answer: BodyAnswer): Uint8Array => {
  const bytes = pack(answer).slice();
  if (bytes.byteLength <= ledgerLimits.eventBytesMax) return bytes;
  const error = {
    name: 'RangeError',
    message: `an answer of ${bytes.byteLength} bytes, at most ${ledgerLimits.eventBytesMax}`,
  };
  return pack({ type: 'error', error }).slice();
};

/** What no message carries becomes an error that says where it is. */
const plainAnswer = (answer: BodyAnswer): BodyAnswer => {
  const unfit = (message: string): BodyAnswer => ({ type: 'error', error: { name: 'TypeError', message } });
  switch (answer.type) {
    case 'error':
      return { type: 'error', error: plainError(answer.error) };
    case 'done': {
      const output = plainOf(answer.output ?? null, 'output');
      return output.ok
        ? { type: 'done', output: answer.output === undefined ? undefined : output.value }
        : unfit(output.failure.message);
    }
    case 'next': {
      const value = plainOf(answer.value ?? null, 'value');
      return value.ok
        ? { type: 'next', value: answer.value === undefined ? undefined : value.value }
        : unfit(value.failure.message);
    }
    default: {
      const event = plainOf(answer.event, 'event');
      return event.ok ? { type: answer.type, event: event.value as EventObject } : unfit(event.failure.message);
    }
  }
};
