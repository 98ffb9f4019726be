// The judge of linearizability: given a model and what clients saw, is there one order of all operations, each between its call and
// its answer, in which every answer is right? Each object is judged by itself.
import { Budget, type Limits } from './budget.ts';
import { Collector, type Order } from './collect.ts';
import { explain } from './explain.ts';
import type { HistoryEvent, Operation } from './history.ts';
import type { Model } from './models/model.ts';
import { type Part, partUntil, wholePart } from './part.ts';
import { type Progress, Search } from './search.ts';
import { refuteAnywhere, refuteNear, shrink } from './shrink.ts';
import { Space } from './space.ts';

export type Judged<Action = unknown> =
  | { readonly type: 'linearizable' }
  /** `part`: the smallest part found that has no order. */
  | { readonly type: 'violated'; readonly part: Part<Action>; readonly explanation: string }
  | { readonly type: 'undecided'; readonly why: 'steps' | 'time' | 'memory' };

export type Verdict =
  | { readonly type: 'linearizable'; readonly operations: number; readonly objects: number }
  | {
      readonly type: 'violated';
      readonly operations: number;
      readonly objects: number;
      /** Null where the history has no keys. */
      readonly key: string | null;
      readonly part: readonly Operation[];
      readonly explanation: string;
    }
  | {
      readonly type: 'undecided';
      readonly operations: number;
      readonly objects: number;
      readonly keys: readonly (string | null)[];
      readonly why: 'steps' | 'time' | 'memory';
      readonly explanation: string;
    }
  | { readonly type: 'unreadable'; readonly line: number; readonly explanation: string };

const firstSteps = 20_000;
const firstWidth = 64;
const stepsWhenFullMax = 20_000_000;
/** Of its time, against one part of the search proper. */
const hastyShare = 4;
const hastySteps = 300;
const decisionsGivenUpMin = 8;
const doublingsMax = 8;

/**
 * Looks for an order only: whenever it comes no further for a while it gives up its latest decisions, more each time, and if that
 * leads nowhere it begins anew and tries things in another order. Mistakes that show late do not keep it for ever.
 */
const findHastily = (
  part: Part<unknown>,
  space: Space<unknown, unknown>,
  budget: Budget,
  stepsMax: number,
  luck: number,
): { isFound: boolean; deepest: number } => {
  let deepest = Number.NEGATIVE_INFINITY;
  for (let steps = 0, attempt = 0; steps < stepsMax && budget.over === null; attempt++) {
    const search = new Search(part, space, budget, { luck: luck + attempt });
    let best = Number.NEGATIVE_INFINITY;
    let doublings = 0;
    for (let isOver = false; !isOver && steps < stepsMax; steps += hastySteps) {
      const progress = search.run(hastySteps);
      if (progress === 'found') return { isFound: true, deepest: search.deepest };
      isOver = progress !== 'paused' || budget.over !== null;
      if (search.deepest > best) doublings = Math.max(0, doublings - 1);
      else {
        search.giveUp(decisionsGivenUpMin << doublings);
        doublings = (doublings + 1) % doublingsMax;
      }
      best = search.deepest;
    }
    deepest = Math.max(deepest, search.deepest);
  }
  return { isFound: false, deepest };
};

/**
 * Searches for an order. While that has no end, it also searches hastily, which may find an order sooner, and looks for a short part
 * that has none around the place where both are stuck, which proves that there is none.
 */
const decide = (part: Part<unknown>, space: Space<unknown, unknown>, budget: Budget): Part<unknown> | null | 'undecided' => {
  const search = new Search(part, space, budget);
  let isFull = false;
  let luck = 1;
  let width = firstWidth;
  for (let steps = firstSteps; ; steps *= 2) {
    const progress: Progress = isFull ? 'full' : search.run(steps);
    if (progress === 'found') return null;
    if (progress === 'exhausted') return partUntil(part, search.deepest, space);
    if (budget.over !== null) return 'undecided';
    // With a full memory the search itself would go round in circles. The other two are tried once more, and longer.
    if (isFull && steps > stepsWhenFullMax) return 'undecided';
    isFull = progress === 'full';
    const hasty = findHastily(part, space, budget, hastyShare * steps, luck);
    if (hasty.isFound) return null;
    luck += steps;
    const near = refuteNear(part, Math.max(search.deepest, hasty.deepest), space, budget, steps);
    if (near !== null) return near;
    const anywhere = refuteAnywhere(part, width, space, budget, steps);
    if (anywhere !== null) return anywhere;
    width *= 2;
    if (budget.over !== null) return 'undecided';
  }
};

/** Judges the operations of one object. */
export const judgeObject = <State, Action>(
  model: Model<State, Action>,
  operations: readonly Operation<Action>[],
  budget: Budget,
): Judged<Action> => {
  const space = new Space(model) as Space<unknown, unknown>;
  const whole = wholePart<unknown, unknown>(operations, space);
  const failing = decide(whole, space, budget);
  if (failing === null) return { type: 'linearizable' };
  if (failing === 'undecided') return { type: 'undecided', why: budget.over ?? 'memory' };
  const part = shrink(whole, failing, space) as Part<Action>;
  return { type: 'violated', part, explanation: explain(part, space, operations.length) };
};

/** Judges the objects of a history, the smallest first: a failure in a small one is found soonest and is easiest to read. */
export const judgeObjects = <State, Action>(
  model: Model<State, Action>,
  objects: ReadonlyMap<string, readonly Operation<Action>[]>,
  isKeyed: boolean,
  limits: Limits = {},
): Verdict => {
  const budget = new Budget(limits);
  let operations = 0;
  for (const list of objects.values()) operations += list.length;
  const size = { operations, objects: objects.size };
  const undecided: (string | null)[] = [];
  let why: 'steps' | 'time' | 'memory' = 'memory';
  for (const [name, list] of [...objects].sort((a, b) => a[1].length - b[1].length)) {
    const key = isKeyed ? name : null;
    const judged = judgeObject(model, list, budget);
    if (judged.type === 'violated') {
      const of = key === null ? `The ${model.noun}` : `Key ${JSON.stringify(key)}`;
      const part = judged.part.items.map((item) => item.operation);
      return { type: 'violated', ...size, key, part, explanation: `${of} is not linearizable.\n${judged.explanation}` };
    }
    if (judged.type === 'linearizable') continue;
    undecided.push(key);
    why = judged.why;
  }
  if (undecided.length === 0) return { type: 'linearizable', ...size };
  return { type: 'undecided', ...size, keys: undecided, why, explanation: describeUndecided(undecided, why) };
};

const keysShownMax = 5;

const describeUndecided = (keys: readonly (string | null)[], why: 'steps' | 'time' | 'memory'): string => {
  const limit = { steps: 'steps allowed', time: 'time given', memory: 'memory allowed' }[why];
  const named = keys.filter((key) => key !== null).map((key) => JSON.stringify(key));
  const more = named.length > keysShownMax ? ` and ${named.length - keysShownMax} more` : '';
  const of = named.length === 0 ? '' : ` for ${named.slice(0, keysShownMax).join(', ')}${more}`;
  return `No order was found${of} in the ${limit}, and no proof that there is none.`;
};

/** Judges events as they were recorded, e.g. by a simulator or a test. */
export const judgeHistory = <State, Action>(
  model: Model<State, Action>,
  events: Iterable<HistoryEvent>,
  { order = 'time', ...limits }: Limits & { readonly order?: Order } = {},
): Verdict => {
  const collector = new Collector<State, Action>(model, order);
  let line = 0;
  for (const event of events) {
    const problem = collector.add(event, ++line);
    if (problem !== null) return { type: 'unreadable', line, explanation: `event ${line}: ${problem}` };
  }
  return judgeObjects(model, collector.end(), collector.isKeyed, limits);
};
