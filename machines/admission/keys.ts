// One cluster secret, many keys: HKDF (RFC 5869) gives every purpose and direction its own, so that a proof made for one can never
// serve as another.
import { hkdf } from '@noble/hashes/hkdf.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { utf8 } from '../wire/octets.ts';

export const keyBytes = 32;
export const macBytes = 32;
/** Less could be guessed by whoever records one handshake with a node that dialled him: make secrets at random. */
export const secretBytesMin = 16;

/** HMAC-SHA256. A faster one may be given from outside. */
export type Mac = (key: Uint8Array, message: Uint8Array) => Uint8Array;

export const pureMac: Mac = (key, message) => hmac(sha256, key, message);

export type DirectionKeys = { proof: Uint8Array; cluster: Uint8Array; hello: Uint8Array };

export type AdmissionKeys = {
  /** What the dialling side proves itself with, and what the listening side does. From the secret alone. */
  dialler: DirectionKeys;
  listener: DirectionKeys;
  /** For published envelopes; from the secret and the cluster's name. */
  gossipKey: Uint8Array;
};

/** Something the node itself was given makes no admission possible. */
export class AdmissionFault extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(`${code}: ${message}`);
    this.name = 'AdmissionFault';
    this.code = code;
  }
}

const salt = utf8('polity admission 1');

/** Throws an AdmissionFault on a secret that is too short. Once at a start: the keys, not the secret, are kept. */
export const deriveKeys = (secret: Uint8Array, cluster: string): AdmissionKeys => {
  if (secret.byteLength < secretBytesMin)
    throw new AdmissionFault(
      'SECRET_TOO_SHORT',
      `a cluster secret has at least ${secretBytesMin} bytes, not ${secret.byteLength}`,
    );
  const key = (purpose: string): Uint8Array => hkdf(sha256, secret, salt, utf8(purpose), keyBytes);
  const direction = (role: string): DirectionKeys => ({
    proof: key(`${role} proof`),
    cluster: key(`${role} cluster`),
    hello: key(`${role} hello`),
  });
  return { dialler: direction('dialler'), listener: direction('listener'), gossipKey: key(`gossip ${cluster}`) };
};

/** Takes the same time wherever two arrays of one length differ. */
export const isSameSecretly = (a: Uint8Array, b: Uint8Array): boolean => {
  if (a.byteLength !== b.byteLength) return false;
  let difference = 0;
  for (let at = 0; at < a.byteLength; at++) difference |= a[at]! ^ b[at]!;
  return difference === 0;
};
