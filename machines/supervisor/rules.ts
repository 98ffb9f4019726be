// The rules of the supervisor's chart as plain functions: a hundred thousand actors are too many for a chart each, and those that never
// fail need no more than nothing. The chart itself is made of them.
import type { RestartPolicy } from './index.ts';

/** Times of the failures that lie within the window that ends now, this one included; oldest first. */
export const failuresWithin = (policy: RestartPolicy, failedAtMs: readonly number[], nowMs: number): number[] => [
  ...failedAtMs.filter((at) => nowMs - at < policy.windowMs),
  nowMs,
];

/** The wait after so many failures: between half and all of the exponential step, by `chance` in [0, 1). */
export const backoffMsOf = (policy: RestartPolicy, failures: number, chance: number): number =>
  Math.min(policy.backoffMaxMs, policy.backoffMinMs * 2 ** (failures - 1)) * (0.5 + chance / 2);

/** What is remembered of one that failed; of one that never did, `neverFailed`. At most failuresMax + 1 times. */
export type FailureRecord = { readonly failedAtMs: readonly number[] };
export const neverFailed: FailureRecord = { failedAtMs: [] };

/** `delayMs`: begin anew after so long; null: it failed too often, give it up. */
export type Judgement = { readonly record: FailureRecord; readonly delayMs: number | null };

export const judgeFailure = (policy: RestartPolicy, record: FailureRecord, nowMs: number, chance: number): Judgement => {
  const failedAtMs = failuresWithin(policy, record.failedAtMs, nowMs);
  const isTooOften = failedAtMs.length > policy.failuresMax;
  return { record: { failedAtMs }, delayMs: isTooOften ? null : backoffMsOf(policy, failedAtMs.length, chance) };
};
