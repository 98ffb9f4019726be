// What an actor's code can ask while it runs. The correlation is that of the event that is handled: read, and made up if nobody gave one, only
// if the code sends something.
import type { ActorAddress } from '../machines/entity/address.ts';
import type { ActorExecution, Trail } from './actor-api.ts';

export class CellExecution implements ActorExecution {
  readonly address: ActorAddress;
  readonly token: ActorExecution['token'];
  readonly effectId = null;
  #trail: Trail | null = null;

  constructor(address: ActorAddress, token: ActorExecution['token']) {
    this.address = address;
    this.token = token;
  }

  /** That of the event that is handled from now on; null: it is none that somebody sent. */
  follows(trail: Trail | null): void {
    this.#trail = trail;
  }

  /** '': nobody gave one. */
  get correlation(): string {
    return this.#trail?.correlation ?? '';
  }
}
