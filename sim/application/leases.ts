// Leases that renew themselves in virtual time, and locks on them. Held only as long as this side can prove it, from the moment the
// last successful renewal was sent (machines/lease.ts), as `polity/client` holds them.
import { backoffMs } from '../../machines/attempts.ts';
import { failure, PolityError } from '../../machines/errors.ts';
import { isLostBy, leaseProblem, renewAfterMs, renewTimeoutMs } from '../../machines/lease.ts';
import type { Fence, FencingToken } from '../../machines/register/types.ts';
import type { Program } from './program.ts';
import { newController, type Signal } from './signal.ts';

export interface Lease extends AsyncDisposable {
  readonly id: string;
  readonly ttlMs: number;
  /** Aborted, with a PolityError as its reason, once the lease is or may be gone, or was revoked. */
  readonly signal: Signal;
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
  readonly signal: Signal;
  release(): Promise<void>;
}

type LeaseCalls = {
  grant(): Promise<string>;
  renew(lease: string, timeoutMs: number): Promise<void>;
  revoke(lease: string): Promise<void>;
};

export class HeldLease implements Lease {
  readonly id: string;
  readonly ttlMs: number;
  readonly #program: Program;
  readonly #calls: LeaseCalls;
  readonly #gone = newController();
  #provedAtMs: number;
  #cancel: () => void = () => {};
  #revoking: Promise<void> | null = null;

  private constructor(program: Program, id: string, ttlMs: number, sentAtMs: number, calls: LeaseCalls) {
    this.#program = program;
    this.id = id;
    this.ttlMs = ttlMs;
    this.#provedAtMs = sentAtMs;
    this.#calls = calls;
    this.#schedule();
  }

  static async take(program: Program, ttlMs: number, calls: LeaseCalls): Promise<HeldLease> {
    const problem = leaseProblem(ttlMs);
    if (problem !== null) throw new PolityError(failure('INVALID_REQUEST', problem));
    const sentAtMs = program.world.nowMs;
    return new HeldLease(program, await calls.grant(), ttlMs, sentAtMs, calls);
  }

  get signal(): Signal {
    return this.#gone.signal;
  }

  #leftMs(): number {
    return this.#provedAtMs + this.ttlMs - this.#program.world.nowMs;
  }

  #schedule(): void {
    if (this.#gone.signal.aborted || this.#revoking !== null) return;
    this.#cancel = this.#program.after(renewAfterMs(this.ttlMs, this.#leftMs()), () => void this.#renew());
  }

  async #renew(): Promise<void> {
    const sentAtMs = this.#program.world.nowMs;
    const leftMs = this.#leftMs();
    const tooLate = failure('LEASE_NOT_FOUND', `lease '${this.id}' could not be renewed in time`);
    if (leftMs <= 0) return this.#lose(new PolityError(tooLate));
    // The signal must come in time even if the renewal hangs.
    const cancelLimit = this.#program.after(leftMs, () => this.#lose(new PolityError(tooLate)));
    try {
      await this.#calls.renew(this.id, renewTimeoutMs(this.ttlMs, leftMs));
      this.#provedAtMs = sentAtMs;
    } catch (error) {
      if (error instanceof PolityError && isLostBy(error)) this.#lose(error);
    } finally {
      cancelLimit();
    }
    this.#schedule();
  }

  #lose(why: PolityError): void {
    this.#cancel();
    if (!this.#gone.signal.aborted) this.#gone.abort(why);
  }

  revoke(): Promise<void> {
    this.#revoking ??= (async () => {
      this.#lose(new PolityError(failure('LEASE_NOT_FOUND', `lease '${this.id}' was revoked here`)));
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

  get signal(): Signal {
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

/** Asks until it is granted or `waitMs` are over; without the lock the lease is of no use. */
export const takeLock = async (
  program: Program,
  lease: Lease,
  waitMs: number,
  signal: Signal | undefined,
  acquire: () => Promise<FencingToken>,
): Promise<FencingToken> => {
  const untilMs = program.world.nowMs + waitMs;
  try {
    for (let round = 0; ; round++) {
      try {
        return await acquire();
      } catch (error) {
        const leftMs = untilMs - program.world.nowMs;
        if (!(error instanceof PolityError) || error.code !== 'LOCK_HELD' || leftMs <= 0) throw error;
        await program.sleep(Math.min(leftMs, backoffMs(Math.min(round, 4), program.chance.fraction())));
        signal?.throwIfAborted();
      }
    }
  } catch (error) {
    // If it cannot be revoked it falls by itself.
    await lease.revoke().catch(() => {});
    throw error;
  }
};
