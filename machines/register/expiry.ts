// Who falls next when log time passes: a binary heap in which every member knows its place, so that a renewed lease or an
// overwritten key moves at once and nothing stale is kept. The order is total, hence the same on every replica, whatever the
// history that built the heap (a log or a restore).

export type ExpiryKind = 'key' | 'lease';
export type Expiry = { atMs: number; readonly kind: ExpiryKind; readonly name: string; place: number };

export type Expiries = {
  /** Each member is due no later than both of its children; `place` is its index here. */
  heap: Expiry[];
  keys: Map<string, Expiry>;
  leases: Map<string, Expiry>;
};

export const createExpiries = (): Expiries => ({ heap: [], keys: new Map(), leases: new Map() });

const indexFor = (expiries: Expiries, kind: ExpiryKind): Map<string, Expiry> =>
  kind === 'key' ? expiries.keys : expiries.leases;

const isSooner = (a: Expiry, b: Expiry): boolean => {
  if (a.atMs !== b.atMs) return a.atMs < b.atMs;
  if (a.kind !== b.kind) return a.kind === 'key';
  return a.name < b.name;
};

const put = (heap: Expiry[], place: number, expiry: Expiry): void => {
  heap[place] = expiry;
  expiry.place = place;
};

const rise = (heap: Expiry[], expiry: Expiry): void => {
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

const sink = (heap: Expiry[], expiry: Expiry): void => {
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
export const schedule = (expiries: Expiries, kind: ExpiryKind, name: string, atMs: number): void => {
  const { heap } = expiries;
  const index = indexFor(expiries, kind);
  let expiry = index.get(name);
  if (expiry === undefined) {
    expiry = { atMs, kind, name, place: heap.length };
    heap.push(expiry);
    index.set(name, expiry);
  } else expiry.atMs = atMs;
  rise(heap, expiry);
  sink(heap, expiry);
};

export const unschedule = (expiries: Expiries, kind: ExpiryKind, name: string): void => {
  const { heap } = expiries;
  const index = indexFor(expiries, kind);
  const expiry = index.get(name);
  if (expiry === undefined) return;
  index.delete(name);
  const last = heap.pop()!;
  if (last === expiry) return;
  put(heap, expiry.place, last);
  rise(heap, last);
  sink(heap, last);
};

export const earliest = (expiries: Expiries): Expiry | undefined => expiries.heap[0];
