// Which types of the cluster's actors a node hosts, in which version, as nodes tell each other: who has voters in common is connected, and
// only between those it matters. Small enough to be told whole, whenever it changes and whenever two nodes meet.
import { isActorType } from './address.ts';

/** Versions of snapshots: from the oldest to the newest. */
export type Versions = { readonly oldest: number; readonly newest: number };

/** By type: what a node can read, its own version being the newest; or what a group holds. */
export type Hosted = ReadonlyMap<string, Versions>;

/** Whether ids are remembered with the state of a type's actors, so that a request in doubt may be put again wherever they are. */
export type Kind = { readonly type: string; readonly isKept: boolean };

export const hostedLimits = { typesMax: 1_024 } as const;

export const formKinds = (kinds: readonly Kind[]): unknown =>
  kinds.slice(0, hostedLimits.typesMax).map(({ type, isKept }) => [type, isKept]);

/** Null: they are none. */
export const parseKinds = (body: unknown): readonly Kind[] | null => {
  if (!Array.isArray(body) || body.length > hostedLimits.typesMax) return null;
  const kinds: Kind[] = [];
  for (const item of body as unknown[]) {
    if (!Array.isArray(item) || item.length !== 2) return null;
    const [type, isKept] = item as unknown[];
    if (!isActorType(type) || typeof isKept !== 'boolean') return null;
    kinds.push({ type, isKept });
  }
  return kinds;
};

export const formHosted = (hosted: Hosted): unknown => [...hosted].map(([type, { oldest, newest }]) => [type, oldest, newest]);

const isVersion = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 1;

/** Null: it is none. */
export const parseHosted = (body: unknown): Hosted | null => {
  if (!Array.isArray(body) || body.length > hostedLimits.typesMax) return null;
  const hosted = new Map<string, Versions>();
  for (const item of body as unknown[]) {
    if (!Array.isArray(item) || item.length !== 3) return null;
    const [type, oldest, newest] = item as unknown[];
    if (!isActorType(type) || !isVersion(oldest) || !isVersion(newest) || oldest > newest || hosted.has(type)) return null;
    hosted.set(type, { oldest, newest });
  }
  return hosted;
};

/**
 * What a node lacks to lead a group: types that others host, and types of which the group holds state that the node cannot read. 0:
 * nothing.
 */
export const lacks = (hosted: Hosted, wanted: Iterable<string>, persisted: Hosted): number => {
  let count = 0;
  for (const type of wanted) {
    const reads = hosted.get(type);
    const holds = persisted.get(type);
    if (reads === undefined || (holds !== undefined && (holds.oldest < reads.oldest || holds.newest > reads.newest))) count++;
  }
  return count;
};
