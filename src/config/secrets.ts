// Secrets from files. A file that others can read is refused: what everybody on the machine knows keeps nobody out.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const secretBytesMax = 4_096;
const othersMayAnything = 0o007;

const isSpace = (byte: number): boolean => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);

/** Without white space at the ends: editors add a line feed, and two nodes must read the same secret. */
export const trimBytes = (bytes: Uint8Array): Uint8Array => {
  let start = 0;
  let end = bytes.byteLength;
  while (start < end && isSpace(bytes[start]!)) start++;
  while (end > start && isSpace(bytes[end - 1]!)) end--;
  return bytes.slice(start, end);
};

const reasonOf = (error: unknown): string => {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return 'there is no such file';
  if (code === 'EACCES') return 'this user may not read it';
  return code === 'EISDIR' ? 'is a directory' : message;
};

/** More than a secret may be long, where it stands among other words. */
export const readSecretFile = (path: string, bytesMax = secretBytesMax): { bytes: Uint8Array } | { problem: string } => {
  let descriptor: number | null = null;
  try {
    descriptor = openSync(path, 'r');
    const about = fstatSync(descriptor);
    if (!about.isFile()) return { problem: `'${path}' is not a file` };
    if (process.platform !== 'win32' && (about.mode & othersMayAnything) !== 0) {
      const mode = (about.mode & 0o777).toString(8).padStart(3, '0');
      return { problem: `'${path}' is open to every user of this machine (mode ${mode}): chmod 600 it` };
    }
    if (about.size > bytesMax) return { problem: `'${path}' has more than ${bytesMax} bytes` };
    const buffer = new Uint8Array(bytesMax);
    const bytes = trimBytes(buffer.subarray(0, readSync(descriptor, buffer)));
    return bytes.byteLength === 0 ? { problem: `'${path}' is empty` } : { bytes };
  } catch (error) {
    return { problem: `'${path}' cannot be read: ${reasonOf(error)}` };
  } finally {
    if (descriptor !== null) closeSync(descriptor);
  }
};
