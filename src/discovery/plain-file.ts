// A file of somebody else's, read whole or not at all: no pipe that nobody writes to, no endless device, nothing that is too large.
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { LookupFault, sourceLimits } from './source.ts';

/** What is in the file, and a mark that changes whenever the file does. */
export type PlainFile = { bytes: Uint8Array; mark: string };

const words: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  ENOTDIR: 'does not exist',
  EACCES: 'may not be read by this user',
  EPERM: 'may not be read by this user',
  ELOOP: 'is a link that leads round in a circle',
};

const unavailable = (path: string, error: unknown): LookupFault => {
  const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
  return new LookupFault('SOURCE_UNAVAILABLE', `the file ${path} ${words[code] ?? `cannot be read (${code})`}`, {
    cause: error,
  });
};

const markOfOpen = async (path: string, file: FileHandle): Promise<string> => {
  const stat = await file.stat({ bigint: true });
  if (!stat.isFile()) throw new LookupFault('SOURCE_UNAVAILABLE', `${path} is no file`);
  return [stat.dev, stat.ino, stat.size, stat.mtimeNs, stat.ctimeNs].join(' ');
};

/** Opens without waiting: a pipe that nobody writes to would hold a thread for ever. */
const withFile = async <T>(path: string, work: (file: FileHandle) => Promise<T>): Promise<T> => {
  let file: FileHandle | undefined;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    return await work(file);
  } catch (error) {
    throw error instanceof LookupFault ? error : unavailable(path, error);
  } finally {
    await file?.close();
  }
};

export const markOfFile = (path: string): Promise<string> => withFile(path, (file) => markOfOpen(path, file));

export const readPlainFile = (path: string): Promise<PlainFile> =>
  withFile(path, async (file) => {
    // The mark first: what changes while it is read has another one next time.
    const mark = await markOfOpen(path, file);
    const buffer = Buffer.alloc(sourceLimits.answerBytesMax + 1);
    let length = 0;
    for (;;) {
      const { bytesRead } = await file.read(buffer, length, buffer.length - length, null);
      length += bytesRead;
      if (bytesRead === 0 || length === buffer.length) break;
    }
    if (length > sourceLimits.answerBytesMax)
      throw new LookupFault('SOURCE_MALFORMED', `the file ${path} has more than ${sourceLimits.answerBytesMax} bytes`);
    return { bytes: buffer.subarray(0, length), mark };
  });
