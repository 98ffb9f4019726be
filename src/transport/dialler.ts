// Keeps a connection to everybody it was told of: dials with growing, jittered delays, at once after a loss, and often while the
// peer was there a moment ago, since a killed process is usually back within a second.
import { addressesOf, peerOfAddress } from '../../actors/dials.ts';
import type { PeerId } from '../../actors/ports/index.ts';
import type { TransportLimits } from './limits.ts';

/** `peer` null: an address without a peer id; the connection tells whose it is. */
type Target = {
  peer: PeerId | null;
  /** What was told last comes first. */
  addresses: string[];
  attempt: number;
  openedAtMs: number | null;
  dialling: boolean;
  timer: NodeJS.Timeout | null;
  removed: boolean;
  /** At the last attempt somebody else answered. */
  isOther: boolean;
  /** Told of an address that the dial under way does not try. */
  isRenewed: boolean;
};

const targetOf = (peer: PeerId | null, addresses: string[]): Target => ({
  ...{ peer, addresses, attempt: 0, openedAtMs: null, dialling: false, timer: null },
  ...{ removed: false, isOther: false, isRenewed: false },
});

export type DiallerOptions = {
  self: PeerId;
  limits: TransportLimits;
  nowMs(): number;
  /** In [0, 1). */
  random(): number;
  isOpen(peer: PeerId): boolean;
  /** Dials until admitted; answers who it was. */
  dial(addresses: readonly string[], timeLimitMs: number): Promise<PeerId>;
  /** True for the failure to dial an address of our own. */
  isOwn(error: Error): boolean;
  /** True for an address at which another peer lives. */
  isOther(error: Error): boolean;
  onFailed(peer: PeerId | null, addresses: readonly string[], attempt: number, error: Error): void;
};

/**
 * What to dial: libp2p refuses a list in which some addresses name the peer and some do not, and what --join, the peer itself and
 * others tell of one peer is such a list.
 */
const dialledOf = ({ peer, addresses }: Target): string[] => (peer === null ? [...addresses] : addressesOf(peer, addresses));

export class Dialler {
  readonly #options: DiallerOptions;
  readonly #targets = new Set<Target>();
  #stopped = false;

  constructor(options: DiallerOptions) {
    this.#options = options;
  }

  /** False: there are too many targets already, some of these addresses were left out. */
  keep(addresses: readonly string[]): boolean {
    if (this.#stopped) return true;
    const named = new Map<PeerId, string[]>();
    let isRoom = true;
    for (const address of addresses) {
      const peer = peerOfAddress(address);
      if (peer === null) isRoom = this.#keepWhoever(address) && isRoom;
      else if (peer !== this.#options.self) named.set(peer, [...(named.get(peer) ?? []), address]);
    }
    for (const [peer, list] of named) isRoom = this.#keepPeer(peer, list) && isRoom;
    return isRoom;
  }

  #keepWhoever(address: string): boolean {
    for (const target of this.#targets) if (target.addresses.includes(address)) return true;
    return this.#begin(null, [address]);
  }

  /** A peer that moved is looked for at once where it is said to be now; where it was long ago is forgotten. */
  #keepPeer(peer: PeerId, addresses: readonly string[]): boolean {
    const target = this.#targetOf(peer);
    if (target === null) return this.#begin(peer, [...new Set(addresses)].slice(0, this.#options.limits.targetAddressesMax));
    const isNews = addresses.some((address) => !target.addresses.includes(address));
    this.#prefer(target, addresses);
    if (!isNews || this.#options.isOpen(peer)) return true;
    target.attempt = 0;
    target.isOther = false;
    if (target.dialling) target.isRenewed = true;
    else this.#schedule(target, 0);
    return true;
  }

  #prefer(target: Target, addresses: readonly string[]): void {
    target.addresses = [...new Set([...addresses, ...target.addresses])].slice(0, this.#options.limits.targetAddressesMax);
  }

  #targetOf(peer: PeerId): Target | null {
    for (const target of this.#targets) if (target.peer === peer) return target;
    return null;
  }

  #begin(peer: PeerId | null, addresses: string[]): boolean {
    if (this.#targets.size >= this.#options.limits.targetsMax) return false;
    const target = targetOf(peer, addresses);
    this.#targets.add(target);
    this.#schedule(target, 0);
    return true;
  }

  remove(peer: PeerId): void {
    for (const target of this.#targets) if (target.peer === peer) this.#remove(target);
  }

  #remove(target: Target): void {
    target.removed = true;
    if (target.timer !== null) clearTimeout(target.timer);
    target.timer = null;
    this.#targets.delete(target);
  }

  stop(): void {
    this.#stopped = true;
    for (const target of this.#targets) this.#remove(target);
  }

  opened(peer: PeerId): void {
    for (const target of this.#targets) {
      if (target.peer !== peer) continue;
      target.attempt = 0;
      target.openedAtMs = this.#options.nowMs();
      if (target.timer !== null) clearTimeout(target.timer);
      target.timer = null;
    }
  }

  closed(peer: PeerId): void {
    for (const target of this.#targets) {
      if (target.peer !== peer) continue;
      target.attempt = 0;
      target.openedAtMs = this.#options.nowMs();
      // Not at the very moment: both ends of a lost connection would dial each other.
      this.#schedule(target, this.#options.random() * this.#options.limits.redialMsMin);
    }
  }

  #schedule(target: Target, delayMs: number): void {
    if (target.removed || this.#stopped) return;
    if (target.timer !== null) clearTimeout(target.timer);
    target.timer = setTimeout(() => {
      target.timer = null;
      void this.#try(target);
    }, delayMs);
  }

  async #try(target: Target): Promise<void> {
    if (target.dialling || (target.peer !== null && this.#options.isOpen(target.peer))) return;
    target.dialling = true;
    target.isOther = false;
    target.attempt++;
    try {
      const peer = await this.#options.dial(dialledOf(target), this.#options.limits.dialMs);
      this.#learned(target, peer);
    } catch (error) {
      // Also when the other end's dial won meanwhile and this one was closed as a spare.
      if (target.removed || (target.peer !== null && this.#options.isOpen(target.peer))) return;
      const reason = error instanceof Error ? error : new Error(String(error));
      target.isOther = this.#options.isOther(reason);
      // An address of our own in the list of addresses to join.
      if (target.peer === null && this.#options.isOwn(reason)) this.#remove(target);
      else this.#options.onFailed(target.peer, target.addresses, target.attempt, reason);
    } finally {
      target.dialling = false;
    }
    const delayMs = target.isRenewed ? 0 : this.#delayMs(target);
    target.isRenewed = false;
    if (target.peer === null || !this.#options.isOpen(target.peer)) this.#schedule(target, delayMs);
  }

  /** Addresses without a peer id join the target of the peer that answered. */
  #learned(target: Target, peer: PeerId): void {
    if (target.removed || target.peer !== null) return;
    const known = this.#targetOf(peer);
    if (known !== null) {
      this.#remove(target);
      return this.#prefer(known, target.addresses);
    }
    target.peer = peer;
    if (this.#options.isOpen(peer)) target.openedAtMs = this.#options.nowMs();
  }

  #delayMs(target: Target): number {
    const { redialMsMin, redialMsMax, redialRecentMsMax, recentMs, redialOtherMs } = this.#options.limits;
    if (target.isOther) return redialOtherMs * (0.5 + this.#options.random() / 2);
    const isRecent = target.openedAtMs !== null && this.#options.nowMs() - target.openedAtMs < recentMs;
    const maxMs = isRecent ? redialRecentMsMax : redialMsMax;
    const delayMs = Math.min(maxMs, redialMsMin * 2 ** Math.min(target.attempt - 1, 16));
    return delayMs * (0.5 + this.#options.random() / 2);
  }
}
