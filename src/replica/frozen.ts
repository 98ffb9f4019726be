// Plain data that crosses the border between a program and its replica: what is handed in is copied, so that nothing that the program
// does to it later changes it here and nowhere else; what is handed out is frozen. Bytes cannot be frozen: they are copied both ways.
import { replicatorLimits } from '../../machines/replicator/limits.ts';
import type { Plain } from '../../machines/replicator/types.ts';

/** Frozen in here means: all the way down, and without bytes. */
const isFrozen = (value: unknown): boolean => {
  if (typeof value !== 'object' || value === null) return true;
  return !(value instanceof Uint8Array) && Object.isFrozen(value);
};

const isRecord = (value: object): value is Record<string, unknown> => {
  const prototype = Object.getPrototypeOf(value) as unknown;
  return prototype === Object.prototype || prototype === null;
};

/** Deeper or more than any change that is taken. */
const depthMax = replicatorLimits.depthMax + 2 * replicatorLimits.mapsDepthMax + 2;
const valuesMax = 1 << 18;

/** A copy of plain data; anything else stays what it is, for its type to refuse it in words. Throws a RangeError at too much. */
export const copied = (given: unknown): unknown => {
  let values = 0;
  const copy = (value: unknown, depth: number): unknown => {
    if (typeof value !== 'object' || value === null || depth > depthMax) return value;
    // The same list twice in a list, and so on, is soon more than there is time for.
    if (++values > valuesMax) throw new RangeError(`it holds more than ${valuesMax} lists and objects`);
    if (value instanceof Uint8Array) return new Uint8Array(value);
    if (Array.isArray(value)) {
      const items = value.map((item) => copy(item, depth + 1));
      return items.every(isFrozen) ? Object.freeze(items) : items;
    }
    if (!isRecord(value)) return value;
    const fields = Object.entries(value).map(([key, field]) => [key, copy(field, depth + 1)] as const);
    const record = Object.fromEntries(fields);
    return fields.every(([, field]) => isFrozen(field)) ? Object.freeze(record) : record;
  };
  return copy(given, 0);
};

/** The same, frozen where it stands; a copy if there are bytes in it. */
export const frozen = (value: Plain): Plain => {
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (isFrozen(value)) return value;
  if (Array.isArray(value)) {
    const items = value.map(frozen);
    return Object.freeze(items.every((item, at) => item === value[at]) ? value : items);
  }
  const fields = Object.entries(value as { readonly [key: string]: Plain }).map(
    ([key, field]) => [key, frozen(field)] as const,
  );
  const isSame = fields.every(([key, field]) => field === (value as { readonly [key: string]: Plain })[key]);
  return Object.freeze(isSame ? value : Object.fromEntries(fields)) as Plain;
};
