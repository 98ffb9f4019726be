// Runs seeds on several threads and hands on their results in the order of the seeds, however long each takes.
import { Worker } from 'node:worker_threads';
import type { AnySeedOptions } from './options.ts';
import type { Outcome } from './run.ts';
import type { Order } from './worker.ts';

export type PoolOptions = {
  readonly options: AnySeedOptions;
  readonly isTwice: boolean;
  readonly workers: number;
  /** The next seed; null: there are no more. */
  readonly next: () => number | null;
  readonly onResult: (outcome: Outcome) => void;
  /** For tests. */
  readonly entry?: URL;
};

/** A seed that takes long holds back those after it; no more than so many. */
const aheadMax = 10_000;
/** Threads that die at once would be replaced for ever. */
const deathsMax = 100;

const workerEntry = (): URL => new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url);

type Thread = { readonly worker: Worker; seed: number | null };

export class Pool {
  readonly #options: PoolOptions;
  readonly #threads = new Set<Thread>();
  /** Handed out and not handed on yet, in order; null until its result is there. */
  readonly #results = new Map<number, Outcome | null>();
  readonly #ended: Promise<void>;
  #end: () => void = () => {};
  #fail: (error: Error) => void = () => {};
  #isStopped = false;
  #isOver = false;
  #deaths = 0;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#ended = new Promise((resolve, reject) => {
      this.#end = resolve;
      this.#fail = reject;
    });
  }

  /** Resolves when all seeds are done, or after `stop`. */
  run(): Promise<void> {
    for (let at = 0; at < this.#options.workers; at++) this.#begin();
    return this.#ended;
  }

  /** Ends the threads where they are. What is known and not handed on yet is handed on, without those that are missing. */
  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    const threads = [...this.#threads];
    this.#threads.clear();
    await Promise.all(threads.map(({ worker }) => worker.terminate()));
    for (const outcome of this.#results.values()) if (outcome !== null) this.#options.onResult(outcome);
    this.#results.clear();
    this.#end();
  }

  #begin(): void {
    const worker = new Worker(this.#options.entry ?? workerEntry());
    const thread: Thread = { worker, seed: null };
    this.#threads.add(thread);
    worker.on('message', (outcome: Outcome) => {
      thread.seed = null;
      this.#done(outcome.seed, outcome);
      this.#feed(thread);
    });
    worker.on('error', (error) => this.#died(thread, error));
    worker.on('exit', () => this.#died(thread, new Error('the thread ended')));
    this.#feed(thread);
  }

  #feed(thread: Thread): void {
    if (this.#isStopped) return;
    const seed = this.#isOver || this.#results.size >= aheadMax ? null : this.#options.next();
    if (seed === null) {
      this.#isOver ||= this.#results.size < aheadMax;
      if (this.#isOver && this.#results.size === 0) void this.stop();
      return;
    }
    this.#results.set(seed, null);
    thread.seed = seed;
    const { options, isTwice } = this.#options;
    thread.worker.postMessage({ seed, options, isTwice } satisfies Order);
  }

  /** A thread that ends by itself took its seed with it: that is a result too, and another goes on. */
  #died(thread: Thread, error: Error): void {
    if (!this.#threads.delete(thread)) return;
    void thread.worker.terminate();
    if (thread.seed === null || ++this.#deaths > deathsMax) {
      this.#isStopped = true;
      void Promise.all([...this.#threads].map(({ worker }) => worker.terminate())).then(() => this.#fail(error));
      return;
    }
    const reason = `the thread that ran it ended: ${error.message}`;
    this.#done(thread.seed, { seed: thread.seed, verdict: 'crash', reason, facts: null });
    if (!this.#isStopped) this.#begin();
  }

  #done(seed: number, outcome: Outcome): void {
    this.#results.set(seed, outcome);
    const wasFull = this.#results.size >= aheadMax;
    for (const [first, known] of this.#results) {
      if (known === null) break;
      this.#results.delete(first);
      this.#options.onResult(known);
    }
    if (wasFull) for (const thread of this.#threads) if (thread.seed === null) this.#feed(thread);
  }
}
