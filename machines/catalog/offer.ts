// What may be offered. Checked where it is made and again by whoever hears it, so both sides agree on every limit.
import { isWellFormed, utf8Length } from '../wire/octets.ts';
import { catalogLimits as max } from './limits.ts';
import { type Json, type Method, type Offer, type OfferId, type OfferKind, offerKinds } from './types.ts';
import { parseVersion } from './version.ts';

const nameForm = /^[A-Za-z0-9][A-Za-z0-9._/-]*$/;
const methodForm = /^[A-Za-z][A-Za-z0-9._-]*$/;

const isName = (value: unknown): value is string =>
  typeof value === 'string' && value.length <= max.nameCharsMax && nameForm.test(value);
const isKind = (value: unknown): value is OfferKind => (offerKinds as readonly unknown[]).includes(value);
/** On one line, and without what a terminal takes for a command. */
const isWord = (value: unknown): value is string =>
  typeof value === 'string' && value.length > 0 && value.length <= max.wordCharsMax && !/[\p{Cc}\p{Cs}]/u.test(value);
const isAmount = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value) && value >= 0;
const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isWords = (value: unknown, wordsMax: number): value is readonly string[] =>
  Array.isArray(value) && value.length <= wordsMax && value.every(isWord) && new Set(value).size === value.length;

/** Whatever JSON can say and every decoder takes. */
const isJson = (value: unknown, depth = 0): value is Json => {
  if (value === null || typeof value === 'boolean') return true;
  if (typeof value === 'string') return isWellFormed(value);
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object' || depth >= max.depthMax) return false;
  if (Array.isArray(value)) return !value.includes(undefined) && value.every((item) => isJson(item, depth + 1));
  const prototype = Object.getPrototypeOf(value) as unknown;
  if (prototype !== Object.prototype && prototype !== null) return false;
  return Object.entries(value).every(([key, item]) => key !== '__proto__' && isWellFormed(key) && isJson(item, depth + 1));
};

const isMethod = (value: unknown): value is Method =>
  isRecord(value) && isJson(value.input) && isJson(value.output) && typeof value.idempotent === 'boolean';

export const isResources = (value: unknown): value is Readonly<Record<string, number | string>> => {
  if (!isRecord(value)) return false;
  const entries = Object.entries(value);
  return (
    entries.length <= max.resourcesMax &&
    entries.every(([name, amount]) => isWord(name) && name !== '__proto__' && (isAmount(amount) || isWord(amount)))
  );
};
export const isCapabilities = (value: unknown): value is readonly string[] => isWords(value, max.capabilitiesMax);
export const isTags = (value: unknown): value is readonly string[] => isWords(value, max.tagsMax);

/** What is wrong with it, for whoever offers it; null: nothing. */
export const whyUnfit = (given: unknown): string | null => {
  if (!isRecord(given)) return 'an offer is an object';
  const { kind, name, version, methods, resources, capabilities, tags } = given;
  if (!isKind(kind)) return `its kind is one of ${offerKinds.join(', ')}`;
  if (!isName(name))
    return `its name has 1 to ${max.nameCharsMax} of the characters a-z A-Z 0-9 . _ / - and begins with a letter or digit`;
  if (parseVersion(version) === null) return `${name}: its version is none of Semantic Versioning 2.0.0`;
  if (!isRecord(methods)) return `${name}: its methods are an object`;
  const all = Object.entries(methods);
  if (all.length > max.methodsMax) return `${name}: ${all.length} methods, at most ${max.methodsMax}`;
  for (const [method, described] of all) {
    if (method.length > max.methodCharsMax || !methodForm.test(method))
      return `${name}: a method is called ${method.slice(0, 80)}`;
    if (!isMethod(described)) return `${name}.${method}: input and output are plain JSON, idempotent is true or false`;
  }
  if (!isResources(resources)) return `${name}: resources are at most ${max.resourcesMax} amounts or words`;
  if (!isCapabilities(capabilities)) return `${name}: capabilities are at most ${max.capabilitiesMax} words, each once`;
  return isTags(tags) ? null : `${name}: tags are at most ${max.tagsMax} words, each once`;
};

/** Everybody makes the same of the same offer. */
export const offerText = (offer: Offer): string => JSON.stringify(formOffer(offer));

/** As JSON: what it counts for in every limit. */
export const offerBytes = (offer: Offer): number => utf8Length(offerText(offer));

export const formOffer = ({ kind, name, version, methods, resources, capabilities, tags }: Offer): unknown => [
  ...[kind, name, version],
  Object.entries(methods).map(([method, { input, output, idempotent }]) => [method, input, output, idempotent]),
  ...[resources, capabilities, tags],
];

/** Null: it is none, or beyond a limit. */
export const parseOffer = (value: unknown): Offer | null => {
  if (!Array.isArray(value) || value.length !== 7) return null;
  const [kind, name, version, given, resources, capabilities, tags] = value as unknown[];
  const methods = parseMethods(given);
  if (methods === null) return null;
  const offer = { kind, name, version, methods, resources, capabilities, tags } as Offer;
  return whyUnfit(offer) === null && offerBytes(offer) <= max.offerBytesMax ? offer : null;
};

const parseMethods = (value: unknown): Record<string, unknown> | null => {
  if (!Array.isArray(value) || value.length > max.methodsMax) return null;
  const methods = new Map<string, unknown>();
  for (const item of value as unknown[]) {
    if (!Array.isArray(item) || item.length !== 4) return null;
    const [method, input, output, idempotent] = item as unknown[];
    if (typeof method !== 'string' || methods.has(method)) return null;
    methods.set(method, { input, output, idempotent });
  }
  return Object.fromEntries(methods);
};

/** A copy that shares nothing with what was given, in which nobody changes anything behind the catalog's back. */
export const copyOffer = (offer: Offer): Offer => parseOffer(JSON.parse(JSON.stringify(formOffer(offer))) as unknown) ?? offer;

// ---------------------------------------------------------------- ids

/** Sorts all offers of an owner; no part contains a space. */
export const idText = ({ kind, name, version }: OfferId): string => `${name} ${kind} ${version}`;

export const idOf = ({ kind, name, version }: Offer): OfferId => ({ kind, name, version });

export const isId = (value: unknown): value is OfferId =>
  isRecord(value) && isKind(value.kind) && isName(value.name) && parseVersion(value.version) !== null;

export const isPeerId = (value: unknown): value is string =>
  typeof value === 'string' && value.length > 0 && value.length <= max.peerCharsMax;
