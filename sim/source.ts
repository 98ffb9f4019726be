// A source of discovery in a simulated world: a server that hosts ask, follow and register with (a scripted DNS, so to say), as slow,
// wrong, silent and forgetful as the seed and the nemesis make it.
import type { Announcement, Finding, PeerId } from '../actors/ports/index.ts';
import { addressOf } from './network.ts';
import type { Chance, World } from './world.ts';

export type SourceTraits = {
  name: string;
  /** Hosts that follow it are told of changes. */
  isFollowed: boolean;
  /** One way, milliseconds: at least, at most. */
  latencyMs: readonly [number, number];
  /** What is registered ends so long after its host was heard last. */
  leaseMs: number;
  ttlMs: number;
  emptyTtlMs: number;
};

export const calmSource: Omit<SourceTraits, 'name' | 'isFollowed'> = {
  ...{ latencyMs: [0.2, 5], leaseMs: 15_000, ttlMs: 15_000, emptyTtlMs: 5_000 },
};

/** Of the questions to a source, the share that it answers so. What followers are told is always true. */
export type SourceIlls = {
  /** With an error of its own. */
  fails: number;
  /** Not at all. */
  hangs: number;
  /** That there is nobody. */
  empty: number;
  /** As things were a while ago. */
  stale: number;
  /** With members where they do not live. */
  wrong: number;
};

export const healthySource: SourceIlls = { fails: 0, hangs: 0, empty: 0, stale: 0, wrong: 0 };

type Registration = { owner: object; finding: Finding; heardMs: number };

/** Earlier states of a source that a stale answer may be about. */
const pastMax = 8;
export class SimulatedSource {
  readonly traits: SourceTraits;
  ills: SourceIlls = healthySource;
  /** Hosts that cannot reach it. */
  readonly cutOff = new Set<string>();
  readonly chance: Chance;
  readonly #world: World;
  #scripted: readonly Finding[] = [];
  readonly #registered = new Map<PeerId, Registration>();
  readonly #past: (readonly Finding[])[] = [];
  readonly #followers = new Set<() => void>();

  constructor(world: World, traits: SourceTraits) {
    this.#world = world;
    this.traits = traits;
    this.chance = world.chance(`source ${traits.name}`);
  }

  get latencyMs(): number {
    return this.chance.tail(...this.traits.latencyMs);
  }

  /** What it knows beside what is registered, as if a person had written it there. */
  set(findings: readonly Finding[]): void {
    this.#scripted = findings;
    this.#changed();
  }

  /** All that is true of it now. */
  get known(): readonly Finding[] {
    return [...this.#scripted, ...[...this.#registered.values()].map(({ finding }) => finding)];
  }

  /** Registers, or renews what is registered, for a host that is there. */
  register(owner: object, { peer, name, addresses }: Announcement): void {
    const before = this.#registered.get(peer);
    const common = { priority: 0, weight: 0, healthy: true, ttlMs: this.traits.ttlMs };
    const heardMs = this.#world.nowMs;
    if (before?.owner === owner && before.finding.addresses.join() === addresses.join()) {
      before.heardMs = heardMs;
      return;
    }
    const registration = { owner, finding: { peer, name, addresses: [...addresses], ...common }, heardMs };
    this.#registered.set(peer, registration);
    this.#expireLater(peer, registration);
    this.#changed();
  }

  #expireLater(peer: PeerId, registration: Registration): void {
    const leftMs = registration.heardMs + this.traits.leaseMs - this.#world.nowMs;
    this.#world.after(Math.max(0.001, leftMs), () => {
      if (this.#registered.get(peer) !== registration) return;
      if (registration.heardMs + this.traits.leaseMs > this.#world.nowMs) return this.#expireLater(peer, registration);
      this.#registered.delete(peer);
      this.#changed();
    });
  }

  /** Nothing is registered any more, as after a restart without a disk. */
  forget(): void {
    this.#registered.clear();
    this.#changed();
  }

  withdraw(owner: object, peer: PeerId): void {
    if (this.#registered.get(peer)?.owner !== owner) return;
    this.#registered.delete(peer);
    this.#changed();
  }

  #changed(): void {
    this.#past.push(this.known);
    if (this.#past.length > pastMax) this.#past.shift();
    for (const wake of this.#followers) wake();
  }

  /** Returns what ends it. */
  follow(wake: () => void): () => void {
    this.#followers.add(wake);
    return () => this.#followers.delete(wake);
  }

  /** What it says to one question; null: an error. */
  answer(): readonly Finding[] | null {
    const { chance, ills } = this;
    // One draw whatever the ills are, so that a share that changes moves nothing else.
    let drawn = chance.fraction();
    const is = (share: number): boolean => {
      drawn -= share;
      return drawn < 0 && drawn >= -share;
    };
    if (is(ills.fails)) return null;
    if (is(ills.empty)) return [];
    if (is(ills.stale) && this.#past.length > 0) return chance.pick(this.#past);
    return is(ills.wrong) ? this.#wrong() : this.known;
  }

  /** Members at each other's addresses, and one where nobody ever lived. */
  #wrong(): readonly Finding[] {
    const { known } = this;
    const bare = (address: string): string => address.slice(0, address.lastIndexOf('/p2p/'));
    const elsewhere = known.length === 0 ? [] : this.chance.shuffled(known);
    const moved = known.map((finding, at): Finding => {
      const other = elsewhere[at]!;
      const addresses = other.addresses.map((address) => (address.includes('/p2p/') ? bare(address) : address));
      return {
        ...finding,
        addresses: finding.peer === null ? addresses : addresses.map((one) => `${one}/p2p/${finding.peer}`),
      };
    });
    const nowhere = { peer: null, name: null, addresses: [addressOf('nowhere')], priority: 0, weight: 0, healthy: true };
    return [...moved, { ...nowhere, ttlMs: this.traits.ttlMs }];
  }
}
