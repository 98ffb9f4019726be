// How long somebody may believe that he holds a lease, and when he renews it. A lease is held only as long as its holder can prove it:
// from the moment its last successful renewal was *sent*, for its time to live, by his own monotonic clock (Gray and Cheriton 1989).
// After that he must stop, although the cluster may be more patient.
import type { PolityError } from './errors.ts';

const ttlMsLeast = 300;
const renewalMsMin = 50;
/** Three renewals fit in a lifetime, so two may fail. */
const renewalsPerTtl = 3;
const renewTimeoutMsMin = 1_000;
const renewTimeoutMsMax = 60_000;

/** Why a lease of this length cannot renew itself, or null. */
export const leaseProblem = (ttlMs: number): string | null =>
  ttlMs >= ttlMsLeast ? null : `a lease that renews itself lives at least ${ttlMsLeast} ms`;

/** `leftMs`: for how long it is still proved. */
export const renewAfterMs = (ttlMs: number, leftMs: number): number =>
  Math.min(Math.max(renewalMsMin, ttlMs / renewalsPerTtl), Math.max(0, leftMs));

/** What a renewal may take. */
export const renewTimeoutMs = (ttlMs: number, leftMs: number): number =>
  Math.min(renewTimeoutMsMax, Math.max(1, Math.min(leftMs, Math.max(renewTimeoutMsMin, ttlMs / renewalsPerTtl))));

/** The answer to a renewal that says that there is nothing left to renew. */
export const isLostBy = ({ definite, retryable }: PolityError): boolean => definite && !retryable;
