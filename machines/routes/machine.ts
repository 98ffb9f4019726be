// Routes as a value: an event and the time in, effects out (row R4). How anything is asked or sent is actors/routes.ts.
import { checkRoutes } from './invariants.ts';
import { begin, endDue, onAnswered, onReached, onUnheard, serve } from './questions.ts';
import type { RoutesState, Turn } from './state.ts';
import { type PeerId, type RoutesEffect, type RoutesEvent, routesLimits } from './types.ts';
import { dropWaysOver, forgetNone, noteBroken, sweep, wayAvoiding } from './ways.ts';

/** Takes in one event. Changes `state`; the effects are to be done in their order. */
export const step = (state: RoutesState, nowMs: number, event: RoutesEvent): RoutesEffect[] => {
  const turn: Turn = { nowMs, effects: [] };
  take(state, turn, event);
  if (nowMs >= state.deadlineMs) {
    for (const target of sweep(state, nowMs)) if (!state.own.has(target)) turn.effects.push({ type: 'refresh', target });
    state.deadlineMs = Math.min(endDue(state, turn), state.sweepMs);
  }
  checkRoutes(state, nowMs);
  return turn.effects;
};

const take = (state: RoutesState, turn: Turn, event: RoutesEvent): void => {
  switch (event.type) {
    case 'wake':
      return;
    case 'opened':
      return onOpened(state, turn, event.peer);
    case 'closed':
      state.near.delete(event.peer);
      dropWaysOver(state, ({ path }) => path[0] === event.peer);
      return onUnheard(state, turn, event.peer);
    case 'measured':
      return onMeasured(state, event.peer, event.rttMs);
    case 'came': {
      const known = state.targets.get(event.peer);
      if (known !== undefined) known.noneUntilMs = 0;
      return;
    }
    case 'gone':
      state.targets.delete(event.peer);
      return dropWaysOver(state, ({ path }) => path.includes(event.peer));
    case 'find':
      return onFind(state, turn, event.find, event.target, event.isDialable);
    case 'refreshed':
      if (!state.near.has(event.target) && !state.own.has(event.target)) {
        state.counts.refreshed++;
        begin(state, turn, event.target, null, event.isDialable);
      }
      return;
    case 'asked':
      return serve(state, turn, event.from, event.asked, event.question, event.timeLeftMs, event.isDialable);
    case 'answered':
      return onAnswered(state, turn, event.question, event.from, event.answer);
    case 'broken':
      state.counts.broken++;
      return noteBroken(state, event.target, event.via, turn.nowMs);
  }
};

const onOpened = (state: RoutesState, turn: Turn, peer: PeerId): void => {
  if (peer === state.self) return;
  const endless = Number.POSITIVE_INFINITY;
  state.near.set(peer, { path: [peer], latencyMs: null, learnedMs: turn.nowMs, untilMs: endless });
  // Straight on is better than any way around, and over a new neighbour others may be reached.
  state.targets.delete(peer);
  forgetNone(state);
  onReached(state, turn, peer);
};

const onMeasured = (state: RoutesState, peer: PeerId, rttMs: number): void => {
  const direct = state.near.get(peer);
  if (direct === undefined || !(rttMs >= 0)) return;
  state.near.set(peer, { ...direct, latencyMs: Math.min(rttMs, routesLimits.latencyMsMax) });
};

const onFind = (state: RoutesState, turn: Turn, find: number, target: PeerId, isDialable: boolean): void => {
  const found = (way: ReturnType<typeof wayAvoiding>): void => {
    state.counts.cached++;
    turn.effects.push({ type: 'found', find, way });
  };
  if (target === state.self) return found(null);
  const way = wayAvoiding(state, target, [], state.options.hopsMax, turn.nowMs);
  if (way !== null) return found(way);
  if ((state.targets.get(target)?.noneUntilMs ?? 0) > turn.nowMs) return found(null);
  begin(state, turn, target, find, isDialable);
};
