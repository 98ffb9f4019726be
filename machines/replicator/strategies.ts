// Which of a register's siblings a reader sees (row G2). Each strategy is a pure function of the set of siblings, so that whoever has
// the same siblings sees the same value, in whatever order they came.
import { textOf } from './plain.ts';
import type { Sibling } from './register.ts';
import type { Plain } from './types.ts';

export type Strategy =
  | 'last-writer'
  | 'highest-node'
  /** Of lists: every element once, sorted by its text; of objects: every key, the last writer's where several have it. */
  | 'union'
  /** The application sees them all: a list, sorted by replica. */
  | 'keep-all'
  /** Pure, and the same for any order of its argument; the simulator checks both. */
  | ((siblings: readonly Plain[]) => Plain);

export const strategyNames = ['last-writer', 'highest-node', 'union', 'keep-all'] as const;

/** Of equal stamps the higher replica's: any rule will do that all follow. */
const later = (a: Sibling, b: Sibling): Sibling => (b[2] > a[2] || (b[2] === a[2] && b[0] > a[0]) ? b : a);

const higher = (a: Sibling, b: Sibling): Sibling => (b[0] > a[0] ? b : a);

const isRecord = (value: Plain): value is { readonly [key: string]: Plain } =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);

const union = (siblings: readonly Sibling[]): Plain => {
  const values = siblings.map(([, , , value]) => value);
  if (values.every((value): value is readonly Plain[] => Array.isArray(value))) {
    const elements = new Map(values.flat().map((element) => [textOf(element), element] as const));
    return [...elements].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, element]) => element);
  }
  if (!values.every(isRecord)) return siblings.reduce(later)[3];
  const byAge = [...siblings].sort((a, b) => (later(a, b) === b ? -1 : 1));
  return Object.assign({}, ...byAge.map(([, , , value]) => value)) as Plain;
};

/** Undefined: it was never written, or cleared. */
export const resolve = (siblings: readonly Sibling[], strategy: Strategy): Plain | undefined => {
  const [first] = siblings;
  if (first === undefined) return undefined;
  if (strategy === 'keep-all') return siblings.map(([, , , value]) => value);
  if (siblings.length === 1) return first[3];
  if (strategy === 'last-writer') return siblings.reduce(later)[3];
  if (strategy === 'highest-node') return siblings.reduce(higher)[3];
  if (strategy === 'union') return union(siblings);
  return strategy(siblings.map(([, , , value]) => value));
};
