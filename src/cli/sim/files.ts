// The files that `polity sim` writes about a run. They are opened before anything runs: nobody should wait for an hour to hear that a
// folder does not exist.
import { closeSync, openSync, writeSync } from 'node:fs';
import { CommandError } from '../exit.ts';

const bufferCharsMax = 1 << 16;

/** A file that is written in large pieces. */
export class Output {
  readonly path: string;
  readonly #handle: number;
  #waiting: string[] = [];
  #chars = 0;

  constructor(path: string, flags: 'w' | 'a' = 'w') {
    this.path = path;
    try {
      this.#handle = openSync(path, flags);
    } catch (error) {
      throw new CommandError(`${path} cannot be written: ${(error as Error).message}`);
    }
  }

  write(text: string): void {
    this.#waiting.push(text);
    this.#chars += text.length;
    if (this.#chars >= bufferCharsMax) this.flush();
  }

  line(value: unknown): void {
    this.write(`${JSON.stringify(value)}\n`);
  }

  flush(): void {
    const bytes = Buffer.from(this.#waiting.join(''), 'utf8');
    this.#waiting = [];
    this.#chars = 0;
    try {
      for (let at = 0; at < bytes.byteLength; ) at += writeSync(this.#handle, bytes, at);
    } catch (error) {
      throw new CommandError(`${this.path} cannot be written: ${(error as Error).message}`);
    }
  }

  close(): void {
    this.flush();
    closeSync(this.#handle);
  }
}

export type Files = { readonly [Name in 'report' | 'trace' | 'tla' | 'history']: Output | null };

export const openFiles = (paths: { readonly [Name in keyof Files]?: string | undefined }): Files => {
  const open = (path: string | undefined): Output | null => (path === undefined ? null : new Output(path));
  return { report: open(paths.report), trace: open(paths.trace), tla: open(paths.tla), history: open(paths.history) };
};
