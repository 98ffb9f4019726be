// The register in the words of programs: what `put`, `delete` and `cas` ask of it, whoever carries the request there (a member's
// own code, a simulated client).
import { utf8 } from '../wire/octets.ts';
import type { Written } from './entry.ts';
import type { Condition, Fence, RegisterResult, RegisterWrite } from './types.ts';

export type Guards = {
  /** Only if the key's value is exactly this (at most 4 KiB). */
  ifValue?: string | Uint8Array;
  /** Only if the key was last written at this index of the log; 0: only if it does not exist. */
  ifIndex?: number;
  /** Only while this lock is held under exactly this token. */
  fence?: Fence;
};

export type PutWords = Guards & {
  /** The key vanishes after so many milliseconds of log time. */
  ttlMs?: number;
  /** The key vanishes with this lease. */
  lease?: string;
};

/** A lone surrogate has no bytes in UTF-8: it becomes U+FFFD, as everywhere in JavaScript. */
export const bytesOf = (value: string | Uint8Array): Uint8Array =>
  typeof value === 'string' ? utf8(value.replace(/\p{Surrogate}/gu, '\ufffd')) : value;

const guardsOf = ({ ifValue, ifIndex, fence }: Guards): { condition?: Condition; fence?: Fence } => ({
  ...(ifIndex === undefined ? {} : { condition: { kind: 'index', index: ifIndex } as const }),
  ...(ifValue === undefined ? {} : { condition: { kind: 'value', value: bytesOf(ifValue) } as const }),
  ...(fence === undefined ? {} : { fence }),
});

export const putOf = (key: string, value: string | Uint8Array, words: PutWords): RegisterWrite => ({
  ...{ op: 'put', key, value: bytesOf(value), ...guardsOf(words) },
  ...(words.ttlMs === undefined ? {} : { ttlMs: words.ttlMs }),
  ...(words.lease === undefined ? {} : { lease: words.lease }),
});

export const deleteOf = (key: string, words: Guards): RegisterWrite => ({ op: 'delete', key, ...guardsOf(words) });

/** What makes a put a compare-and-set; null: only if the key does not exist. */
export const onlyIf = (old: string | Uint8Array | null): Guards => (old === null ? { ifIndex: 0 } : { ifValue: old });

export const writtenOf = (key: string, result: RegisterResult): Written => ({
  ...{ key, index: result.index, term: 'term' in result ? result.term : 0 },
});
