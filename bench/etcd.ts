// etcd on the same work: three or five members on the loopback, durable as it is by default, asked over its JSON gateway (v3) by
// the same load. The gateway translates to gRPC inside of etcd, which costs it something; it is what a program without a gRPC client uses.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts, until } from '../test/e2e/cluster.ts';
import type { Load } from './load.ts';
import { loadFrom } from './members.ts';

/** Its version, or null where there is none on the PATH. */
export const etcdVersion = (): string | null => {
  const ran = spawnSync('etcd', ['--version'], { encoding: 'utf8' });
  return ran.status === 0 ? (/etcd Version: (\S+)/.exec(ran.stdout)?.[1] ?? 'unknown') : null;
};

export class Etcd {
  readonly #children: readonly ChildProcess[];
  readonly #clientPorts: readonly number[];
  readonly #directory: string;

  private constructor(children: readonly ChildProcess[], clientPorts: readonly number[], directory: string) {
    this.#children = children;
    this.#clientPorts = clientPorts;
    this.#directory = directory;
  }

  static async start(count: number): Promise<Etcd> {
    const directory = mkdtempSync(join(tmpdir(), 'polity-bench-etcd-'));
    const ports = await freePorts(2 * count);
    const peer = (at: number): string => `http://127.0.0.1:${ports[at]}`;
    const client = (at: number): string => `http://127.0.0.1:${ports[count + at]}`;
    const names = Array.from({ length: count }, (_, at) => `e${at + 1}`);
    const everybody = names.map((name, at) => `${name}=${peer(at)}`).join(',');
    const children = names.map((name, at) =>
      spawn(
        'etcd',
        [
          ...['--name', name, '--data-dir', join(directory, name), '--initial-cluster', everybody, '--log-level', 'error'],
          ...['--listen-peer-urls', peer(at), '--initial-advertise-peer-urls', peer(at)],
          ...['--listen-client-urls', client(at), '--advertise-client-urls', client(at)],
        ],
        { stdio: 'ignore', env: { ...process.env, ETCD_UNSUPPORTED_ARCH: process.arch } },
      ),
    );
    const etcd = new Etcd(children, ports.slice(count), directory);
    try {
      await until('etcd serves', async () => {
        const answers = await Promise.all(names.map(async (_, at) => (await fetch(`${client(at)}/health`)).ok));
        return answers.every(Boolean);
      });
    } catch (error) {
      await etcd.stop();
      throw error;
    }
    return etcd;
  }

  overHttp(clients: number, forMs: number): Promise<Load> {
    const targets = this.#clientPorts.map((port) => ({ host: '127.0.0.1', port }));
    return loadFrom({ targets, clients, forMs, kind: 'etcd' });
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.#children.map(
        (child) =>
          new Promise<void>((resolve) => {
            if (child.exitCode !== null) return resolve();
            child.once('exit', () => resolve());
            child.kill('SIGKILL');
          }),
      ),
    );
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
