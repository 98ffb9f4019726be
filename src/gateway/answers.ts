// Results of the register as JSON. Built by hand where a benchmark would notice: a written key is the answer to every PUT.
import { isUtf8 } from 'node:buffer';
import type { FencingToken, KeyValue, RegisterEvent, RegisterResult } from '../../machines/register/types.ts';

/** `term.index`: one word that fits a query, a header and a log line; compares as the pair of its numbers. */
export const tokenText = ({ term, index }: FencingToken): string => `${term}.${index}`;

export const parseTokenText = (text: string): FencingToken | null => {
  const match = /^(\d{1,16})\.(\d{1,16})$/.exec(text);
  if (match === null) return null;
  const token = { term: Number(match[1]), index: Number(match[2]) };
  return Number.isSafeInteger(token.term) && Number.isSafeInteger(token.index) ? token : null;
};

export const bufferOf = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** A value as text where it is valid UTF-8, else as base64 that says so. */
export const valueFields = (value: Uint8Array): { value: string; encoding?: 'base64' } => {
  const bytes = bufferOf(value);
  return isUtf8(bytes) ? { value: bytes.toString('utf8') } : { value: bytes.toString('base64'), encoding: 'base64' };
};

export const keyValueFields = (found: KeyValue): Record<string, unknown> => ({
  key: found.key,
  ...valueFields(found.value),
  ...{ index: found.index, term: found.term, createIndex: found.createIndex, version: found.version },
  ...(found.expiresAtMs === null ? {} : { expiresAtMs: found.expiresAtMs }),
  ...(found.lease === null ? {} : { lease: found.lease }),
});

export const eventFields = (event: RegisterEvent): Record<string, unknown> => ({
  ...{ type: event.type, key: event.key },
  ...(event.value === null ? {} : valueFields(event.value)),
  ...{ index: event.index, term: event.term },
});

const at = (result: { index: number; term: number }): string => `"index":${result.index},"term":${result.term}`;

/** The answer to a write; null for a result that is none. */
export const writtenJson = (result: RegisterResult): string | null => {
  switch (result.op) {
    case 'put':
    case 'delete':
      return `{"key":${JSON.stringify(result.key)},${at(result)}}`;
    case 'lease-grant':
    case 'lease-renew':
      return `{"lease":${JSON.stringify(result.lease)},"expiresAtMs":${result.expiresAtMs},${at(result)}}`;
    case 'lease-revoke':
      return `{"lease":${JSON.stringify(result.lease)},${at(result)}}`;
    case 'lock-acquire':
    case 'lock-release':
      return `{"lock":${JSON.stringify(result.lock)},"token":"${tokenText(result.token)}",${at(result)}}`;
    default:
      return null;
  }
};
