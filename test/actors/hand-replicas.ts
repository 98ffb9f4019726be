// Actors of durability 'replicated' without replicas: what they did lies in one place that outlives every node, with the ids that were
// handled, and each lives at one node at a time. What the door needs of such a backing, and nothing else.
import { type EventObject, fromTransition, type Snapshot } from 'xstate';
import type { ActorDefinition, ActorEnd, Backing, BackingEvents, LiveActor } from '../../actors/actor-api.ts';
import { restartDefault } from '../../actors/actor-api.ts';
import type { Outcome } from '../../actors/api.ts';
import type { ClockPort } from '../../actors/ports/index.ts';
import { type ActorAddress, addressText } from '../../machines/entity/address.ts';
import { failure } from '../../machines/errors.ts';

export type HandRecord = { count: number; readonly handled: Map<string, number> };
/** By address: what every node would have of it. */
export type HandLog = Map<string, HandRecord>;

export const handDefinition = (name: string, changes: Partial<ActorDefinition> = {}): ActorDefinition => ({
  ...{ name, version: 1, durability: 'none', placement: 'node', input: () => undefined, restart: restartDefault },
  logic: fromTransition((state: { count: number }) => ({ count: state.count + 1 }), { count: 0 }),
  replies: { add: ({ snapshot }) => (snapshot as unknown as { context: { count: number } }).context.count },
  ...{ mailboxMax: 100, passivateAfterMs: null, remember: false, timers: 'deadline', resume: {}, migrate: {}, redact: [] },
  ...changes,
});

type Subscriber = { on: (snapshot: Snapshot<unknown>) => void; ended: (why: ActorEnd | 'moved') => void };
type Waiting = { event: EventObject; id: string | null; done: (outcome: Outcome<unknown>) => void };

export type HandReplicas = Backing & {
  /** Handles the next event of each actor here, and answers unless it is said to be lost. */
  work(isLost?: boolean): void;
  moved(address: ActorAddress): void;
};

export const createHandReplicas = (
  log: HandLog,
  clock: ClockPort,
  events: BackingEvents,
  onEffect: (address: ActorAddress, event: EventObject) => void,
): HandReplicas => {
  const actors = new Map<string, Live>();

  class Live implements LiveActor {
    readonly address: ActorAddress;
    readonly definition: ActorDefinition;
    readonly waiting: Waiting[] = [];
    readonly subscribers = new Set<Subscriber>();
    isOver = false;

    constructor(definition: ActorDefinition, address: ActorAddress) {
      this.definition = definition;
      this.address = address;
    }
    get record(): HandRecord {
      return log.get(addressText(this.address))!;
    }
    send(event: EventObject) {
      if (this.isOver) return failure('ACTOR_STOPPED', 'over');
      this.waiting.push({ event, id: null, done: () => {} });
      return null;
    }
    deliver(event: EventObject, { id }: { id: string | null }, done: Waiting['done']) {
      const one = { event, id, done };
      if (this.isOver) done({ ok: false, failure: failure('ACTOR_STOPPED', 'over') });
      else this.waiting.push(one);
      return () => {
        one.done = () => {};
      };
    }
    subscribe(on: Subscriber['on'], ended: Subscriber['ended']) {
      const one = { on, ended };
      this.subscribers.add(one);
      on(this.snapshot());
      return () => void this.subscribers.delete(one);
    }
    snapshot() {
      return {
        status: 'active',
        context: { count: this.record.count },
        output: undefined,
        error: undefined,
      } as Snapshot<unknown>;
    }
    persisted() {
      return this.snapshot();
    }
    view() {
      const { address, definition } = this;
      const { durability, placement, version } = definition;
      return {
        ...{ address, durability, placement, version, state: 'running' as const, handled: this.record.count },
        ...{ waiting: this.waiting.length, restarts: 0, reason: null, token: null, children: [] },
      };
    }
    stop(_isHard: boolean, done: (why: null) => void) {
      log.delete(addressText(this.address));
      this.#end({ address: this.address, reason: 'stopped' });
      done(null);
    }
    release(_why: 'passivated' | 'moved' | 'stopping', done: () => void) {
      this.#end('moved');
      done();
    }
    hear() {
      return () => {};
    }
    tap() {
      return () => {};
    }
    #end(why: ActorEnd | 'moved') {
      if (this.isOver) return;
      this.isOver = true;
      actors.delete(addressText(this.address));
      for (const { ended } of [...this.subscribers]) ended(why);
      this.subscribers.clear();
      for (const { done } of this.waiting.splice(0)) done({ ok: false, failure: failure('NOT_READY', 'it is elsewhere now') });
      events.onGone(this, why);
    }

    work(isLost: boolean) {
      const one = this.waiting.shift();
      if (one === undefined) return;
      const { event, id, done } = one;
      const { record } = this;
      const known = id === null ? undefined : record.handled.get(id);
      if (known === undefined) {
        record.count++;
        if (id !== null) record.handled.set(id, record.count);
        onEffect(this.address, event);
        for (const { on } of [...this.subscribers]) on(this.snapshot());
      }
      if (isLost) done({ ok: false, failure: failure('OUTCOME_UNKNOWN', 'this leader was deposed') });
      else done({ ok: true, value: known ?? record.count });
    }
  }

  return {
    durability: 'replicated',
    open(definition, address, _token, done, onlyIfMade = false) {
      clock.soon(() => {
        const text = addressText(address);
        if (onlyIfMade && !log.has(text)) return done({ ok: false, failure: failure('ACTOR_STOPPED', 'there is none') });
        if (!log.has(text)) log.set(text, { count: 0, handled: new Map() });
        const live = actors.get(text) ?? new Live(definition, address);
        actors.set(text, live);
        done({ ok: true, value: live });
      });
    },
    live: () => actors.values(),
    stop(done) {
      for (const live of [...actors.values()]) live.release('stopping', () => {});
      done();
    },
    work(isLost = false) {
      for (const live of [...actors.values()]) live.work(isLost);
    },
    moved(address) {
      actors.get(addressText(address))?.release('moved', () => {});
    },
  };
};
