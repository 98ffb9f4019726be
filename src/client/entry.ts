// What the HTTP of a node says, as the values that programs see.
import { Entry } from '../../machines/register/entry.ts';
import type { FencingToken } from '../../machines/register/types.ts';

export { Entry, type Written } from '../../machines/register/entry.ts';
export type { Fence, FencingToken } from '../../machines/register/types.ts';

type Fields = Record<string, unknown>;

export const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const bytesOfFields = ({ value, encoding }: Fields): Uint8Array =>
  encoding === 'base64' ? new Uint8Array(Buffer.from(String(value), 'base64')) : new TextEncoder().encode(String(value ?? ''));

export const entryOf = (fields: Fields): Entry =>
  new Entry({
    ...{ key: String(fields.key), value: bytesOfFields(fields), index: Number(fields.index), term: Number(fields.term) },
    ...{ createIndex: Number(fields.createIndex), version: Number(fields.version) },
    expiresAtMs: typeof fields.expiresAtMs === 'number' ? fields.expiresAtMs : null,
    lease: typeof fields.lease === 'string' ? fields.lease : null,
  });

export const tokenOf = (text: unknown): FencingToken => {
  const [term, index] = String(text).split('.');
  return { term: Number(term), index: Number(index) };
};

export const textOfToken = ({ term, index }: FencingToken): string => `${term}.${index}`;
