// What two nodes tell each other once both have proved the secret: name, epoch, where they can be dialled, the key that bodies
// meant for one peer are sealed to. Travels inside the admission handshake, so it is small and bounded.
import { multiaddr } from '@multiformats/multiaddr';
import { pack, unpack } from '../../machines/wire/envelope.ts';
import { limits } from '../../machines/wire/limits.ts';

export type Hello = {
  name: string;
  epoch: number;
  extra: Record<string, string>;
  /** Multiaddrs, without the peer id. */
  addresses: string[];
  /** X25519 public key of this start of the process. */
  sealKey: Uint8Array;
};

const helloVersion = 1;
const addressesMax = 8;
export const sealKeyBytes = 32;

const isText = (value: unknown, max: number): value is string => typeof value === 'string' && value.length <= max;

const isExtra = (value: unknown): value is Record<string, string> =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  Object.entries(value).every(([key, entry]) => isText(key, 64) && isText(entry, limits.helloBytesMax));

const isMultiaddr = (value: unknown): value is string => {
  if (!isText(value, 256)) return false;
  try {
    multiaddr(value);
    return true;
  } catch {
    return false;
  }
};

/** Leaves out addresses that do not fit; throws where what the node itself gave is too long. */
export const encodeHello = (hello: Hello): Uint8Array => {
  for (let count = Math.min(hello.addresses.length, addressesMax); count >= 0; count--) {
    const bytes = pack([
      helloVersion,
      hello.name,
      hello.epoch,
      hello.extra,
      hello.addresses.slice(0, count),
      Buffer.from(hello.sealKey),
    ]);
    if (bytes.byteLength <= limits.helloBytesMax) return bytes;
  }
  throw new RangeError(`HELLO_TOO_LARGE: name and extra take more than ${limits.helloBytesMax} bytes`);
};

/** Null for anything that is not a hello. */
export const decodeHello = (bytes: Uint8Array): Hello | null => {
  if (bytes.byteLength > limits.helloBytesMax) return null;
  let fields: unknown;
  try {
    fields = unpack(bytes);
  } catch {
    return null;
  }
  if (!Array.isArray(fields) || fields.length !== 6) return null;
  const [version, name, epoch, extra, addresses, sealKey] = fields as unknown[];
  if (version !== helloVersion || !isText(name, 63) || name === '') return null;
  if (typeof epoch !== 'number' || !Number.isSafeInteger(epoch) || epoch < 0 || !isExtra(extra)) return null;
  if (!Array.isArray(addresses) || addresses.length > addressesMax || !addresses.every(isMultiaddr)) return null;
  if (!(sealKey instanceof Uint8Array) || sealKey.byteLength !== sealKeyBytes) return null;
  return { name, epoch, extra: { ...extra }, addresses, sealKey: new Uint8Array(sealKey) };
};
