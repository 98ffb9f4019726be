// A page of the objects of one node in the order of their names, found in one pass: what cannot be in the page any more is passed over,
// so that a million objects are not sorted for a hundred of them.
import { nameOf, type Objects, type ReplicatedObject } from './objects.ts';

export type Listing = {
  type?: string | undefined;
  /** Of the key. */
  prefix?: string | undefined;
  /** The last one of the page before. */
  after?: { type: string; key: string } | undefined;
  /** At least 1. */
  limit: number;
};

type Named = readonly [name: string, object: ReplicatedObject];

const byName = ([a]: Named, [b]: Named): number => (a < b ? -1 : 1);

export const pageOf = (all: Objects['all'], { type, prefix = '', after, limit }: Listing): ReplicatedObject[] => {
  const from = after === undefined ? '' : nameOf(after.type, after.key);
  const page: Named[] = [];
  /** Nothing behind it is in the page. */
  let last = null as string | null;
  const cut = (): void => {
    page.sort(byName);
    if (page.length < limit) return;
    page.length = limit;
    last = page[limit - 1]![0];
  };
  for (const named of all) {
    const [name, object] = named;
    if (name <= from || (last !== null && name > last)) continue;
    if ((type !== undefined && object.type.type !== type) || !object.key.startsWith(prefix)) continue;
    page.push(named);
    if (page.length >= 2 * limit) cut();
  }
  cut();
  return page.map(([, object]) => object);
};
