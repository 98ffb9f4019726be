// What is always true of a balancer, by name. A choice is checked in production, too; the rest where `checkAll` is set.
import { InvariantBroken } from '../invariant.ts';
import { balancerLimits as max } from './limits.ts';
import type { BalancerState, Pool, Seat } from './state.ts';
import type { Ask } from './types.ts';

const broken = (invariant: string, message: string): never => {
  throw new InvariantBroken(invariant, message);
};

export const checkChoice = ({ excluded }: Ask, { all, usable }: Pool, { candidate }: Seat): void => {
  const { node } = candidate;
  if (excluded?.has(node) === true) broken('chosen-was-not-tried', node);
  if (candidate.breaker === 'open') broken('chosen-is-not-open', node);
  if (candidate.breaker === 'half-open' && candidate.probes < 1) broken('half-open-gets-probes', node);
  if (usable.length === 0 && all.some((one) => one.candidate.breaker === 'closed'))
    broken('never-all-ejected', `${all.length}`);
};

export const checkAll = (state: BalancerState): void => {
  if (state.memories.size > max.nodesMax) broken('nodes-bounded', `${state.memories.size}`);
  if (!(state.usualMs >= 0 && state.usualMs <= max.latencyMsMax)) broken('usual-is-measured', `${state.usualMs}`);
  for (const [node, memory] of state.memories) {
    if (memory.node !== node) broken('memories-by-name', node);
    if (!(Number.isSafeInteger(memory.inflight) && memory.inflight >= 0))
      broken('calls-are-counted', `${node} ${memory.inflight}`);
    const { measuredMs } = memory;
    if (measuredMs !== null && !(measuredMs >= 0 && measuredMs <= max.latencyMsMax)) broken('latency-bounded', `${measuredMs}`);
    if (!(memory.turn <= state.turn + 1)) broken('turns-are-given', `${node} ${memory.turn} of ${state.turn}`);
    if (!Number.isFinite(memory.credit)) broken('credit-is-finite', node);
    if (!(memory.fine >= 0 && memory.failed >= 0)) broken('outcomes-are-counted', node);
    if (!(memory.level >= 0 && memory.level <= max.ejectLevelMax)) broken('level-bounded', `${node} ${memory.level}`);
  }
};
