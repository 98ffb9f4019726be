// Leases that renew themselves, and locks on them. A lease is held only as long as this side can prove it (machines/lease.ts). After
// that the signal is aborted: whoever acts under the lease must stop before it falls.
import { failure } from '../../machines/errors.ts';
import { isLostBy, leaseProblem, renewAfterMs, renewTimeoutMs } from '../../machines/lease.ts';
import { PolityError } from '../errors.ts';
import type { Fence, FencingToken } from './entry.ts';

export type LeaseCalls = {
  renew(lease: string, timeoutMs: number): Promise<void>;
  revoke(lease: string): Promise<void>;
};

export interface Lease extends AsyncDisposable {
  readonly id: string;
  readonly ttlMs: number;
  /** Aborted, with a PolityError as its reason, once the lease is or may be gone, or was revoked. */
  readonly signal: AbortSignal;
  /** Gives it back, with every key and lock attached to it. */
  revoke(): Promise<void>;
}

export interface Lock extends AsyncDisposable {
  readonly name: string;
  readonly owner: string;
  readonly token: FencingToken;
  /** Pass it with writes: they happen only while this lock is held. */
  readonly fence: Fence;
  /** Aborted once the lock is or may be lost. */
  readonly signal: AbortSignal;
  release(): Promise<void>;
}

export class HeldLease implements Lease {
  readonly id: string;
  readonly ttlMs: number;
  readonly #calls: LeaseCalls;
  readonly #gone = new AbortController();
  #provedAtMs: number;
  #timer: NodeJS.Timeout | null = null;
  #revoking: Promise<void> | null = null;

  /** `sentAtMs`: when the grant was sent. */
  constructor(id: string, ttlMs: number, sentAtMs: number, calls: LeaseCalls) {
    const problem = leaseProblem(ttlMs);
    if (problem !== null) throw new PolityError(failure('INVALID_REQUEST', problem));
    this.id = id;
    this.ttlMs = ttlMs;
    this.#calls = calls;
    this.#provedAtMs = sentAtMs;
    this.#schedule();
  }

  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  #leftMs(): number {
    return this.#provedAtMs + this.ttlMs - performance.now();
  }

  #schedule(): void {
    if (this.#gone.signal.aborted || this.#revoking !== null) return;
    this.#timer = setTimeout(() => void this.#renew(), renewAfterMs(this.ttlMs, this.#leftMs()));
    // A program that has nothing else to do may end; its lease falls by itself.
    this.#timer.unref();
  }

  async #renew(): Promise<void> {
    const sentAtMs = performance.now();
    const leftMs = this.#leftMs();
    if (leftMs <= 0) return this.#lose(failure('LEASE_NOT_FOUND', `lease '${this.id}' could not be renewed in time`));
    // The signal must come in time even if the renewal hangs.
    const limit = setTimeout(
      () => this.#lose(failure('LEASE_NOT_FOUND', `lease '${this.id}' could not be renewed in time`)),
      leftMs,
    );
    limit.unref();
    try {
      await this.#calls.renew(this.id, renewTimeoutMs(this.ttlMs, leftMs));
      this.#provedAtMs = sentAtMs;
    } catch (error) {
      if (error instanceof PolityError && isLostBy(error)) this.#lose(error.failure);
    } finally {
      clearTimeout(limit);
    }
    this.#schedule();
  }

  #lose(why: ReturnType<typeof failure>): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (!this.#gone.signal.aborted) this.#gone.abort(new PolityError(why));
  }

  revoke(): Promise<void> {
    this.#revoking ??= (async () => {
      this.#lose(failure('LEASE_NOT_FOUND', `lease '${this.id}' was revoked here`));
      try {
        await this.#calls.revoke(this.id);
      } catch (error) {
        // Gone already is what was wanted.
        if (!(error instanceof PolityError && error.code === 'LEASE_NOT_FOUND')) throw error;
      }
    })();
    return this.#revoking;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.revoke();
  }
}

export class HeldLock implements Lock {
  readonly name: string;
  readonly owner: string;
  readonly token: FencingToken;
  readonly #lease: Lease;

  constructor(name: string, owner: string, token: FencingToken, lease: Lease) {
    this.name = name;
    this.owner = owner;
    this.token = token;
    this.#lease = lease;
  }

  get fence(): Fence {
    return { lock: this.name, token: this.token };
  }

  get signal(): AbortSignal {
    return this.#lease.signal;
  }

  /** The lock falls with its lease: one request, one entry of the log. */
  release(): Promise<void> {
    return this.#lease.revoke();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }
}
