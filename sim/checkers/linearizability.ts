// The judge of linearizability: given a model and what clients saw, is there one order of all operations, each between its call and
// its answer, in which every answer is right? Each object is judged by itself.
import { Budget, type Limits } from './budget.ts';
import { Collector, type Order } from './collect.ts';
import { explain } from './explain.ts';
import type { HistoryEvent, Operation } from './history.ts';
import type { Model } from './models/model.ts';
import { type Part, partUntil, wholePart } from './part.ts';
import { Search } from './search.ts';
import { refuteNear, shrink } from './shrink.ts';
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

/**
 * Searches for an order; whenever that takes long, looks for a short part around the place where it is stuck that has none, which
 * proves as much and is found sooner.
 */
const decide = (part: Part<unknown>, space: Space<unknown, unknown>, budget: Budget): Part<unknown> | null | 'undecided' => {
  const search = new Search(part, space, budget);
  for (let steps = firstSteps; ; steps *= 4) {
    const progress = search.run(steps);
    if (progress === 'found') return null;
    if (progress === 'exhausted') return partUntil(part, search.deepest, space);
    if (budget.over !== null) return 'undecided';
    const near = refuteNear(part, search.deepest, space, budget, steps);
    if (near !== null) return near;
    if (progress === 'full' || budget.over !== null) return 'undecided';
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
