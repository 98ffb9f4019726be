// Actors of an application in its simulated cluster: every process of every node hosts them, and programs ask them as `client.actor` of
// `polity/client` does, under an id, so that what is asked once more after a lost answer has one effect where the actor keeps ids.
import type { EventObject } from 'xstate';
import type { ActorDefinition } from '../../actors/actor-api.ts';
import { type ActorAddress, parseAddress } from '../../machines/entity/address.ts';
import type { SimulatedNode } from '../node.ts';
import { type CallOptions, type Calls, invalid } from './calls.ts';

export type ActorCallOptions = Pick<CallOptions, 'timeoutMs' | 'signal'> & {
  /** The same id, the same receiver: one effect. Made up when absent. */
  id?: string;
};

/** One actor as a simulated program has it. Promises reject with a PolityError, or with the signal's reason. */
export type SimulatedActor = {
  /** The reply that the definition has for this event. */
  ask(event: EventObject & Record<string, unknown>, options?: ActorCallOptions): Promise<unknown>;
  /** Done when it is handled and as durable as the definition promises. */
  deliver(event: EventObject & Record<string, unknown>, options?: ActorCallOptions): Promise<void>;
};

export const addressFrom = (text: string): ActorAddress => {
  const address = parseAddress(text);
  if (address === null) throw invalid(`'${text.slice(0, 64)}' is no address of an actor: TYPE/KEY or TYPE/KEY@NODE`);
  return address;
};

export const askActor = (
  calls: Calls,
  kind: 'ask' | 'deliver',
  address: ActorAddress,
  event: EventObject,
  { id, ...options }: ActorCallOptions & { id: string },
): Promise<unknown> =>
  calls.run<unknown>(
    {
      ...{ what: `${kind} ${address.type}/${address.key}`, effect: true, repeatable: true },
      start: (api, timeoutMs, done) => void api.actors[kind](address, event, { id, timeoutMs }, done),
    },
    options,
  );

/** Sees to it that each process hosts them, as soon as it can; throws what is wrong with one. */
export class Hosting {
  readonly #nodes: readonly SimulatedNode[];
  readonly #definitions: readonly ActorDefinition[];
  readonly #served = new Map<string, string>();

  constructor(nodes: readonly SimulatedNode[], definitions: readonly ActorDefinition[]) {
    this.#nodes = nodes;
    this.#definitions = definitions;
  }

  get hasActors(): boolean {
    return this.#definitions.length > 0;
  }

  look(): void {
    if (!this.hasActors) return;
    for (const node of this.#nodes) {
      const { process, api, name } = node;
      if (process === null || api === null || this.#served.get(name) === process.label) continue;
      this.#served.set(name, process.label);
      node.enter('host', (own) => {
        for (const definition of this.#definitions) {
          const why = own.actors.host(definition);
          if (why !== null) throw invalid(why.message);
        }
      });
    }
  }
}
