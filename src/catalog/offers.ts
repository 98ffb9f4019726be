// What is offered, as it is told outside (rows K1, K2): by the names of nodes and not by peer ids alone, the same for programs, HTTP and the
// command line.
import type { NodeApi } from '../../actors/api.ts';
import {
  type CatalogChange,
  type Described,
  type Entry,
  isWanted,
  type Offer,
  type OfferKind,
  type PeerId,
  type Query,
  type Wanted,
  wantedOf,
} from '../../machines/catalog/index.ts';
import { failure } from '../../machines/errors.ts';
import type { MemberStatus } from '../../machines/membership/index.ts';
import { PolityError } from '../errors.ts';

/** What has to be there, all of it; nothing: everything. */
export type ServiceQuery = {
  kind?: OfferKind;
  name?: string;
  /** The name begins with it. */
  prefix?: string;
  /** A semver range, as npm means it; without one pre-releases are told, too. */
  version?: string;
  /** Amounts are at least these, words the same. */
  resources?: Readonly<Record<string, number | string>>;
  capabilities?: readonly string[];
  tags?: readonly string[];
  /** Of this node alone: its name or peer id. Rejects with MEMBER_NOT_FOUND. */
  node?: string;
};

/** Who offers; `node` is null while its name is not known. */
export type ServiceOwner = { node: string | null; peerId: string };

export type ServiceId = { kind: OfferKind; name: string; version: string };

/** One offer of one node. */
export type ServiceOffer = ServiceId &
  ServiceOwner & {
    /** Their names, sorted; a description says more. */
    methods: string[];
    resources: Readonly<Record<string, number | string>>;
    capabilities: readonly string[];
    tags: readonly string[];
  };

export type ListedService = ServiceOffer & {
  /** Milliseconds that it still holds if its node is not heard of any more. */
  leftMs: number;
};

export type ServicePage = {
  items: ListedService[];
  /** Where to go on; null: that is all. A page may hold less than its limit and not be the last. */
  cursor: string | null;
  /** The catalog as it was listed: what a watch tells later is above it. */
  revision: number;
};

export type ServiceVersion = ServiceId & {
  /** Input and output as their owners describe them, null where they do not. */
  methods: Offer['methods'];
  resources: ServiceOffer['resources'];
  capabilities: readonly string[];
  tags: readonly string[];
  /** The first 256 of `ownersCount`. */
  owners: ServiceOwner[];
  ownersCount: number;
  /** Not all owners describe the methods of this version alike; told is the first one's. */
  differs: boolean;
};

export type ServiceDescription = {
  name: string;
  /** The highest first; at most 64 of `versionsCount`. */
  versions: ServiceVersion[];
  versionsCount: number;
};

export type ServiceEndReason =
  | 'withdrawn'
  /** Its node was not heard of for two minutes. */
  | 'expired'
  /** Its node began anew. */
  | 'restarted'
  | 'left'
  | 'evicted'
  /** It is offered still, but is not what was asked for. */
  | 'changed';

export type ServiceEvent =
  /** It is offered, or offered otherwise than before; may be told twice. */
  | { type: 'offer'; offer: ServiceOffer }
  | { type: 'end'; offer: ServiceId & ServiceOwner; why: ServiceEndReason }
  /** All that is offered was told once. */
  | { type: 'ready'; revision: number };

// ---------------------------------------------------------------- names

type Asked = Pick<NodeApi, 'catalog' | 'status' | 'members'>;
/** What a node is called; null: this node has not heard. */
type NameOf = (peer: PeerId) => string | null;

const namesNow = (api: Asked): ReadonlyMap<PeerId, string> => {
  const { peerId, name: own, peers } = api.status();
  const names = new Map<PeerId, string>();
  for (const peer of peers) if (peer.name !== '') names.set(peer.peerId, peer.name);
  for (const { peer, name } of api.members()) if (name !== '') names.set(peer, name);
  return names.set(peerId, own);
};

const namesEveryMs = 1_000;

/** A peer keeps its name, so everybody is looked at again only for one that was not known, and not for each time it is asked for. */
const createNames = (api: Asked): NameOf => {
  let names = namesNow(api);
  let atMs = performance.now();
  return (peer) => {
    if (!names.has(peer) && performance.now() - atMs >= namesEveryMs) {
      names = namesNow(api);
      atMs = performance.now();
    }
    return names.get(peer) ?? null;
  };
};

const isThere = (status: MemberStatus): boolean => status === 'alive' || status === 'suspect';

/** The peer id of a node by its name, the one that is there if it had others before; or a peer id that somebody has. */
const peerNamed = (api: Asked, node: string): PeerId => {
  if (typeof node !== 'string') throw new PolityError(failure('INVALID_REQUEST', 'a node is named by a text'));
  const { peerId, name } = api.status();
  if (node === name || node === peerId) return peerId;
  const known = api.members().filter((member) => member.name === node || member.peer === node);
  const there = known.find(({ status }) => isThere(status)) ?? known[0];
  if (there !== undefined) return there.peer;
  for (const [peer, called] of namesNow(api)) if (called === node || peer === node) return peer;
  // Whose name nobody knows is told, and asked for, by its peer id.
  const owned = api.catalog.list({ owner: node }, { limit: 1 });
  if (owned.ok && owned.value.items.length > 0) return node;
  throw new PolityError(failure('MEMBER_NOT_FOUND', `no node is called ${node.slice(0, 80)}`));
};

/** As the catalog is asked. */
const queryOf = (api: Asked, asked: ServiceQuery): Query => {
  if (typeof asked !== 'object' || asked === null)
    throw new PolityError(failure('INVALID_REQUEST', 'a query of services is an object'));
  const { version, node, kind, name, prefix, resources, capabilities, tags } = asked;
  return {
    ...(kind === undefined ? {} : { kind }),
    ...(name === undefined ? {} : { name }),
    ...(prefix === undefined ? {} : { prefix }),
    ...(version === undefined ? {} : { range: version }),
    ...(resources === undefined ? {} : { resources }),
    ...(capabilities === undefined ? {} : { capabilities }),
    ...(tags === undefined ? {} : { tags }),
    ...(node === undefined ? {} : { owner: peerNamed(api, node) }),
  };
};

// ---------------------------------------------------------------- offers

const idOf = ({ kind, name, version }: ServiceId): ServiceId => ({ kind, name, version });

const ownerOf = (nameOf: NameOf, peerId: PeerId): ServiceOwner => ({ node: nameOf(peerId), peerId });

const offerOf = (nameOf: NameOf, { offer, owner }: Entry): ServiceOffer => {
  const { methods, resources, capabilities, tags } = offer;
  return {
    ...{ ...idOf(offer), ...ownerOf(nameOf, owner), methods: Object.keys(methods).sort() },
    ...{ resources, capabilities, tags },
  };
};

const versionOf = (nameOf: NameOf, { offer, owners, ownersCount, differs }: Described): ServiceVersion => {
  const { methods, resources, capabilities, tags } = offer;
  return {
    ...{ ...idOf(offer), methods, resources, capabilities, tags },
    ...{ owners: owners.map((owner) => ownerOf(nameOf, owner)), ownersCount, differs },
  };
};

const endReasons = {
  said: 'withdrawn',
  ended: 'expired',
  restarted: 'restarted',
  left: 'left',
  evicted: 'evicted',
} as const satisfies Record<CatalogChange['why'], ServiceEndReason>;

const eventOf = (nameOf: NameOf, wanted: Wanted, { before, after, why }: CatalogChange): ServiceEvent => {
  if (after !== null && isWanted(wanted, after)) return { type: 'offer', offer: offerOf(nameOf, after) };
  const { offer, owner } = (before ?? after)!;
  const ended = { ...idOf(offer), ...ownerOf(nameOf, owner) };
  return { type: 'end', offer: ended, why: after === null ? endReasons[why] : 'changed' };
};

// ---------------------------------------------------------------- calls

export const listServices = (
  api: Asked,
  asked: ServiceQuery,
  { limit, cursor }: { limit: number; cursor: string | null },
): ServicePage => {
  const page = api.catalog.list(queryOf(api, asked), { limit, cursor });
  if (!page.ok) throw new PolityError(page.failure);
  const nameOf = createNames(api);
  const items = page.value.items.map(({ entry, leftMs }) => ({ ...offerOf(nameOf, entry), leftMs: Math.ceil(leftMs) }));
  return { items, cursor: page.value.cursor, revision: page.value.revision };
};

/** Null: nobody offers it. */
export const describeService = (api: Asked, asked: ServiceQuery & { name: string }): ServiceDescription | null => {
  const described = api.catalog.describe({ ...queryOf(api, asked), name: asked.name });
  if (!described.ok) throw new PolityError(described.failure);
  if (described.value === null) return null;
  const { name, versions, versionsCount } = described.value;
  const nameOf = createNames(api);
  return { name, versions: versions.map((version) => versionOf(nameOf, version)), versionsCount };
};

const pageItems = 250;

/** What is offered now, page by page, and what changes meanwhile and later: told in an order in which the last word about each holds. */
export type ServiceFollowing = {
  /** The next page of what is offered, and `ready` behind the last; null: it was told. */
  page(): ServiceEvent[] | null;
  end(): void;
};

/** Throws what is wrong with the query; `ended` once the node stops. */
export const followServices = (
  api: Asked,
  asked: ServiceQuery,
  on: (events: ServiceEvent[]) => void,
  ended: () => void,
): ServiceFollowing => {
  const query = queryOf(api, asked);
  const wanted = wantedOf(query);
  const nameOf = createNames(api);
  const end = api.catalog.watch(
    query,
    (_revision, changes) => {
      // Checked by the watch itself.
      if (!wanted.ok) return;
      on(changes.map((change) => eventOf(nameOf, wanted, change)));
    },
    ended,
  );
  let cursor: string | null = null;
  let isTold = false;
  return {
    end,
    page() {
      if (isTold) return null;
      const page = api.catalog.list(query, { limit: pageItems, cursor });
      if (!page.ok) throw new PolityError(page.failure);
      const { items, cursor: next, revision } = page.value;
      const events: ServiceEvent[] = items.map(({ entry }) => ({ type: 'offer', offer: offerOf(nameOf, entry) }));
      cursor = next;
      isTold = next === null;
      return isTold ? [...events, { type: 'ready', revision }] : events;
    },
  };
};
