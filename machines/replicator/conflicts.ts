// What can be told of a conflict beyond that there was one: where in the object, and which value a last writer overwrote without
// knowing of it. Read off the delta that brought it; a conflict that comes within a whole state has no place.
import { findObject, type Objects } from './objects.ts';
import type { Plain } from './types.ts';

export type Conflict = {
  /** The key of a map, the keys of maps in maps, the element of a set; absent where it is not known or there is none. */
  readonly path?: readonly Plain[];
  /** What stood here and was overwritten. */
  readonly lost?: Plain;
};

type MapPart = readonly [of: string, key: string, inside?: unknown];

const pathOfPart = (type: string, part: unknown): readonly Plain[] => {
  if (type === 'or-set') return part as readonly Plain[];
  if (type !== 'or-map' || (part as readonly unknown[]).length === 0) return [];
  const [of, key, inside] = part as MapPart;
  return inside === undefined ? [key] : [key, ...pathOfPart(of, inside)];
};

const pathOf = (type: string, delta: readonly unknown[]): readonly Plain[] =>
  type === 'lww-map' ? [delta[0] as string] : pathOfPart(type, delta[3]);

/** What stands where a last writer's delta would go; the record may be anything, also what cannot be made a text of. */
export const standing = (objects: Objects, record: unknown): Plain | undefined => {
  if (!Array.isArray(record) || !Array.isArray(record[2])) return undefined;
  const [type, key, delta] = record as [unknown, unknown, readonly unknown[]];
  if ((type !== 'lww-register' && type !== 'lww-map') || typeof key !== 'string') return undefined;
  const object = findObject(objects, type, key);
  if (object === undefined) return undefined;
  const read = object.type.read(object.state);
  return type === 'lww-register' ? (read as Plain | undefined) : (read as LwwRead).get(delta[0] as string);
};

type LwwRead = { get(key: string): Plain | undefined };

/** Of a record that was joined and brought one. */
export const conflictOf = (record: unknown, lost: Plain | undefined): Conflict => {
  const [type, , delta] = record as [string, string, readonly unknown[]];
  const path = pathOf(type, delta);
  return { ...(path.length === 0 ? {} : { path }), ...(lost === undefined ? {} : { lost }) };
};
