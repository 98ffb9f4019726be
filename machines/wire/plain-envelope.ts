// Envelopes of messages that come and go by the hundred thousand a second, between few addresses: what stands in front of each is made once,
// and the rest written in one go. The same bytes, as far as any reader of envelopes can tell (envelope.ts).
import { checkEnvelope, decodeEnvelope, type Envelope, encodeEnvelope, pack } from './envelope.ts';
import { createInk, inkRaw, isSpent, tearOff, turnPage } from './octets.ts';
import { inkPlain, readPlain, viewsOf } from './plain.ts';

type Posted = Pick<Envelope, 'version' | 'source' | 'target' | 'type' | 'timeLeftMs' | 'trace' | 'body'>;
/** As far as the correlation. */
type Head = Pick<Posted, 'version' | 'source' | 'target'> & { readonly bytes: Uint8Array };

const fieldsTag = 0x99;
const headsMax = 64;
/** Longer ones are left to the library. */
const shortMax = 4_096;
const heads = new Map<string, Head>();
const ink = createInk();

const headOf = ({ version, source, target, type }: Posted): Uint8Array => {
  const known = heads.get(type);
  if (known !== undefined && known.source === source && known.target === target && known.version === version)
    return known.bytes;
  const bytes = pack([version, source, target, type, 0, 0]).slice();
  bytes[0] = fieldsTag;
  if (heads.size >= headsMax) heads.clear();
  heads.set(type, { version, source, target, bytes });
  return bytes;
};

/** A message that nobody answers by its id. */
export const encodePosted = (posted: Posted): Uint8Array => {
  const start = turnPage(ink);
  inkRaw(ink, headOf(posted));
  try {
    inkPlain(ink, posted.timeLeftMs);
    inkPlain(ink, posted.trace);
    inkPlain(ink, posted.body);
  } catch {
    ink.at = start;
    // Something of it is no plain data: the library has a word for nearly everything.
    return encodeEnvelope({ ...posted, id: 0, correlation: 0 });
  }
  return tearOff(ink, start);
};

/** As `decodeEnvelope`, for what is most likely short and plain data; byte arrays inside are views of `bytes`, too. */
export const decodePosted = (bytes: Uint8Array): ReturnType<typeof decodeEnvelope> => {
  if (bytes.byteLength > shortMax || bytes[0] !== fieldsTag) return decodeEnvelope(bytes);
  const from = viewsOf(bytes, 1);
  const version = readPlain(from);
  const source = readPlain(from);
  const target = readPlain(from);
  const type = readPlain(from);
  const id = readPlain(from);
  const correlation = readPlain(from);
  const timeLeftMs = readPlain(from);
  const trace = readPlain(from);
  const body = readPlain(from);
  // What is wrong with it, and whether anything is, is said in one place.
  if (!isSpent(from)) return decodeEnvelope(bytes);
  return checkEnvelope(version, source, target, type, id, correlation, timeLeftMs, trace, body);
};
