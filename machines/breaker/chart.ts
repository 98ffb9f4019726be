// A breaker as a chart that a person can read. The machine moves by it; a call that changes nothing does not touch it.
import { createMachine, transition } from 'xstate';

export type BreakerStatus = 'closed' | 'open' | 'half-open' | 'forced-open' | 'forced-closed';

export type BreakerMove =
  | 'FAILED_TOO_OFTEN'
  | 'SLOW_TOO_OFTEN'
  /** It has been open for its time. */
  | 'WAITED'
  | 'PROBES_SUCCEEDED'
  | 'PROBE_FAILED'
  | 'PROBES_SLOW'
  /** Somebody says so, and it stays so until he says otherwise. */
  | 'FORCED_OPEN'
  | 'FORCED_CLOSED'
  /** As if it were new. */
  | 'RESET';

export const breakerChart = createMachine({
  types: {} as { events: { type: BreakerMove } },
  id: 'breaker',
  initial: 'closed',
  on: { FORCED_OPEN: '.forced-open', FORCED_CLOSED: '.forced-closed', RESET: '.closed' },
  states: {
    closed: { on: { FAILED_TOO_OFTEN: 'open', SLOW_TOO_OFTEN: 'open' } },
    open: { on: { WAITED: 'half-open' } },
    'half-open': { on: { PROBES_SUCCEEDED: 'closed', PROBE_FAILED: 'open', PROBES_SLOW: 'open' } },
    'forced-open': {},
    'forced-closed': {},
  },
});

/** Arrows that were looked up; there are few, and to ask the chart takes longer than a call may. */
const arrows = new Map<string, BreakerStatus | null>();

/** Where a move leads from here; null where the chart has no arrow for it. */
export const moved = (status: BreakerStatus, type: BreakerMove): BreakerStatus | null => {
  const arrow = `${status} ${type}`;
  const known = arrows.get(arrow);
  if (known !== undefined) return known;
  const before = breakerChart.resolveState({ value: status });
  const after = before.can({ type }) ? (transition(breakerChart, before, { type })[0].value as BreakerStatus) : null;
  arrows.set(arrow, after);
  return after;
};

/** Row B3. */
export const metricOf = { closed: 0, open: 1, 'half-open': 2, 'forced-open': 1, 'forced-closed': 0 } as const satisfies Record<
  BreakerStatus,
  0 | 1 | 2
>;
