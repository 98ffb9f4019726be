// A statechart as plain data, for those who draw it: the configuration that its author wrote, with functions by their names and
// without a context.
import { textHash } from '../machines/hash.ts';
import type { ActorDefinition } from './actor-api.ts';
import { shown, wellFormed } from './inspect-shown.ts';

/** As XState's `createMachine` takes it: `id`, `initial`, `states`, `on` … */
export type Chart = { readonly [name: string]: unknown };

export const chartLimits = { depthMax: 96, nodesMax: 10_000, charsMax: 128 << 10, textCharsMax: 2_000 } as const;

type Walk = { nodes: number; chars: number; readonly redact: ReadonlySet<string> };

/** Not part of what is drawn, and perhaps large or secret. */
const leftOut = new Set(['context', 'types', 'schemas', 'input', 'output', '__proto__']);
/** Below these, keys are names of states and events, whatever they are called. */
const named = new Set(['states', 'on', 'after']);
/** Data of the author's. */
const free = new Set(['params', 'meta']);

const textOf = (text: string, walk: Walk): string => {
  const cut = text.slice(0, Math.max(0, Math.min(chartLimits.textCharsMax, walk.chars)));
  walk.chars -= cut.length;
  return wellFormed(cut);
};

const own = (value: object, name: string): unknown => Object.getOwnPropertyDescriptor(value, name)?.value;

const ownText = (value: object, name: string): string | null => {
  const text = own(value, name);
  return typeof text === 'string' && text !== '' ? text : null;
};

const isLogic = (value: object): boolean =>
  typeof (value as { transition?: unknown }).transition === 'function' &&
  typeof (value as { getInitialSnapshot?: unknown }).getInitialSnapshot === 'function';

const fieldsOf = (value: object, walk: Walk, depth: number, areNames: boolean): Record<string, unknown> => {
  const fields: Record<string, unknown> = {};
  for (const name of Object.keys(value)) {
    if (walk.nodes <= 0 || walk.chars <= 0) break;
    if (name === '__proto__' || (!areNames && leftOut.has(name))) continue;
    const field = own(value, name);
    const made =
      !areNames && free.has(name) ? shown(field, walk.redact) : plain(field, walk, depth, !areNames && named.has(name));
    if (made !== undefined) fields[textOf(name, walk)] = made;
  }
  return fields;
};

const plain = (value: unknown, walk: Walk, depth: number, areNames: boolean): unknown => {
  walk.nodes--;
  if (typeof value === 'string') return textOf(value, walk);
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return value;
  // An action or a guard that XState made has a type, a function of the author's perhaps a name.
  if (typeof value === 'function') return { type: textOf(ownText(value, 'type') ?? ownText(value, 'name') ?? 'inline', walk) };
  if (typeof value !== 'object') return undefined;
  if (walk.nodes <= 0 || walk.chars <= 0 || depth >= chartLimits.depthMax) return '[…]';
  if (Array.isArray(value))
    return value.map((item) => (walk.nodes <= 0 ? null : (plain(item, walk, depth + 1, false) ?? null)));
  if (isLogic(value)) return textOf(ownText(value, 'id') ?? 'inline', walk);
  return fieldsOf(value, walk, depth + 1, areNames);
};

const isChart = (logic: object): logic is { config: object } => typeof own(logic, 'config') === 'object' && 'root' in logic;

const charts = new WeakMap<object, Chart | null>();

/** Null: its logic is no chart. Made once. */
export const chartOf = (logic: object, redact: readonly string[] = []): Chart | null => {
  const known = charts.get(logic);
  if (known !== undefined) return known;
  const walk: Walk = { nodes: chartLimits.nodesMax, chars: chartLimits.charsMax, redact: new Set(redact) };
  const chart = isChart(logic) ? (plain(logic.config, walk, 0, false) as Chart) : null;
  charts.set(logic, chart);
  return chart;
};

/** What runs inside of another may be dressed for it, with the author's behind. */
const undressed = (logic: object): object => {
  let at: object | null = logic;
  for (let depth = 0; at !== null && depth < dressesMax; depth++) {
    if (isChart(at)) return at;
    at = Object.getPrototypeOf(at) as object | null;
  }
  return logic;
};
const dressesMax = 4;

export type NamedChart = { readonly name: string; readonly chart: Chart };

const namedCharts = new WeakMap<object, NamedChart | null>();

/** Of what runs inside of an actor. The name says what is in it: the same chart has the same name at every node. */
export const childChartOf = (logic: object | null, redact: readonly string[]): NamedChart | null => {
  if (logic === null) return null;
  const known = namedCharts.get(logic);
  if (known !== undefined) return known;
  const chart = chartOf(undressed(logic), redact);
  const id = typeof chart?.id === 'string' ? chart.id.slice(0, childNameCharsMax) : 'chart';
  const made = chart === null ? null : { name: `${id}~${textHash(JSON.stringify(chart)).toString(36)}`, chart };
  namedCharts.set(logic, made);
  return made;
};
const childNameCharsMax = 80;

export const chartOfDefinition = ({ logic, redact }: ActorDefinition): Chart | null => chartOf(logic, redact);
