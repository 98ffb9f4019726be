// How a way is found that is not known: neighbours are asked what they know themselves, and if that is nothing, to ask theirs (an
// expanding ring, as AODV has it, RFC 3561, 6.4). A question names everybody over whom it came, and nobody asks them; who is asked
// twice because of the same question asks others once, unless it may go farther the second time. So a question ends, whatever the
// mesh looks like, and each that is asked because of it is given less time than who asks.
import { nextUint32 } from '../random.ts';
import { drawFrom } from './draw.ts';
import { type Question, type RoutesState, type Turn, wakeBy } from './state.ts';
import { routesLimits as max, type PeerId, type RouteAnswer, type RouteQuestion } from './types.ts';
import { answerOf, learn, noteNone, wayAvoiding, wayOver } from './ways.ts';

/** Of the time that who asks has: what is left is for the way back. */
const servedShare = 0.75;

const ask = (turn: Turn, question: Question, to: PeerId, isWide: boolean): void => {
  const { target, travelled, flood } = question;
  question.asked.add(to);
  question.told.add(to);
  const linksMax = to === target ? 0 : question.linksMax;
  const timeoutMs = Math.max(1, question.endsMs - turn.nowMs);
  turn.effects.push({
    ...{ type: 'ask', question: question.number, to, timeoutMs },
    ask: { target, travelled, flood, linksMax, isWide },
  });
};

const askNeighbours = (state: RoutesState, turn: Turn, question: Question): void => {
  const { target, travelled, told, asked } = question;
  if (question.linksMax < 1) return;
  const free = [...state.near.keys()].filter((peer) => peer !== target && !asked.has(peer) && !travelled.includes(peer));
  const fresh = drawFrom(
    state.random,
    free.filter((peer) => !told.has(peer)),
    state.options.fanout,
  );
  const again = drawFrom(
    state.random,
    free.filter((peer) => told.has(peer) && !fresh.includes(peer)),
    state.options.fanout - fresh.length,
  );
  for (const peer of fresh) ask(turn, question, peer, question.isWide);
  for (const peer of again) ask(turn, question, peer, true);
};

const open = (
  state: RoutesState,
  turn: Turn,
  about: Pick<Question, 'target' | 'travelled' | 'flood' | 'linksMax' | 'isWide' | 'served' | 'waiters'>,
  timeMs: number,
): Question => {
  const endsMs = turn.nowMs + timeMs;
  const ringEndsMs = about.served === null ? Math.min(endsMs, turn.nowMs + state.options.nearMs) : endsMs;
  const question = {
    ...about,
    number: ++state.lastQuestion,
    asked: new Set<PeerId>(),
    told: new Set<PeerId>(),
    ringEndsMs,
    endsMs,
  };
  state.questions.set(question.number, question);
  wakeBy(state, ringEndsMs);
  return question;
};

const close = (state: RoutesState, question: Question): void => {
  state.questions.delete(question.number);
  if (question.served === null) state.own.delete(question.target);
};

/** Answers whoever waits, if there is a way for them. False: there is none yet. */
const settle = (state: RoutesState, turn: Turn, question: Question): boolean => {
  const { target, travelled, served } = question;
  if (served === null) {
    const way = wayAvoiding(state, target, [], state.options.hopsMax, turn.nowMs);
    if (way === null) return false;
    for (const find of question.waiters) turn.effects.push({ type: 'found', find, way });
    state.counts.found += question.waiters.length;
    question.waiters = [];
    return true;
  }
  // Whom it asks is one link away.
  const way = wayAvoiding(state, target, travelled, question.linksMax + 1, turn.nowMs);
  const answer = way === null ? null : answerOf(state, way, turn.nowMs);
  if (answer === null) return false;
  turn.effects.push({ type: 'answer', asked: served.asked, answer });
  return true;
};

const giveUp = (state: RoutesState, turn: Turn, question: Question): void => {
  const { target, served, waiters } = question;
  close(state, question);
  if (served !== null) return void turn.effects.push({ type: 'answer', asked: served.asked, answer: null });
  noteNone(state, target, turn.nowMs);
  for (const find of waiters) turn.effects.push({ type: 'found', find, way: null });
  state.counts.none += waiters.length;
};

/** What is next: wait, ask farther, or give up. */
export const proceed = (state: RoutesState, turn: Turn, question: Question): void => {
  const { served, asked } = question;
  const isOver = asked.size === 0 || turn.nowMs >= question.ringEndsMs;
  if (!isOver) return;
  // Another question may have found the way meanwhile.
  const isSettled = settle(state, turn, question);
  if (!isSettled && served === null && !question.isWide && turn.nowMs < question.endsMs) {
    question.isWide = true;
    question.ringEndsMs = question.endsMs;
    askNeighbours(state, turn, question);
    wakeBy(state, question.endsMs);
    if (asked.size > 0) return;
  }
  if (isSettled) close(state, question);
  else giveUp(state, turn, question);
};

// ---------------------------------------------------------------- this node asks

/** `find` null: nobody waits, it is only to be known still when it is wanted. */
export const begin = (state: RoutesState, turn: Turn, target: PeerId, find: number | null, isDialable: boolean): void => {
  const refuse = (): void => {
    state.counts.refused++;
    if (find !== null) turn.effects.push({ type: 'found', find, way: null });
  };
  const running = state.own.get(target);
  if (running !== undefined) {
    if (find === null) return;
    if (running.waiters.length >= max.waitersMax) return refuse();
    return void running.waiters.push(find);
  }
  if (state.questions.size >= max.questionsMax) return refuse();
  const question = open(
    state,
    turn,
    {
      ...{ target, travelled: [], flood: nextUint32(state.random), linksMax: state.options.hopsMax - 1 },
      ...{ isWide: false, served: null, waiters: find === null ? [] : [find] },
    },
    state.options.askMs,
  );
  state.own.set(target, question);
  if (isDialable) ask(turn, question, target, false);
  askNeighbours(state, turn, question);
  proceed(state, turn, question);
};

// ---------------------------------------------------------------- others ask

/** True: others may be asked because of it, for they were not yet, or not so far. */
const isNewFlood = (state: RoutesState, travelled: readonly PeerId[], { flood, linksMax }: RouteQuestion): boolean => {
  const key = `${travelled[0]} ${flood}`;
  const before = state.floods.get(key);
  if (before !== undefined && before >= linksMax) return false;
  state.floods.delete(key);
  state.floods.set(key, linksMax);
  if (state.floods.size > max.floodsMax) for (const oldest of state.floods.keys()) if (state.floods.delete(oldest)) break;
  return true;
};

const servedFor = (state: RoutesState, from: PeerId): number => {
  let count = 0;
  for (const { served } of state.questions.values()) if (served?.from === from) count++;
  return count;
};

export const serve = (
  state: RoutesState,
  turn: Turn,
  from: PeerId,
  asked: number,
  about: RouteQuestion,
  timeLeftMs: number,
  isDialable: boolean,
): void => {
  const { target, linksMax } = about;
  const travelled = [...about.travelled, from];
  const answer = (answered: RouteAnswer | null): void => void turn.effects.push({ type: 'answer', asked, answer: answered });
  state.counts.answered++;
  if (target === state.self) return answer({ path: [], latencyMs: 0, leftMs: state.options.ttlMs });
  if (travelled.includes(state.self) || travelled.includes(target) || travelled.length > state.options.hopsMax)
    return answer(null);
  const way = wayAvoiding(state, target, travelled, linksMax, turn.nowMs);
  if (way !== null) return answer(answerOf(state, way, turn.nowMs));
  const mayAsk = about.isWide && linksMax >= 2 && isNewFlood(state, travelled, about);
  const mayDial = isDialable && linksMax >= 1;
  if ((!mayAsk && !mayDial) || state.questions.size >= max.questionsMax || servedFor(state, from) >= max.servedMax)
    return answer(null);
  const question = open(
    state,
    turn,
    {
      ...{ target, travelled, flood: about.flood, linksMax: linksMax - 1 },
      ...{ isWide: true, served: { asked, from }, waiters: [] },
    },
    Math.max(1, Math.min(state.options.askMs, timeLeftMs) * servedShare),
  );
  if (mayDial) ask(turn, question, target, false);
  if (mayAsk) askNeighbours(state, turn, question);
  proceed(state, turn, question);
};

// ---------------------------------------------------------------- answers

export const onAnswered = (state: RoutesState, turn: Turn, number: number, from: PeerId, answer: RouteAnswer | null): void => {
  const question = state.questions.get(number);
  if (question === undefined || !question.asked.delete(from)) return;
  const way = answer === null ? null : wayOver(state, from, question.target, answer, turn.nowMs);
  if (
    way !== null &&
    learn(state, question.target, way, turn.nowMs) &&
    settle(state, turn, question) &&
    question.served !== null
  )
    return close(state, question);
  proceed(state, turn, question);
};

/** There is a connection to it now. */
export const onReached = (state: RoutesState, turn: Turn, target: PeerId): void => {
  for (const question of [...state.questions.values()])
    if (question.target === target && settle(state, turn, question)) close(state, question);
};

/** It can answer nothing any more. */
export const onUnheard = (state: RoutesState, turn: Turn, peer: PeerId): void => {
  for (const question of [...state.questions.values()]) {
    // Who is asked whether it is there itself is asked by opening a connection.
    if (question.target === peer || !question.asked.delete(peer)) continue;
    proceed(state, turn, question);
  }
};

/** Ends what has had its time; answers when the next one has. */
export const endDue = (state: RoutesState, turn: Turn): number => {
  let nextMs = Number.POSITIVE_INFINITY;
  for (const question of [...state.questions.values()]) {
    if (question.ringEndsMs <= turn.nowMs) proceed(state, turn, question);
    if (state.questions.has(question.number)) nextMs = Math.min(nextMs, question.ringEndsMs);
  }
  return nextMs;
};
