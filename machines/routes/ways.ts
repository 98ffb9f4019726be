// Ways that are known. Each names everybody on it, as paths of BGP do (RFC 4271, 5.1.2): who stands on a path does not take it, so that
// no way that anybody goes leads in a circle. A way learned from what somebody had remembered holds no longer than it held there, so
// that no rumour outlives its source by being told around.
import type { RoutesState, Target } from './state.ts';
import { routesLimits as max, type PeerId, type RouteAnswer, type Way } from './types.ts';

const sweepMs = 1_000;
/** What holds for less is not worth telling. */
const leftMsMin = 100;

/** Fewer links first, then the quicker; what nobody measured is not favoured. */
const isBetter = (a: Way, b: Way): boolean =>
  a.path.length !== b.path.length
    ? a.path.length < b.path.length
    : (a.latencyMs ?? Number.POSITIVE_INFINITY) < (b.latencyMs ?? Number.POSITIVE_INFINITY);

/** The best that holds and leads over none of these in so many links; null: none is known. */
export const wayAvoiding = (
  state: RoutesState,
  target: PeerId,
  avoid: readonly PeerId[],
  linksMax: number,
  nowMs: number,
): Way | null => {
  const direct = state.near.get(target);
  if (direct !== undefined) return linksMax >= 1 && !avoid.includes(target) ? direct : null;
  for (const way of state.targets.get(target)?.ways ?? [])
    if (way.untilMs > nowMs && way.path.length <= linksMax && !way.path.some((peer) => avoid.includes(peer))) return way;
  return null;
};

/**
 * How a message to this peer gets there now. 'none': nobody reaches it, as was found out a moment ago. 'unknown': it may be worth to
 * ask. Cheap, and notes that the way is used.
 */
export const wayTo = (state: RoutesState, target: PeerId, nowMs: number): Way | 'none' | 'unknown' => {
  const direct = state.near.get(target);
  if (direct !== undefined) return direct;
  const known = state.targets.get(target);
  if (known === undefined) return 'unknown';
  known.usedMs = nowMs;
  for (const way of known.ways) {
    if (way.untilMs <= nowMs) continue;
    state.counts.cached++;
    return way;
  }
  return known.noneUntilMs > nowMs ? 'none' : 'unknown';
};

const targetOf = (state: RoutesState, peer: PeerId, nowMs: number): Target => {
  const known = state.targets.get(peer) ?? { ways: [], noneUntilMs: 0, usedMs: nowMs, broken: new Map<PeerId, number>() };
  state.targets.delete(peer);
  state.targets.set(peer, known);
  if (state.targets.size > max.targetsMax) for (const oldest of state.targets.keys()) if (state.targets.delete(oldest)) break;
  state.sweepMs = Math.min(state.sweepMs, nowMs + sweepMs);
  if (state.sweepMs < state.deadlineMs) state.deadlineMs = state.sweepMs;
  return known;
};

/** What a neighbour says of a target, as a way of this node's; null: it is none. */
export const wayOver = (state: RoutesState, from: PeerId, target: PeerId, answer: RouteAnswer, nowMs: number): Way | null => {
  const path = [from, ...answer.path];
  if (path.at(-1) !== target || path.length > state.options.hopsMax || path.includes(state.self)) return null;
  if (new Set(path).size !== path.length || answer.leftMs < leftMsMin) return null;
  const linkMs = state.near.get(from)?.latencyMs ?? null;
  return {
    path,
    latencyMs: linkMs === null || answer.latencyMs === null ? null : Math.min(max.latencyMsMax, linkMs + answer.latencyMs),
    learnedMs: nowMs,
    untilMs: nowMs + Math.min(state.options.ttlMs, answer.leftMs),
  };
};

/** Takes the place of what was known over the same neighbour. False: that neighbour's word is not taken now. */
export const learn = (state: RoutesState, target: PeerId, way: Way, nowMs: number): boolean => {
  if (state.near.has(target) || target === state.self) return false;
  const via = way.path[0]!;
  const known = targetOf(state, target, nowMs);
  if ((known.broken.get(via) ?? 0) > nowMs) return false;
  const others = known.ways.filter((one) => one.path[0] !== via && one.untilMs > nowMs);
  const at = others.findIndex((one) => isBetter(way, one));
  others.splice(at === -1 ? others.length : at, 0, way);
  known.ways = others.slice(0, max.waysMax);
  known.noneUntilMs = 0;
  return true;
};

/** As told to who asks; null: there is none to tell. */
export const answerOf = (state: RoutesState, way: Way, nowMs: number): RouteAnswer | null => {
  const isDirect = state.near.get(way.path[0]!) === way;
  const leftMs = Math.floor(isDirect ? state.options.ttlMs : way.untilMs - nowMs);
  return leftMs < leftMsMin ? null : { path: way.path, latencyMs: way.latencyMs, leftMs };
};

export const noteNone = (state: RoutesState, target: PeerId, nowMs: number): void => {
  if (state.near.has(target)) return;
  const known = targetOf(state, target, nowMs);
  if (!known.ways.some((way) => way.untilMs > nowMs)) known.noneUntilMs = nowMs + state.options.noneMs;
};

/** Gone at once; the next one is taken. */
export const noteBroken = (state: RoutesState, target: PeerId, via: PeerId, nowMs: number): void => {
  const known = state.targets.get(target);
  if (known === undefined) return;
  known.ways = known.ways.filter(({ path }) => path[0] !== via);
  known.broken.delete(via);
  known.broken.set(via, nowMs + state.options.noneMs);
  if (known.broken.size > max.waysMax) for (const oldest of known.broken.keys()) if (known.broken.delete(oldest)) break;
};

export const dropWaysOver = (state: RoutesState, isOver: (way: Way) => boolean): void => {
  for (const known of state.targets.values())
    if (known.ways.some(isOver)) known.ways = known.ways.filter((way) => !isOver(way));
};

/** Something has changed for the better: whoever could not be reached may be now. */
export const forgetNone = (state: RoutesState): void => {
  for (const known of state.targets.values()) known.noneUntilMs = 0;
};

/** Forgets what has ended; answers who is to be asked for again, because a way to it is in use and ends soon. */
export const sweep = (state: RoutesState, nowMs: number): PeerId[] => {
  if (nowMs < state.sweepMs) return [];
  const due: PeerId[] = [];
  for (const [peer, known] of state.targets) {
    known.ways = known.ways.filter((way) => way.untilMs > nowMs);
    for (const [via, untilMs] of known.broken) if (untilMs <= nowMs) known.broken.delete(via);
    const [best] = known.ways;
    if (best === undefined && known.noneUntilMs <= nowMs && known.broken.size === 0) state.targets.delete(peer);
    if (best === undefined || known.usedMs <= best.learnedMs) continue;
    const oldMs = state.options.refreshShare * (best.untilMs - best.learnedMs);
    if (nowMs - best.learnedMs >= oldMs) due.push(peer);
  }
  state.sweepMs = state.targets.size === 0 ? Number.POSITIVE_INFINITY : nowMs + sweepMs;
  return due;
};
