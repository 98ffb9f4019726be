// How members of one cluster meet on boards that strangers keep for them (kad-dht): which boards there are now, on which one a member
// writes, when, and what. Nobody leads, nobody locks: a board's value may be overwritten by another member who read it a moment
// earlier, so who has written looks again. What a member does costs the same in a cluster of 3 and of 1000: it looks at one board,
// and writes only while there is room; whoever reads all boards finds up to 32 members, who know the others.
import { sha256 } from '@noble/hashes/sha2.js';
import { utf8 } from '../wire/octets.ts';
import { rendezvousLimits as limits } from './limits.ts';
import { mergeNotes, type Note, noteBytes } from './notes.ts';

/** The hour is counted from 1970. */
export type Board = { hour: number; index: number };

const hourOf = (nowMs: number): number => Math.floor(nowMs / limits.hourMs);

/** Where members may have written lately: this hour's boards, and those of the last hour while a note on them may be fresh. */
export const boardsToRead = (nowMs: number): Board[] => {
  const hour = hourOf(nowMs);
  const hours = nowMs - hour * limits.hourMs < limits.lifeMs ? [hour, hour - 1] : [hour];
  return hours.flatMap((one) => Array.from({ length: limits.boardsMax }, (_, index) => ({ hour: one, index })));
};

/** Where this member writes now: members share boards evenly, and with others each hour. */
export const boardOf = (peer: string, nowMs: number): Board => {
  const hour = hourOf(nowMs);
  return { hour, index: sha256(utf8(`${hour} ${peer}`))[0]! % limits.boardsMax };
};

export type Placing =
  /** There is room, or the own note is to be renewed: the board's next notes. */
  | { type: 'write'; notes: Note[] }
  /** The own note stands there and says what it should. */
  | { type: 'listed' }
  /** Others stand there; one of them will be gone some day. */
  | { type: 'full' };

const isSame = (one: Note, other: Note): boolean => JSON.stringify(one.record) === JSON.stringify(other.record);

/** Room is kept for what is withdrawn, or a withdrawn note would come back with the next older copy. */
const hasRoom = (own: Note, others: readonly Note[]): boolean => {
  const bytes = others.reduce((sum, note) => sum + noteBytes(note) + 1, noteBytes(own) + 1 + 2);
  return bytes <= limits.boardBytesMax && others.filter((note) => note.record !== null).length < limits.notesMax;
};

/** The copies of a board that were read. The latest will outdo the others where they are kept, so what it leaves out is as good as gone. */
export type Copies = { latest: readonly Note[]; all: readonly (readonly Note[])[] };

/** What a member does with its board as read. `own` was made at `nowMs`. */
export const place = ({ latest, all }: Copies, own: Note, nowMs: number): Placing => {
  const notes = mergeNotes(all, nowMs);
  const written = notes.find((note) => note.peer === own.peer);
  const others = notes.filter((note) => note !== written);
  const isDue = written === undefined || nowMs - written.atMs >= (limits.renewMs * 3) / 4;
  const stands = latest.some(({ peer, atMs }) => peer === own.peer && atMs === written?.atMs);
  if (stands && !isDue && isSame(written, own)) return { type: 'listed' };
  // Where the own clock was set back, only what is later than the note of then outdoes it.
  const next = written === undefined ? own : { ...own, atMs: Math.max(own.atMs, written.atMs + 1) };
  return hasRoom(next, others) ? { type: 'write', notes: [next, ...others] } : { type: 'full' };
};

/** The board's next notes without this member's; null when it does not stand there. */
export const withdraw = ({ all }: Copies, peer: string, nowMs: number): Note[] | null => {
  const notes = mergeNotes(all, nowMs);
  const written = notes.find((note) => note.peer === peer);
  if (written === undefined || written.record === null) return null;
  const atMs = Math.max(nowMs, written.atMs + 1);
  return [{ peer, atMs, record: null }, ...notes.filter((note) => note !== written)];
};

/** When to look at the own board again. `settling`: how many times in a row this member has just written; `chance` is in [0, 1). */
export const lookAgainMs = (settling: number, nowMs: number, chance: number): number => {
  if (settling > 0) {
    const longest = Math.min(limits.renewMs, limits.settleMs * 2 ** Math.min(settling - 1, 16));
    return longest / 2 + (longest / 2) * chance;
  }
  const renewMs = limits.renewMs * (0.8 + 0.2 * chance);
  const turnMs = limits.hourMs - (nowMs % limits.hourMs) + limits.turnMs * chance;
  return Math.min(renewMs, turnMs);
};
