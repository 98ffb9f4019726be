// Values as programs see them: bytes, with text and JSON one call away.

export type FencingToken = { term: number; index: number };

/** A lock's hold on writes: pass it with them, and they happen only while the lock is held. */
export type Fence = { lock: string; token: FencingToken };

export type Written = { key: string; index: number; term: number };

export class Entry {
  readonly key: string;
  readonly value: Uint8Array;
  /** Index of the entry of the log that last wrote the key: what `ifIndex` takes. */
  readonly index: number;
  readonly term: number;
  readonly createIndex: number;
  readonly version: number;
  /** Milliseconds since 1970 by the log's clock, or null. */
  readonly expiresAtMs: number | null;
  readonly lease: string | null;

  constructor(fields: Omit<Entry, 'text' | 'json'>) {
    this.key = fields.key;
    this.value = fields.value;
    this.index = fields.index;
    this.term = fields.term;
    this.createIndex = fields.createIndex;
    this.version = fields.version;
    this.expiresAtMs = fields.expiresAtMs;
    this.lease = fields.lease;
  }

  text(): string {
    return new TextDecoder().decode(this.value);
  }

  json(): unknown {
    return JSON.parse(this.text()) as unknown;
  }
}

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
