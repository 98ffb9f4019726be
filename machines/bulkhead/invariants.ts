// What is always true of a bulkhead, by name. The cheap ones are checked after every step in production too; `checkBulkhead` looks at
// everything (tests, simulator).
import { InvariantBroken } from '../invariant.ts';
import { importances } from './options.ts';
import type { Bulkhead, Turn } from './state.ts';

const demand = (invariant: string, holds: boolean, what: () => string): void => {
  if (!holds) throw new InvariantBroken(invariant, what());
};

export const checkStep = (state: Bulkhead, { nowMs }: Turn): void => {
  const { running, queue, options, deadlineMs, counts, ended } = state;
  const { size } = queue.of;
  demand('running-bounded', running.size <= options.runningMax.critical, () => `${running.size} run`);
  demand('queue-bounded', size <= options.queueMax, () => `${size} wait, at most ${options.queueMax}`);
  demand('nothing-waits-stopped', !state.isStopped || size === 0, () => `${size} wait`);
  // Whoever wakes at the deadline does not wake for ever.
  demand('deadline-ahead', deadlineMs > nowMs, () => `${deadlineMs} at ${nowMs}`);
  demand('woken-while-some-wait', size === 0 || Number.isFinite(deadlineMs), () => `${size} wait`);
  demand('started-ends', counts.started === ended + running.size, () => `${counts.started}, ${ended} and ${running.size}`);
  for (const importance of importances) {
    if (queue.flows[importance].size === 0) continue;
    const full = running.size >= options.runningMax[importance];
    demand('waits-for-a-reason', full, () => `${importance}, while ${running.size} run`);
  }
};

export const checkBulkhead = ({ queue, running, nowMs, options, counts }: Bulkhead): void => {
  let count = 0;
  for (const importance of importances)
    for (const [principal, flow] of queue.flows[importance]) {
      demand('flows-not-empty', flow.length > 0, () => principal);
      for (const [at, waiting] of flow.entries()) {
        count++;
        const is = waiting.importance === importance && waiting.principal === principal;
        demand('waits-in-its-flow', is && queue.of.get(waiting.id) === waiting, () => `${waiting.id}`);
        demand('own-order', at === 0 || flow[at - 1]!.order < waiting.order, () => `${waiting.id}`);
        demand('runs-or-waits', !running.has(waiting.id), () => `${waiting.id}`);
        const bounded = waiting.endMs <= waiting.deadlineMs && waiting.endMs <= nowMs + options.queueMsMax;
        demand('wait-bounded', bounded, () => `${waiting.id} until ${waiting.endMs}`);
      }
    }
  demand('waits-once', count === queue.of.size, () => `${count} in flows, ${queue.of.size} in all`);
  const shed = Object.values(counts.shed).reduce((sum, one) => sum + one, 0);
  const accounted = counts.started + counts.abandoned + shed + queue.of.size;
  demand('all-accounted-for', counts.arrived === accounted, () => `${counts.arrived} arrived, ${accounted} known`);
};
