// What somebody looks for: a name, a range of versions, and what must be there besides, all of it (row K2: subset match).
import { catalogLimits as max } from './limits.ts';
import { isCapabilities, isResources, isTags } from './offer.ts';
import { isInRange, parseRange, type Range } from './range.ts';
import { type Entry, type OfferKind, offerKinds, type PeerId } from './types.ts';

export type Query = {
  /** Default: any. */
  readonly kind?: OfferKind;
  readonly name?: string;
  /** The name begins with it. */
  readonly prefix?: string;
  /** Semver, as npm means it; default: any release. */
  readonly range?: string;
  /** Amounts are at least these, words are the same. */
  readonly resources?: Readonly<Record<string, number | string>>;
  readonly capabilities?: readonly string[];
  readonly tags?: readonly string[];
  readonly owner?: PeerId;
};

export type QueryRefusal = 'QUERY_INVALID' | 'RANGE_INVALID' | 'CURSOR_INVALID';
export type Refused = { readonly ok: false; readonly code: QueryRefusal; readonly message: string };

export const refuse = (code: QueryRefusal, message: string): Refused => ({ ok: false, code, message });

/** A query that was checked. Without a range pre-releases are listed too; a look-up for a call is another matter. */
export type Wanted = { readonly query: Query; readonly range: Range | null };

const isText = (value: unknown): boolean =>
  value === undefined || (typeof value === 'string' && value.length <= max.nameCharsMax);

export const wantedOf = (query: Query): ({ readonly ok: true } & Wanted) | Refused => {
  if (typeof query !== 'object' || query === null) return refuse('QUERY_INVALID', 'a query is an object');
  const { kind, name, prefix, owner, range, resources, capabilities, tags } = query;
  if (kind !== undefined && !offerKinds.includes(kind))
    return refuse('QUERY_INVALID', `the kind is one of ${offerKinds.join(', ')}`);
  if (!isText(name) || !isText(prefix) || !isText(owner))
    return refuse('QUERY_INVALID', 'the name, prefix or owner is malformed');
  if (resources !== undefined && !isResources(resources)) return refuse('QUERY_INVALID', 'resources are amounts or words');
  if (capabilities !== undefined && !isCapabilities(capabilities))
    return refuse('QUERY_INVALID', 'capabilities are words, each once');
  if (tags !== undefined && !isTags(tags)) return refuse('QUERY_INVALID', 'tags are words, each once');
  const parsed = range === undefined ? null : parseRange(range);
  if (range !== undefined && parsed === null)
    return refuse(
      'RANGE_INVALID',
      typeof range === 'string' ? `no range of versions: ${range.slice(0, 80)}` : 'a range is a text',
    );
  return { ok: true, query, range: parsed };
};

const hasResources = (offered: Entry['offer']['resources'], required: NonNullable<Query['resources']>): boolean =>
  Object.entries(required).every(([name, amount]) => {
    const has = Object.hasOwn(offered, name) ? offered[name] : undefined;
    return typeof amount === 'number' ? typeof has === 'number' && has >= amount : has === amount;
  });

const hasAll = (offered: readonly string[], required: readonly string[]): boolean =>
  required.every((word) => offered.includes(word));

/** Also for whoever watches: of the changes that the catalog tells, those are his that are wanted before or after. */
export const isWanted = ({ query, range }: Wanted, { offer, version, owner }: Entry): boolean =>
  (query.kind === undefined || offer.kind === query.kind) &&
  (query.name === undefined || offer.name === query.name) &&
  (query.prefix === undefined || offer.name.startsWith(query.prefix)) &&
  (query.owner === undefined || owner === query.owner) &&
  (range === null || isInRange(range, version)) &&
  (query.resources === undefined || hasResources(offer.resources, query.resources)) &&
  (query.capabilities === undefined || hasAll(offer.capabilities, query.capabilities)) &&
  (query.tags === undefined || hasAll(offer.tags, query.tags));
