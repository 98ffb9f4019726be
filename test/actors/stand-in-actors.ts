// Live actors for tests of whoever looks on: XState actors that handle events at once, with taps, and nothing of what keeps real ones alive.
import { type AnyActor, type AnyActorLogic, createActor, type EventObject } from 'xstate';
import type { ActorDefinition, ActorView, LiveActor, Seen, Trail } from '../../actors/actor-api.ts';
import { restartDefault } from '../../actors/actor-api.ts';
import type { InspectedActors } from '../../actors/inspect-local.ts';
import { type ActorAddress, addressText } from '../../machines/entity/address.ts';

export const definitionOf = (name: string, logic: AnyActorLogic, changes: Partial<ActorDefinition> = {}): ActorDefinition => ({
  ...{ name, version: 1, logic, durability: 'none', placement: 'node', input: () => undefined, replies: {} },
  ...{ restart: restartDefault, mailboxMax: 100, passivateAfterMs: null, remember: false, timers: 'deadline' },
  ...{ resume: {}, migrate: {}, redact: [], ...changes },
});

export class StandIn implements LiveActor {
  readonly address: ActorAddress;
  readonly definition: ActorDefinition;
  readonly #actor: AnyActor;
  readonly #taps = new Set<(seen: Seen) => void>();
  handled = 0;

  constructor(definition: ActorDefinition, address: ActorAddress) {
    this.definition = definition;
    this.address = address;
    this.#actor = createActor(definition.logic, { id: addressText(address), input: definition.input(address.key) }).start();
  }

  get taps(): number {
    return this.#taps.size;
  }

  #see(seen: Seen): void {
    for (const on of [...this.#taps]) on(seen);
  }

  send(event: EventObject, trail: Trail): null {
    const at = { address: this.address, path: '' };
    this.handled++;
    this.#see({ ...at, type: 'event', event, trail });
    this.#actor.send(event);
    this.#see({ ...at, type: 'snapshot', snapshot: this.#actor.getSnapshot(), event });
    return null;
  }

  /** Something that its logic did to a child. */
  seeChild(seen: Record<string, unknown>): void {
    this.#see({ logic: null, ...seen, address: this.address } as unknown as Seen);
  }

  end(reason: 'done' | 'stopped'): void {
    this.#see({ type: 'ended', address: this.address, path: '', end: { address: this.address, reason } });
  }

  deliver(): () => void {
    throw new Error('nobody delivers here');
  }
  subscribe(): () => void {
    throw new Error('nobody subscribes here');
  }
  snapshot() {
    return this.#actor.getSnapshot();
  }
  persisted(): unknown {
    return this.#actor.getPersistedSnapshot();
  }
  view(): ActorView {
    const { address, handled, definition } = this;
    const { durability, placement, version } = definition;
    return {
      ...{ address, durability, placement, version, handled, waiting: 0, restarts: 0, reason: null, token: null },
      ...{ state: 'running', children: Object.keys((this.snapshot() as { children?: object }).children ?? {}) },
    };
  }
  stop(_isHard: boolean, done: (why: null) => void): void {
    done(null);
  }
  release(_why: string, done: () => void): void {
    done();
  }
  hear(): () => void {
    throw new Error('nobody hears it here');
  }
  tap(on: (seen: Seen) => void): () => void {
    this.#taps.add(on);
    return () => void this.#taps.delete(on);
  }
}

/** Those of one node. */
export class StandIns implements InspectedActors {
  readonly all = new Map<string, StandIn>();
  readonly #listeners = new Set<(actor: StandIn) => void>();
  /** It is not said who comes to life, as of one that a log wakes. */
  isSilent = false;

  add(definition: ActorDefinition, key: string, node: string | null): StandIn {
    const address = { type: definition.name, key, node };
    const actor = new StandIn(definition, address);
    this.all.set(addressText(address), actor);
    if (!this.isSilent) for (const listener of this.#listeners) listener(actor);
    return actor;
  }

  onOpened(listener: (actor: StandIn) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  find(address: ActorAddress): StandIn | null {
    return this.all.get(addressText(address)) ?? null;
  }

  list({ type, prefix = '', after, limit }: Parameters<InspectedActors['list']>[0]): ActorView[] {
    return [...this.all]
      .filter(([text, { address }]) => {
        const isOfType = type === undefined || address.type === type;
        return isOfType && address.key.startsWith(prefix) && (after === undefined || text > after);
      })
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .slice(0, limit)
      .map(([, actor]) => actor.view());
  }
}
