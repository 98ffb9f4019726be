// What a node says of itself, on the wire and within its limits. A profile is checked where it is made and again by whoever hears it.
import { isNodeName } from '../genesis/messages.ts';
import { membershipLimits as max } from './limits.ts';
import type { NodeState, Profile, Told } from './types.ts';

export const nodeStates: readonly NodeState[] = ['created', 'joining', 'ready', 'degraded', 'draining', 'left', 'failed'];

/** On one line, and without what a terminal takes for a command. */
const isWord = (value: unknown): value is string =>
  typeof value === 'string' && value.length <= max.wordCharsMax && !/\p{Cc}/u.test(value);
const isLoad = (value: unknown): value is number => typeof value === 'number' && value >= 0 && value <= 1;
const isAmount = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value) && value >= 0;
const isWords = (value: unknown, wordsMax: number): value is string[] =>
  Array.isArray(value) && value.length <= wordsMax && value.every(isWord);
const isAddresses = (value: unknown): value is string[] =>
  Array.isArray(value) &&
  value.length <= max.addressesMax &&
  value.every((one) => typeof one === 'string' && one.length > 0 && one.length <= max.addressCharsMax);

/** `[[name, amount or word], …]`, each name once. */
const parseResources = (value: unknown): Record<string, number | string> | null => {
  if (!Array.isArray(value) || value.length > max.resourcesMax) return null;
  const resources = new Map<string, number | string>();
  for (const item of value as unknown[]) {
    if (!Array.isArray(item) || item.length !== 2) return null;
    const [name, amount] = item as unknown[];
    if (!isWord(name) || !(isAmount(amount) || isWord(amount)) || resources.has(name)) return null;
    resources.set(name, amount);
  }
  // Not by assignment: a resource named __proto__ is a name like any other.
  return Object.fromEntries(resources);
};

const textBytes = (text: string): number => {
  let bytes = 2;
  for (let at = 0; at < text.length; at++) bytes += text.charCodeAt(at) < 0x80 ? 1 : 3;
  return bytes;
};
const textsBytes = (texts: readonly string[]): number => texts.reduce((sum, text) => sum + textBytes(text), 3);
const amountBytes = 9;

const resourceBytes = (value: number | string): number => 1 + (typeof value === 'number' ? amountBytes : textBytes(value));

/** What each part of it takes on the wire, at most. */
export const profileParts = (profile: Omit<Told, 'state'>): Record<ProfilePart, number> => {
  const { name, version, region, tags, capabilities, resources, addresses } = profile;
  let amounts = 0;
  for (const value of Object.values(resources)) amounts += resourceBytes(value);
  return {
    ...{ name: textBytes(name) + 3, version: textBytes(version), region: textBytes(region), tags: textsBytes(tags) },
    ...{ capabilities: textsBytes(capabilities), resources: textsBytes(Object.keys(resources)) + amounts },
    addresses: textsBytes(addresses),
  };
};

type ProfilePart = 'name' | 'version' | 'region' | 'tags' | 'capabilities' | 'resources' | 'addresses';

const measured = new WeakMap<Told, number>();

/** At most what it takes on the wire. */
export const profileBytes = (profile: Told): number => {
  const known = measured.get(profile);
  if (known !== undefined) return known;
  let bytes = 2 * amountBytes;
  for (const part of Object.values(profileParts(profile))) bytes += part;
  measured.set(profile, bytes);
  return bytes;
};

/** Its parts with what each takes, the largest first, for whoever has to make it smaller. */
export const profilePartsText = (parts: Partial<Record<ProfilePart, number>>): string =>
  Object.entries(parts)
    .sort(([, a], [, b]) => b - a)
    .map(([part, bytes]) => `${part} ${bytes}`)
    .join(', ');

/** As many of its addresses, the first ones, as there is room for: a machine has as many as it likes. */
export const withRoom = <Given extends Told>(profile: Given): Given => {
  let fitting = profile;
  while (profileBytes(fitting) > max.profileBytesMax && fitting.addresses.length > 1)
    fitting = { ...fitting, addresses: fitting.addresses.slice(0, -1) };
  return fitting;
};

export const formProfile = (profile: Profile): unknown => [
  ...[profile.name, profile.version, profile.region, profile.tags, profile.capabilities],
  ...[Object.entries(profile.resources), profile.capacity, profile.load, nodeStates.indexOf(profile.state)],
  profile.addresses,
];

export const parseProfile = (value: unknown): Profile | null => {
  if (!Array.isArray(value) || value.length !== 10) return null;
  const [name, version, region, tags, capabilities, given, capacity, load, stateNumber, addresses] = value as unknown[];
  if (!isNodeName(name) || !isWord(version) || !isWord(region) || !isAmount(capacity) || !isLoad(load)) return null;
  if (!isWords(tags, max.tagsMax) || !isWords(capabilities, max.capabilitiesMax) || !isAddresses(addresses)) return null;
  const resources = parseResources(given);
  const state = typeof stateNumber === 'number' ? nodeStates[stateNumber] : undefined;
  if (resources === null || state === undefined) return null;
  const profile = { name, version, region, tags, capabilities, resources, capacity, load, state, addresses };
  return profileBytes(profile) <= max.profileBytesMax ? profile : null;
};

/** Why others would refuse this profile, or null. */
export const profileRefusal = (profile: Profile): 'PROFILE_TOO_LARGE' | 'PROFILE_MALFORMED' | null => {
  if (profileBytes(profile) > max.profileBytesMax) return 'PROFILE_TOO_LARGE';
  return parseProfile(formProfile(profile)) === null ? 'PROFILE_MALFORMED' : null;
};

/** The same in words that end a sentence. */
export const refusalText = (profile: Told, refusal: 'PROFILE_TOO_LARGE' | 'PROFILE_MALFORMED'): string =>
  refusal === 'PROFILE_MALFORMED'
    ? 'a word, list or number in it is out of its limits'
    : `it takes ${profileBytes(profile)} of at most ${max.profileBytesMax} bytes: ${profilePartsText(profileParts(profile))}`;
