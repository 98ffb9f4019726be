// A process of a benchmark that is asked by name and answers in the order of the questions.
import { type ChildProcess, fork } from 'node:child_process';
import { gone, owned } from './children.ts';

export type Question = { name: string; given: unknown };
export type Answer = { value: unknown } | { error: string };

const stopMsMax = 8_000;
/** What it may take for anything on a busy machine. */
const answerMsMax = 120_000;

/** `Asked`: what it can be asked, one argument each, `null` where there is nothing to say. */
export class AskedProcess<Asked extends { [Name in keyof Asked]: (given: never) => unknown }> {
  readonly name: string;
  readonly #program: string;
  readonly #plan: unknown;
  #process: ChildProcess | null = null;
  readonly #waiting: { resolve: (value: unknown) => void; reject: (error: Error) => void }[] = [];

  constructor(name: string, program: string, plan: unknown) {
    this.name = name;
    this.#program = program;
    this.#plan = plan;
  }

  /** Resolves when it says that it is ready, which is its first answer. */
  start(): Promise<unknown> {
    const child = owned(fork(this.#program, [JSON.stringify(this.#plan)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] }));
    this.#process = child;
    child.on('message', (answer: Answer) => {
      const waiting = this.#waiting.shift();
      if ('error' in answer) waiting?.reject(new Error(`${this.name}: ${answer.error}`));
      else waiting?.resolve(answer.value);
    });
    child.once('exit', (code, signal) => {
      this.#process = null;
      const why = new Error(`${this.name} ended (${signal ?? `exit code ${code}`})`);
      for (const { reject } of this.#waiting.splice(0)) reject(why);
    });
    return this.#answer('its being ready');
  }

  async #answer(to: string): Promise<unknown> {
    let limit: NodeJS.Timeout | undefined;
    try {
      return await new Promise((resolve, reject) => {
        this.#waiting.push({ resolve, reject });
        limit = setTimeout(() => reject(new Error(`${this.name}: no word of ${to} in ${answerMsMax} ms`)), answerMsMax);
      });
    } finally {
      clearTimeout(limit);
    }
  }

  ask<Name extends keyof Asked & string>(
    name: Name,
    given: Parameters<Asked[Name]>[0],
  ): Promise<Awaited<ReturnType<Asked[Name]>>> {
    if (this.#process === null) return Promise.reject(new Error(`${this.name} does not run`));
    this.#process.send({ name, given } satisfies Question);
    return this.#answer(name) as Promise<Awaited<ReturnType<Asked[Name]>>>;
  }

  /** kill -9. */
  kill(): void {
    this.#process?.kill('SIGKILL');
  }

  /** It ends of its own accord when it may not be asked any more. */
  async stop(): Promise<void> {
    const child = this.#process;
    if (child === null) return;
    child.disconnect();
    await gone(child, stopMsMax);
  }
}
