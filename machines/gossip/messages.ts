// Gossip on the wire: compact arrays, checked field by field. What a peer sends becomes a message or a named refusal.
import { gossipLimits as max } from './limits.ts';
import { isRanges } from './ranges.ts';
import type { Announcement, GossipMessage, GossipMessageType, Mark, Part, PeerId, Ranges, Want } from './types.ts';

const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
const isEpoch = (value: unknown): value is number => isCount(value) && value <= max.epochMax;
const isSequence = (value: unknown): value is number => isCount(value) && value >= 1 && value <= max.sequenceMax;
const isPeerId = (value: unknown): value is PeerId =>
  typeof value === 'string' && value.length > 0 && value.length <= max.peerCharsMax;
const isBody = (value: unknown): value is Uint8Array => value instanceof Uint8Array && value.byteLength <= max.bodyBytesMax;
const isTime = (value: unknown): value is number => isCount(value) && value >= 1 && value <= max.ttlMsMax;

/** No control characters: it is shown to people. */
export const isTopic = (value: unknown): value is string =>
  typeof value === 'string' && value.length > 0 && value.length <= max.topicCharsMax && !/[\p{Cc}\p{Cs}]/u.test(value);

const listOf = <Item>(value: unknown, itemsMax: number, parse: (item: unknown) => Item | null): Item[] | null => {
  if (!Array.isArray(value) || value.length > itemsMax) return null;
  const items: Item[] = [];
  for (const item of value as unknown[]) {
    const parsed = parse(item);
    if (parsed === null) return null;
    items.push(parsed);
  }
  return items;
};

const parseRanges = (value: unknown, piecesMax: number): Ranges | null => {
  const numbers = listOf(value, 2 * piecesMax, (item) => (isSequence(item) ? item : null));
  return numbers !== null && isRanges(numbers) ? numbers : null;
};

export type Parsed<Value> = ({ ok: true } & Value) | { ok: false; refused: 'GOSSIP_MALFORMED'; message: string };

const refused = (message: string): { ok: false; refused: 'GOSSIP_MALFORMED'; message: string } => ({
  ...{ ok: false, refused: 'GOSSIP_MALFORMED', message },
});

// ---------------------------------------------------------------- what is published

/** `[epoch, sequence, floor, topic, leftMs, body]`; the source is whoever published it. Bodies are copies: a view would keep all. */
export const formAnnouncement = ({ epoch, sequence, floor, topic, leftMs, body }: Announcement): unknown => [
  ...[epoch, sequence, floor, topic, leftMs, body],
];

export const parseAnnouncement = (value: unknown): Parsed<{ announcement: Announcement }> => {
  if (!Array.isArray(value) || value.length !== 6) return refused('not an announcement');
  const [epoch, sequence, floor, topic, leftMs, body] = value as unknown[];
  if (!isEpoch(epoch) || !isSequence(sequence) || !isCount(floor) || floor > sequence)
    return refused('its numbers are malformed');
  if (!isTopic(topic) || !isTime(leftMs) || !isBody(body)) return refused('its topic, time or body is malformed');
  return { ok: true, announcement: { epoch, sequence, floor, topic, leftMs, body: new Uint8Array(body) } };
};

// ---------------------------------------------------------------- exchanges

const formMark = ({ source, epoch, known, agoMs }: Mark): unknown => [source, epoch, known, agoMs];

const parseMark = (value: unknown): Mark | null => {
  if (!Array.isArray(value) || value.length !== 4) return null;
  const [source, epoch, given, agoMs] = value as unknown[];
  const known = parseRanges(given, max.rangesMax);
  return isPeerId(source) && isEpoch(epoch) && known !== null && isCount(agoMs) ? { source, epoch, known, agoMs } : null;
};

const formWant = ({ source, epoch, numbers }: Want): unknown => [source, epoch, numbers];

/** What is missing lies between what is known, and before and behind it. */
const wantPiecesMax = max.rangesMax + 1;

const parseWant = (value: unknown): Want | null => {
  if (!Array.isArray(value) || value.length !== 3) return null;
  const [source, epoch, given] = value as unknown[];
  const numbers = parseRanges(given, 2 * wantPiecesMax);
  return isPeerId(source) && isEpoch(epoch) && numbers !== null ? { source, epoch, numbers } : null;
};

/** `[source, epoch, agoMs, gone, [sequence, topic, leftMs, body, …]]`. */
const formPart = ({ source, epoch, agoMs, gone, announcements }: Part): unknown => [
  ...[source, epoch, agoMs, gone],
  announcements.flatMap(({ sequence, topic, leftMs, body }) => [sequence, topic, leftMs, body]),
];

const parsePart = (value: unknown): Part | null => {
  if (!Array.isArray(value) || value.length !== 5) return null;
  const [source, epoch, agoMs, givenGone, given] = value as unknown[];
  const gone = parseRanges(givenGone, max.gonePiecesMax);
  if (!isPeerId(source) || !isEpoch(epoch) || !isCount(agoMs) || gone === null || !Array.isArray(given)) return null;
  if (given.length % 4 !== 0 || given.length > 4 * max.partAnnouncementsMax) return null;
  const announcements: Announcement[] = [];
  let last = 0;
  for (let at = 0; at < given.length; at += 4) {
    const [sequence, topic, leftMs, body] = given.slice(at, at + 4) as unknown[];
    if (!isSequence(sequence) || sequence <= last || !isTopic(topic) || !isTime(leftMs) || !isBody(body)) return null;
    announcements.push({ epoch, sequence, floor: 0, topic, leftMs, body: new Uint8Array(body) });
    last = sequence;
  }
  return { source, epoch, agoMs, gone, announcements };
};

const types: readonly GossipMessageType[] = ['digest', 'marks', 'page'];

/** `[type, …fields]`. */
export const formGossipMessage = (message: GossipMessage): unknown => {
  const number = types.indexOf(message.type);
  switch (message.type) {
    case 'digest':
      return [number, message.hashes];
    case 'marks':
      return [number, message.buckets, message.marks.map(formMark)];
    case 'page':
      return [number, message.parts.map(formPart), message.wants.map(formWant), message.urgent, message.more];
  }
};

export const parseGossipMessage = (value: unknown): Parsed<{ message: GossipMessage }> => {
  if (!Array.isArray(value)) return refused('not a message of gossip');
  const given = value as unknown[];
  const type = isCount(given[0]) ? types[given[0]] : undefined;
  if (type === undefined) return refused('its type is unknown');
  const message = parseFields(type, given);
  return message === null ? refused(`the fields of ${type} are malformed`) : { ok: true, message };
};

const parseFields = (type: GossipMessageType, given: unknown[]): GossipMessage | null => {
  switch (type) {
    case 'digest': {
      const hashes = listOf(given[1], max.buckets, (item) => (isCount(item) && item <= 0xffff_ffff ? item : null));
      return given.length === 2 && hashes?.length === max.buckets ? { type, hashes } : null;
    }
    case 'marks': {
      let last = -1;
      const bucket = (item: unknown): number | null =>
        isCount(item) && item > last && item < max.buckets ? (last = item) : null;
      const buckets = listOf(given[1], max.buckets, bucket);
      const marks = listOf(given[2], max.marksMax, parseMark);
      return given.length === 3 && buckets !== null && marks !== null ? { type, buckets, marks } : null;
    }
    case 'page': {
      const parts = listOf(given[1], max.partsMax, parsePart);
      const wants = listOf(given[2], max.wantsMax, parseWant);
      const urgent = given[3];
      const more = given[4];
      if (given.length !== 5 || parts === null || wants === null) return null;
      return typeof urgent === 'boolean' && typeof more === 'boolean' ? { type, parts, wants, urgent, more } : null;
    }
  }
};
