// Whom a call may go to: not who was tried, whose breaker is open, or who is ejected; and a half-open one only as a probe.
import { ejectedMax, isEjected } from './ejection.ts';
import { balancerLimits as max } from './limits.ts';
import { type BalancerState, type Memory, remember } from './state.ts';
import type { Ask, Candidate, ChoiceRefusal } from './types.ts';

export type Pool = {
  /** All that this call has not tried, in the order of the candidates. */
  readonly all: readonly Memory[];
  /** To whom it may go like any other. */
  readonly usable: readonly Memory[];
  /** To whom it may go as a probe. */
  readonly probes: readonly Memory[];
};

export type Refused = { readonly code: ChoiceRefusal; readonly message: string };

const isAmount = (value: unknown, most: number): boolean =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 && value <= most;
const isWord = (value: unknown): boolean => typeof value === 'string' && value.length <= max.nodeCharsMax;

/** What is wrong with it, or null. */
const whyInvalid = ({ node, zone, region, weight, cost, load, breaker, probes }: Candidate): string | null => {
  if (!isWord(node) || node === '') return `a node has a name of 1 to ${max.nodeCharsMax} characters`;
  if ((zone !== null && !isWord(zone)) || (region !== null && !isWord(region)))
    return `the zone or region of ${node} is malformed`;
  if (!isAmount(weight, max.weightMax)) return `the weight of ${node} is ${weight}, not between 0 and ${max.weightMax}`;
  if (cost !== null && !isAmount(cost, max.costMax)) return `the cost of ${node} is ${cost}, not between 0 and ${max.costMax}`;
  if (load !== null && !isAmount(load, 1)) return `the load of ${node} is ${load}, not between 0 and 1`;
  if (breaker !== 'closed' && breaker !== 'open' && breaker !== 'half-open')
    return `the breaker of ${node} is ${String(breaker)}`;
  return Number.isSafeInteger(probes) && probes >= 0 ? null : `${node} admits ${probes} probes`;
};

/** The candidate's, as this question knows it. */
const memoryOf = (state: BalancerState, candidate: Candidate, nowMs: number): Memory | Refused => {
  const known = state.memories.get(candidate.node);
  if (known?.asked === state.asks) return { code: 'CANDIDATE_INVALID', message: `${known.node} is named twice` };
  // One that was looked at already is valid: candidates do not change.
  const invalid = known?.candidate === candidate ? null : whyInvalid(candidate);
  if (invalid !== null) return { code: 'CANDIDATE_INVALID', message: invalid };
  const memory = known ?? remember(state, candidate, nowMs);
  if (memory === null) return { code: 'TOO_MANY_NODES', message: `calls to ${max.nodesMax} nodes are under way` };
  memory.candidate = candidate;
  memory.seenMs = nowMs;
  memory.asked = state.asks;
  return memory;
};

export const poolOf = (state: BalancerState, { candidates, excluded }: Ask, nowMs: number): Pool | Refused => {
  const given = candidates.length;
  if (given > max.candidatesMax)
    return { code: 'TOO_MANY_CANDIDATES', message: `${given} candidates, at most ${max.candidatesMax}` };
  state.asks++;
  const all: Memory[] = [];
  const usable: Memory[] = [];
  const ejected: Memory[] = [];
  const probes: Memory[] = [];
  for (const candidate of candidates) {
    const memory = memoryOf(state, candidate, nowMs);
    if ('code' in memory) return memory;
    if (excluded?.has(candidate.node) === true) continue;
    all.push(memory);
    if (candidate.breaker === 'closed') (isEjected(memory, nowMs) ? ejected : usable).push(memory);
    else if (candidate.breaker === 'half-open' && candidate.probes > 0) probes.push(memory);
  }
  if (ejected.length > 0) readmit(state, all, usable, ejected);
  return { all, usable: withWeight(usable), probes };
};

/** As many of the ejected as are too many, those first whose time is up first. */
const readmit = (state: BalancerState, all: readonly Memory[], usable: Memory[], ejected: Memory[]): void => {
  const gone = all.length - usable.length - ejected.length;
  const mayBeOut = Math.max(0, ejectedMax(state, all.length) - gone);
  if (ejected.length <= mayBeOut) return;
  ejected.sort((a, b) => a.ejectedUntilMs - b.ejectedUntilMs);
  usable.push(...ejected.slice(0, ejected.length - mayBeOut));
};

const hasWeight = ({ candidate }: Memory): boolean => candidate.weight > 0;

const withWeight = (usable: Memory[]): Memory[] => {
  if (usable.every(hasWeight)) return usable;
  const weighty = usable.filter(hasWeight);
  return weighty.length > 0 ? weighty : usable;
};
