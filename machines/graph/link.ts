// How steps hang together: who waits for whom, which of them run only when something failed, and what is certain to be there when a
// step runs. Whatever would only come out in the middle of a run is refused here, before anything has happened.
import type { PlannedStep, ReadStep } from './plan.ts';
import { type Problems, tell } from './problems.ts';
import { type Referred, referenceText } from './references.ts';

type Places = ReadonlyMap<string, number>;
type Edges = Pick<PlannedStep, 'needs' | 'follows' | 'looksAt' | 'handles'>;

/** The fields of a step in which others are named, with the references in each. */
const namingsOf = (step: ReadStep): { field: string; references: readonly Referred[]; names: readonly string[] }[] => [
  { field: 'after', references: [], names: step.after },
  { field: 'input', references: step.call.references, names: [] },
  {
    field: 'when',
    references: step.when.flatMap((one) => ('references' in one ? one.references : [])),
    names: step.when.flatMap((one) => ('step' in one ? [one.step] : [])),
  },
];

const isHandled = ({ onError }: ReadStep): boolean => onError !== 'fail' && onError !== 'continue';

// ---------------------------------------------------------------- names

/** Every name is that of another step. */
const checkNames = (problems: Problems, steps: readonly ReadStep[], places: Places): void => {
  for (const step of steps) {
    const { name, compensate } = step;
    const check = (field: string, named: string, mayBeItself = false): void => {
      const path = ['steps', name, field];
      if (named === name && !mayBeItself) tell(problems, path, 'refers to the step itself');
      else if (!places.has(named)) tell(problems, path, `refers to '${named}', and there is no such step`);
    };
    for (const { field, references, names } of namingsOf(step))
      for (const named of new Set([...names, ...references.map((one) => one.step)])) check(field, named);
    for (const named of new Set(compensate?.references.map((one) => one.step))) check('compensate', named, true);
    if (isHandled(step)) check('onError', step.onError);
  }
};

// ---------------------------------------------------------------- edges

const edgesOf = (step: ReadStep, places: Places): Omit<Edges, 'handles'> => {
  const references = namingsOf(step).flatMap((one) => one.references);
  const placesOf = (names: readonly string[]): number[] => [...new Set(names.map((name) => places.get(name)!))];
  const isNeeded = ({ of, or }: Referred): boolean => of === 'result' && or === null;
  return {
    needs: placesOf(references.filter(isNeeded).map((one) => one.step)),
    follows: placesOf(step.after),
    looksAt: placesOf([
      ...references.filter((one) => !isNeeded(one)).map((one) => one.step),
      ...step.when.flatMap((one) => ('step' in one ? [one.step] : [])),
    ]),
  };
};

const waitedFor = ({ needs, follows, looksAt, handles }: Edges): number[] => [
  ...new Set([...needs, ...follows, ...looksAt, ...handles]),
];

/** Places, each behind all that it waits for. Circles are told by the names of those in them; null: there were some. */
const orderOf = (problems: Problems, steps: readonly ReadStep[], edges: readonly Edges[]): number[] | null => {
  const order: number[] = [];
  const standing = steps.map((): 'new' | 'open' | 'closed' => 'new');
  const open: number[] = [];
  let isCircular = false;
  // No deeper than there are steps.
  const visit = (at: number): void => {
    standing[at] = 'open';
    open.push(at);
    for (const other of waitedFor(edges[at]!)) {
      if (standing[other] === 'new') visit(other);
      else if (standing[other] === 'open') {
        isCircular = true;
        const circle = [...open.slice(open.indexOf(other)), other].map((place) => steps[place]!.name);
        tell(problems, ['steps', circle[0]!], `waits for itself: ${circle.join(' > ')}`);
      }
    }
    open.pop();
    standing[at] = 'closed';
    order.push(at);
  };
  for (const at of steps.keys()) if (standing[at] === 'new') visit(at);
  return isCircular ? null : order;
};

// ---------------------------------------------------------------- error steps

/** Those that a failure calls for, and those that come behind one of them. */
const errorStepsOf = (order: readonly number[], edges: readonly Edges[]): ReadonlySet<number> => {
  const found = new Set<number>();
  for (const at of order) {
    const { handles, needs, follows } = edges[at]!;
    if (handles.length > 0 || [...needs, ...follows].some((other) => found.has(other))) found.add(at);
  }
  return found;
};

const checkErrorSteps = (
  problems: Problems,
  steps: readonly ReadStep[],
  edges: readonly Edges[],
  errorSteps: ReadonlySet<number>,
): void => {
  for (const [at, step] of steps.entries()) {
    const path = ['steps', step.name];
    if (errorSteps.has(at)) {
      if (step.compensate !== null) tell(problems, path, 'runs only when the run has failed: nothing compensates it');
      continue;
    }
    for (const other of edges[at]!.looksAt)
      if (errorSteps.has(other))
        tell(problems, path, `looks at '${steps[other]!.name}', which runs only when the run has failed`);
  }
};

// ---------------------------------------------------------------- what is certain

/** Of places; what of many steps is known of many others has to be joined quickly. */
type PlaceSet = Uint32Array;

const holds = (set: PlaceSet, at: number): boolean => ((set[at >>> 5]! >>> (at & 31)) & 1) === 1;
const enter = (set: PlaceSet, at: number): void => void (set[at >>> 5]! |= 1 << (at & 31));
const join = (set: PlaceSet, other: PlaceSet): void => {
  for (const [at, bits] of other.entries()) set[at]! |= bits;
};

type Certain = {
  /** Of each step: whose results are there when it runs, at least these. */
  readonly sure: readonly PlaceSet[];
  /** The same, but for what an error step asks of steps that run before anything has failed: it would be skipped without. */
  readonly given: readonly PlaceSet[];
  readonly errorSteps: ReadonlySet<number>;
};

/** `order` sees to it that those before are known. */
const certainOf = (
  steps: readonly ReadStep[],
  order: readonly number[],
  edges: readonly Edges[],
  errorSteps: ReadonlySet<number>,
): Certain => {
  const sure: PlaceSet[] = [];
  const given: PlaceSet[] = [];
  /** It is done unless the run fails. */
  const isBound: boolean[] = [];
  const add = (set: PlaceSet, others: readonly number[]): PlaceSet => {
    for (const other of others) {
      enter(set, other);
      join(set, sure[other]!);
    }
    return set;
  };
  for (const at of order) {
    const { needs, follows, handles } = edges[at]!;
    const { when, onError } = steps[at]!;
    isBound[at] = when.length === 0 && onError !== 'continue' && needs.every((other) => isBound[other]);
    const isAlike = (other: number): boolean => errorSteps.has(at) === errorSteps.has(other);
    // What an error step only comes behind may have been skipped because of the failure.
    const alike = [...needs.filter(isAlike), ...follows.filter((other) => isAlike(other) && isBound[other])];
    const [first, ...others] = handles;
    // Of several failures it is only certain what came before all of them.
    const shared = first === undefined ? new Uint32Array(Math.ceil(steps.length / 32)) : sure[first]!.slice();
    for (const other of others) for (const word of shared.keys()) shared[word]! &= sure[other]![word]!;
    given[at] = add(shared, alike);
    sure[at] = add(given[at].slice(), needs);
  }
  return { sure, given, errorSteps };
};

/** Why the result of `other` may not be there when `at` runs; null: it is there, or `at` is skipped like it. */
const whyAbsent = (
  [at, other]: readonly [number, number],
  steps: readonly ReadStep[],
  edges: readonly Edges[],
  { given, errorSteps }: Certain,
): string | null => {
  const { name, onError } = steps[other]!;
  if (onError === 'continue') return `'${name}' may fail without failing the run`;
  if (!errorSteps.has(at) || errorSteps.has(other)) return null;
  if (edges[at]!.handles.includes(other)) return `'${name}' has failed then`;
  return holds(given[at]!, other) ? null : `'${name}' may not have run then`;
};

const checkReferences = (
  problems: Problems,
  steps: readonly ReadStep[],
  edges: readonly Edges[],
  places: Places,
  known: Certain,
): void => {
  const remedy = "; say by 'or' what stands for it";
  for (const [at, step] of steps.entries()) {
    const isStrict = ({ of, or }: Referred): boolean => of === 'result' && or === null;
    for (const { field, references } of namingsOf(step))
      for (const one of references.filter(isStrict)) {
        const why = whyAbsent([at, places.get(one.step)!], steps, edges, known);
        if (why !== null) tell(problems, ['steps', step.name, field], `refers to ${referenceText(one)}, but ${why}${remedy}`);
      }
    for (const one of (step.compensate?.references ?? []).filter(isStrict)) {
      const place = places.get(one.step)!;
      if (place === at || holds(known.sure[at]!, place)) continue;
      const why = `'${one.step}' may not have run then`;
      tell(problems, ['steps', step.name, 'compensate', 'input'], `refers to ${referenceText(one)}, but ${why}${remedy}`);
    }
  }
};

// ---------------------------------------------------------------- all of it

/** Null: there are problems, which have been told. */
export const linkSteps = (
  problems: Problems,
  steps: readonly ReadStep[],
): { steps: PlannedStep[]; places: Places; order: number[] } | null => {
  const places: Places = new Map(steps.map(({ name }, at) => [name, at]));
  checkNames(problems, steps, places);
  if (problems.count > 0) return null;
  const handles = steps.map((): number[] => []);
  for (const [at, step] of steps.entries()) if (isHandled(step)) handles[places.get(step.onError)!]!.push(at);
  const edges = steps.map((step, at) => ({ ...edgesOf(step, places), handles: handles[at]! }));
  const order = orderOf(problems, steps, edges);
  if (order === null) return null;
  const errorSteps = errorStepsOf(order, edges);
  checkErrorSteps(problems, steps, edges, errorSteps);
  checkReferences(problems, steps, edges, places, certainOf(steps, order, edges, errorSteps));
  if (problems.count > 0) return null;
  const waiting = edges.map(waitedFor);
  const dependents = steps.map((): number[] => []);
  for (const [at, others] of waiting.entries()) for (const other of others) dependents[other]!.push(at);
  const planned = steps.map((step, at) => ({
    ...{ ...step, ...edges[at]!, at, isErrorStep: errorSteps.has(at) },
    ...{ dependents: dependents[at]!, waitsFor: waiting[at]!.length },
  }));
  return { steps: planned, places, order };
};
