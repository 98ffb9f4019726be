// Everything that is offered, page by page, and all about one name. A cursor names the last offer that was looked at: what comes or goes
// meanwhile moves nothing, so of what stays nothing is left out and nothing told twice.
import { endsMsOf } from './find.ts';
import { catalogLimits as max } from './limits.ts';
import { compareStandings, firstNot, type Standing, standingOf } from './names.ts';
import { isPeerId } from './offer.ts';
import { isWanted, type Query, type Refused, refuse, type Wanted, wantedOf } from './query.ts';
import type { CatalogState } from './state.ts';
import { type Entry, type Offer, type OfferKind, offerKinds, type PeerId } from './types.ts';
import { parseVersion } from './version.ts';

export type Listed = { readonly entry: Entry; readonly leftMs: number };

export type ListPage = {
  readonly ok: true;
  readonly items: readonly Listed[];
  /** Where to go on; null: that is all. A page may hold less than its limit, or nothing, and yet not be the last. */
  readonly cursor: string | null;
  /** The catalog as listed: later changes have a higher one. */
  readonly revision: number;
};

type Place = { readonly name: string; readonly standing: Standing };

const formCursor = ({ offer, owner }: Entry): string => JSON.stringify([offer.name, offer.version, offer.kind, owner]);

const parseCursor = (cursor: string): Place | null => {
  if (typeof cursor !== 'string' || cursor.length > max.cursorCharsMax) return null;
  let given: unknown;
  try {
    given = JSON.parse(cursor) as unknown;
  } catch {
    return null;
  }
  if (!Array.isArray(given) || given.length !== 4) return null;
  const [name, versionText, kind, owner] = given as unknown[];
  const version = parseVersion(versionText);
  if (typeof name !== 'string' || version === null || !isPeerId(owner)) return null;
  if (!(offerKinds as readonly unknown[]).includes(kind)) return null;
  return { name, standing: { version, kind: kind as OfferKind, owner } };
};

/** By name, the highest version first. A query that names one name looks at that alone. */
export const list = (
  state: CatalogState,
  nowMs: number,
  query: Query,
  { limit, cursor }: { limit: number; cursor: string | null },
): ListPage | Refused => {
  const wanted = wantedOf(query);
  if (!wanted.ok) return wanted;
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > max.listItemsMax)
    return refuse('QUERY_INVALID', `a page has 1 to ${max.listItemsMax} items`);
  const behind = cursor === null ? null : parseCursor(cursor);
  if (cursor !== null && behind === null) return refuse('CURSOR_INVALID', 'this cursor was not made here');
  return walk(state, nowMs, wanted, limit, behind);
};

const walk = (state: CatalogState, nowMs: number, wanted: Wanted, limit: number, behind: Place | null): ListPage => {
  const items: Listed[] = [];
  const { revision } = state;
  let looked = 0;
  for (const name of namesFrom(state, wanted.query, behind)) {
    const { entries } = state.names.get(name)!;
    const after = behind?.name === name ? behind.standing : null;
    for (let at = after === null ? 0 : placeBehind(entries, after); at < entries.length; at++) {
      const entry = entries[at]!;
      const leftMs = endsMsOf(state, entry) - nowMs;
      if (leftMs > 0 && isWanted(wanted, entry)) items.push({ entry, leftMs });
      if (items.length >= limit || ++looked >= max.listScanMax) return { ok: true, items, cursor: formCursor(entry), revision };
    }
  }
  return { ok: true, items, cursor: null, revision };
};

const placeBehind = (entries: readonly Entry[], after: Standing): number =>
  firstNot(entries, (one) => compareStandings(standingOf(one), after) <= 0);

/** In order, and only those that may be wanted. */
function* namesFrom({ nameOrder, names }: CatalogState, { name, prefix }: Query, behind: Place | null): Generator<string> {
  const from = behind?.name ?? '';
  if (name !== undefined) {
    if (names.has(name) && name >= from) yield name;
    return;
  }
  const first = prefix !== undefined && prefix > from ? prefix : from;
  for (let at = firstNot(nameOrder, (one) => one < first); at < nameOrder.length; at++) {
    const one = nameOrder[at]!;
    if (prefix !== undefined && !one.startsWith(prefix) && one > prefix) return;
    yield one;
  }
}

// ---------------------------------------------------------------- one name

export type Described = {
  readonly kind: OfferKind;
  readonly version: string;
  /** As the first of its owners has it. */
  readonly offer: Offer;
  /** The first of them; `ownersCount` says how many there are. */
  readonly owners: readonly PeerId[];
  readonly ownersCount: number;
  /** Not all who offer this version describe it alike. */
  readonly differs: boolean;
};

export type Description = {
  readonly ok: true;
  readonly name: string;
  /** The highest first. */
  readonly versions: readonly Described[];
  readonly versionsCount: number;
};

const methodsText = ({ methods }: Offer): string =>
  JSON.stringify(Object.entries(methods).sort(([a], [b]) => (a < b ? -1 : 1)));

const describeVersion = (entries: readonly Entry[]): Described => {
  const first = entries[0]!;
  const texts = new Set(entries.map(({ offer }) => methodsText(offer)));
  const owners = entries.map(({ owner }) => owner);
  return {
    ...{ kind: first.offer.kind, version: first.offer.version, offer: first.offer },
    ...{ owners: owners.slice(0, max.describedOwnersMax), ownersCount: owners.length, differs: texts.size > 1 },
  };
};

/** Everybody who offers what is called so, by version; null: nobody does. */
export const describe = (
  state: CatalogState,
  nowMs: number,
  query: Query & { readonly name: string },
): Description | Refused | null => {
  const wanted = wantedOf(query);
  if (!wanted.ok) return wanted;
  const versions = new Map<string, Entry[]>();
  for (const entry of state.names.get(query.name)?.entries ?? []) {
    if (endsMsOf(state, entry) <= nowMs || !isWanted(wanted, entry)) continue;
    const key = `${entry.offer.version} ${entry.offer.kind}`;
    const same = versions.get(key);
    if (same === undefined) versions.set(key, [entry]);
    else same.push(entry);
  }
  if (versions.size === 0) return null;
  const described = [...versions.values()].slice(0, max.describedVersionsMax).map(describeVersion);
  return { ok: true, name: query.name, versions: described, versionsCount: versions.size };
};
