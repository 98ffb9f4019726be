// When services of other nodes are left alone, as it is configured: whole numbers and percent, 0 for what is not wanted.
import { z } from 'zod';
import { type BreakerOptions, breakerDefaults, breakerLimits } from '../../machines/breaker/index.ts';
import type { Option } from './options.ts';

export type BreakerConfig = {
  /** So many calls that failed within the window open it. */
  failuresMax: number;
  /** Whether a call that succeeds makes the failures before it forgotten. */
  count: 'all' | 'consecutive';
  windowMs: number;
  /** The last so many calls are the window, however old they are; 0: it is `windowMs`. */
  windowCalls: number;
  /** Besides, so much of the window's calls must have failed. */
  failurePercentMin: number;
  /** A call that took so long was slow; 0: none is. */
  slowMs: number;
  /** It opens if so much of the window's calls, of at least so many, was slow. */
  slowPercentMin: number;
  slowCallsMin: number;
  /** Calls that are let through to try. */
  probes: number;
  /** For how long it is open first, and at most. */
  openMs: number;
  openMsMax: number;
};

const row = (name: string, value: string, help: string): Option => {
  const words = name.replace(/[A-Z]/g, (letter) => ` ${letter}`).toLowerCase();
  const path = `breaker.${name}`;
  const env = `POLITY_BREAKER_${words.replaceAll(' ', '_').toUpperCase()}`;
  return { path, env, flag: `--breaker-${words.replaceAll(' ', '-')}`, value, kind: name === 'count' ? 'text' : 'count', help };
};

export const breakerRows: readonly Option[] = [
  row('failuresMax', 'N', 'a service of a node is not called any more after so many failures within the window'),
  row('count', 'all|consecutive', 'consecutive: a call that succeeds makes the failures before it forgotten'),
  row('windowMs', 'MS', 'how old a failure is that does not count any more'),
  row('windowCalls', 'N', 'the last so many calls count, however old they are; 0 = those of breaker.windowMs'),
  row('failurePercentMin', 'N', 'besides, so much of the calls in the window must have failed'),
  row('slowMs', 'MS', 'calls that took so long are slow, and slow ones count too; 0 = none is'),
  row('slowPercentMin', 'N', 'if so much of the calls in the window were slow, the service is not called any more'),
  row('slowCallsMin', 'N', 'of at least so many calls'),
  row('probes', 'N', 'so many calls are let through to see whether it works again'),
  row('openMs', 'MS', 'for how long it is not called, the first time; doubled each time after that'),
  row('openMsMax', 'MS', 'for how long at most'),
];

export const breakerBuiltIn: BreakerConfig = {
  ...{ failuresMax: breakerDefaults.failuresMax, count: 'all', windowMs: 60_000, windowCalls: 0, failurePercentMin: 0 },
  ...{ slowMs: 0, slowPercentMin: 50, slowCallsMin: 20 },
  ...{ probes: breakerDefaults.probes, openMs: breakerDefaults.openMs, openMsMax: breakerDefaults.openMsMax },
};

/** `count` and `oneOf` are the schema's: a sentence for everything that can be wrong. */
export const breakerSchema = (
  count: (min: number, max: number) => z.ZodInt,
  kind: z.ZodType<'all' | 'consecutive'>,
  branch: { error: (issue: { input?: unknown }) => string },
) =>
  z.strictObject(
    {
      ...{ failuresMax: count(1, breakerLimits.failuresMax), count: kind },
      ...{ windowMs: count(100, breakerLimits.windowMsMax), windowCalls: count(0, breakerLimits.windowCallsMax) },
      ...{ failurePercentMin: count(0, 100), slowMs: count(0, breakerLimits.windowMsMax), slowPercentMin: count(1, 100) },
      ...{ slowCallsMin: count(1, breakerLimits.windowCallsMax), probes: count(1, breakerLimits.probesMax) },
      ...{ openMs: count(100, breakerLimits.openMsMax), openMsMax: count(100, breakerLimits.openMsMax) },
    },
    branch,
  );

/** What needs two of them at once. */
export const breakerProblems = (given: BreakerConfig): { path: string; what: string }[] => {
  const problems: { path: string; what: string }[] = [];
  if (given.openMs > given.openMsMax)
    problems.push({
      path: 'breaker.openMs',
      what: `${given.openMs} ms is longer than breaker.openMsMax, ${given.openMsMax} ms`,
    });
  if (given.windowCalls === 0) return problems;
  for (const name of ['failuresMax', 'slowCallsMin'] as const)
    if (given[name] > given.windowCalls && (name === 'failuresMax' || given.slowMs > 0))
      problems.push({
        path: `breaker.${name}`,
        what: `${given[name]} is more than the window has calls (breaker.windowCalls is ${given.windowCalls})`,
      });
  return problems;
};

export const breakerOptionsOf = (given: BreakerConfig): BreakerOptions => ({
  ...breakerDefaults,
  ...{ failuresMax: given.failuresMax, consecutive: given.count === 'consecutive', probes: given.probes },
  window: given.windowCalls === 0 ? { by: 'time', ms: given.windowMs } : { by: 'calls', calls: given.windowCalls },
  failureShareMin: given.failurePercentMin / 100,
  slow: given.slowMs === 0 ? null : { ms: given.slowMs, shareMin: given.slowPercentMin / 100, callsMin: given.slowCallsMin },
  ...{ openMs: given.openMs, openMsMax: given.openMsMax },
});
