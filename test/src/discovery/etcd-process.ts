// A real etcd of one member on the loopback, that a test or benchmark may kill and start again on the same port and data.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts, until } from '../../e2e/cluster.ts';

// Debian's etcd refuses to begin on some machines unless it is told that this is meant.
const env = (): NodeJS.ProcessEnv => ({ ...process.env, ETCD_UNSUPPORTED_ARCH: process.arch });

/** Why there can be no test with it, or false. */
export const withoutEtcd = (): string | false =>
  spawnSync('etcd', ['--version'], { env: env() }).status === 0 ? false : 'no etcd on the PATH: apt-get install etcd-server';

export class EtcdProcess implements AsyncDisposable {
  readonly url: string;
  readonly #ports: readonly number[];
  readonly #more: readonly string[];
  readonly #directory = mkdtempSync(join(tmpdir(), 'polity-etcd-'));
  #child: ChildProcess | null = null;

  private constructor(ports: readonly number[], scheme: 'http' | 'https', more: readonly string[]) {
    this.#ports = ports;
    this.#more = more;
    this.url = `${scheme}://127.0.0.1:${ports[0]}`;
  }

  /** `more`: further words of its command line. */
  static async start(scheme: 'http' | 'https' = 'http', more: readonly string[] = []): Promise<EtcdProcess> {
    const etcd = new EtcdProcess(await freePorts(3), scheme, more);
    try {
      await etcd.begin();
      return etcd;
    } catch (error) {
      await etcd[Symbol.asyncDispose]();
      throw error;
    }
  }

  async begin(): Promise<void> {
    const peerUrl = `http://127.0.0.1:${this.#ports[1]}`;
    const words = [
      ...['--data-dir', this.#directory, '--name', 'e1', '--initial-cluster', `e1=${peerUrl}`, '--log-level', 'error'],
      ...['--listen-peer-urls', peerUrl, '--initial-advertise-peer-urls', peerUrl, '--logger', 'zap'],
      ...['--listen-client-urls', this.url, '--advertise-client-urls', this.url],
      // The shortest lease follows from the election's time-out: half as long again.
      ...['--heartbeat-interval', '50', '--election-timeout', '500'],
      // Without TLS and certificates, whatever its clients must have.
      ...['--listen-metrics-urls', `http://127.0.0.1:${this.#ports[2]}`, ...this.#more],
    ];
    this.#child = spawn('etcd', words, { stdio: 'ignore', env: env() });
    this.#child.once('error', () => undefined);
    await until('etcd serves', async () => (await fetch(`http://127.0.0.1:${this.#ports[2]}/health`)).ok, 20_000);
  }

  /** As by kill -9. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  async post(path: string, body: unknown, token?: string): Promise<Record<string, unknown>> {
    const headers = token === undefined ? {} : { authorization: token };
    const answer = await fetch(`${this.url}/v3/${path}`, { method: 'POST', body: JSON.stringify(body), headers });
    const told = (await answer.json()) as Record<string, unknown>;
    if (!answer.ok) throw new Error(`etcd answered ${answer.status} to ${path}: ${JSON.stringify(told)}`);
    return told;
  }

  put(key: string, value: string): Promise<unknown> {
    return this.post('kv/put', { key: btoa(key), value: btoa(value) });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
