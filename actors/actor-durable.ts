// One actor of durability 'local' where it lives: what it is told goes to the disk first, all that waits in one value, and is handled once it
// is there; its actions and its answers come after that. What becomes of it otherwise is in actor-durable-life.ts.
import type { EventObject, Snapshot } from 'xstate';
import { type Failure, failure } from '../machines/errors.ts';
import {
  type ActorEnd,
  type ActorView,
  actorLimits,
  type DeliveryId,
  type LiveActor,
  type Seen,
  type Trail,
} from './actor-api.ts';
import { Ask, replyOf, whyNoEvent } from './actor-cell-asks.ts';
import { Hearers, Onlookers, Taps, tooManyLookOn } from './actor-cell-onlookers.ts';
import { type Item, type Letter, nobody } from './actor-durable-core.ts';
import { DurableLife } from './actor-durable-life.ts';
import { journalLimits } from './actor-durable-place.ts';
import { executing } from './actor-execution.ts';
import type { History } from './actor-history.ts';
import type { Cut } from './actor-log.ts';
import type { LogEntry } from './actor-records.ts';
import type { TakesTurns, Turn } from './actor-turns.ts';
import { plainOf, revive } from './actor-values.ts';
import type { Outcome } from './api.ts';

type Delivery = { id: DeliveryId | null; wantsReply: boolean; leftMs: number; trail: Trail };

export class DurableActor extends DurableLife implements LiveActor, TakesTurns {
  #untap: (() => void) | null = null;

  // ---------------------------------------------------------------- what it is sent

  send(event: EventObject, trail: Trail): Failure | null {
    const taken = this.#check(event);
    return taken.ok ? this.#take({ event: taken.value, id: null, trail, asks: [] }) : taken.failure;
  }

  deliver(event: EventObject, how: Delivery, done: (outcome: Outcome<unknown>) => void): () => void {
    const { id, wantsReply, leftMs, trail } = how;
    const ask = new Ask(event, wantsReply, this.place.clock.nowMs() + leftMs, done);
    const why = this.#accept(event, id, trail, ask);
    if (why !== null) this.endAsk(ask, { ok: false, failure: why });
    return () => ask.forget();
  }

  #accept(event: EventObject, id: DeliveryId | null, trail: Trail, ask: Ask): Failure | null {
    const taken = this.#check(event);
    if (!taken.ok) return taken.failure;
    const why = ask.wantsReply ? this.#noReply(event) : null;
    if (why !== null) return why;
    const letter = id === null ? undefined : this.byId.get(id);
    if (letter !== undefined) {
      letter.asks.push(ask);
      return null;
    }
    if (id !== null && this.history?.knows(id) === true) {
      this.#answerAgain(ask, id, this.history);
      return null;
    }
    return this.#take({ event: taken.value, id, trail, asks: [ask] });
  }

  /** As it can be written, or why it is not taken. */
  #check(event: EventObject): Outcome<EventObject> {
    const why = this.#refusal(event);
    return why === null ? (plainOf(event, 'event') as Outcome<EventObject>) : { ok: false, failure: why };
  }

  #refusal(event: EventObject): Failure | null {
    const why = whyNoEvent(event);
    if (why !== null) return why;
    if (this.state === 'failed') return this.failedWith();
    const hasEnded = this.isEnding || this.isGone || this.state === 'stopped';
    return hasEnded ? failure('ACTOR_STOPPED', `${this.id} has ended`) : null;
  }

  #noReply({ type }: EventObject): Failure | null {
    const { name, replies, mailboxMax } = this.definition;
    if (!Object.hasOwn(replies, type)) return failure('INVALID_REQUEST', `${name} has no reply to '${type}'`);
    return this.pending !== null && this.pending.size >= mailboxMax ? this.#full() : null;
  }

  #take(letter: Letter): Failure | null {
    const max = this.definition.mailboxMax;
    if (this.written.size >= max || !this.mailbox.push(letter, max)) return this.#full();
    if (letter.id !== null) this.byId.set(letter.id, letter);
    this.place.wantsWrite(this);
    return null;
  }

  #full(): Failure {
    const waiting = this.definition.mailboxMax;
    return failure('MAILBOX_FULL', `${waiting} events or askers wait for ${this.id} already, which is the most`, { waiting });
  }

  // ---------------------------------------------------------------- it is written

  /** All that waits, in one value; the next waits for this one. */
  flush(): void {
    if (!this.canWrite) return;
    const entries: LogEntry[] = this.words;
    const letters: (Letter | null)[] = entries.map(() => null);
    this.words = [];
    // What its own have said is not overtaken from outside.
    while (entries.length < journalLimits.batchEntries) {
      const letter = this.mailbox.shift();
      if (letter === undefined) break;
      entries.push({
        kind: 'event',
        atMs: this.now(),
        event: letter.event,
        id: letter.id,
        isAsked: letter.asks.some(({ wantsReply }) => wantsReply),
      });
      letters.push(letter);
    }
    if (entries.length === 0) return;
    this.isWriting = true;
    const first = this.log.append(entries, this.doneAt, (why) => {
      this.isWriting = false;
      if (why !== null) return this.diskFailed(why, letters);
      for (const [at, entry] of entries.entries()) {
        const item: Item = { number: first + at, entry, letter: letters[at]! };
        this.written.push(item, Number.POSITIVE_INFINITY);
      }
      if (this.words.length + this.mailbox.size > 0) this.place.wantsWrite(this);
      this.ready();
    });
  }

  // ---------------------------------------------------------------- its turn

  run(turn: Turn): boolean {
    const hasMore = !this.isGone && this.#work(turn);
    this.isInLine = hasMore;
    this.setAlarm();
    if (this.onlookers !== null && this.history !== null) this.onlookers.tell(this.snapshot());
    return hasMore;
  }

  #work(turn: Turn): boolean {
    this.catchUp();
    while (this.state === 'running' && !(this.ending?.isHard === true && this.ending.as === 'stopped')) {
      const item = this.written.shift();
      if (item === undefined) break;
      // It was read with the rest of the log.
      if (item.number <= this.handledAt) continue;
      this.usedMs = turn.nowMs;
      this.#handle(item);
      if (turn.isOver()) return true;
    }
    // What is passed over counts as done, but not before the disk has that it is passed over.
    if (this.words.length === 0 && !this.isLeaving) this.log.noteDone(this.doneAt, this.deedAt);
    this.conclude();
    return false;
  }

  #handle({ number, entry, letter }: Item): void {
    const history = this.history!;
    const trail = letter?.trail ?? nobody;
    if (this.taps !== null && entry.kind === 'event') this.taps.event('', entry.event, trail);
    const { address } = this;
    const execution = {
      address,
      token: null,
      effectId: null,
      ...(trail.correlation === '' ? {} : { correlation: trail.correlation }),
    };
    const isAgain = history.isAgain(entry);
    let cut = null as Cut | null;
    const isDone = this.attempt(number, letter, () => {
      const effects = executing(execution, () => history.apply(number, entry));
      cut = this.cutIfLong(history, number);
      if (effects.length === 0) return;
      this.deedAt = number;
      this.workers.perform(history.body, number, effects, trail);
    });
    if (!isDone) return;
    this.handledAt = this.doneAt = number;
    this.handled++;
    if (entry.kind === 'fire') this.firing.delete(entry.timer);
    if (entry.kind === 'woken') this.woken();
    this.#reply(letter, history.body.snapshot(), isAgain ? history : null);
    // Whoever is answered may have ended it.
    if (cut !== null && this.history === history) this.replaceLog(number, cut);
    this.finishIfOver();
  }

  /** `given`: of a delivery that was handled before, who knows what was said then. */
  #reply(letter: Letter | null, snapshot: Snapshot<unknown>, given: History | null): void {
    if (this.pending !== null) this.#askAgain(snapshot);
    if (letter === null) return;
    if (letter.id !== null) this.byId.delete(letter.id);
    for (const ask of letter.asks)
      if (given !== null && letter.id !== null) this.#answerAgain(ask, letter.id, given);
      else this.#answer(ask, snapshot);
  }

  #answer(ask: Ask, snapshot: Snapshot<unknown>): void {
    if (!ask.wantsReply) return this.endAsk(ask, { ok: true, value: null });
    if (!ask.isOpen) return;
    const reply = replyOf(this.definition, snapshot, ask.event);
    if (reply !== undefined) return this.endAsk(ask, reply);
    this.pending ??= new Set();
    this.pending.add(ask);
    ask.waitsAt = this;
    this.place.overdue.add(ask, ask.atMs);
  }

  /** It was handled: the answer is as it was, if that is known, or what it is by now. */
  #answerAgain(ask: Ask, id: DeliveryId, { answers, before }: History): void {
    if (ask.wantsReply && before.has(id)) this.endAsk(ask, { ok: false, failure: answerGone(this.id) });
    else if (ask.wantsReply && answers.has(id))
      this.endAsk(ask, { ok: true, value: revive(answers.get(id), this.place.formRef) });
    else this.#answer(ask, this.snapshot());
  }

  #askAgain(snapshot: Snapshot<unknown>): void {
    for (const ask of this.pending!) {
      const reply = replyOf(this.definition, snapshot, ask.event);
      if (reply !== undefined) this.endAsk(ask, reply);
    }
  }

  // ---------------------------------------------------------------- those who look on

  subscribe(on: (snapshot: Snapshot<unknown>) => void, ended: (why: ActorEnd | 'moved') => void): () => void {
    this.onlookers ??= new Onlookers((error) => this.place.onlookerThrew(this, error));
    const over = this.over ?? (this.onlookers.size >= actorLimits.watchersMax ? tooManyLookOn(this) : null);
    if (over === null) return this.onlookers.add({ on, ended }, this.snapshot());
    try {
      if (this.over !== null && this.state === 'stopped') on(this.snapshot());
      ended(over);
    } catch (error) {
      this.place.onlookerThrew(this, error);
    }
    return () => {};
  }

  hear(on: (event: EventObject) => void): () => void {
    this.hearers ??= new Hearers((error) => this.place.onlookerThrew(this, error));
    return this.hearers.add(on);
  }

  tap(on: (seen: Seen) => void): () => void {
    this.taps ??= new Taps(this.address, (error) => this.place.onlookerThrew(this, error));
    const { taps } = this;
    taps.add(on);
    this.tapBody();
    return () => {
      taps.delete(on);
      if (taps.size > 0 || this.taps !== taps) return;
      this.taps = null;
      this.#untap?.();
      this.#untap = null;
    };
  }

  protected tapBody(): void {
    const { taps, history } = this;
    this.#untap?.();
    this.#untap = null;
    if (taps === null || history === null) return;
    this.#untap = history.body.tap((seen) => {
      // Its own events were told with who sent them.
      if (seen.type !== 'event') taps.seen(seen);
      else if (seen.path !== '') taps.seen({ ...seen, source: '' });
    });
  }

  snapshot(): Snapshot<unknown> {
    return this.history === null ? this.last : this.history.body.snapshot();
  }

  persisted(): unknown {
    if (this.history === null) return this.definition.logic.getPersistedSnapshot(this.last);
    return this.history.body.persist().snapshot;
  }

  view(): ActorView {
    const { address, state, handled, restarts, reason } = this;
    const { durability, placement, version } = this.definition;
    const waiting = this.mailbox.size + this.words.length + this.written.size;
    const children = this.history?.body.children() ?? [];
    return { address, durability, placement, version, state, handled, waiting, restarts, reason, token: null, children };
  }
}

const answerGone = (id: string): Failure =>
  failure('ACTOR_REFUSED', `the ${id} that handled the event was stopped since, and its answer with it`);
