// Who may knock, before any byte is read (decision 7): so many unproven connections at once, so many new ones a second from one
// address. A member that is kept out by a flood from its own address still gets in, because the other members dial it.
import type { TransportLimits } from './limits.ts';

type Bucket = { tokens: number; atMs: number; pending: number };

export type GateRefusal = 'TOO_MANY_PENDING' | 'RATE_LIMITED' | 'TOO_MANY_CONNECTIONS';

export class Gate {
  readonly #limits: TransportLimits;
  readonly #nowMs: () => number;
  readonly #buckets = new Map<string, Bucket>();
  #pending = 0;

  constructor(limits: TransportLimits, nowMs: () => number) {
    this.#limits = limits;
    this.#nowMs = nowMs;
  }

  get pending(): number {
    return this.#pending;
  }

  /** Null lets the connection in as pending; every such call is followed by one `leave` with the same address. */
  enter(address: string, connections: number): GateRefusal | null {
    const bucket = this.#bucket(address);
    if (connections >= this.#limits.connectionsMax) return 'TOO_MANY_CONNECTIONS';
    if (bucket.tokens < 1) return 'RATE_LIMITED';
    bucket.tokens -= 1;
    if (this.#pending >= this.#limits.pendingMax || bucket.pending >= this.#limits.pendingPerAddressMax)
      return 'TOO_MANY_PENDING';
    bucket.pending++;
    this.#pending++;
    return null;
  }

  /** `admitted` gives the token back: members that reconnect often are not strangers. */
  leave(address: string, admitted: boolean): void {
    const bucket = this.#bucket(address);
    bucket.pending--;
    this.#pending--;
    if (admitted) bucket.tokens = Math.min(this.#limits.inboundBurstMax, bucket.tokens + 1);
  }

  #bucket(address: string): Bucket {
    const nowMs = this.#nowMs();
    let bucket = this.#buckets.get(address);
    if (bucket === undefined) {
      this.#evict();
      bucket = { tokens: this.#limits.inboundBurstMax, atMs: nowMs, pending: 0 };
    } else {
      const refilled = bucket.tokens + ((nowMs - bucket.atMs) / 1000) * this.#limits.inboundPerSecondMax;
      bucket.tokens = Math.min(this.#limits.inboundBurstMax, refilled);
      bucket.atMs = nowMs;
      this.#buckets.delete(address);
    }
    this.#buckets.set(address, bucket);
    return bucket;
  }

  /** Forgets the address that was quiet longest, among those with nothing pending. */
  #evict(): void {
    if (this.#buckets.size < this.#limits.ratedAddressesMax) return;
    for (const [address, bucket] of this.#buckets) {
      if (bucket.pending > 0) continue;
      this.#buckets.delete(address);
      return;
    }
  }
}
