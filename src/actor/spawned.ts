// What actors that were spawned are started with, as long as they may begin anew. No watch for each: a node may have a million of them. What
// belongs to those that have ended is swept away whenever as many were added as were left at the last sweep.
import { type ActorDefinition, type ActorsApi, actorLimits } from '../../actors/actor-api.ts';
import type { ActorAddress } from '../../machines/entity/address.ts';
import { failure, PolityError } from '../../machines/errors.ts';

type Kept = { readonly input: unknown; readonly address: ActorAddress; hasBegun: boolean };

const sweepMin = 1_024;

export class SpawnedInputs {
  readonly #definition: Pick<ActorDefinition, 'input' | 'durability' | 'passivateAfterMs'>;
  readonly #kept = new Map<string, Kept>();
  #sweepAt = sweepMin;

  constructor(definition: ActorDefinition) {
    this.#definition = definition;
  }

  get size(): number {
    return this.#kept.size;
  }

  has(key: string): boolean {
    return this.#kept.has(key);
  }

  of(key: string): unknown {
    const kept = this.#kept.get(key);
    return kept === undefined ? this.#definition.input(key) : kept.input;
  }

  keep(address: ActorAddress, input: unknown, actors: Pick<ActorsApi, 'find'>): void {
    if (this.#kept.size >= this.#sweepAt) this.#sweep(actors);
    if (this.#kept.size >= actorLimits.actorsMax)
      throw new PolityError(failure('OVERLOADED', `${this.#kept.size} are spawned already`));
    this.#kept.set(address.key, { input, address, hasBegun: false });
  }

  /** Or will never begin. */
  begun(key: string, lives: boolean): void {
    const kept = this.#kept.get(key);
    if (kept === undefined) return;
    kept.hasBegun = true;
    // What is durable begins anew from the disk.
    if (!lives || this.#definition.durability !== 'none') this.#kept.delete(key);
  }

  #sweep(actors: Pick<ActorsApi, 'find'>): void {
    // One that has left the memory for a while cannot be told from one that has ended.
    if (this.#definition.passivateAfterMs === null)
      for (const [key, { address, hasBegun }] of this.#kept)
        if (hasBegun && actors.find(address) === null) this.#kept.delete(key);
    this.#sweepAt = Math.max(sweepMin, 2 * this.#kept.size);
  }
}
