// When each source is asked: at the start, before what it said runs out, after a pause that grows while it fails; and for a look-up
// at once, unless what it said still holds (row D3). Sources know nothing of each other, so none hides another's answer (D2).
import { discoveryLimits as max } from './limits.ts';
import { claimAll, servedPlaces } from './places.ts';
import { ranked } from './ranking.ts';
import { about, type DiscoveryState, type Lookup, pauseMs, type SourceState, type Turn } from './state.ts';
import type { DiscoveryEvent, Finding, SourceFailure } from './types.ts';
import { placeView } from './view.ts';

/** The port answers in time by its own promise; a port that does not is not waited for. */
const graceMs = 1_000;

const ask = (state: DiscoveryState, turn: Turn, source: SourceState): void => {
  const { queryTimeoutMs } = state.options;
  Object.assign(source, { endMs: turn.nowMs + queryTimeoutMs + graceMs, askedMs: turn.nowMs });
  turn.effects.push({ type: 'query', source: source.source, timeoutMs: queryTimeoutMs });
};

/** Who is connected to nobody does not wait until an answer runs out. */
export const askAtMs = (state: DiscoveryState, source: SourceState): number =>
  state.connected.size === 0 ? Math.min(source.dueMs, source.askedMs + state.options.aloneEveryMs) : source.dueMs;

export const askTurn = (state: DiscoveryState, turn: Turn): void => {
  for (const source of state.sources.values()) {
    if (source.endMs !== null && turn.nowMs >= source.endMs)
      failed(state, turn, source, { code: 'SOURCE_TIMED_OUT', message: `no answer within ${state.options.queryTimeoutMs} ms` });
    if (source.endMs === null && turn.nowMs >= askAtMs(state, source)) ask(state, turn, source);
  }
};

const settledFor = (state: DiscoveryState, turn: Turn, source: string): void => {
  for (const lookup of state.lookups) lookup.waiting.delete(source);
  endLookups(state, turn);
};

const failed = (state: DiscoveryState, turn: Turn, source: SourceState, failure: { code: string; message: string }): void => {
  const isNew = source.failure?.code !== failure.code;
  Object.assign(source, { endMs: null, failure, failures: source.failures + 1 });
  source.dueMs = turn.nowMs + pauseMs(state, source.failures);
  if (isNew) turn.effects.push({ type: 'source', source: source.source, failure });
  settledFor(state, turn, source.source);
};

const shortestTtlMs = (findings: readonly Finding[], emptyTtlMs: number): number =>
  findings.length === 0 ? emptyTtlMs : Math.min(...findings.map(({ ttlMs }) => ttlMs));

export const onAnswered = (
  state: DiscoveryState,
  turn: Turn,
  { source: name, findings, emptyTtlMs }: Extract<DiscoveryEvent, { type: 'answered' }>,
): void => {
  const source = state.sources.get(name);
  if (source === undefined) return;
  const holdsMs = shortestTtlMs(findings, emptyTtlMs);
  if (source.failure !== null) turn.effects.push({ type: 'source', source: name, failure: null });
  Object.assign(source, { endMs: null, failure: null, failures: 0, answeredMs: turn.nowMs, findings: findings.length });
  source.holdsUntilMs = turn.nowMs + holdsMs;
  source.dueMs = turn.nowMs + about(state, Math.max(max.refreshMinMs, Math.floor(holdsMs * max.refreshShare)));
  claimAll(state, turn, name, findings);
  settledFor(state, turn, name);
};

export const onFailed = (
  state: DiscoveryState,
  turn: Turn,
  { source: name, code, message }: Extract<DiscoveryEvent, { type: 'failed' }>,
): void => {
  const source = state.sources.get(name);
  if (source !== undefined) failed(state, turn, source, { code, message });
};

// ---------------------------------------------------------------- look-ups

const failuresOf = (state: DiscoveryState, { waiting }: Lookup): SourceFailure[] =>
  [...state.sources.values()].flatMap(({ source, failure }): SourceFailure[] => {
    if (waiting.has(source)) return [{ source, code: 'SOURCE_TIMED_OUT', message: 'it has not answered yet' }];
    return failure === null ? [] : [{ source, ...failure }];
  });

const answer = (state: DiscoveryState, turn: Turn, lookup: Lookup): void => {
  const places = ranked(state, servedPlaces(state)).slice(0, lookup.resultsMax);
  turn.effects.push({
    ...{ type: 'looked-up', id: lookup.id, failures: failuresOf(state, lookup) },
    places: places.map((place) => placeView(place, turn.nowMs)),
  });
};

export const endLookups = (state: DiscoveryState, turn: Turn): void => {
  for (const lookup of [...state.lookups]) {
    if (lookup.waiting.size > 0 && turn.nowMs < lookup.endMs) continue;
    state.lookups.splice(state.lookups.indexOf(lookup), 1);
    answer(state, turn, lookup);
  }
};

export const onLookup = (
  state: DiscoveryState,
  turn: Turn,
  { id, timeoutMs, resultsMax }: Extract<DiscoveryEvent, { type: 'lookup' }>,
): void => {
  const stale = [...state.sources.values()].filter(({ holdsUntilMs }) => holdsUntilMs <= turn.nowMs);
  const lookup = { id, endMs: turn.nowMs + timeoutMs, resultsMax, waiting: new Set(stale.map(({ source }) => source)) };
  // Too many at once are answered with what is known.
  if (state.lookups.length >= max.lookupsMax) return answer(state, turn, lookup);
  state.lookups.push(lookup);
  for (const source of stale) if (source.endMs === null) ask(state, turn, source);
  endLookups(state, turn);
};

export const askDueMs = (state: DiscoveryState): number => {
  let dueMs = Number.POSITIVE_INFINITY;
  for (const source of state.sources.values()) dueMs = Math.min(dueMs, source.endMs ?? askAtMs(state, source));
  for (const { endMs } of state.lookups) dueMs = Math.min(dueMs, endMs);
  return dueMs;
};
