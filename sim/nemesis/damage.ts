// What can become of a value at rest, whoever's it is: a bit of it turns, another's lies in its place, or it is gone.
import { compareKeys, keyText } from '../../actors/keyspace.ts';
import type { Disk } from '../disk.ts';
import type { Chance } from '../world.ts';

type Range = { readonly gte: Uint8Array; readonly lt: Uint8Array };

export const keysIn = (disk: Disk, { gte, lt }: Range): Uint8Array[] =>
  disk.keys((key) => compareKeys(key, gte) >= 0 && compareKeys(key, lt) < 0);

/** For a person: what is no letter is the number of its last byte. */
export const shown = (key: Uint8Array): string =>
  keyText(key).replace(/[^ -~]+/g, (bytes) => `#${bytes.charCodeAt(bytes.length - 1)}`);

export const rotBit = (disk: Disk, key: Uint8Array, chance: Chance): string => {
  disk.damage(key, (value) => {
    value[chance.between(0, value.byteLength)]! ^= 1 << chance.between(0, 8);
    return value;
  });
  return `a bit of ${shown(key)}`;
};

/** A value was written where another belongs. */
export const misdirect = (disk: Disk, from: Uint8Array, to: Uint8Array): string => {
  const value = disk.valueAt(from)!.slice();
  disk.damage(to, () => value);
  return `${shown(from)} lies under ${shown(to)}`;
};

export const lose = (disk: Disk, key: Uint8Array): string => {
  disk.damage(key, () => null);
  return `${shown(key)} is gone`;
};
