// Members from a file that somebody writes: a person, a script, a ConfigMap. It is looked at every two seconds instead of being watched:
// that also sees a file put over it, links that change under it, and file systems that tell nobody of changes (NFS).
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseDocument } from './document.ts';
import { type Answer, LookupFault, type Source, type SourceKind, sourceLimits } from './source.ts';

const pollMs = 2_000;

/** What is in the file, and a mark that changes whenever the file does. */
type Reading = { bytes: Uint8Array; mark: string };

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

const markOf = async (path: string, file: FileHandle): Promise<string> => {
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

const read = (path: string): Promise<Reading> =>
  withFile(path, async (file) => {
    // The mark first: what changes while it is read has another one next time.
    const mark = await markOf(path, file);
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

const pause = (ms: number, signal: AbortSignal): Promise<void> => sleep(ms, undefined, { signal }).catch(() => undefined);

export const fileSource = (path: string, cluster: string, everyMs = pollMs): Source => {
  const answerOf = ({ bytes }: Reading): Answer => parseDocument(bytes, `the file ${path}`, cluster).answer;

  /** Who writes in place may be in the middle of it: what cannot be understood is looked at twice. */
  const settled = async (signal: AbortSignal): Promise<{ mark: string; answer: Answer }> => {
    const reading = await read(path);
    try {
      return { mark: reading.mark, answer: answerOf(reading) };
    } catch {
      await pause(everyMs, signal);
      const next = await read(path);
      return { mark: next.mark, answer: answerOf(next) };
    }
  };

  return {
    async query(signal) {
      const reading = await read(path);
      if (signal.aborted) throw new LookupFault('SOURCE_TIMED_OUT', `the file ${path} was not read in time`);
      return answerOf(reading);
    },

    async follow(on, signal) {
      let mark: string | null = null;
      try {
        while (!signal.aborted) {
          if (mark === null || (await withFile(path, (file) => markOf(path, file))) !== mark) {
            const changed = await settled(signal);
            mark = changed.mark;
            if (!signal.aborted) on(changed.answer);
          }
          await pause(everyMs, signal);
        }
      } catch (fault) {
        if (!signal.aborted) throw fault;
      }
    },
  };
};

export const file: SourceKind = {
  scheme: 'file',
  form: 'file:PATH',
  parse(text) {
    if (text === '') return { problem: 'has no path' };
    if (text.includes('\0')) return { problem: 'has a path with a zero byte' };
    // Where the node was started, not where it happens to be later.
    const path = resolve(text);
    return { name: `file:${text}`, open: async ({ cluster }) => fileSource(path, cluster) };
  },
};
