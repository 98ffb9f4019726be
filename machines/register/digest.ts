// One number for a whole keyspace: two replicas at the same applied index have the same, a backup can be checked against it.
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { createInk, dry, inkBytes } from '../wire/octets.ts';

export interface KeyspaceDigest {
  /** The next page, in key order. */
  add(records: Iterable<readonly [Uint8Array, Uint8Array]>): void;
  /** SHA-256 in hexadecimal; ends it. */
  finish(): string;
}

/** Over each key and each value behind its length, so that no two keyspaces hash the same bytes. */
export const createDigest = (): KeyspaceDigest => {
  const hash = sha256.create();
  const ink = createInk();
  return {
    add(records) {
      for (const [key, value] of records) {
        inkBytes(ink, key);
        inkBytes(ink, value);
        hash.update(dry(ink));
      }
    },
    finish: () => bytesToHex(hash.digest()),
  };
};

export const digest = (records: Iterable<readonly [Uint8Array, Uint8Array]>): string => {
  const whole = createDigest();
  whole.add(records);
  return whole.finish();
};
