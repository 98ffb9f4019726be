// Bodies meant for one peer when all can read the topic (decision 7): sealed with AES-256-GCM under a key that only the two
// ends can derive, from X25519 keys told in the hello (fresh each start) and the cluster's gossip key. Every session of a sender
// has a key of its own, so the part's number in the session is a nonce that never repeats (NIST SP 800-38D §8.2.1).
import { createCipheriv, createDecipheriv, createPublicKey, diffieHellman, hkdfSync, type KeyObject } from 'node:crypto';
import type { PeerId } from '../../actors/ports/index.ts';

export const sessionBytes = 16;
const tagBytes = 16;
const nonceBytes = 12;
// RFC 8410 §4: what stands before the 32 bytes of an X25519 public key in its DER form.
const x25519Prefix = Buffer.from('302a300506032b656e032100', 'hex');

export type SessionKeyOptions = {
  ownKey: KeyObject;
  otherKey: Uint8Array;
  gossipKey: Uint8Array;
  from: PeerId;
  to: PeerId;
  session: Uint8Array;
};

/** Null when the other's key is not one (a point of small order gives no secret). */
export const sessionKey = (options: SessionKeyOptions): Uint8Array | null => {
  try {
    const publicKey = createPublicKey({
      key: Buffer.concat([x25519Prefix, options.otherKey]),
      format: 'der',
      type: 'spki',
    });
    const shared = diffieHellman({ privateKey: options.ownKey, publicKey });
    const salt = Buffer.concat([options.gossipKey, options.session]);
    return new Uint8Array(hkdfSync('sha256', shared, salt, `polity lanes ${options.from} ${options.to}`, 32));
  } catch {
    return null;
  }
};

const nonceOf = (sequence: number): Uint8Array => {
  const nonce = Buffer.alloc(nonceBytes);
  nonce.writeUIntBE(sequence, nonceBytes - 6, 6);
  return nonce;
};

export const sealPart = (key: Uint8Array, sequence: number, plain: Uint8Array): Uint8Array => {
  const cipher = createCipheriv('aes-256-gcm', key, nonceOf(sequence));
  const body = cipher.update(plain);
  cipher.final();
  return Buffer.concat([body, cipher.getAuthTag()]);
};

/** Null when it was not sealed under this key with this number. */
export const openPart = (key: Uint8Array, sequence: number, sealed: Uint8Array): Uint8Array | null => {
  if (sealed.byteLength < tagBytes) return null;
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(sequence), { authTagLength: tagBytes });
    decipher.setAuthTag(sealed.subarray(-tagBytes));
    const plain = decipher.update(sealed.subarray(0, -tagBytes));
    decipher.final();
    return new Uint8Array(plain.buffer, plain.byteOffset, plain.byteLength);
  } catch {
    return null;
  }
};
