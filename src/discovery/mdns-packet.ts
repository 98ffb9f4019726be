// Bytes of multicast DNS (RFC 6762) become a message or null, and records become bytes. dns-packet does the coding; what stands
// here is what it does not guard: counts that claim more than the bytes can hold (it allocates by them), a label that it would write
// with a broken length, and the class of a question whose top bit asks for a unicast answer.
import type { Answer, DecodedPacket, Packet, Question } from 'dns-packet';

/** What is needed of dns-packet, which is loaded only where mDNS is configured. */
export type DnsCodec = {
  encode(packet: Packet): Buffer;
  decode(bytes: Buffer): DecodedPacket;
};

export type SrvData = { priority: number; weight: number; port: number; target: string };

/** A record of the types that discovery needs, of class IN. `flush`: the cache-flush bit, set on records that are one host's alone (§10.2). */
export type Entry = { name: string; ttlSeconds: number; flush: boolean } & (
  | { type: 'PTR' | 'A' | 'AAAA'; data: string }
  | { type: 'SRV'; data: SrvData }
  | { type: 'TXT'; data: string[] }
  | { type: 'NSEC'; data: { nextDomain: string; rrtypes: string[] } }
);

export type AskedType = 'PTR' | 'SRV' | 'TXT' | 'A' | 'AAAA' | 'ANY' | 'other';
export type Asked = { name: string; type: AskedType };

export type Message =
  /** `known`: what the asker has heard already (§7.1). */
  { type: 'query'; questions: Asked[]; known: Entry[] } | { type: 'response'; entries: Entry[] };

export const packetLimits = {
  /** RFC 6762 §17: no message is larger, fragments included. */
  receivedBytesMax: 9_000,
  /** What is sent fits one frame of Ethernet, IP and UDP headers taken off. */
  sentBytesMax: 1_440,
  recordsMax: 512,
  questionsMax: 64,
  textsMax: 64,
} as const;

const headerBytes = 12;

/** One name in two spellings is one name (RFC 6762 §16). */
export const keyOf = (name: string): string => name.toLowerCase();

/** Can this name be written into a packet just as it was read? */
export const isWritable = (name: string): boolean =>
  name.length <= 253 &&
  !/[\p{Cc}\uFFFD]/u.test(name) &&
  name.split('.').every((label) => label.length > 0 && Buffer.byteLength(label) <= 63);

/** The same text for the same name, type and data: how records are compared. */
export const identityOf = ({ name, type, data }: Entry): string => JSON.stringify([keyOf(name), type, data]);

/** The codec allocates by what a header claims, so the claim has a limit. */
const isOfOurSize = (bytes: Buffer): boolean => {
  if (bytes.length < headerBytes || bytes.length > packetLimits.receivedBytesMax) return false;
  const records = bytes.readUInt16BE(6) + bytes.readUInt16BE(8) + bytes.readUInt16BE(10);
  return bytes.readUInt16BE(4) <= packetLimits.recordsMax && records <= packetLimits.recordsMax;
};

const entryOf = (answer: Answer): Entry | null => {
  if (answer.type === 'OPT' || answer.class !== 'IN') return null;
  const common = { name: answer.name, ttlSeconds: answer.ttl ?? 0, flush: answer.flush === true };
  if (answer.type === 'PTR' || answer.type === 'A' || answer.type === 'AAAA')
    return { ...common, type: answer.type, data: answer.data };
  if (answer.type === 'SRV') {
    const { priority = 0, weight = 0, port, target } = answer.data;
    return { ...common, type: 'SRV', data: { priority, weight, port, target } };
  }
  if (answer.type !== 'TXT' || !Array.isArray(answer.data)) return null;
  const texts = answer.data.slice(0, packetLimits.textsMax).map((text) => text.toString());
  return { ...common, type: 'TXT', data: texts };
};

const entriesOf = (answers: readonly Answer[] | undefined): Entry[] =>
  (answers ?? []).map(entryOf).filter((entry): entry is Entry => entry !== null);

const askedTypes: ReadonlySet<string> = new Set(['PTR', 'SRV', 'TXT', 'A', 'AAAA', 'ANY']);

/** IN, IN with the bit that asks for a unicast answer (§5.4), and ANY. */
const isOurClass = (name: string | undefined): boolean => name === 'IN' || name === 'ANY' || name === 'UNKNOWN_32769';

const askedOf = (question: Question): Asked => ({
  name: question.name,
  type: askedTypes.has(question.type) ? (question.type as AskedType) : 'other',
});

/** Null: these bytes are no message for us. */
export const decodeMessage = (codec: DnsCodec, bytes: Buffer): Message | null => {
  if (!isOfOurSize(bytes)) return null;
  // §18.3, §18.11: messages with another opcode or with an error are ignored in silence.
  if ((bytes.readUInt16BE(2) & 0x780f) !== 0) return null;
  try {
    const { type, questions = [], answers, additionals } = codec.decode(bytes);
    if (type === 'response') return { type, entries: [...entriesOf(answers), ...entriesOf(additionals)] };
    const asked = questions.slice(0, packetLimits.questionsMax).filter((one) => isOurClass(one.class));
    return { type: 'query', questions: asked.map(askedOf), known: entriesOf(answers) };
  } catch {
    return null;
  }
};

// TXT: the codec turns the texts of the list that it is given into bytes, so it is given a list of its own.
const answerOf = ({ ttlSeconds: ttl, ...entry }: Entry): Answer =>
  entry.type === 'TXT' ? { ...entry, ttl, data: [...entry.data] } : { ...entry, ttl };

const sizeOf = (codec: DnsCodec, entry: Entry): number => codec.encode({ answers: [answerOf(entry)] }).length - headerBytes;

/** A question with as many known answers as fit; who is left out answers once more than necessary. */
export const encodeQuery = (codec: DnsCodec, questions: readonly Asked[], known: readonly Entry[]): Buffer => {
  const asked = questions.filter(({ type }) => type !== 'other') as Question[];
  let left = packetLimits.sentBytesMax - codec.encode({ questions: asked }).length;
  const answers = known.filter((entry) => {
    const size = sizeOf(codec, entry);
    if (size > left) return false;
    left -= size;
    return true;
  });
  return codec.encode({ type: 'query', questions: asked, answers: answers.map(answerOf) });
};

/** Authoritative, as every answer in multicast DNS (§18.4); additional records only as far as they fit. */
export const encodeResponse = (codec: DnsCodec, answers: readonly Entry[], additionals: readonly Entry[]): Buffer => {
  const authoritative = 1 << 10;
  const packet: Packet = { type: 'response', flags: authoritative, answers: answers.map(answerOf) };
  let left = packetLimits.sentBytesMax - codec.encode(packet).length;
  const fitting = additionals.filter((entry) => (left -= sizeOf(codec, entry)) >= 0);
  return codec.encode({ ...packet, answers: answers.map(answerOf), additionals: fitting.map(answerOf) });
};
