// Members from a file that somebody writes: a person, a script, a ConfigMap. It is looked at every two seconds instead of being watched:
// that also sees a file put over it, links that change under it, and file systems that tell nobody of changes (NFS).
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseDocument } from './document.ts';
import { markOfFile, type PlainFile, readPlainFile } from './plain-file.ts';
import { type Answer, LookupFault, type Source, type SourceKind } from './source.ts';

const pollMs = 2_000;

const pause = (ms: number, signal: AbortSignal): Promise<void> => sleep(ms, undefined, { signal }).catch(() => undefined);

export const fileSource = (path: string, cluster: string, everyMs = pollMs): Source => {
  const answerOf = ({ bytes }: PlainFile): Answer => parseDocument(bytes, `the file ${path}`, cluster).answer;

  /** Who writes in place may be in the middle of it: what cannot be understood is looked at twice. */
  const settled = async (signal: AbortSignal): Promise<{ mark: string; answer: Answer }> => {
    const reading = await readPlainFile(path);
    try {
      return { mark: reading.mark, answer: answerOf(reading) };
    } catch {
      await pause(everyMs, signal);
      const next = await readPlainFile(path);
      return { mark: next.mark, answer: answerOf(next) };
    }
  };

  return {
    async query(signal) {
      const reading = await readPlainFile(path);
      if (signal.aborted) throw new LookupFault('SOURCE_TIMED_OUT', `the file ${path} was not read in time`);
      return answerOf(reading);
    },

    async follow(on, signal) {
      let mark: string | null = null;
      try {
        while (!signal.aborted) {
          if (mark === null || (await markOfFile(path)) !== mark) {
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
