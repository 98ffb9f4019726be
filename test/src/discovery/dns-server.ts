// A real DNS server on a free port of loopback, for tests and benchmarks: Debian's dnsmasq with records of ours, and nothing else.
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';

export type Zone = {
  /** dnsmasq answers with authority, and with NXDOMAIN where it knows nothing, for this domain. */
  domain: string;
  /** In seconds, of every record that names none. */
  ttlSeconds?: number;
  services?: { name: string; target: string; port: number; priority?: number; weight?: number }[];
  hosts?: { name: string; addresses: string[]; ttlSeconds?: number }[];
  texts?: { name: string; texts: string[] }[];
  pointers?: { name: string; target: string }[];
  aliases?: { name: string; target: string }[];
};

export type DnsServerProcess = { host: string; port: number; pid: number; stop(signal?: NodeJS.Signals): Promise<void> };

/** Where the program is, or null: then the test is skipped. */
export const dnsmasqPath = (): string | null => {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return folders.map((folder) => join(folder, 'dnsmasq')).find((path) => existsSync(path)) ?? null;
};

const optionsOf = ({
  domain,
  ttlSeconds = 60,
  services = [],
  hosts = [],
  texts = [],
  pointers = [],
  aliases = [],
}: Zone): string[] => [
  `--local=/${domain}/`,
  `--local-ttl=${ttlSeconds}`,
  ...services.map(
    ({ name, target, port, priority = 0, weight = 0 }) => `--srv-host=${name},${target},${port},${priority},${weight}`,
  ),
  ...hosts.map(({ name, addresses, ttlSeconds: ttl = ttlSeconds }) => `--host-record=${[name, ...addresses, ttl].join(',')}`),
  ...texts.map(({ name, texts: all }) => `--txt-record=${[name, ...all].join(',')}`),
  ...pointers.map(({ name, target }) => `--ptr-record=${name},${target}`),
  ...aliases.map(({ name, target }) => `--cname=${name},${target}`),
];

/** A port that is free for UDP and TCP. Somebody may take it before it is used: the caller tries again. */
const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  server.close();
  await once(server, 'close');
  const socket = createSocket('udp4').bind(port, '127.0.0.1');
  await once(socket, 'listening');
  socket.close();
  await once(socket, 'close');
  return port;
};

/** Asks for the root until something comes back. */
const answers = async (port: number, child: ChildProcess): Promise<boolean> => {
  const question = Buffer.from([0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1]);
  for (let tries = 0; tries < 400 && child.exitCode === null; tries += 1) {
    const socket = createSocket('udp4');
    try {
      const heard = new Promise<boolean>((resolve) => {
        socket.on('message', () => resolve(true)).on('error', () => resolve(false));
        setTimeout(() => resolve(false), 25).unref();
      });
      socket.connect(port, '127.0.0.1', () => socket.send(question));
      if (await heard) return true;
    } finally {
      socket.close();
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return false;
};

/** Starts dnsmasq (`dnsmasqPath()`) with these records; ends with `stop`. */
export const startDnsServer = async (path: string, zone: Zone, port?: number): Promise<DnsServerProcess> => {
  const fixed = ['--no-daemon', '--conf-file=/dev/null', '--no-resolv', '--no-hosts', '--no-poll', '--pid-file'];
  for (let tries = 0; tries < 5; tries += 1) {
    const chosen = port ?? (await freePort());
    const where = [`--port=${chosen}`, '--listen-address=127.0.0.1', '--bind-interfaces'];
    const child = spawn(path, [...fixed, ...where, ...optionsOf(zone)], { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-2_000);
    });
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
    if (await answers(chosen, child)) {
      const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<void> => {
        child.kill(signal);
        await ended;
      };
      return { host: '127.0.0.1', port: chosen, pid: child.pid ?? 0, stop };
    }
    child.kill('SIGKILL');
    await ended;
    if (!said.includes('in use')) throw new Error(`dnsmasq did not start: ${said}`);
  }
  throw new Error('no free port for dnsmasq');
};
