// What stands on a board: a list of notes, each a member's own record with the time at which the member wrote it. The outside world
// keeps one value for a board and several copies of it, of different ages, so copies are merged and never compared as a whole.
import { readUtf8, utf8, utf8Length } from '../wire/octets.ts';
import { rendezvousLimits as limits } from './limits.ts';

export type Note = {
  /** Whose it is: a peer id. */
  peer: string;
  /** When its writer wrote it, by the writer's clock. */
  atMs: number;
  /** Null: withdrawn. It is kept for as long as an older copy could bring the member back. */
  record: Record<string, unknown> | null;
};

/** A note may be a little from the future: clocks differ. */
export const isFresh = ({ atMs }: Note, nowMs: number): boolean =>
  atMs <= nowMs + limits.skewMs && nowMs - atMs < limits.lifeMs;

const newestFirst = (one: Note, other: Note): number =>
  other.atMs - one.atMs || (one.peer < other.peer ? -1 : one.peer > other.peer ? 1 : 0);

/** The newest note of each member, those that are not fresh left out; the newest first. At one time, being withdrawn wins. */
export const mergeNotes = (copies: Iterable<readonly Note[]>, nowMs: number): Note[] => {
  const newest = new Map<string, Note>();
  for (const notes of copies)
    for (const note of notes) {
      const known = newest.get(note.peer);
      if (!isFresh(note, nowMs)) continue;
      if (known === undefined || note.atMs > known.atMs || (note.atMs === known.atMs && note.record === null))
        newest.set(note.peer, note);
    }
  return [...newest.values()].sort(newestFirst);
};

const writeNote = ({ peer, atMs, record }: Note): string => JSON.stringify([peer, atMs, record]);

export const noteBytes = (note: Note): number => utf8Length(writeNote(note));

/** As many notes, in the order given, as a board can hold; the rest is left out. */
export const formNotes = (notes: readonly Note[]): Uint8Array => {
  const written: string[] = [];
  let bytes = 2;
  for (const note of notes) {
    const text = writeNote(note);
    const length = utf8Length(text) + 1;
    if (bytes + length > limits.boardBytesMax) continue;
    bytes += length;
    written.push(text);
  }
  return utf8(`[${written.join(',')}]`);
};

const parseNote = (value: unknown): Note | null => {
  if (!Array.isArray(value) || value.length !== 3) return null;
  const [peer, atMs, record] = value as unknown[];
  if (typeof peer !== 'string' || !/^[A-Za-z0-9]{1,128}$/.test(peer)) return null;
  if (typeof atMs !== 'number' || !Number.isSafeInteger(atMs) || atMs < 0) return null;
  if (typeof record !== 'object' || Array.isArray(record)) return null;
  return { peer, atMs, record: record as Note['record'] };
};

/** The notes that bytes hold; what is no note is left out. Null: they are no list at all. */
export const parseNotes = (bytes: Uint8Array): Note[] | null => {
  if (bytes.byteLength > limits.boardBytesMax) return null;
  const text = readUtf8(bytes, 0, bytes.byteLength);
  if (text === null) return null;
  try {
    const list: unknown = JSON.parse(text);
    return Array.isArray(list) ? list.map(parseNote).filter((note) => note !== null) : null;
  } catch {
    return null;
  }
};
