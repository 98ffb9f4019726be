// Sets and maps. Most elements are added once; a few by everybody, again and again.
import type { Plain } from '../../machines/replicator/types.ts';
import type { Chance } from '../world.ts';
import { type Drawn, isShared, type Kind, sortedView, type Token, type View, without } from './kind.ts';

const sharedElements = 3;
const elementsMax = 24;

/** Elements of several shapes: numbers, texts and objects are told apart in other ways. */
const elementOf = (number: number): Plain => (number % 3 === 0 ? number : number % 3 === 1 ? `e${number}` : { id: number });
const tokenOf = (element: unknown): Token =>
  typeof element === 'string' && isShared(element) ? element : JSON.stringify(element);
const elementIn = (token: Token): Plain => (isShared(token) ? token : (JSON.parse(token) as Plain));

type Sorted<Entry> = { sorted(): Entry[] } | undefined;

// ---------------------------------------------------------------- or-set

type SetChange = { type: 'add' | 'remove'; element: Plain } | { type: 'clear' };

/** Of a set that is read as `view`. */
const drawSet = (chance: Chance, view: View, fresh: () => number): { change: SetChange; add: Token | null; takes: View } => {
  const isFull = view.length >= elementsMax;
  const lot = chance.fraction();
  if (view.length > 0 && (lot < 0.04 || (isFull && lot < 0.2))) return { change: { type: 'clear' }, add: null, takes: view };
  if (view.length > 0 && (lot < 0.35 || isFull)) {
    const token = chance.pick(view);
    return { change: { type: 'remove', element: elementIn(token) }, add: null, takes: [token] };
  }
  const element = lot < 0.6 ? `~${chance.between(0, sharedElements)}` : elementOf(fresh());
  return { change: { type: 'add', element }, add: tokenOf(element), takes: [] };
};

const orSet: Kind = {
  ...{ type: 'or-set', rule: 'kept', isOrdered: false, changesMax: 400, bytes: [40, 40] },
  viewOf: (read) => sortedView(((read as Sorted<Plain>)?.sorted() ?? []).map(tokenOf)),
  draw(chance, view, fresh): Drawn {
    const { change, add, takes } = drawSet(chance, view, fresh);
    const adds = add === null ? [] : [add];
    return { change, adds, takes, after: sortedView([...without(view, [...takes, ...adds]), ...adds]) };
  },
};

// ---------------------------------------------------------------- lww-map

const mapKeys = 5;

const lwwMap: Kind = {
  ...{ type: 'lww-map', rule: 'last', isOrdered: false, changesMax: 400, bytes: [0, 60] },
  viewOf: (read) =>
    sortedView(((read as Sorted<readonly [string, Plain]>)?.sorted() ?? []).map(([key, value]) => `${key}=${value}`)),
  draw(chance, view, fresh): Drawn {
    const key = `k${chance.between(0, mapKeys)}`;
    const takes = view.filter((token) => token.startsWith(`${key}=`));
    if (takes.length > 0 && chance.happens(0.4))
      return { change: { type: 'remove', key }, adds: [], takes, after: without(view, takes) };
    const value = fresh();
    const adds = [`${key}=${value}`];
    return { change: { type: 'put', key, value }, adds, takes, after: sortedView([...without(view, takes), ...adds]) };
  },
};

// ---------------------------------------------------------------- or-map

type Inner = readonly [of: string, key: string, read: unknown];

/** A path of types and keys, then what is there. */
const tokensIn = (read: Sorted<Inner>, path: string): Token[] =>
  (read?.sorted() ?? []).flatMap(([of, key, inside]) => {
    const here = `${path}${of} ${key} `;
    if (of === 'or-map') return tokensIn(inside as Sorted<Inner>, here);
    if (of === 'or-set') return ((inside as Sorted<Plain>)?.sorted() ?? []).map((element) => `${here}${tokenOf(element)}`);
    if (of === 'register') return (inside as (readonly unknown[])[]).map((sibling) => `${here}${String(sibling[3])}`);
    return [`~${here}${String(inside)}`];
  });

const under = (view: View, path: string): View => view.filter((token) => token.startsWith(path));

/** What is done at the end of a path; `adds` and `takes` are without it. */
type Inside = { change: unknown; adds: View; takes: View };

const draws: Record<string, (chance: Chance, view: View, fresh: () => number) => Inside> = {
  'or-set'(chance, view, fresh) {
    const isFull = view.length >= elementsMax / 4;
    if (view.length > 0 && (isFull || chance.happens(0.3))) {
      const token = chance.pick(view);
      return { change: { type: 'remove', element: elementIn(token) }, adds: [], takes: [token] };
    }
    const element = elementOf(fresh());
    return { change: { type: 'add', element }, adds: [tokenOf(element)], takes: [] };
  },
  register(_chance, view, fresh) {
    const value = fresh();
    return { change: { type: 'set', value }, adds: [String(value)], takes: view };
  },
};

const wrapped = (path: readonly string[], change: unknown): unknown => {
  const [of, key, ...rest] = path;
  return of === undefined ? change : { type: 'update', of, key, change: wrapped(rest, change) };
};

const paths: readonly (readonly string[])[] = [
  ['or-set', 'a'],
  ['or-set', 'b'],
  ['register', 'a'],
  ['or-map', 'in', 'or-set', 'a'],
  ['or-map', 'in', 'register', 'b'],
];

const counterOf = (view: View): Token | undefined => view.find((token) => token.startsWith('~pn-counter c '));

const orMap: Kind = {
  ...{ type: 'or-map', rule: 'kept', isOrdered: false, changesMax: 400, bytes: [80, 80] },
  viewOf: (read) => sortedView(tokensIn(read as Sorted<Inner>, '')),
  draw(chance, view, fresh): Drawn {
    const lot = chance.fraction();
    if (view.length > 0 && lot < 0.03) return { change: { type: 'clear' }, adds: [], takes: view, after: [] };
    if (lot < 0.15) {
      // What is counted inside is seen by nobody as its own, but all must see the same.
      const there = counterOf(view);
      const [before, by] = [there === undefined ? 0 : Number(there.split(' ')[2]), chance.between(-3, 9) || 1];
      const after = sortedView([...without(view, there === undefined ? [] : [there]), `~pn-counter c ${before + by}`]);
      return { change: wrapped(['pn-counter', 'c'], { type: 'add', by }), adds: [], takes: [], after };
    }
    if (lot < 0.18 && counterOf(view) !== undefined)
      return {
        change: { type: 'remove', of: 'pn-counter', key: 'c' },
        adds: [],
        takes: [],
        after: without(view, [counterOf(view)!]),
      };
    const path = chance.pick(paths);
    const [of, key] = path as [string, string];
    const removed = under(view, `${of} ${key} `);
    if (removed.length > 0 && lot < 0.26)
      return { change: { type: 'remove', of, key }, adds: [], takes: removed, after: without(view, removed) };
    const prefix = `${path.join(' ')} `;
    const here = under(view, prefix).map((token) => token.slice(prefix.length));
    const { change, adds, takes } = draws[path.at(-2)!]!(chance, here, fresh);
    const named = (tokens: View): View => tokens.map((token) => `${prefix}${token}`);
    const after = sortedView([...without(view, named(takes)), ...named(adds)]);
    return { change: wrapped(path, change), adds: named(adds), takes: named(takes), after };
  },
};

export const collections: readonly Kind[] = [orSet, lwwMap, orMap];
