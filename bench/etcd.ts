// etcd on the same work: as many members on the loopback, durable as it is by default, under the same load. Over its JSON gateway
// (v3), which translates to gRPC inside of etcd and is what a program without a gRPC client uses, and over gRPC itself.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { freePorts, until } from '../test/e2e/cluster.ts';
import { gone, makeDirectory, owned, removeDirectory } from './children.ts';
import { loadFrom, loopback } from './generator.ts';
import type { Load } from './load.ts';

/** Its version, or null where there is none on the PATH. */
export const etcdVersion = (): string | null => {
  const ran = spawnSync('etcd', ['--version'], {
    encoding: 'utf8',
    env: { ...process.env, ETCD_UNSUPPORTED_ARCH: process.arch },
  });
  return ran.status === 0 ? (/etcd Version: (\S+)/.exec(ran.stdout)?.[1] ?? 'unknown') : null;
};

const spawnMember = (name: string, directory: string, everybody: string, peerUrl: string, clientUrl: string): ChildProcess =>
  owned(
    spawn(
      'etcd',
      [
        ...['--name', name, '--data-dir', join(directory, name), '--initial-cluster', everybody, '--log-level', 'error'],
        ...['--listen-peer-urls', peerUrl, '--initial-advertise-peer-urls', peerUrl],
        ...['--listen-client-urls', clientUrl, '--advertise-client-urls', clientUrl],
      ],
      { stdio: 'ignore', env: { ...process.env, ETCD_UNSUPPORTED_ARCH: process.arch } },
    ),
  );

export class Etcd {
  readonly #children: readonly ChildProcess[];
  readonly #ports: readonly number[];
  readonly #directory: string;

  private constructor(children: readonly ChildProcess[], ports: readonly number[], directory: string) {
    this.#children = children;
    this.#ports = ports;
    this.#directory = directory;
  }

  static async start(count: number): Promise<Etcd> {
    const directory = makeDirectory();
    const ports = await freePorts(2 * count);
    const urlOf = (at: number): string => `http://127.0.0.1:${ports[at]}`;
    const names = Array.from({ length: count }, (_, at) => `e${at + 1}`);
    const everybody = names.map((name, at) => `${name}=${urlOf(at)}`).join(',');
    const children = names.map((name, at) => spawnMember(name, directory, everybody, urlOf(at), urlOf(count + at)));
    const etcd = new Etcd(children, ports.slice(count), directory);
    try {
      await until('etcd serves', async () => {
        const answers = await Promise.all(names.map((_, at) => fetch(`${urlOf(count + at)}/health`)));
        return answers.every(({ ok }) => ok);
      });
      return etcd;
    } catch (error) {
      await etcd.stop();
      throw error;
    }
  }

  get pids(): number[] {
    return this.#children.map(({ pid }) => pid!);
  }

  #leaderPort(): Promise<number> {
    return until('a member of etcd that leads', async () => {
      for (const port of this.#ports) {
        const answer = await fetch(`http://127.0.0.1:${port}/v3/maintenance/status`, { method: 'POST', body: '{}' });
        const told = (await answer.json()) as { header?: { member_id?: string }; leader?: string };
        if (told.leader !== undefined && told.leader === told.header?.member_id) return port;
      }
      return null;
    });
  }

  overGateway(clients: number, forMs: number): Promise<Load> {
    return loadFrom({ targets: loopback(this.#ports), clients, forMs, kind: 'gateway' });
  }

  async gatewayOfLeader(clients: number, forMs: number): Promise<Load> {
    return loadFrom({ targets: loopback([await this.#leaderPort()]), clients, forMs, kind: 'gateway' });
  }

  overGrpc(clients: number, forMs: number): Promise<Load> {
    return loadFrom({ targets: loopback(this.#ports), clients, forMs, kind: 'grpc' });
  }

  async stop(): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL');
    await Promise.all(this.#children.map((child) => gone(child, 0)));
    removeDirectory(this.#directory);
  }
}
