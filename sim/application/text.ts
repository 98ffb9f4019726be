// Bytes as something that a person can read in a history or a trace.
import { readUtf8 } from '../../machines/wire/octets.ts';

/** Null if the bytes are no text. */
export const textOf = (bytes: Uint8Array): string | null => readUtf8(bytes, 0, bytes.byteLength);

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** RFC 4648 §4. */
export const base64 = (bytes: Uint8Array): string => {
  let text = '';
  for (let at = 0; at < bytes.byteLength; at += 3) {
    const left = bytes.byteLength - at;
    const three = (bytes[at]! << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    for (let place = 0; place < 4; place++) text += place > left ? '=' : alphabet[(three >> (18 - 6 * place)) & 63]!;
  }
  return text;
};

const shownCharsMax = 40;

export const show = (value: string | Uint8Array | null): string => {
  if (value === null) return 'nothing';
  const text = typeof value === 'string' ? value : textOf(value);
  if (text === null) return `${value.length} bytes`;
  return text.length > shownCharsMax
    ? `${JSON.stringify(text.slice(0, shownCharsMax))}… (${text.length} characters)`
    : JSON.stringify(text);
};
