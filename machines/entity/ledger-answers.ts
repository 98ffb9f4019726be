// What an actor answered last, by step, in one piece of bytes: an answer more costs a copy of a few kilobytes at most, it is written as it
// stands, and nobody looks inside before somebody asks once more. First how many there are, then each: step, length, bytes; oldest first.
import {
  type Cursor,
  createInk,
  cursorOf,
  inkByte,
  inkBytes,
  inkCount,
  inkRaw,
  isSpent,
  readByte,
  readBytes,
  readCount,
} from '../wire/octets.ts';
import { ledgerLimits } from './ledger-types.ts';

const { answersMax, answersBytesMax } = ledgerLimits;
const ink = createInk();
const none = Uint8Array.of(0);

/** Over the oldest. */
const skip = (cursor: Cursor): void => {
  readCount(cursor);
  readBytes(cursor, answersBytesMax);
};

/** With one more, without the oldest if they are too many; null for none. */
export const withAnswer = (answers: Uint8Array | null, seq: number, bytes: Uint8Array): Uint8Array | null => {
  if (bytes.byteLength > answersBytesMax) return answers;
  const cursor = cursorOf(answers ?? none);
  let count = readByte(cursor);
  while (count >= answersMax || cursor.bytes.byteLength - cursor.at + bytes.byteLength > answersBytesMax) {
    if (count === 0) break;
    skip(cursor);
    count--;
  }
  inkByte(ink, count + 1);
  inkRaw(ink, cursor.bytes.subarray(cursor.at));
  inkCount(ink, seq);
  inkBytes(ink, bytes);
  // In memory of its own: it stays.
  const made = ink.bytes.slice(0, ink.at);
  ink.at = 0;
  return made;
};

/** Null: it is not known any more, or there was none. */
export const answerIn = (answers: Uint8Array | null, seq: number): Uint8Array | null => {
  const cursor = cursorOf(answers ?? none);
  for (let left = readByte(cursor); left > 0; left--) {
    const of = readCount(cursor);
    const bytes = readBytes(cursor, answersBytesMax);
    if (of === seq) return bytes;
  }
  return null;
};

export const areAnswers = (bytes: Uint8Array): boolean => {
  const cursor = cursorOf(bytes);
  const count = readByte(cursor);
  for (let left = count; left > 0 && !cursor.failed; left--) skip(cursor);
  return isSpent(cursor) && count > 0 && count <= answersMax;
};
