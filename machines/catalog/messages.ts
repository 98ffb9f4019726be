// The catalog on the wire. What is announced is JSON, for that is what descriptions are made of; between two nodes, compact arrays.
// Either is checked field by field: what a peer sends becomes a message or a named refusal.
import { readUtf8, utf8 } from '../wire/octets.ts';
import { catalogLimits as max } from './limits.ts';
import { formOffer, idText, isId, isPeerId, parseOffer } from './offer.ts';
import {
  type Behind,
  type CatalogMessage,
  type Item,
  type OfferId,
  offerKinds,
  type Part,
  type Told,
  type Word,
} from './types.ts';

export type Parsed<Value> = ({ ok: true } & Value) | { ok: false; refused: 'CATALOG_MALFORMED'; message: string };

const refused = (message: string): { ok: false; refused: 'CATALOG_MALFORMED'; message: string } => ({
  ...{ ok: false, refused: 'CATALOG_MALFORMED', message },
});

const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
const isSequence = (value: unknown): value is number => isCount(value) && value <= max.sequenceMax;
const isTime = (value: unknown): value is number => isCount(value) && value >= 1;

const formTold = ({ sequence, count, hash }: Told): unknown => [sequence, count, hash];

const parseTold = (value: unknown): Told | null => {
  if (!Array.isArray(value) || value.length !== 3) return null;
  const [sequence, count, hash] = value as unknown[];
  if (!isSequence(sequence) || !isCount(count) || count > max.ownerOffersMax || !isCount(hash) || hash > 0xffff_ffff)
    return null;
  return { sequence, count, hash };
};

const formId = ({ kind, name, version }: OfferId): unknown => [offerKinds.indexOf(kind), name, version];

const parseId = (value: unknown): OfferId | null => {
  if (!Array.isArray(value) || value.length !== 3) return null;
  const [kindNumber, name, version] = value as unknown[];
  const id = { kind: typeof kindNumber === 'number' ? offerKinds[kindNumber] : undefined, name, version };
  return isId(id) ? id : null;
};

// ---------------------------------------------------------------- announced

const words = ['renew', 'offer', 'withdraw'] as const;

export const formWord = (word: Word): Uint8Array => {
  const about = word.type === 'offer' ? formOffer(word.offer) : word.type === 'withdraw' ? formId(word.id) : null;
  return utf8(JSON.stringify([words.indexOf(word.type), formTold(word.told), about]));
};

const readJson = (bytes: Uint8Array): unknown => {
  const text = readUtf8(bytes, 0, bytes.byteLength);
  if (text === null) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
};

export const parseWord = (bytes: Uint8Array): Parsed<{ word: Word }> => {
  const given = readJson(bytes);
  if (!Array.isArray(given) || given.length !== 3) return refused('not a word of the catalog');
  const [number, givenTold, about] = given as unknown[];
  const type = typeof number === 'number' ? words[number] : undefined;
  const told = parseTold(givenTold);
  if (type === undefined || told === null) return refused('its type or its numbers are malformed');
  if (type === 'renew') return about === null ? { ok: true, word: { type, told } } : refused('a renewal says nothing else');
  if (type === 'withdraw') {
    const id = parseId(about);
    return id === null ? refused('what is withdrawn is malformed') : { ok: true, word: { type, told, id } };
  }
  const offer = parseOffer(about);
  return offer === null ? refused('its offer is malformed or too large') : { ok: true, word: { type, told, offer } };
};

// ---------------------------------------------------------------- between two nodes

const isIdText = (value: unknown): value is string =>
  typeof value === 'string' && value.length <= 2 * max.nameCharsMax + max.versionCharsMax;

const formBehind = (behind: Behind | null): unknown => (behind === null ? null : [behind.owner, behind.id]);

const parseBehind = (value: unknown): Behind | null | undefined => {
  if (value === null) return null;
  if (!Array.isArray(value) || value.length !== 2) return undefined;
  const [owner, id] = value as unknown[];
  return isPeerId(owner) && (id === null || isIdText(id)) ? { owner, id } : undefined;
};

/** An offer names itself; what was withdrawn needs its id. */
const formItem = ({ sequence, leftMs, id, offer }: Item): unknown => [
  ...[sequence, leftMs, offer === null ? formId(id) : null, offer === null ? null : formOffer(offer)],
];

const parseItem = (value: unknown): Item | null => {
  if (!Array.isArray(value) || value.length !== 4) return null;
  const [sequence, leftMs, givenId, givenOffer] = value as unknown[];
  if (!isSequence(sequence) || !isTime(leftMs)) return null;
  const offer = givenOffer === null ? null : parseOffer(givenOffer);
  if (offer !== null) {
    const { kind, name, version } = offer;
    return givenId === null ? { sequence, leftMs, id: { kind, name, version }, offer } : null;
  }
  const id = givenOffer === null ? parseId(givenId) : null;
  return id === null ? null : { sequence, leftMs, id, offer: null };
};

const formPart = ({ owner, epoch, told, after, upTo, items }: Part): unknown => [
  ...[owner, epoch, formTold(told), after, upTo, items.map(formItem)],
];

const parsePart = (value: unknown): Part | null => {
  if (!Array.isArray(value) || value.length !== 6) return null;
  const [owner, epoch, givenTold, after, upTo, given] = value as unknown[];
  const told = parseTold(givenTold);
  if (!isPeerId(owner) || !isCount(epoch) || epoch > max.epochMax || told === null) return null;
  if ((after !== null && !isIdText(after)) || (upTo !== null && !isIdText(upTo)) || !Array.isArray(given)) return null;
  if (given.length > 2 * max.ownerOffersMax) return null;
  const items: Item[] = [];
  let last = after;
  for (const one of given as unknown[]) {
    const item = parseItem(one);
    if (item === null) return null;
    const id = idText(item.id);
    // Ascending, and within what it says to tell.
    if ((last !== null && id <= last) || (upTo !== null && id > upTo) || item.sequence > told.sequence) return null;
    last = id;
    items.push(item);
  }
  return { owner, epoch, told, after, upTo, items };
};

const askNumber = 0;
const pageNumber = 1;

export const formCatalogMessage = (message: CatalogMessage): unknown =>
  message.type === 'ask'
    ? [askNumber, message.owner, formBehind(message.behind)]
    : [pageNumber, message.owner, message.parts.map(formPart), formBehind(message.next), message.settled];

export const parseCatalogMessage = (value: unknown): Parsed<{ message: CatalogMessage }> => {
  if (!Array.isArray(value)) return refused('not a message of the catalog');
  const given = value as unknown[];
  const message = given[0] === askNumber ? parseAsk(given) : given[0] === pageNumber ? parsePage(given) : null;
  return message === null ? refused('its type is unknown or its fields are malformed') : { ok: true, message };
};

const parseAsk = (given: unknown[]): CatalogMessage | null => {
  const owner = given[1];
  const behind = parseBehind(given[2]);
  if (given.length !== 3 || (owner !== null && !isPeerId(owner)) || behind === undefined) return null;
  return { type: 'ask', owner, behind };
};

const parsePage = (given: unknown[]): CatalogMessage | null => {
  const [, owner, givenParts, givenNext, settled] = given;
  const next = parseBehind(givenNext);
  if (given.length !== 5 || (owner !== null && !isPeerId(owner)) || next === undefined) return null;
  if (typeof settled !== 'boolean' || !Array.isArray(givenParts) || givenParts.length > max.pagePartsMax) return null;
  const parts: Part[] = [];
  let items = 0;
  for (const one of givenParts as unknown[]) {
    const part = parsePart(one);
    if (part === null || (owner !== null && part.owner !== owner)) return null;
    items += part.items.length;
    if (items > max.pageItemsMax) return null;
    parts.push(part);
  }
  return { type: 'page', owner, parts, next, settled };
};
