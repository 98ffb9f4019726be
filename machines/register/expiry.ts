// Who falls next when log time passes: a binary heap in which every member knows its place, so that a renewed lease or an
// overwritten key moves at once and nothing stale is kept. The order is total, hence the same on every replica, whatever the
// history that built the heap (a log or a restore).

/** What falls is told apart by its kind; one heap may hold several. */
export type Expiry<Kind extends string> = { atMs: number; readonly kind: Kind; readonly name: string; place: number };

export type Expiries<Kind extends string> = {
  /** Each member is due no later than both of its children; `place` is its index here. */
  heap: Expiry<Kind>[];
  /** Each member by kind and name. */
  of: Record<Kind, Map<string, Expiry<Kind>>>;
};

export const createExpiries = <Kind extends string>(...kinds: Kind[]): Expiries<Kind> => ({
  heap: [],
  of: Object.fromEntries(kinds.map((kind) => [kind, new Map()])) as Expiries<Kind>['of'],
});

const isSooner = (a: Expiry<string>, b: Expiry<string>): boolean => {
  if (a.atMs !== b.atMs) return a.atMs < b.atMs;
  if (a.kind !== b.kind) return a.kind < b.kind;
  return a.name < b.name;
};

const put = <Kind extends string>(heap: Expiry<Kind>[], place: number, expiry: Expiry<Kind>): void => {
  heap[place] = expiry;
  expiry.place = place;
};

const rise = <Kind extends string>(heap: Expiry<Kind>[], expiry: Expiry<Kind>): void => {
  let place = expiry.place;
  while (place > 0) {
    const parent = heap[(place - 1) >> 1]!;
    if (!isSooner(expiry, parent)) break;
    const above = parent.place;
    put(heap, place, parent);
    place = above;
  }
  put(heap, place, expiry);
};

const sink = <Kind extends string>(heap: Expiry<Kind>[], expiry: Expiry<Kind>): void => {
  let place = expiry.place;
  for (;;) {
    const left = heap[2 * place + 1];
    if (left === undefined) break;
    const right = heap[2 * place + 2];
    const child = right !== undefined && isSooner(right, left) ? right : left;
    if (!isSooner(child, expiry)) break;
    const below = child.place;
    put(heap, place, child);
    place = below;
  }
  put(heap, place, expiry);
};

/** Sets or moves the moment at which something falls. */
export const schedule = <Kind extends string>(
  expiries: Expiries<Kind>,
  kind: NoInfer<Kind>,
  name: string,
  atMs: number,
): void => {
  const { heap } = expiries;
  const index = expiries.of[kind];
  let expiry = index.get(name);
  if (expiry === undefined) {
    expiry = { atMs, kind, name, place: heap.length };
    heap.push(expiry);
    index.set(name, expiry);
  } else expiry.atMs = atMs;
  rise(heap, expiry);
  sink(heap, expiry);
};

export const unschedule = <Kind extends string>(expiries: Expiries<Kind>, kind: NoInfer<Kind>, name: string): void => {
  const { heap } = expiries;
  const index = expiries.of[kind];
  const expiry = index.get(name);
  if (expiry === undefined) return;
  index.delete(name);
  const last = heap.pop()!;
  if (last === expiry) return;
  put(heap, expiry.place, last);
  rise(heap, last);
  sink(heap, last);
};

export const earliest = <Kind extends string>(expiries: Expiries<Kind>): Expiry<Kind> | undefined => expiries.heap[0];
