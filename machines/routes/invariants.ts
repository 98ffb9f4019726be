// What must be true of routes after every step.
import { InvariantBroken } from '../invariant.ts';
import type { RoutesState } from './state.ts';
import { routesLimits as max } from './types.ts';

/** Of sums of times. */
const roundingMs = 1e-3;

const demand = (invariant: string, holds: boolean, what: () => string): void => {
  if (!holds) throw new InvariantBroken(invariant, what());
};

export const checkRoutes = (state: RoutesState, nowMs: number): void => {
  const { targets, questions, own, floods, self, near } = state;
  demand('targets-bounded', targets.size <= max.targetsMax, () => `${targets.size} peers are remembered`);
  demand('questions-bounded', questions.size <= max.questionsMax, () => `${questions.size} questions are open`);
  demand('floods-bounded', floods.size <= max.floodsMax, () => `${floods.size} floods are remembered`);
  demand('own-among-questions', own.size <= questions.size, () => `${own.size} own questions of ${questions.size}`);
  if (!state.checkAll) return;
  demand('not-to-itself', !near.has(self) && !targets.has(self), () => 'it looks for itself');
  for (const [target, { ways, broken }] of targets) {
    demand('near-needs-no-way', !near.has(target), () => `${target} is connected and a way around is remembered`);
    demand('ways-bounded', ways.length <= max.waysMax && broken.size <= max.waysMax, () => `${ways.length} ways to ${target}`);
    demand('one-way-a-neighbour', new Set(ways.map(({ path }) => path[0])).size === ways.length, () => `to ${target}`);
    for (const { path, learnedMs, untilMs } of ways) {
      const told = path.join(' → ');
      demand('way-without-loop', new Set(path).size === path.length && !path.includes(self), () => told);
      demand('way-ends-there', path.at(-1) === target, () => `${told} is to lead to ${target}`);
      demand('way-within-budget', path.length <= state.options.hopsMax, () => told);
      demand('way-over-a-neighbour', near.has(path[0]!) || path[0] === target, () => told);
      demand(
        'way-ends-in-time',
        untilMs - learnedMs <= state.options.ttlMs + roundingMs,
        () => `${told} holds ${untilMs - learnedMs} ms`,
      );
    }
  }
  for (const question of questions.values()) {
    demand(
      'question-ends',
      question.endsMs <= nowMs + state.options.askMs + roundingMs,
      () => `a question about ${question.target}`,
    );
    demand('asks-nobody-on-its-way', !question.travelled.some((peer) => question.asked.has(peer)), () => question.target);
    const isOwn = own.get(question.target) === question;
    demand('one-own-question', isOwn === (question.served === null), () => `about ${question.target}`);
    demand('waits-for-somebody', question.asked.size > 0, () => `nobody is asked about ${question.target}`);
    demand('woken-in-time', state.deadlineMs <= Math.max(nowMs, question.ringEndsMs), () => `${state.deadlineMs} is too late`);
  }
};
