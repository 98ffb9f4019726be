// Which types of the cluster's actors a node hosts, in which version, as nodes tell each other: who has voters in common is connected, and
// only between those it matters. Small enough to be told whole, whenever it changes and whenever two nodes meet.
import { isActorType } from './address.ts';

/** By type: the version of its snapshots. */
export type Hosted = ReadonlyMap<string, number>;

export const hostedLimits = { typesMax: 1_024 } as const;

export const formHosted = (hosted: Hosted): unknown => [...hosted].map(([type, version]) => [type, version]);

/** Null: it is none. */
export const parseHosted = (body: unknown): Hosted | null => {
  if (!Array.isArray(body) || body.length > hostedLimits.typesMax) return null;
  const hosted = new Map<string, number>();
  for (const item of body as unknown[]) {
    if (!Array.isArray(item) || item.length !== 2) return null;
    const [type, version] = item as unknown[];
    if (!isActorType(type) || typeof version !== 'number' || !Number.isSafeInteger(version) || version < 1) return null;
    if (hosted.has(type)) return null;
    hosted.set(type, version);
  }
  return hosted;
};

/**
 * What a node lacks to lead a group: types that others host, and types of which the group holds state that is newer than what the node
 * hosts. 0: nothing.
 */
export const lacks = (hosted: Hosted, wanted: Iterable<string>, persisted: Hosted): number => {
  let count = 0;
  for (const type of wanted) if ((hosted.get(type) ?? 0) < Math.max(1, persisted.get(type) ?? 1)) count++;
  return count;
};
