// What is always true of a bulkhead, by name. The cheap ones are checked after every step in production too; `checkBulkhead` looks at
// everything (tests, simulator).
import { InvariantBroken } from '../invariant.ts';
import { importances } from './options.ts';
import type { Bulkhead, Turn } from './state.ts';

const broken = (invariant: string, message: string): never => {
  throw new InvariantBroken(invariant, message);
};

export const checkStep = (state: Bulkhead, { nowMs }: Turn): void => {
  const { running, queue, options, deadlineMs, counts } = state;
  const { size } = queue.of;
  if (running.size > options.runningMax.critical) broken('running-bounded', `${running.size} run`);
  if (size > options.queueMax) broken('queue-bounded', `${size} wait, at most ${options.queueMax}`);
  if (state.isStopped && size > 0) broken('nothing-waits-stopped', `${size} wait`);
  // Whoever wakes at the deadline does not wake for ever.
  if (!(deadlineMs > nowMs)) broken('deadline-ahead', `${deadlineMs} at ${nowMs}`);
  if (size > 0 && !Number.isFinite(deadlineMs)) broken('woken-while-some-wait', `${size} wait`);
  const { started, ended } = counts;
  if (started !== ended + running.size) broken('started-ends', `${started}, ${ended} and ${running.size}`);
  for (const importance of importances) {
    const isOwed = queue.flows[importance].size > 0 && running.size < options.runningMax[importance];
    if (isOwed) broken('waits-for-a-reason', `${importance}, while ${running.size} run`);
  }
};

export const checkBulkhead = ({ queue, running, nowMs, options, counts }: Bulkhead): void => {
  let count = 0;
  for (const importance of importances)
    for (const [principal, flow] of queue.flows[importance]) {
      if (flow.length === 0) broken('flows-not-empty', principal);
      for (const [at, waiting] of flow.entries()) {
        count++;
        const is = waiting.importance === importance && waiting.principal === principal;
        if (!is || queue.of.get(waiting.id) !== waiting) broken('waits-in-its-flow', `${waiting.id}`);
        if (at > 0 && flow[at - 1]!.order >= waiting.order) broken('own-order', `${waiting.id}`);
        if (running.has(waiting.id)) broken('runs-or-waits', `${waiting.id}`);
        const isBounded = waiting.endMs <= waiting.deadlineMs && waiting.endMs <= nowMs + options.queueMsMax;
        if (!isBounded) broken('wait-bounded', `${waiting.id} until ${waiting.endMs}`);
      }
    }
  if (count !== queue.of.size) broken('waits-once', `${count} in flows, ${queue.of.size} in all`);
  const shed = Object.values(counts.shed).reduce((sum, one) => sum + one, 0);
  const accounted = counts.started + counts.abandoned + shed + queue.of.size;
  if (counts.arrived !== accounted) broken('all-accounted-for', `${counts.arrived} arrived, ${accounted} known`);
};
