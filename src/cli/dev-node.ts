// One node of `polity dev`: a child process that is started, watched, started again after it died, and never left behind.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { nodeFlags } from '../runtime.ts';
import { makeDirectory } from '../storage/directory.ts';

export type DevPlan = {
  name: string;
  listenPort: number;
  httpPort: number;
  /** The directory of all nodes. */
  directory: string;
  secretFile: string;
  bootstrap: readonly string[];
  /** Of the cluster, if it is formed now. */
  groups: readonly string[];
  /** Multiaddrs of all nodes; a node leaves its own out by itself. */
  addresses: readonly string[];
  /** Modules whose actors all nodes host. */
  actors?: readonly string[];
};

export type DevNodeState =
  | 'starting'
  | 'running'
  /** Died; `restartAtMs` says when it comes back. */
  | 'dead'
  /** Died again and again: stays down until somebody asks for it. */
  | 'given up'
  | 'stopping'
  | 'stopped';

export type DevNodeEvent =
  | { type: 'started'; pid: number }
  | { type: 'died'; reason: string }
  | { type: 'given-up'; reason: string };

const restartMs = 3_000;
/** So many deaths so soon after a start, and a restart is no remedy. */
const earlyDeathMs = 5_000;
const earlyDeathsMax = 3;

export class DevNode {
  readonly plan: DevPlan;
  readonly #main: string;
  readonly #onEvent: (event: DevNodeEvent) => void;
  #child: ChildProcess | null = null;
  #timer: NodeJS.Timeout | null = null;
  #startedAtMs = 0;
  #earlyDeaths = 0;
  #exited: Promise<void> = Promise.resolve();
  state: DevNodeState = 'stopped';
  restartAtMs = 0;
  /** How it ended last, in words. */
  reason = '';

  constructor(plan: DevPlan, main: string, onEvent: (event: DevNodeEvent) => void) {
    this.plan = plan;
    this.#main = main;
    this.#onEvent = onEvent;
  }

  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  get url(): string {
    return `http://127.0.0.1:${this.plan.httpPort}`;
  }

  get logFile(): string {
    return join(this.plan.directory, `${this.plan.name}.log`);
  }

  #words(): string[] {
    const { name, listenPort, httpPort, directory, secretFile, bootstrap, groups, addresses, actors = [] } = this.plan;
    const listen = `/ip4/127.0.0.1/tcp/${listenPort}`;
    return [
      ...['start', '--name', name, '--cluster', 'dev', '--data', join(directory, name), '--listen', listen],
      ...['--http', `127.0.0.1:${httpPort}`, '--secret-file', secretFile],
      ...(bootstrap.includes(name) ? ['--bootstrap', bootstrap.join(',')] : []),
      ...['--groups', groups.join(',')],
      ...addresses.filter((address) => address !== listen).flatMap((address) => ['--join', address]),
      ...actors.flatMap((path) => ['--actors', path]),
    ];
  }

  start(): void {
    if (this.#child !== null || this.state === 'stopping') return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.state = 'starting';
    this.#startedAtMs = performance.now();
    makeDirectory(this.plan.directory);
    const log = openSync(this.logFile, 'a');
    // The shell's variables are for its own node, not for these.
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('POLITY_')));
    // A group of its own, so that Ctrl-C reaches this process only; the channel, so that even a kill -9 of this process ends it.
    const child = spawn(process.execPath, [...nodeFlags, this.#main, ...this.#words()], {
      detached: true,
      env,
      stdio: ['ignore', 'ignore', log, 'ipc'],
    });
    closeSync(log);
    this.#child = child;
    this.#exited = new Promise((resolve) => {
      child.once('error', (error) => this.#ended(child, error.message, resolve));
      child.once('exit', (code, signal) => this.#ended(child, signal === null ? `exit code ${code}` : signal, resolve));
    });
    if (child.pid !== undefined) this.#onEvent({ type: 'started', pid: child.pid });
  }

  /** The gateway of this node answered. */
  answered(): void {
    if (this.state === 'starting') this.state = 'running';
  }

  #ended(child: ChildProcess, how: string, resolve: () => void): void {
    if (this.#child !== child) return resolve();
    this.#child = null;
    resolve();
    if (this.state === 'stopping') {
      this.state = 'stopped';
      return;
    }
    // Whoever never answered died in its start, however long that took on a busy machine.
    const inStart = this.state === 'starting' || performance.now() - this.#startedAtMs < earlyDeathMs;
    const isEarly = inStart && how !== 'SIGKILL';
    this.#earlyDeaths = isEarly ? this.#earlyDeaths + 1 : 0;
    this.reason = isEarly ? `${how}${this.#lastWords()}` : how;
    if (this.#earlyDeaths >= earlyDeathsMax) {
      this.state = 'given up';
      return this.#onEvent({ type: 'given-up', reason: this.reason });
    }
    this.state = 'dead';
    this.restartAtMs = performance.now() + restartMs;
    this.#timer = setTimeout(() => this.start(), restartMs);
    this.#onEvent({ type: 'died', reason: this.reason });
  }

  /** The last line of its log, which says why a start failed. */
  #lastWords(): string {
    try {
      const line = readFileSync(this.logFile, 'utf8').trimEnd().split('\n').at(-1) ?? '';
      return line === '' ? '' : `: ${line.slice(0, 300)}`;
    } catch {
      return '';
    }
  }

  /** Brings it back now. */
  revive(): void {
    if (this.state !== 'dead' && this.state !== 'given up') return;
    this.#earlyDeaths = 0;
    this.start();
  }

  /** SIGTERM, and SIGKILL after the limit. */
  async stop(limitMs: number): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#child === null) {
      this.state = 'stopped';
      return;
    }
    this.state = 'stopping';
    this.#child.kill('SIGTERM');
    const limit = setTimeout(() => this.kill(), limitMs);
    await this.#exited;
    clearTimeout(limit);
  }

  kill(): void {
    if (this.#child !== null) this.#child.kill('SIGKILL');
  }
}
