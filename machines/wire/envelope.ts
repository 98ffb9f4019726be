// What crosses between nodes: an envelope around a body (decision 3), packed by msgpackr as one array.
// Bytes from a peer become an envelope or a named refusal, never an exception.
import { Packr } from 'msgpackr';
import { limits } from './limits.ts';

/** `version` of the wire; a new one is enabled by a log entry once all members support it (decision 16). */
export const wireVersion = 1;

export type Envelope = {
  version: number;
  /** Address of the sending actor on the sending node, e.g. 'raft/kv'. The node is the authenticated peer. */
  source: string;
  /** Address of the receiving actor on the receiving node. */
  target: string;
  /** The message's type within the target's protocol. */
  type: string;
  /** Number of this message, unique per sender and epoch; 0 where nobody answers. */
  id: number;
  /** The id this one answers; 0 = none. */
  correlation: number;
  /** Milliseconds left until the sender stops waiting; 0 = no deadline. Relative, so that clocks need not agree. */
  timeLeftMs: number;
  /** W3C traceparent, or '' . */
  trace: string;
  body: unknown;
};

export type Refusal = { refused: string; message: string };

const packr = new Packr({ useRecords: false, largeBigIntToFloat: false, moreTypes: false });

/** Packs plain data (no Map, Set, Date, bigint). Byte arrays come back as copies that nobody else holds. */
export const pack = (value: unknown): Uint8Array => {
  const packed = packr.pack(value);
  return new Uint8Array(packed.buffer, packed.byteOffset, packed.byteLength);
};

/** Unpacks what `pack` made; throws on anything malformed. Byte arrays inside are views of `bytes`. */
export const unpack = (bytes: Uint8Array): unknown => packr.unpack(bytes as never);

export const encodeEnvelope = (e: Envelope): Uint8Array =>
  pack([e.version, e.source, e.target, e.type, e.id, e.correlation, e.timeLeftMs, e.trace, e.body]);

const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
const isName = (value: unknown): value is string =>
  typeof value === 'string' && value.length > 0 && value.length <= limits.addressCharsMax;

/** Fields in their order. */
export const checkEnvelope = (
  version: unknown,
  source: unknown,
  target: unknown,
  type: unknown,
  id: unknown,
  correlation: unknown,
  timeLeftMs: unknown,
  trace: unknown,
  body: unknown,
): Envelope | Refusal => {
  if (version !== wireVersion) return { refused: 'VERSION_UNKNOWN', message: `this node speaks wire version ${wireVersion}` };
  if (!isName(source) || !isName(target) || !isName(type))
    return { refused: 'MESSAGE_MALFORMED', message: 'source, target or type is not a name' };
  if (!isCount(id) || !isCount(correlation) || !isCount(timeLeftMs))
    return { refused: 'MESSAGE_MALFORMED', message: 'id, correlation or timeLeftMs is not a count' };
  if (typeof trace !== 'string' || trace.length > limits.traceCharsMax)
    return { refused: 'MESSAGE_MALFORMED', message: 'trace is not a traceparent' };
  return { version, source, target, type, id, correlation, timeLeftMs, trace, body };
};

export const decodeEnvelope = (bytes: Uint8Array): Envelope | Refusal => {
  if (bytes.byteLength > limits.messageBytesMax)
    return { refused: 'MESSAGE_TOO_LARGE', message: `${bytes.byteLength} bytes, at most ${limits.messageBytesMax}` };
  let fields: unknown;
  try {
    fields = unpack(bytes);
  } catch {
    return { refused: 'MESSAGE_MALFORMED', message: 'not msgpack' };
  }
  if (!Array.isArray(fields) || fields.length !== 9) return { refused: 'MESSAGE_MALFORMED', message: 'not an envelope' };
  const given = fields as unknown[];
  // By place rather than taken apart: an iterator over every message costs more than the rest of this.
  return checkEnvelope(given[0], given[1], given[2], given[3], given[4], given[5], given[6], given[7], given[8]);
};
