// Values of the register as programs see them: bytes, with text and JSON one call away.
import { showUtf8 } from '../wire/octets.ts';
import type { KeyValue } from './types.ts';

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

  constructor(fields: KeyValue) {
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
    return showUtf8(this.value);
  }

  json(): unknown {
    return JSON.parse(this.text()) as unknown;
  }
}
