// How soon a node finds its first peer by each source (row D5), beside the same node that is told the address: with real servers
// where Debian has them (dnsmasq, etcd), with one that speaks Consul's documented API, and by mDNS in a network namespace.
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { dnsmasqPath, startDnsServer } from '../test/src/discovery/dns-server.ts';
import { EtcdProcess, withoutEtcd } from '../test/src/discovery/etcd-process.ts';
import { FakeConsul } from '../test/src/discovery/fake-consul.ts';
import { createNetworks, whyNoNamespaces } from '../test/src/discovery/namespaces.ts';
import { makeDirectory, outputOf, removeDirectory } from './children.ts';
import { median, type Row, round } from './figures.ts';
import { type FirstPeerPlan, freePort } from './first-peer.ts';

const program = new URL('./first-peer.ts', import.meta.url).pathname;
const limitMs = 300_000;

const timesOf = async (plan: FirstPeerPlan): Promise<number[]> =>
  JSON.parse(await outputOf([program, JSON.stringify(plan)], limitMs)) as number[];

type Trial = { source: string; aimMs: number | null; run: (times: number) => Promise<number[] | string> };

const loopback = (times: number, discover: string | null, port = 0): Promise<number[]> =>
  timesOf({ host: '127.0.0.1', port, discover, times });

const byDns = async (times: number): Promise<number[] | string> => {
  const path = dnsmasqPath();
  if (path === null) return 'dnsmasq is not installed';
  const port = await freePort();
  const server = await startDnsServer(path, {
    domain: 'polity.test',
    services: [{ name: '_polity._tcp.polity.test', target: 'there.polity.test', port }],
    hosts: [{ name: 'there.polity.test', addresses: ['127.0.0.1'] }],
  });
  try {
    return await loopback(times, `dns:_polity._tcp.polity.test?server=127.0.0.1:${server.port}`, port);
  } finally {
    await server.stop();
  }
};

const byEtcd = async (times: number): Promise<number[] | string> => {
  const why = withoutEtcd();
  if (why !== false) return why;
  await using etcd = await EtcdProcess.start();
  return await loopback(times, `etcd:${etcd.url}`);
};

const byConsul = async (times: number): Promise<number[]> => {
  await using consul = await FakeConsul.start();
  return await loopback(times, `consul:${consul.url}`);
};

const byFile = async (times: number): Promise<number[]> => {
  const directory = makeDirectory();
  const port = await freePort();
  mkdirSync(directory, { recursive: true });
  const path = join(directory, 'members.json');
  writeFileSync(path, JSON.stringify({ members: [{ addresses: [`/ip4/127.0.0.1/tcp/${port}`] }] }));
  try {
    return await loopback(times, `file:${path}`, port);
  } finally {
    removeDirectory(directory);
  }
};

const byMdns = async (times: number): Promise<number[] | string> => {
  const why = whyNoNamespaces();
  if (why !== null) return why;
  const networks = await createNetworks();
  try {
    const [host] = networks.addresses;
    networks.ip(0, 'route', 'add', '224.0.0.0/4', 'dev', networks.cable(0));
    const plan: FirstPeerPlan = { host, port: 0, discover: 'mdns:', times };
    const child = networks.start(0, process.execPath, [program, JSON.stringify(plan)]);
    let said = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    child.stderr?.pipe(process.stderr);
    const [code] = (await once(child, 'close', { signal: AbortSignal.timeout(limitMs) })) as [number | null];
    if (code !== 0) throw new Error(`first-peer.ts ended with ${code}`);
    return JSON.parse(said) as number[];
  } finally {
    await networks.remove();
  }
};

const trials: readonly Trial[] = [
  { source: 'its address (--join)', aimMs: null, run: (times) => loopback(times, null) },
  { source: 'file', aimMs: null, run: byFile },
  { source: 'DNS (dnsmasq)', aimMs: 1_000, run: byDns },
  { source: 'mDNS', aimMs: 2_000, run: byMdns },
  { source: 'etcd', aimMs: 500, run: byEtcd },
  { source: 'Consul (its API, not its server)', aimMs: 500, run: byConsul },
];

export const measureDiscovery = async (quick: boolean): Promise<Row[]> => {
  const rows: Row[] = [];
  let reference = Number.NaN;
  for (const { source, aimMs, run } of trials) {
    const times = await run(quick ? 3 : 10);
    if (typeof times === 'string') {
      rows.push({ 'first peer by': source, note: times });
      continue;
    }
    if (Number.isNaN(reference)) reference = median(times);
    rows.push({
      ...{ 'first peer by': source, 'median ms': round(median(times)), 'worst ms': round(Math.max(...times)) },
      ...{ 'aim ms': aimMs ?? '-', 'ratio to --join': round(median(times) / reference) },
    });
  }
  return rows;
};
