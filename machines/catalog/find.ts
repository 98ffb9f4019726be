// Look-ups for calls: the offers of one name that fit, kept until one of them changes or ends. The same list as long as nothing has
// changed, so that whoever works with it (the balancer) can keep what it made of it.
import { catalogLimits as max } from './limits.ts';
import { idText } from './offer.ts';
import { endOf } from './owners.ts';
import { isWanted, type Query, type Refused, refuse, wantedOf } from './query.ts';
import type { CatalogState, Named } from './state.ts';
import type { Entry } from './types.ts';

/** Without a range a call goes to releases only: nobody gets a release candidate who did not ask for one. */
export type Lookup = Query & { readonly name: string };

export type Found = { readonly ok: true; readonly entries: readonly Entry[] } | Refused;

const nothing: readonly Entry[] = [];
const foundNothing: Found = { ok: true, entries: nothing };

/** The same for the same question; a name holds no space. Null: it is made of what is no text. */
const keyOf = (lookup: Lookup): string | null => {
  const { name, kind, range, prefix, resources, capabilities, tags, owner } = lookup ?? {};
  if (typeof name !== 'string') return null;
  try {
    const plain = `${name} ${kind ?? ''} ${range ?? '*'}`;
    if (isPlain(lookup)) return plain;
    return `${plain} ${JSON.stringify([resources, capabilities, tags, owner, prefix])}`;
  } catch {
    return null;
  }
};

const isPlain = ({ resources, capabilities, tags, owner, prefix }: Lookup): boolean =>
  (resources ?? capabilities ?? tags ?? owner ?? prefix) === undefined;

/** To make and to hash a text takes longer than all else of a look-up, and nearly all of a name are the same. */
const keyFor = (named: Named | undefined, lookup: Lookup): string | null => {
  if (named === undefined || !isPlain(lookup)) return keyOf(lookup);
  const { kind, range } = lookup;
  const { asked } = named;
  if (asked !== null && asked.kind === kind && asked.range === range) return asked.key;
  const key = keyOf(lookup);
  if (key !== null) named.asked = { kind, range, key };
  return key;
};

/** When this offer ends, as far as is known. */
export const endsMsOf = (state: CatalogState, { owner, offer }: Entry): number => {
  const known = state.owners.get(owner);
  const kept = known?.kept.get(idText(offer));
  return known === undefined || kept === undefined ? Number.NEGATIVE_INFINITY : endOf(known, kept);
};

const findNow = (
  state: CatalogState,
  nowMs: number,
  named: Named,
  query: Lookup,
): Refused | { entries: Entry[]; untilMs: number } => {
  const wanted = wantedOf({ ...query, range: query.range ?? '*' });
  if (!wanted.ok) return wanted;
  const entries: Entry[] = [];
  let untilMs = Number.POSITIVE_INFINITY;
  for (const entry of named.entries) {
    if (!isWanted(wanted, entry)) continue;
    const endsMs = endsMsOf(state, entry);
    if (endsMs <= nowMs) continue;
    entries.push(entry);
    untilMs = Math.min(untilMs, endsMs);
  }
  return { entries, untilMs };
};

const isSame = (one: readonly Entry[], other: readonly Entry[]): boolean =>
  one.length === other.length && one.every((entry, at) => entry === other[at]);

/** The highest version first. What has ended is not found, whether or not it was cleared away. */
export const find = (state: CatalogState, nowMs: number, query: Lookup): Found => {
  const named = state.names.get(query?.name);
  const key = keyFor(named, query);
  if (key === null) return refuse('QUERY_INVALID', 'a look-up has a name, and is plain data');
  const cached = state.cached.get(key);
  if (named !== undefined && cached !== undefined && cached.revision === named.revision && nowMs < cached.untilMs)
    return cached.found;
  if (named === undefined) return findNobody(query);
  const now = findNow(state, nowMs, named, query);
  if ('code' in now) return now;
  const isOld = cached !== undefined && isSame(cached.found.entries, now.entries);
  const found = isOld ? cached.found : { ok: true as const, entries: now.entries };
  state.cached.delete(key);
  state.cached.set(key, { found, revision: named.revision, untilMs: now.untilMs });
  if (state.cached.size > max.cachedMax) dropOldest(state);
  return found;
};

const dropOldest = ({ cached }: CatalogState): void => {
  for (const oldest of cached.keys()) return void cached.delete(oldest);
};

/** Nobody offers it; but a question that makes no sense is told so all the same. */
const findNobody = (query: Lookup): Found => {
  const wanted = wantedOf(query);
  return wanted.ok ? foundNothing : wanted;
};
