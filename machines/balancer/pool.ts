// Whom a call may go to: not who was tried, whose breaker is open, or who is ejected; and a half-open one only as a probe.
import { ejectedMax, isEjected } from './ejection.ts';
import { balancerLimits as max } from './limits.ts';
import { type BalancerState, type Memory, type Pool, remember, type Seat, type Seated } from './state.ts';
import type { Ask, Candidate, ChoiceRefusal, NodeId } from './types.ts';

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

/** The candidate's, in the list that is looked up. */
const memoryOf = (state: BalancerState, candidate: Candidate, nowMs: number): Memory | Refused => {
  const invalid = whyInvalid(candidate);
  if (invalid !== null) return { code: 'CANDIDATE_INVALID', message: invalid };
  const known = state.memories.get(candidate.node);
  if (known?.lookedUp === state.lookups) return { code: 'CANDIDATE_INVALID', message: `${known.node} is named twice` };
  const memory = known ?? remember(state, candidate, nowMs);
  if (memory === null) return { code: 'TOO_MANY_NODES', message: `calls to ${max.nodesMax} nodes are under way` };
  memory.lookedUp = state.lookups;
  return memory;
};

const seatAll = (state: BalancerState, candidates: readonly Candidate[], nowMs: number): readonly Seat[] | Refused => {
  const given = candidates.length;
  if (given > max.candidatesMax)
    return { code: 'TOO_MANY_CANDIDATES', message: `${given} candidates, at most ${max.candidatesMax}` };
  state.lookups++;
  const seats: Seat[] = [];
  for (const candidate of candidates) {
    const memory = memoryOf(state, candidate, nowMs);
    if ('code' in memory) return memory;
    seats.push({ candidate, memory });
  }
  return seats;
};

const nobody: ReadonlySet<NodeId> = new Set();

export const poolOf = (state: BalancerState, { candidates, excluded }: Ask, nowMs: number): Pool | Refused => {
  let seated = state.seated.get(candidates);
  if (seated?.forgotten !== state.forgotten) {
    const seats = seatAll(state, candidates, nowMs);
    if ('code' in seats) return seats;
    seated = { seats, forgotten: state.forgotten, ...poolNow(state, seats, nobody, nowMs) };
    state.seated.set(candidates, seated);
  } else if (seated.ejections !== state.ejections || nowMs >= seated.untilMs)
    Object.assign(seated, poolNow(state, seated.seats, nobody, nowMs));
  return excluded === undefined || excluded.size === 0 ? seated.pool : poolNow(state, seated.seats, excluded, nowMs).pool;
};

const poolNow = (
  state: BalancerState,
  seats: readonly Seat[],
  excluded: ReadonlySet<NodeId>,
  nowMs: number,
): Pick<Seated, 'pool' | 'ejections' | 'untilMs'> => {
  const all = excluded.size === 0 ? seats : seats.filter(({ candidate }) => !excluded.has(candidate.node));
  const usable: Seat[] = [];
  const ejected: Seat[] = [];
  const probes: Seat[] = [];
  let untilMs = Number.POSITIVE_INFINITY;
  for (const seat of all) {
    const { candidate, memory } = seat;
    if (candidate.breaker === 'half-open' && candidate.probes > 0) probes.push(seat);
    if (candidate.breaker !== 'closed') continue;
    if (isEjected(memory, nowMs)) {
      ejected.push(seat);
      untilMs = Math.min(untilMs, memory.ejectedUntilMs);
    } else usable.push(seat);
  }
  if (ejected.length > 0) readmit(state, all, usable, ejected);
  return { pool: { all, usable: withWeight(usable), probes }, ejections: state.ejections, untilMs };
};

/** As many of the ejected as are too many, those first whose time is up first. */
const readmit = (state: BalancerState, all: readonly Seat[], usable: Seat[], ejected: Seat[]): void => {
  const gone = all.length - usable.length - ejected.length;
  const mayBeOut = Math.max(0, ejectedMax(state, all.length) - gone);
  if (ejected.length <= mayBeOut) return;
  ejected.sort((a, b) => a.memory.ejectedUntilMs - b.memory.ejectedUntilMs);
  usable.push(...ejected.slice(0, ejected.length - mayBeOut));
};

const hasWeight = ({ candidate }: Seat): boolean => candidate.weight > 0;

const withWeight = (usable: Seat[]): Seat[] => {
  if (usable.every(hasWeight)) return usable;
  const weighty = usable.filter(hasWeight);
  return weighty.length > 0 ? weighty : usable;
};
