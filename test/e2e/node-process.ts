// One `polity start` as an operator runs it: a process of its own with a data directory, fixed ports and a log, that tests kill,
// stop, freeze and start again. Whatever becomes of the test, the process ends: it has a channel to its parent and ends with it.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { jsonOf } from '../../src/client/attempts.ts';
import { createWire, type Wire } from '../../src/client/http.ts';
import type { NodeStatus } from '../../src/index.ts';
import { nodeFlags } from '../../src/runtime.ts';

const sources = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const built = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url));

/** A node says that it is there after three seconds at the latest; the rest is patience with a busy machine. */
const readyMsMax = 60_000;
const statusMsMax = 2_000;
const askMsMax = 15_000;
const tailLines = 25;
const tailLineChars = 300;

export type Ready = {
  name: string;
  peerId: string;
  http: string;
  state: string;
  pid: number;
  /** From the spawn to the line, milliseconds. */
  tookMs: number;
};

export type Ended = {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** From the signal to the end, milliseconds. */
  tookMs: number;
};

export type Told = { status: number; fields: Record<string, unknown> };

export type NodePlan = {
  name: string;
  listenPort: number;
  httpPort: number;
  data: string;
  logFile: string;
  /** From the build instead of the sources, as users run it. */
  built: boolean;
  /** Everything after `polity start`. */
  words: readonly string[];
};

/** Ends with the process that started them, even when that ends by an exception. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

const cleanEnvironment = (): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('POLITY_') && !name.startsWith('NODE_TEST')),
  ),
  NODE_COMPILE_CACHE: join(tmpdir(), 'polity-compile-cache'),
});

export class NodeProcess {
  readonly plan: NodePlan;
  readonly #wire: Wire;
  #child: ChildProcess | null = null;
  #exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }> = Promise.resolve({ code: null, signal: null });

  constructor(plan: NodePlan) {
    this.plan = plan;
    this.#wire = createWire(new URL(this.url), undefined);
  }

  get name(): string {
    return this.plan.name;
  }

  get url(): string {
    return `http://127.0.0.1:${this.plan.httpPort}`;
  }

  get address(): string {
    return `/ip4/127.0.0.1/tcp/${this.plan.listenPort}`;
  }

  get isRunning(): boolean {
    return this.#child !== null;
  }

  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error(`${this.name} is not running`);
    return pid;
  }

  /** Resolves with its ready line; rejects with the end of its log if it ends before or says nothing in time. */
  start(): Promise<Ready> {
    if (this.#child !== null) throw new Error(`${this.name} is running already`);
    const startMs = performance.now();
    const log = openSync(this.plan.logFile, 'a', 0o600);
    const child = spawn(process.execPath, [...nodeFlags, this.plan.built ? built : sources, 'start', ...this.plan.words], {
      env: cleanEnvironment(),
      stdio: ['ignore', 'pipe', log, 'ipc'],
    });
    closeSync(log);
    this.#child = child;
    running.add(child);
    this.#exited = new Promise((resolve) => {
      const over = (code: number | null, signal: NodeJS.Signals | null): void => {
        running.delete(child);
        if (this.#child === child) this.#child = null;
        resolve({ code, signal });
      };
      child.once('error', () => over(null, null));
      child.once('exit', over);
    });
    return new Promise((resolve, reject) => {
      let text = '';
      const fail = (why: string): void => reject(new Error(`${this.name} ${why}; its log ends with:\n${this.tail()}`));
      const limit = setTimeout(() => fail(`wrote no ready line in ${readyMsMax} ms`), readyMsMax);
      child.stdout!.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        const end = text.indexOf('\n');
        if (end === -1) return;
        clearTimeout(limit);
        const line = jsonOf(Buffer.from(text.slice(0, end))) as (Ready & { ready: unknown }) | null;
        if (line?.ready !== true) return fail(`wrote '${text.slice(0, end)}', which is no ready line`);
        resolve({ ...line, tookMs: performance.now() - startMs });
      });
      void this.#exited.then(({ code, signal }) => {
        clearTimeout(limit);
        fail(`ended (${signal ?? `exit code ${code}`}) without a ready line`);
      });
    });
  }

  async #ended(signal: NodeJS.Signals): Promise<Ended> {
    const startMs = performance.now();
    this.#child?.kill(signal);
    return { ...(await this.#exited), tookMs: performance.now() - startMs };
  }

  /** What a power cut looks like to a process. Resolves when it is gone. */
  kill9(): Promise<Ended> {
    return this.#ended('SIGKILL');
  }

  /** What an operator or an orchestrator does. */
  term(): Promise<Ended> {
    return this.#ended('SIGTERM');
  }

  pause(): void {
    process.kill(this.pid, 'SIGSTOP');
  }

  resume(): void {
    process.kill(this.pid, 'SIGCONT');
  }

  /** Its disk is gone; the process must not run. */
  wipe(): void {
    if (this.#child !== null) throw new Error(`${this.name} still runs`);
    rmSync(this.plan.data, { recursive: true, force: true });
  }

  /** What the node says of itself, or null if it does not answer. */
  async status(): Promise<NodeStatus | null> {
    if (this.#child === null) return null;
    try {
      const { status, bytes } = await this.#wire.ask({ method: 'GET', path: '/v1/status' }, statusMsMax);
      return status === 200 ? (jsonOf(bytes) as NodeStatus) : null;
    } catch {
      return null;
    }
  }

  /** One request to this node alone; the answer as JSON, or null if it is none. */
  async ask(method: string, path: string, body?: string, limitMs = askMsMax): Promise<Told> {
    const call = { method, path, ...(body === undefined ? {} : { body: Buffer.from(body) }) };
    const answered = await this.#wire.ask(call, limitMs);
    return { status: answered.status, fields: (jsonOf(answered.bytes) ?? {}) as Record<string, unknown> };
  }

  /** The end of its log, long lines cut. */
  tail(): string {
    const lines = this.log().trimEnd().split('\n').slice(-tailLines);
    return lines.map((line) => line.slice(0, tailLineChars)).join('\n');
  }

  /** Everything it logged since its first start. */
  log(): string {
    return existsSync(this.plan.logFile) ? readFileSync(this.plan.logFile, 'utf8') : '';
  }

  async close(): Promise<void> {
    await this.kill9();
    this.#wire.close();
  }
}
