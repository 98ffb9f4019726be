// What a log can repeat of a chart. A replicated machine's actions are run after they are committed, at another machine if need be, and are
// found there by their names; so a function that stands in the chart without a name can never be run. Such are named here by where they
// stand in the configuration, as its author wrote it.

type Config = Readonly<Record<string, unknown>>;

const isConfig = (value: unknown): value is Config => typeof value === 'object' && value !== null && !Array.isArray(value);

/** One or many, with the paths that lead to them. */
const each = (given: unknown, path: string): [unknown, string][] => {
  if (given === undefined || given === null) return [];
  return Array.isArray(given) ? given.map((one, at) => [one, `${path}[${at}]`]) : [[given, path]];
};

/** `states.a.on.PAY`, and `states['two words']` for what is no plain word. */
const under = (path: string, name: string): string => {
  const step = /^[A-Za-z_$][\w$-]*$/.test(name) ? name : `['${name}']`;
  return path === '' ? step : step.startsWith('[') ? `${path}${step}` : `${path}.${step}`;
};

const depthMax = 64;

type Look = { names: ReadonlySet<string>; problems: string[] };

/** What XState itself gives (`assign`, `raise`, `sendTo` …) says what it wants done as data: `resolve` tells it from a user's function. */
const isBuiltIn = (action: object): boolean => 'resolve' in action;

const whyUnfit = (action: unknown, names: ReadonlySet<string>): string | null => {
  if (typeof action === 'function')
    return isBuiltIn(action) ? null : 'is a function without a name: name it in setup({ actions }) or provide()';
  const name = typeof action === 'string' ? action : isConfig(action) ? action.type : undefined;
  if (typeof name !== 'string') return 'is no action';
  return names.has(name)
    ? null
    : `is called '${name}', which nothing implements: say what it does in setup({ actions }) or provide()`;
};

const lookAtActions = (given: unknown, path: string, { names, problems }: Look): void => {
  for (const [action, at] of each(given, path)) {
    const why = whyUnfit(action, names);
    if (why !== null) problems.push(`${at} ${why}`);
  }
};

const lookAtTransitions = (given: unknown, path: string, look: Look): void => {
  for (const [transition, at] of each(given, path))
    if (isConfig(transition)) lookAtActions(transition.actions, under(at, 'actions'), look);
};

const lookAtMany = (given: unknown, path: string, look: Look): void => {
  if (!isConfig(given)) return;
  for (const [name, transitions] of Object.entries(given)) lookAtTransitions(transitions, under(path, name), look);
};

const lookAtState = (config: unknown, path: string, depth: number, look: Look): void => {
  if (!isConfig(config) || depth > depthMax) return;
  for (const part of ['entry', 'exit']) lookAtActions(config[part], under(path, part), look);
  for (const part of ['on', 'after']) lookAtMany(config[part], under(path, part), look);
  for (const part of ['always', 'onDone', 'initial', 'route']) lookAtTransitions(config[part], under(path, part), look);
  for (const [invoked, at] of each(config.invoke, under(path, 'invoke')))
    if (isConfig(invoked))
      for (const part of ['onDone', 'onError', 'onSnapshot']) lookAtTransitions(invoked[part], under(at, part), look);
  if (isConfig(config.states))
    for (const [name, state] of Object.entries(config.states))
      lookAtState(state, under(under(path, 'states'), name), depth + 1, look);
};

/** A machine as XState makes it: what was given to `createMachine`, and what its names stand for. */
export type Chart = { readonly config: unknown; readonly implementations: { readonly actions: object } };

export const isChart = (logic: object): logic is Chart => {
  const { config, implementations, root } = logic as Partial<Chart> & { root?: unknown };
  return isConfig(config) && isConfig(implementations) && isConfig(implementations.actions) && typeof root === 'object';
};

/** What is wrong with it as a replicated one: 'states.paid.entry[0] is a function without a name …'. */
export const unrepeatable = (chart: Chart): string[] => {
  const actions = Object.entries(chart.implementations.actions);
  const look = {
    names: new Set(actions.filter(([, action]) => typeof action === 'function').map(([name]) => name)),
    problems: [],
  };
  lookAtState(chart.config, '', 0, look);
  return look.problems;
};
