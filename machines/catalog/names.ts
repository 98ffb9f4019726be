// Offers by name, in the one order in which they are found and listed: the highest version first, so that the first found is the newest.
import type { CatalogState, Named } from './state.ts';
import type { Entry, OfferKind, PeerId } from './types.ts';
import { compareVersions, type Version } from './version.ts';

/** Where an offer stands among those of its name. */
export type Standing = { readonly version: Version; readonly kind: OfferKind; readonly owner: PeerId };

const compareTexts = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

export const compareStandings = (a: Standing, b: Standing): number =>
  compareVersions(b.version, a.version) ||
  compareTexts(a.version.text, b.version.text) ||
  compareTexts(a.kind, b.kind) ||
  compareTexts(a.owner, b.owner);

export const standingOf = ({ version, offer, owner }: Entry): Standing => ({ version, kind: offer.kind, owner });

/** The first place at which `isBefore` does not hold; it holds for all before that. */
export const firstNot = <Item>(items: readonly Item[], isBefore: (item: Item) => boolean): number => {
  let [low, high] = [0, items.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(items[middle]!)) low = middle + 1;
    else high = middle;
  }
  return low;
};

const placeOf = ({ entries }: Named, entry: Entry): number => {
  const standing = standingOf(entry);
  return firstNot(entries, (one) => compareStandings(standingOf(one), standing) < 0);
};

export const enter = (state: CatalogState, entry: Entry): void => {
  const { name } = entry.offer;
  let named = state.names.get(name);
  if (named === undefined) {
    named = { name, entries: [], revision: 0, asked: null };
    state.names.set(name, named);
    state.nameOrder.splice(
      firstNot(state.nameOrder, (one) => one < name),
      0,
      name,
    );
  }
  named.entries.splice(placeOf(named, entry), 0, entry);
  named.revision = ++state.revision;
};

export const remove = (state: CatalogState, entry: Entry): void => {
  const { name } = entry.offer;
  const named = state.names.get(name);
  if (named === undefined) return;
  const at = placeOf(named, entry);
  if (named.entries[at] !== entry) return;
  named.entries.splice(at, 1);
  named.revision = ++state.revision;
  if (named.entries.length > 0) return;
  state.names.delete(name);
  state.nameOrder.splice(
    firstNot(state.nameOrder, (one) => one < name),
    1,
  );
};
