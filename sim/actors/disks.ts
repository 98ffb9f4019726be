// What a judge of actors has to know of the disk that one of a node lives on: which it is, and what was done to it.
import { type ActorAddress, addressText } from '../../machines/entity/address.ts';
import type { Wounds } from '../nemesis/wounds.ts';
import type { SimulatedNode } from '../node.ts';
import type { Op } from './judge.ts';

export class LocalDisks {
  readonly #nodes: readonly SimulatedNode[];
  readonly #wounds: Wounds;

  constructor(nodes: readonly SimulatedNode[], wounds: Wounds) {
    this.#nodes = nodes;
    this.#wounds = wounds;
  }

  #at({ node }: ActorAddress): SimulatedNode['disk'] | undefined {
    return this.#nodes.find(({ name }) => name === node)?.disk;
  }

  /** Where one of a node has what it knows, and how often that was removed there; null: it is of no node. */
  nameOf(address: ActorAddress): string | null {
    const identity = this.#at(address)?.identity;
    return identity === undefined ? null : `${identity} ${this.#wounds.removals(identity, addressText(address))}`;
  }

  /** What it was told is lost with its disk, or was damaged there. */
  readonly isExcused = ({ plan: { address }, disk, atMs }: Op): boolean => {
    const own = this.#at(address);
    if (own === undefined) return false;
    const lostUntilMs = this.#wounds.lostUntilMs(own.identity, addressText(address));
    return this.nameOf(address) !== disk || Math.max(lostUntilMs, own.forgotAtMs) >= atMs;
  };

  /** It was damaged before this, so that nobody may open it. */
  isRefused(address: ActorAddress, atMs: number): boolean {
    const identity = this.#at(address)?.identity;
    const refusedMs = identity === undefined ? null : this.#wounds.refusedSinceMs(identity, addressText(address));
    return refusedMs !== null && atMs > refusedMs;
  }
}
