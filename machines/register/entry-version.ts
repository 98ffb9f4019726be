// Versions of entries (decision 16): one number for what a command may say and for what a replica makes of it. The first byte of each
// command is the version that it is of, so that a build knows at a glance whether it reads it. A group uses a version once an entry of
// that very version has said so, which its leader proposes when all its members read it (actors/group-entries.ts).
import { createInk, cursorOf, dry, inkByte, inkCount, isSpent, readByte, readCount } from '../wire/octets.ts';
import { requireRegister } from './fault.ts';

/** 1: keys, leases, locks, queues and topics; what every group begins with. 2: replicated actors. */
export const entryVersions = { oldest: 1, actors: 2, newest: 2 } as const;

export const isEntryVersion = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= entryVersions.oldest && value <= 255;

/** Of a command as bytes; 0: no command of ours begins so. */
export const entryVersionOf = (data: Uint8Array): number => data[0] ?? 0;

/** 'E': in key order it comes before all else, so that whoever cannot read the rest knows before he tries. */
export const entriesKind = 0x45;
export const entriesKey = Uint8Array.of(entriesKind);

const recordFormat = 0x10;
const ink = createInk();

export const encodeEntries = (version: number): Uint8Array => {
  inkByte(ink, recordFormat);
  inkCount(ink, version);
  return dry(ink);
};

export const decodeEntries = (bytes: Uint8Array): number => {
  const cursor = cursorOf(bytes);
  const format = readByte(cursor);
  const version = readCount(cursor);
  const isSound = isSpent(cursor) && format === recordFormat && isEntryVersion(version);
  requireRegister(isSound, 'KEYSPACE_SOUND', 'the record of the version of entries is malformed');
  return version;
};
