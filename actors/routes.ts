// Over whom members are reached that this node has no connection to (row R4): drives machines/routes over the control lane. Whoever asks
// is the peer that the connection proves; what is answered is a hint, taken when it is used and dropped when it fails.

import type { Offered } from '../machines/routes/index.ts';
import {
  createRoutes,
  formRouteAnswer,
  formRouteQuestion,
  parseRouteAnswer,
  parseRouteQuestion,
  type RouteCounts,
  type RoutesEffect,
  type RoutesEvent,
  type RoutesOptions,
  type RoutesState,
  step,
  type Way,
} from '../machines/routes/index.ts';
import { createAlarm } from './alarm.ts';
import { createPlacesRoom, type PlaceLookup } from './places.ts';
import type { PeerId, Ports, SinkPort } from './ports/index.ts';
import type { Delivery, Router } from './router.ts';
import type { CatalogApi } from './service-api.ts';
import type { Component, Scope } from './supervise.ts';

export const routesAddress = 'routes';
const questionType = 'reach';

export type RoutesActorEvent =
  | { type: 'delivery'; delivery: Delivery }
  | { type: 'opened' | 'closed' | 'came' | 'gone'; peer: PeerId }
  | { type: 'measured'; peer: PeerId; rttMs: number }
  /** `done` once, in this turn if it is known; null: nobody reaches it. */
  | { type: 'find'; target: PeerId; done: (way: Way | null) => void }
  | { type: 'broken'; target: PeerId; via: PeerId }
  /** `done` once: who offers it, as they say themselves. */
  | { type: 'locate'; lookup: PlaceLookup; done: (places: readonly Offered[]) => void };

export type RoutesArguments = {
  options: RoutesOptions;
  ports: Ports;
  router: Router;
  checkAll: boolean;
  connected: readonly { peerId: PeerId; rttMs: number | null }[];
  find: CatalogApi['find'];
  reach: (peer: PeerId) => 'open' | 'wait' | 'none';
  /** Thrown out: nothing is asked or answered for it. */
  isEvicted: (peer: PeerId) => boolean;
  onState: (state: RoutesState) => void;
};

const lookups = ['found', 'none', 'refused', 'cached'] as const;

/** Raises the counters by what was counted since the last time. */
const createCounting = (sink: SinkPort, counts: RouteCounts): (() => void) => {
  const told = { ...counts };
  const more = (which: keyof RouteCounts, raise: (by: number) => void): void => {
    const by = counts[which] - told[which];
    told[which] = counts[which];
    if (by > 0) raise(by);
  };
  return () => {
    for (const result of lookups) more(result, (by) => sink.count('route_lookups_total', { result }, by));
    more('refreshed', (by) => sink.count('route_refreshes_total', {}, by));
    more('broken', (by) => sink.count('route_breaks_total', {}, by));
    more('answered', (by) => sink.count('route_questions_total', {}, by));
  };
};

export const createRoutesActor = (scope: Scope, args: RoutesArguments): Component<RoutesActorEvent> => {
  const { ports, router, reach } = args;
  const { clock, network, random, sink } = ports;
  const state: RoutesState = createRoutes({
    ...{ self: network.self, options: args.options, seed: random.uint32(), checkAll: args.checkAll },
  });
  /** Who waits: for a way, and for what this node answers. The machine ends each of them. */
  const finds = new Map<number, (way: Way | null) => void>();
  const asked = new Map<number, (body: unknown) => void>();
  const places = createPlacesRoom(scope, {
    ...{ options: args.options, ports, router, find: args.find, address: routesAddress },
    near: () => [...state.near.keys()],
  });
  let lastNumber = 0;
  const count = createCounting(sink, state.counts);
  const alarm = createAlarm(clock, scope.after, () => run({ type: 'wake' }));

  const ask = ({ question, to, ask: about, timeoutMs }: Extract<RoutesEffect, { type: 'ask' }>): void => {
    const letter = { peer: to, lane: 'control' as const, source: routesAddress, target: routesAddress, type: questionType };
    router.ask(
      { ...letter, body: formRouteQuestion(about), timeoutMs },
      // Not while the machine is in the middle of what it does: what cannot be sent is answered at once.
      (why, body) => scope.soon(() => onAnswer(question, to, why === null ? body : null)),
    );
  };

  const onAnswer = (question: number, from: PeerId, body: unknown): void => {
    const parsed = parseRouteAnswer(body);
    if (!parsed.ok) router.refuse(from, parsed.refused, parsed.message);
    run({ type: 'answered', question, from, answer: parsed.ok ? parsed.answer : null });
  };

  const fulfil = (effect: RoutesEffect): void => {
    switch (effect.type) {
      case 'ask':
        return ask(effect);
      case 'answer': {
        const answer = asked.get(effect.asked);
        asked.delete(effect.asked);
        return answer?.(formRouteAnswer(effect.answer));
      }
      case 'found': {
        const done = finds.get(effect.find);
        finds.delete(effect.find);
        return done?.(effect.way);
      }
      case 'refresh':
        return run({ type: 'refreshed', target: effect.target, isDialable: reach(effect.target) === 'wait' });
    }
  };

  const run = (event: RoutesEvent): void => {
    const effects = step(state, clock.nowMs(), event);
    for (const effect of effects) fulfil(effect);
    count();
    alarm.at(state.deadlineMs);
  };

  const onDelivery = (delivery: Delivery): void => {
    const { peer, type, body, timeLeftMs, answer } = delivery;
    if (args.isEvicted(peer)) return answer(null);
    if (places.receive(delivery)) return;
    if (type !== questionType) return router.refuse(peer, 'TYPE_UNKNOWN', `no such message to routes: ${type.slice(0, 32)}`);
    const parsed = parseRouteQuestion(body);
    if (!parsed.ok) return router.refuse(peer, parsed.refused, parsed.message);
    const { question } = parsed;
    // Who was thrown out is neither told the way nor shown it.
    if (args.isEvicted(question.target)) return answer(formRouteAnswer(null));
    const number = ++lastNumber;
    asked.set(number, answer);
    run({ type: 'asked', asked: number, from: peer, question, timeLeftMs, isDialable: reach(question.target) === 'wait' });
  };

  args.onState(state);
  for (const { peerId, rttMs } of args.connected) {
    run({ type: 'opened', peer: peerId });
    if (rttMs !== null) run({ type: 'measured', peer: peerId, rttMs });
  }

  return {
    receive(event) {
      switch (event.type) {
        case 'locate':
          return places.locate(event.lookup, event.done);
        case 'opened':
          places.news();
          return run(event);
        case 'delivery':
          return onDelivery(event.delivery);
        case 'find': {
          const find = ++lastNumber;
          finds.set(find, event.done);
          return run({ type: 'find', find, target: event.target, isDialable: reach(event.target) === 'wait' });
        }
        default:
          return run(event);
      }
    },
    stop() {
      places.stop();
      const waiting = [...finds.values()];
      finds.clear();
      for (const done of waiting) done(null);
      for (const answer of asked.values()) answer(formRouteAnswer(null));
      asked.clear();
    },
  };
};
