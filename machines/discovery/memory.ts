// What the disk keeps of discovery (row D3), so that a node finds its cluster again while every source is silent. Only a help: what is
// damaged is left out.
import { discoveryLimits as max } from './limits.ts';
import type { RememberedPlace } from './types.ts';

const version = 1;

export const formMemory = (places: readonly RememberedPlace[]): unknown => [
  version,
  places.map(({ peer, name, addresses, priority, weight }) => [peer, name, addresses, priority, weight]),
];

const isText = (value: unknown, charsMax: number): value is string =>
  typeof value === 'string' && value.length > 0 && value.length <= charsMax;
const isTextOrNull = (value: unknown, charsMax: number): value is string | null => value === null || isText(value, charsMax);
const isSmall = (value: unknown): value is number => Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 65_535;

const parsePlace = (value: unknown): RememberedPlace[] => {
  if (!Array.isArray(value) || value.length !== 5) return [];
  const [peer, name, given, priority, weight] = value as unknown[];
  if (!isTextOrNull(peer, max.peerCharsMax) || !isTextOrNull(name, max.nameCharsMax) || !Array.isArray(given)) return [];
  const addresses = given.filter((one): one is string => isText(one, max.addressCharsMax)).slice(0, max.addressesMax);
  if (addresses.length === 0 || !isSmall(priority) || !isSmall(weight)) return [];
  return [{ peer, name, addresses, priority, weight }];
};

/** Null: this is no memory of discovery. */
export const parseMemory = (value: unknown): RememberedPlace[] | null => {
  if (!Array.isArray(value) || value.length !== 2 || value[0] !== version || !Array.isArray(value[1])) return null;
  return (value[1] as unknown[]).slice(0, max.findingsMax).flatMap(parsePlace);
};
