// One number for what an actor is, so that replicas can be compared for the price of a look at it. The order of an object's keys does
// not count: a state that was read from a disk has lost the keys without a value, and may get them back in another order.
import { mixHashes, textHash } from '../hash.ts';

export const hashBasis = {
  null: 0x6e75_6c6c,
  true: 0x7472_7565,
  false: 0x6661_6c73,
  list: 0x6c69_7374,
  record: 0x7265_636f,
} as const;
const word = new DataView(new ArrayBuffer(8));

export const numberHash = (value: number): number => {
  if ((value | 0) === value) return mixHashes(0x6e75_6d62, value);
  word.setFloat64(0, value);
  return mixHashes(word.getUint32(0), word.getUint32(4));
};

export const bytesHash = (bytes: Uint8Array): number => {
  let hash = 0x811c_9dc5;
  for (let at = 0; at < bytes.byteLength; at++) hash = Math.imul(hash ^ bytes[at]!, 0x0100_0193);
  return hash >>> 0;
};

/** Of plain data. What has no value counts as what is not there. */
export const valueHash = (value: unknown): number => {
  if (typeof value === 'string') return textHash(value);
  if (typeof value === 'number') return numberHash(value);
  if (typeof value === 'boolean') return value ? hashBasis.true : hashBasis.false;
  if (typeof value !== 'object' || value === null) return hashBasis.null;
  if (value instanceof Uint8Array) return bytesHash(value);
  if (Array.isArray(value)) {
    let hash: number = hashBasis.list;
    for (const item of value) hash = mixHashes(hash, valueHash(item));
    return hash;
  }
  let hash: number = hashBasis.record;
  for (const key of Object.keys(value)) {
    const inside = (value as Record<string, unknown>)[key];
    if (inside !== undefined) hash = (hash + mixHashes(textHash(key), valueHash(inside))) | 0;
  }
  return hash >>> 0;
};
