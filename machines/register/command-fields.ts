// Fields that several kinds of commands and records have: names and fencing tokens.
import { limits } from '../wire/limits.ts';
import { type Cursor, type Ink, inkCount, readCount, readText } from '../wire/octets.ts';
import type { FencingToken } from './types.ts';

/** A name is not empty and holds no NUL, which too many tools take for its end. */
export const isName = (name: string): boolean => name.length > 0 && !name.includes('\0');

export const readName = (cursor: Cursor, bytesMax: number): string => {
  const name = readText(cursor, bytesMax);
  if (!isName(name)) cursor.failed = true;
  return name;
};

export const readKey = (cursor: Cursor): string => readName(cursor, limits.keyBytesMax);
export const readId = (cursor: Cursor): string => readName(cursor, limits.registerIdBytesMax);

export const inkToken = (into: Ink, token: FencingToken): void => {
  inkCount(into, token.term);
  inkCount(into, token.index);
};

export const readToken = (cursor: Cursor): FencingToken => ({ term: readCount(cursor), index: readCount(cursor) });
