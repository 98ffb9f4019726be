// What is written but not yet on the disk, laid over what is: how a write is seen at once, and how a view stays frozen although
// the operations it needs are still on their way.
import { compareKeys, keyAfter } from './keyspace.ts';
import type { StorageOperation, StorageRange, StorageView } from './ports/index.ts';

type Page = [Uint8Array, Uint8Array][];

/** The first position in `sorted` whose key is not before `key`. */
const positionOf = (sorted: readonly StorageOperation[], key: Uint8Array): number => {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareKeys(sorted[middle]!.key, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
};

const reachedBytes = (page: Page, bytesMax: number): boolean => {
  let bytes = 0;
  for (const [key, value] of page) bytes += key.byteLength + value.byteLength;
  return bytes >= bytesMax;
};

/** Two sorted lists become one; an operation hides the record with its key, and a deletion is left out. */
const merge = (page: Page, laid: readonly StorageOperation[], direction: 1 | -1): Page => {
  const merged: Page = [];
  let at = 0;
  for (const { key, value } of laid) {
    while (at < page.length && compareKeys(page[at]![0], key) * direction < 0) merged.push(page[at++]!);
    if (at < page.length && compareKeys(page[at]![0], key) === 0) at++;
    if (value !== null) merged.push([key, value]);
  }
  while (at < page.length) merged.push(page[at++]!);
  return merged;
};

const cut = (page: Page, { limit, limitBytes = Number.POSITIVE_INFINITY }: StorageRange): Page => {
  let bytes = 0;
  let length = 0;
  while (length < page.length && length < limit && bytes < limitBytes) {
    const [key, value] = page[length++]!;
    bytes += key.byteLength + value.byteLength;
  }
  return length === page.length ? page : page.slice(0, length);
};

/**
 * A frozen view with operations over it, of which each key has one. Sorted when first read, since many views are opened for a
 * single page or none.
 */
export const overlayView = (view: StorageView, operations: StorageOperation[]): StorageView => {
  if (operations.length === 0) return view;
  let sorted: readonly StorageOperation[] | null = null;

  const read: StorageView['read'] = (range, done) => {
    const { limit, limitBytes = Number.POSITIVE_INFINITY, reverse = false } = range;
    view.read(range, (why, page) => {
      if (why !== null) return done(why, []);
      sorted ??= operations.sort((a, b) => compareKeys(a.key, b.key));
      const last = page.at(-1)?.[0];
      // Behind a full page the disk may hold more: what is laid over there belongs to the next page.
      const end = last !== undefined && (page.length >= limit || reachedBytes(page, limitBytes)) ? last : null;
      const from = positionOf(sorted, reverse && end !== null ? end : range.gte);
      const to = positionOf(sorted, !reverse && end !== null ? keyAfter(end) : range.lt);
      const laid = sorted.slice(from, to);
      const merged = merge(page, reverse ? laid.reverse() : laid, reverse ? -1 : 1);
      // An empty page means the end, so a page of nothing but deletions is not one.
      if (merged.length === 0 && end !== null)
        return read(reverse ? { ...range, lt: end } : { ...range, gte: keyAfter(end) }, done);
      done(null, cut(merged, range));
    });
  };
  return { read, close: () => view.close() };
};
