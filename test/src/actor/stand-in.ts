// Actors of one node without any of the parts that keep them alive in the real one: each is an XState actor in a map, and what is asked
// of it is answered in the same turn. It keeps the promises that developers see (src/actor) and nothing else.
import { type Actor, createActor, type EventObject, type Snapshot } from 'xstate';
import type {
  ActorDefinition,
  ActorEnd,
  ActorsApi,
  DeadLetter,
  DeliverOptions,
  LiveActor,
  Placing,
} from '../../../actors/actor-api.ts';
import { isSame, shownOf } from '../../../actors/actor-values.ts';
import type { Outcome } from '../../../actors/api.ts';
import { type ActorAddress, addressText } from '../../../machines/entity/address.ts';
import { type Failure, failure } from '../../../machines/errors.ts';

type Waiting = { event: EventObject; done: (outcome: Outcome<unknown>) => void };

type Live = {
  definition: ActorDefinition;
  address: ActorAddress;
  actor: Actor<never>;
  waiting: Waiting[];
  subscribers: Set<{
    select: string | null;
    redact: ReadonlySet<string> | null;
    last: unknown;
    on: (value: unknown) => void;
    ended: (end: ActorEnd) => void;
  }>;
  watchers: Set<(end: ActorEnd) => void>;
  ids: Map<string, Outcome<unknown>>;
  over: ActorEnd | null;
};

export class StandIn implements ActorsApi {
  readonly #definitions = new Map<string, ActorDefinition>();
  readonly #live = new Map<string, Live>();
  readonly #letters: DeadLetter[] = [];
  /** Addresses that nothing can be asked of, and why. */
  readonly unreachable = new Map<string, Failure>();
  /** Whom nobody answers. */
  readonly silent = new Set<string>();
  /** Waits that were given up. */
  givenUp = 0;

  host(definition: ActorDefinition): Failure | null {
    const known = this.#definitions.get(definition.name);
    if (known !== undefined && known !== definition)
      return failure('INVALID_REQUEST', `another ${definition.name} is hosted here`);
    this.#definitions.set(definition.name, definition);
    return null;
  }

  definitions(): readonly ActorDefinition[] {
    return [...this.#definitions.values()];
  }

  #open(address: ActorAddress): Live | Failure {
    const text = addressText(address);
    const why = this.unreachable.get(text);
    if (why !== undefined) return why;
    const live = this.#live.get(text);
    if (live !== undefined) return live;
    const definition = this.#definitions.get(address.type);
    if (definition === undefined) return failure('ACTOR_NOT_FOUND', `no node hosts actors of type ${address.type}`);
    const actor = createActor(definition.logic, { id: text, input: definition.input(address.key) as never });
    const made: Live = {
      ...{
        definition,
        address,
        actor: actor as never,
        waiting: [],
        subscribers: new Set(),
        watchers: new Set(),
        ids: new Map(),
        over: null,
      },
    };
    this.#live.set(text, made);
    actor.subscribe({
      next: (snapshot) => this.#changed(made, snapshot),
      error: () => this.#over(made),
      complete: () => this.#over(made),
    });
    actor.start();
    return made;
  }

  #changed(live: Live, snapshot: Snapshot<unknown>): void {
    for (const subscriber of [...live.subscribers]) {
      const shown = shownOf(snapshot, subscriber.select, subscriber.redact);
      const value = shown.ok ? shown.value : shown.failure;
      if (isSame(value, subscriber.last)) continue;
      subscriber.last = value;
      subscriber.on(value);
    }
    for (const waiting of live.waiting.splice(0)) this.#answer(live, waiting);
  }

  #answer(live: Live, { event, done }: Waiting): void {
    const snapshot = (live.actor as Actor<never>).getSnapshot();
    const reply = live.definition.replies[event.type];
    if (reply === undefined)
      return done({ ok: false, failure: failure('INVALID_REQUEST', `there is no reply to ${event.type}`) });
    let value: unknown;
    try {
      value = reply({ snapshot, event });
    } catch (error) {
      return done({ ok: false, failure: failure('ACTOR_REFUSED', (error as Error).message) });
    }
    if (value === undefined) live.waiting.push({ event, done });
    else done({ ok: true, value });
  }

  #over(live: Live): void {
    const { output, status, error } = live.actor.getSnapshot() as Snapshot<unknown>;
    const end: ActorEnd =
      status === 'error'
        ? { address: live.address, reason: 'failed', failure: failure('ACTOR_FAILED', String((error as Error).message)) }
        : { address: live.address, reason: status === 'done' ? 'done' : 'stopped', ...(status === 'done' ? { output } : {}) };
    this.#end(live, end);
  }

  #end(live: Live, end: ActorEnd): void {
    if (!this.#live.delete(addressText(live.address))) return;
    live.over = end;
    for (const { ended } of live.subscribers) ended(end);
    for (const on of live.watchers) on(end);
    for (const { done } of live.waiting) done({ ok: false, failure: failure('ACTOR_STOPPED', 'it has ended') });
  }

  send(address: ActorAddress, event: EventObject): void {
    const taken = this.#take(address, event);
    if ('code' in taken)
      this.#letters.push({ address: addressText(address), event: event.type, source: '', reason: taken.code, atMs: 0 });
  }

  #take(address: ActorAddress, event: EventObject): Live | Failure {
    const live = this.#open(address);
    if ('code' in live) return live;
    const checked = live.definition.check?.(event) ?? { ok: true as const, value: event };
    if (!checked.ok) return checked.failure;
    (live.actor as Actor<never>).send(checked.value as never);
    return live;
  }

  deliver(
    address: ActorAddress,
    event: EventObject,
    options: DeliverOptions,
    done: (outcome: Outcome<null>) => void,
  ): () => void {
    return this.#ask(address, event, options, (outcome) => done(outcome.ok ? { ok: true, value: null } : outcome), false);
  }

  ask(
    address: ActorAddress,
    event: EventObject,
    options: DeliverOptions,
    done: (outcome: Outcome<unknown>) => void,
  ): () => void {
    return this.#ask(address, event, options, done, true);
  }

  #ask(
    address: ActorAddress,
    event: EventObject,
    { id, timeoutMs = 5_000 }: DeliverOptions,
    done: (outcome: Outcome<unknown>) => void,
    wantsReply: boolean,
  ): () => void {
    if (this.silent.has(addressText(address))) return () => void this.givenUp++;
    const known = id === undefined ? undefined : this.#live.get(addressText(address))?.ids.get(id);
    if (known !== undefined) {
      done(known);
      return () => {};
    }
    const taken = this.#take(address, event);
    if ('code' in taken) {
      done({ ok: false, failure: taken });
      return () => {};
    }
    const timer = setTimeout(
      () => finish({ ok: false, failure: failure('OUTCOME_UNKNOWN', 'there was no answer') }),
      timeoutMs,
    );
    const finish = (outcome: Outcome<unknown>): void => {
      clearTimeout(timer);
      if (id !== undefined) taken.ids.set(id, outcome);
      done(outcome);
    };
    if (wantsReply) this.#answer(taken, { event, done: finish });
    else finish({ ok: true, value: null });
    return () => {
      this.givenUp++;
      clearTimeout(timer);
    };
  }

  subscribe(
    address: ActorAddress,
    select: string | null,
    on: (value: unknown) => void,
    ended: (end: ActorEnd) => void,
    { isRedacted = false }: { isRedacted?: boolean } = {},
  ): () => void {
    const live = this.#open(address);
    if ('code' in live) {
      ended({ address, reason: 'never-lived', failure: live });
      return () => {};
    }
    const redact = isRedacted ? new Set(live.definition.redact) : null;
    const subscriber = { select, redact, last: Symbol('nothing') as unknown, on, ended };
    live.subscribers.add(subscriber);
    this.#changed(live, live.actor.getSnapshot());
    // It ended as it began.
    if (live.over !== null) ended(live.over);
    return () => void live.subscribers.delete(subscriber);
  }

  hear(
    address: ActorAddress,
    type: string | null,
    on: (event: EventObject) => void,
    ended: (end: ActorEnd) => void,
  ): () => void {
    const live = this.#open(address);
    if ('code' in live) {
      ended({ address, reason: 'failed', failure: live });
      return () => {};
    }
    const heard = live.actor.on((type ?? '*') as never, on as never);
    return () => heard.unsubscribe();
  }

  watch(address: ActorAddress, on: (end: ActorEnd) => void): () => void {
    const live = this.#live.get(addressText(address));
    if (live === undefined) {
      on({ address, reason: 'never-lived' });
      return () => {};
    }
    live.watchers.add(on);
    return () => void live.watchers.delete(on);
  }

  stop(address: ActorAddress, _options: object, done: (outcome: Outcome<null>) => void): void {
    const live = this.#live.get(addressText(address));
    live?.actor.stop();
    if (live !== undefined) this.#end(live, { address, reason: 'stopped' });
    done({ ok: true, value: null });
  }

  onOpened(): () => void {
    return () => {};
  }

  deadLetters() {
    return { total: this.#letters.length, recent: this.#letters };
  }

  list(): readonly never[] {
    return [];
  }

  find(address: ActorAddress): LiveActor | null {
    const live = this.#live.get(addressText(address));
    return live === undefined ? null : ({ snapshot: () => live.actor.getSnapshot() } as unknown as LiveActor);
  }

  readonly placing: Placing = {
    locate: () => ({ where: 'here', token: null }),
    holds: () => true,
    onChanged: () => () => {},
  };
}
