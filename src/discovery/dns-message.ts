// One question to a DNS server and what may be believed of its answer (RFC 1035). dns-packet decodes; what it does not do is done
// here: it trusts counts and lengths (a TXT record that runs over the end makes it begin again at the start), takes any bytes for an
// IPv4 address, and writes a name that holds a dot inside a label as two labels. Pointers of its names only lead backwards: they end.
import { isIPv4, isIPv6 } from 'node:net';
import type { Answer, DecodedPacket } from 'dns-packet';
import { sourceLimits } from './source.ts';

type Codec = { decode(bytes: Buffer): DecodedPacket };

/** Types as on the wire (RFC 1035 §3.2.2, 2782, 3596). */
const typeNumbers = { A: 1, NS: 2, CNAME: 5, SOA: 6, PTR: 12, TXT: 16, AAAA: 28, SRV: 33 } as const;
type RecordType = keyof typeof typeNumbers;

/** `labels` are the parts of the name, from the left; a part may hold dots (RFC 6763 §4.1.1). */
export type Question<T extends AskedType = AskedType> = { labels: readonly string[]; type: T };

type Named = { name: string; ttlMs: number };
export type SrvRecord = Named & { type: 'SRV'; target: string; port: number; priority: number; weight: number };
export type TextRecord = Named & { type: 'TXT'; texts: string[] };
export type NameRecord = Named & { type: 'CNAME' | 'PTR'; target: string };
export type AddressRecord = Named & { type: 'A' | 'AAAA'; address: string };
/** What is read of the answer to each type that is asked for. */
export type RecordOf = { A: AddressRecord; AAAA: AddressRecord; PTR: NameRecord; SRV: SrvRecord; TXT: TextRecord };
export type AskedType = keyof RecordOf;
export type DnsRecord = RecordOf[AskedType];

export type Reply = {
  /** NOERROR, NXDOMAIN, SERVFAIL … */
  code: string;
  /** Cut off: to be asked for again over TCP. */
  truncated: boolean;
  /** It names other servers instead of an answer: this one looks up nothing for others. */
  referral: boolean;
  answers: DnsRecord[];
  additionals: DnsRecord[];
  /** How long it holds that there is nothing (RFC 2308 §5); null where the server does not say. */
  emptyTtlMs: number | null;
};

/** RFC 6891 §6.2.5 and the DNS flag day of 2020: what passes every network in one piece. */
const udpBytesMax = 1232;
const headerBytes = 12;
const codes = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'];
const typeOpaque = 10;
const typeOpt = 41;

/** Stands for a dot inside a label, in names as texts: no label that may be asked for holds it. */
const innerDot = '\u0001';

/** Names compare without regard to the case of ASCII letters, and of no others (RFC 4343). */
const foldName = (name: string): string => name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
/** The name of these labels as records have it. */
export const nameOf = (labels: readonly string[]): string =>
  foldName(labels.map((label) => label.replaceAll('.', innerDot)).join('.'));
export const labelsOf = (name: string): string[] => name.split('.').map((label) => label.replaceAll(innerDot, '.'));

/** Whether these labels make a name that can be asked for: RFC 1035 §2.3.4, and nothing that spoils a log. */
export const areLabels = (labels: readonly string[]): boolean =>
  labels.length > 0 &&
  labels.every((label) => label !== '' && Buffer.byteLength(label) <= 63 && !/[\p{Cc}\ufffd]/u.test(label)) &&
  labels.reduce((bytes, label) => bytes + Buffer.byteLength(label) + 1, 1) <= 255;

/** The bytes of a question; `labels` have passed `areLabels`. */
export const formQuestion = (id: number, { labels, type }: Question, edns: boolean): Buffer => {
  const header = Buffer.alloc(headerBytes);
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE(0x0100, 2); // recursion desired
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(edns ? 1 : 0, 10);
  const name = labels.flatMap((label) => [Buffer.from([Buffer.byteLength(label)]), Buffer.from(label)]);
  const asked = Buffer.from([0, 0, typeNumbers[type], 0, 1]);
  const option = Buffer.from([0, 0, typeOpt, udpBytesMax >> 8, udpBytesMax & 0xff, 0, 0, 0, 0, 0, 0]);
  return Buffer.concat([header, ...name, asked, ...(edns ? [option] : [])]);
};

/** Where the name that begins at `at` ends; throws a RangeError beyond the end. Dots inside its labels are replaced. */
const endOfName = (bytes: Buffer, at: number): number => {
  for (let offset = at; ; ) {
    const length = bytes.readUInt8(offset);
    if (length === 0) return offset + 1;
    if (length >= 0xc0) return offset + 2;
    for (let inner = offset + 1; inner <= offset + length; inner += 1)
      if (bytes[inner] === 0x2e) bytes[inner] = innerDot.charCodeAt(0);
    offset += 1 + length;
  }
};

/**
 * Walks over the whole message before anything is decoded, so that no count and no length leads out of it. Types that nobody asked
 * for are made opaque in place: whatever they hold is not decoded. Answers with the extended code of RFC 6891, or null: malformed.
 */
const walk = (bytes: Buffer): { extendedCode: number } | null => {
  try {
    let at = headerBytes;
    let extendedCode = 0;
    for (let left = bytes.readUInt16BE(4); left > 0; left -= 1) at = endOfName(bytes, at) + 4;
    for (let left = bytes.readUInt16BE(6) + bytes.readUInt16BE(8) + bytes.readUInt16BE(10); left > 0; left -= 1) {
      const fixed = endOfName(bytes, at);
      const type = bytes.readUInt16BE(fixed);
      const length = bytes.readUInt16BE(fixed + 8);
      if (type === typeOpt) extendedCode = bytes.readUInt8(fixed + 4);
      if (type === typeNumbers.A && length !== 4) return null;
      if (type === typeNumbers.AAAA && length !== 16) return null;
      if (!(Object.values(typeNumbers) as number[]).includes(type)) bytes.writeUInt16BE(typeOpaque, fixed);
      if (type === typeNumbers.PTR || type === typeNumbers.CNAME) endOfName(bytes, fixed + 10);
      if (type === typeNumbers.SRV) endOfName(bytes, fixed + 16);
      at = fixed + 10 + length;
    }
    return at <= bytes.length ? { extendedCode } : null;
  } catch {
    return null;
  }
};

const isType = (type: string): type is RecordType => Object.hasOwn(typeNumbers, type);
/** RFC 2181 §8: a time with the highest bit set is none. */
const ttlOf = (seconds: number | undefined): number => (seconds === undefined || seconds >= 2 ** 31 ? 0 : seconds * 1_000);

const recordOf = (answer: Answer): DnsRecord | null => {
  if (answer.type === 'OPT' || !isType(answer.type) || answer.class !== 'IN') return null;
  const named = { name: foldName(answer.name), ttlMs: ttlOf(answer.ttl) };
  switch (answer.type) {
    case 'A':
    case 'AAAA':
      return isIPv4(answer.data) || isIPv6(answer.data) ? { ...named, type: answer.type, address: answer.data } : null;
    case 'CNAME':
    case 'PTR':
      return { ...named, type: answer.type, target: foldName(answer.data) };
    case 'TXT': {
      const texts = Array.isArray(answer.data) ? answer.data : [answer.data];
      return { ...named, type: 'TXT', texts: texts.map((text) => text.toString()) };
    }
    case 'SRV': {
      const { target, port, priority = 0, weight = 0 } = answer.data;
      return { ...named, type: 'SRV', target: foldName(target), port, priority, weight };
    }
    default:
      return null;
  }
};

const recordsOf = (answers: readonly Answer[] = []): DnsRecord[] =>
  answers.map(recordOf).filter((record): record is DnsRecord => record !== null);

const emptyTtlOf = (authorities: readonly Answer[] = []): number | null => {
  const soa = authorities.find((one) => one.type === 'SOA');
  return soa === undefined ? null : Math.min(ttlOf(soa.ttl), ttlOf(soa.data.minimum));
};

/** Whether it repeats the question. A server that understood nothing may leave it out (RFC 6891 §7). */
const answersTo = ({ questions = [] }: DecodedPacket, question: Question, code: number): boolean => {
  if (questions.length === 0) return code === 1;
  const [asked] = questions;
  return questions.length === 1 && foldName(asked!.name) === nameOf(question.labels) && asked!.type === question.type;
};

/** What a server says to a question; null: this is no answer to it, whoever sent it. `bytes` are changed. */
export const readReply = (codec: Codec, bytes: Buffer, id: number, question: Question): Reply | null => {
  if (bytes.length < headerBytes || bytes.readUInt16BE(0) !== id) return null;
  const flags = bytes.readUInt16BE(2);
  const code = flags & 0xf;
  // An answer (QR) to an ordinary question (opcode 0).
  if ((flags & 0xf800) >> 11 !== 0b10000) return null;
  // What is cut off may end anywhere (RFC 2181 §9): only its question is read.
  const truncated = (flags & 0x0200) !== 0;
  if (truncated) bytes.fill(0, 6, headerBytes);
  const walked = walk(bytes);
  if (walked === null) return null;
  try {
    const packet = codec.decode(bytes);
    if (!answersTo(packet, question, code)) return null;
    const answers = recordsOf(packet.answers);
    const emptyTtlMs = emptyTtlOf(packet.authorities);
    const names = packet.authorities?.some(({ type }) => type === 'NS') ?? false;
    const extended = (walked.extendedCode << 4) | code;
    return {
      code: codes[extended] ?? `code ${extended}`,
      truncated,
      referral: code === 0 && answers.length === 0 && emptyTtlMs === null && names && !packet.flag_aa,
      answers,
      additionals: recordsOf(packet.additionals),
      emptyTtlMs,
    };
  } catch {
    return null;
  }
};

/** RFC 1034 §3.6.2 knows no limit; nobody needs more. */
const aliasesMax = 8;

/**
 * The records of one name and type among these, aliases followed; null where aliases lead round in a circle or on and on. A record
 * lives no longer than the aliases that lead to it.
 */
export const recordsAt = <T extends AskedType>(
  records: readonly DnsRecord[],
  { labels, type }: Question<T>,
): RecordOf[T][] | null => {
  let name = nameOf(labels);
  let ttlMs: number = sourceLimits.ttlMaxMs;
  for (let aliases = 0; aliases <= aliasesMax; aliases += 1) {
    const found = records.filter((one): one is RecordOf[T] => one.type === type && one.name === name);
    const alias = records.find((one): one is NameRecord => one.type === 'CNAME' && one.name === name);
    if (found.length > 0 || alias === undefined) return found.map((one) => ({ ...one, ttlMs: Math.min(ttlMs, one.ttlMs) }));
    name = alias.target;
    ttlMs = Math.min(ttlMs, alias.ttlMs);
  }
  return null;
};
