// What became of the calls of each service, in plain numbers: a counter of the metrics' registry with labels would cost as much as the call.
import type { ServiceCounts } from './service-api.ts';

/** Seconds. What answers from memory takes microseconds, a deadline is at most a minute. */
export const secondsAtMost: readonly number[] = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60];

/** Names that have counts of their own; whatever is served after that is counted together. */
const namesMax = 1_024;
const together = '(others)';

export type Counts = ServiceCounts & {
  readonly ended: Map<string, number>;
  readonly refused: Map<string, number>;
  /** One more than `atMost`: the last is of those that took longer. */
  readonly seconds: { readonly atMost: readonly number[]; readonly counts: number[]; sum: number };
  /** Of those that ended well, which are by far the most: counted without a look-up. */
  ok: number;
};

const createCounts = (service: string): Counts => ({
  ...{ service, ended: new Map(), refused: new Map(), ok: 0 },
  seconds: { atMost: secondsAtMost, counts: new Array<number>(secondsAtMost.length + 1).fill(0), sum: 0 },
});

const add = (to: Map<string, number>, key: string): void => void to.set(key, (to.get(key) ?? 0) + 1);

export const countEnded = (counts: Counts, code: string | null, tookMs: number): void => {
  if (code === null) counts.ok++;
  else add(counts.ended, code);
  const seconds = tookMs / 1_000;
  let at = 0;
  while (at < secondsAtMost.length && seconds > secondsAtMost[at]!) at++;
  counts.seconds.counts[at]!++;
  counts.seconds.sum += seconds;
};

export const countRefused = (counts: Counts, why: string): void => add(counts.refused, why);

export interface CountsByName {
  of(service: string): Counts;
  all(): ServiceCounts[];
}

export const createCountsByName = (): CountsByName => {
  const byName = new Map<string, Counts>();
  const of = (service: string): Counts => {
    const known = byName.get(service);
    if (known !== undefined) return known;
    if (byName.size >= namesMax && service !== together) return of(together);
    const counts = createCounts(service);
    byName.set(service, counts);
    return counts;
  };
  return {
    of,
    all: () =>
      [...byName.values()].map(({ service, ended, refused, seconds, ok }) => ({
        ...{ service, ended: ok === 0 ? ended : new Map([['ok', ok], ...ended]), refused, seconds },
      })),
  };
};
