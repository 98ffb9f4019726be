// Starts mdns-node.ts in a namespace and waits for what it says.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Finding } from '../../../actors/ports/index.ts';
import type { NodeOrders } from './mdns-node.ts';
import type { Networks } from './namespaces.ts';

export type Said = {
  /** Which source says so. */
  text: string;
  event: 'ready' | 'answered' | 'asked' | 'failed' | 'log' | 'stopped';
  atMs: number;
  findings: Finding[];
  rssBytes: number;
  code: string;
  message: string;
};

const patienceMs = 30_000;

/** Lines of a program as they come, and a way to wait for one. */
export class Lines {
  readonly seen: string[] = [];
  readonly #waiting = new Set<() => void>();
  readonly #child: ChildProcess;
  #errors = '';

  constructor(child: ChildProcess) {
    this.#child = child;
    const wake = (): void => {
      for (const look of this.#waiting) look();
    };
    createInterface(child.stdout!).on('line', (line) => {
      this.seen.push(line);
      wake();
    });
    child.stderr!.on('data', (chunk: Buffer) => (this.#errors = (this.#errors + chunk).slice(-8_192)));
    child.once('exit', wake);
  }

  /** What `find` makes of all lines so far, when it makes something. */
  until<T>(what: string, find: (seen: readonly string[]) => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const done = (settle: () => void): void => {
        clearTimeout(timer);
        this.#waiting.delete(look);
        settle();
      };
      const give = (why: string): void =>
        done(() => reject(new Error(`${why} while waiting for ${what}\n${this.seen.slice(-20).join('\n')}\n${this.#errors}`)));
      const look = (): void => {
        const found = find(this.seen);
        if (found !== undefined) done(() => resolve(found));
        else if (this.#child.exitCode !== null || this.#child.signalCode !== null) give('it ended');
      };
      const timer = setTimeout(() => give('no more patience'), patienceMs);
      this.#waiting.add(look);
      look();
    });
  }
}

export type MdnsNode = {
  /** All that was said, oldest first. */
  said(): Said[];
  /** The first of what was said, from number `from` on, for which this holds. */
  until(what: string, holds: (said: Said) => boolean, from?: number): Promise<Said>;
  /** What it names now: peers with their addresses. */
  untilKnows(what: string, holds: (findings: Finding[]) => boolean, from?: number): Promise<Said>;
  order(command: 'query'): void;
  stop(): Promise<void>;
  kill(): Promise<void>;
};

export const startMdnsNode = (networks: Networks, at: 0 | 1, orders: NodeOrders): MdnsNode => {
  const script = fileURLToPath(new URL('mdns-node.ts', import.meta.url));
  const child = networks.start(at, process.execPath, [script, JSON.stringify(orders)]);
  const exited = once(child, 'exit');
  const lines = new Lines(child);
  const said = (): Said[] => lines.seen.map((line) => JSON.parse(line) as Said);
  const until = (what: string, holds: (one: Said) => boolean, from = 0): Promise<Said> =>
    lines.until(what, () => said().slice(from).find(holds));
  return {
    said,
    until,
    untilKnows: (what, holds, from) => until(what, ({ event, findings }) => event === 'answered' && holds(findings), from),
    order: (command) => child.stdin!.write(`${command}\n`),
    async stop() {
      child.stdin!.write('stop\n');
      await until('its end', ({ event }) => event === 'stopped');
      await exited;
    },
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
};
