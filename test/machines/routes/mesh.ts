// Many machines of routes with links between them that a test cuts and mends: questions and answers take a while, what crosses a link
// that is cut is lost, and every crossing is walked as relays would walk it.
import { nextBetween, randomFrom } from '../../../machines/random.ts';
import {
  createRoutes,
  formRouteAnswer,
  formRouteQuestion,
  judgeCrossing,
  parseRouteAnswer,
  parseRouteQuestion,
  type RoutesEffect,
  type RoutesEvent,
  type RoutesOptions,
  type RoutesState,
  routesDefaults,
  step,
  type Way,
  wayTo,
} from '../../../machines/routes/index.ts';

type Letter = { atMs: number; order: number; deliver: () => void };
export type Found = { target: string; askedMs: number; endedMs: number; way: Way | null };
/** How a crossing ended, and over whom it went. */
export type Walk = { end: 'there' | 'LOOP_DETECTED' | 'UNREACHABLE' | 'asks'; over: string[] };

export const createMesh = (count: number, seed: number, options: Partial<RoutesOptions> = {}) => {
  const random = randomFrom(seed);
  const names = Array.from({ length: count }, (_, at) => `p${at}`);
  const states = new Map<string, RoutesState>();
  const all = { ...routesDefaults, ...options };
  for (const [at, self] of names.entries())
    states.set(self, createRoutes({ self, options: all, seed: seed + at, checkAll: true }));
  const links = new Set<string>();
  const linkOf = (a: string, b: string): string => [a, b].sort().join(' ');
  const found: Found[] = [];
  const finds = new Map<number, Found>();
  let letters: Letter[] = [];
  const asks = new Map<string, number>();
  const refreshes: string[] = [];
  let nowMs = 0;
  let numbers = 0;

  const post = (deliver: () => void): void => {
    letters.push({ atMs: nowMs + nextBetween(random, 1, 20), order: ++numbers, deliver });
  };

  const fulfil = (self: string, effect: RoutesEffect, answer: ((body: unknown) => void) | null): void => {
    if (effect.type === 'found') {
      const one = finds.get(effect.find)!;
      finds.delete(effect.find);
      found.push({ ...one, endedMs: nowMs, way: effect.way });
    } else if (effect.type === 'refresh') {
      refreshes.push(`${self} ${effect.target}`);
      run(self, { type: 'refreshed', target: effect.target, isDialable: false });
    } else if (effect.type === 'ask') ask(self, effect);
    else answer?.(formRouteAnswer(effect.answer));
  };

  const answering = new Map<number, (body: unknown) => void>();
  const run = (self: string, event: RoutesEvent): void => {
    for (const effect of step(states.get(self)!, nowMs, event))
      fulfil(self, effect, effect.type === 'answer' ? (answering.get(effect.asked) ?? null) : null);
  };

  const ask = (self: string, { question, to, ask, timeoutMs }: Extract<RoutesEffect, { type: 'ask' }>): void => {
    asks.set(self, (asks.get(self) ?? 0) + 1);
    const body = formRouteQuestion(ask);
    const link = linkOf(self, to);
    post(() => {
      if (!links.has(link)) return;
      const parsed = parseRouteQuestion(body);
      if (!parsed.ok) throw new Error(parsed.message);
      const asked = ++numbers;
      answering.set(asked, (answer) => {
        if (!answering.delete(asked)) throw new Error('answered twice');
        post(() => {
          const read = parseRouteAnswer(answer);
          if (!read.ok) throw new Error(read.message);
          if (links.has(link)) run(self, { type: 'answered', question, from: to, answer: read.answer });
        });
      });
      run(to, { type: 'asked', asked, from: self, question: parsed.question, timeLeftMs: timeoutMs, isDialable: false });
    });
  };

  return {
    ...{ names, states, found, finds, links, asks, refreshes, answering },
    now: () => nowMs,
    run,
    setLink(a: string, b: string, isUp: boolean): void {
      if (a === b || links.has(linkOf(a, b)) === isUp) return;
      if (isUp) links.add(linkOf(a, b));
      else links.delete(linkOf(a, b));
      const type = isUp ? 'opened' : 'closed';
      run(a, { type, peer: b });
      run(b, { type, peer: a });
      if (isUp)
        for (const [one, other] of [
          [a, b],
          [b, a],
        ])
          run(one!, { type: 'measured', peer: other!, rttMs: nextBetween(random, 1, 50) });
    },
    find(from: string, target: string): void {
      const find = ++numbers;
      finds.set(find, { target, askedMs: nowMs, endedMs: -1, way: null });
      run(from, { type: 'find', find, target, isDialable: false });
    },
    pass(ms: number): void {
      const untilMs = nowMs + ms;
      for (let turns = 0; ; turns++) {
        if (turns > 200_000) throw new Error('there is no end to it');
        const dueMs = Math.min(...letters.map(({ atMs }) => atMs), ...[...states.values()].map((state) => state.deadlineMs));
        if (dueMs > untilMs) break;
        nowMs = Math.max(nowMs, dueMs);
        const due = letters.filter(({ atMs }) => atMs <= nowMs).sort((a, b) => a.order - b.order);
        letters = letters.filter(({ atMs }) => atMs > nowMs);
        for (const { deliver } of due) deliver();
        for (const [self, state] of states) if (state.deadlineMs <= nowMs) run(self, { type: 'wake' });
      }
      nowMs = untilMs;
    },
    /** As relays do: each judges by what it knows; a hop that breaks is told to who would have gone it. */
    walk(from: string, target: string): Walk {
      const over = [from];
      for (let hops = 0; hops < 20; hops++) {
        const self = over.at(-1)!;
        const state = states.get(self)!;
        const way = self === from ? wayTo(state, target, nowMs) : null;
        if (way === 'unknown') return { end: 'asks', over };
        if (way === 'none') return { end: 'UNREACHABLE', over };
        const verdict =
          way === null
            ? judgeCrossing(state, { target, travelled: over.slice(0, -1) }, nowMs)
            : { type: 'pass' as const, to: way.path[0]! };
        if (verdict.type === 'here') return { end: 'there', over };
        if (verdict.type === 'ask') return { end: 'asks', over };
        if (verdict.type === 'refused') return { end: verdict.code, over };
        over.push(verdict.to);
      }
      throw new Error(`it is walked for ever: ${over.join(' ')}`);
    },
    /** Links on the shortest way; Infinity: there is none. */
    distance(from: string, target: string): number {
      let ring = new Set([from]);
      const seen = new Set([from]);
      for (let links_ = 0; ring.size > 0; links_++) {
        if (ring.has(target)) return links_;
        const next = new Set<string>();
        for (const peer of ring)
          for (const other of names) if (!seen.has(other) && links.has(linkOf(peer, other))) next.add(other);
        for (const peer of next) seen.add(peer);
        ring = next;
      }
      return Number.POSITIVE_INFINITY;
    },
  };
};
