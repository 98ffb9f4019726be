// A cluster of real processes over the loopback, with real LevelDB directories, that tests and benchmarks hurt. Every process is
// ended by its id and every directory removed, also when a test fails; then the ends of all logs are printed.
import { randomBytes, randomInt } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GroupStatus, NodeStatus } from '../../src/index.ts';
import { polity } from '../src/cli/polity.ts';
import { NodeProcess } from './node-process.ts';

/** Below the ports that the kernel gives to outgoing connections, which could take a stopped node's port. */
const portMin = 20_000;
const portMax = 32_000;
const settleMsMax = 60_000;
const pollMs = 25;

export type ClusterOptions = {
  /** How many nodes form it. */
  nodes: number;
  /** Further nodes that know the others' addresses, are not started, and belong to no group. */
  spare?: number;
  /** From the build instead of the sources. */
  built?: boolean;
  /** Further words after `polity start`. */
  flags?: readonly string[];
  /** Where to keep everything; a temporary directory when absent. */
  directory?: string;
  /** The data directory of one node, for a disk of its own. */
  dataOf?: (name: string, otherwise: string) => string;
};

export const sleep = (delayMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, delayMs));

/** Polls until `probe` gives something; null, undefined and false are nothing. The last error explains a failure. */
export const until = async <Found>(
  what: string,
  probe: () => Promise<Found | null | undefined | false> | Found | null | undefined | false,
  limitMs = settleMsMax,
): Promise<Found> => {
  const untilMs = performance.now() + limitMs;
  let last: unknown;
  do {
    try {
      const found = await probe();
      if (found !== null && found !== undefined && found !== false) return found;
    } catch (error) {
      last = error;
    }
    await sleep(pollMs);
  } while (performance.now() < untilMs);
  throw new Error(`${what}: not within ${limitMs} ms`, last === undefined ? {} : { cause: last });
};

export const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });

/** So many different ports on which nobody listens now. */
export const freePorts = async (count: number): Promise<number[]> => {
  const ports: number[] = [];
  for (let port = randomInt(portMin, portMax - 20 * count); ports.length < count && port < portMax; port++)
    if (await isFree(port)) ports.push(port);
  if (ports.length < count) throw new Error(`no ${count} free ports below ${portMax}`);
  return ports;
};

const planNodes = async (options: ClusterOptions, directory: string): Promise<NodeProcess[]> => {
  const count = options.nodes + (options.spare ?? 0);
  const ports = await freePorts(2 * count);
  const names = Array.from({ length: count }, (_, at) => `n${at + 1}`);
  const addresses = names.map((_, at) => `/ip4/127.0.0.1/tcp/${ports[2 * at]}`);
  const secretFile = join(directory, 'secret');
  writeFileSync(secretFile, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600 });
  const bootstrap = names.slice(0, options.nodes);
  return names.map((name, at) => {
    const data = options.dataOf?.(name, join(directory, name)) ?? join(directory, name);
    const httpPort = ports[2 * at + 1]!;
    const words = [
      ...['--name', name, '--cluster', 'e2e', '--data', data, '--listen', addresses[at]!, '--http', `127.0.0.1:${httpPort}`],
      ...['--secret-file', secretFile],
      ...(at < options.nodes ? ['--bootstrap', bootstrap.join(',')] : []),
      ...addresses.filter((_, other) => other !== at).flatMap((address) => ['--join', address]),
      ...(options.flags ?? []),
    ];
    return new NodeProcess({
      name,
      built: options.built === true,
      listenPort: ports[2 * at]!,
      httpPort,
      data,
      logFile: join(directory, `${name}.log`),
      words,
    });
  });
};

export const groupOf = (status: NodeStatus, id = 'kv'): GroupStatus | undefined =>
  status.groups.find((group) => group.id === id);

/** This node has a connection to that one. */
export const seesPeer = (status: NodeStatus | null, name: string): boolean =>
  status?.peers.some((peer) => peer.name === name && peer.connected) === true;

/** A command of `polity` on a node of the cluster; fails unless it is done. */
export const cli = async (at: NodeProcess, ...words: string[]): Promise<string> => {
  const { code, stdout, stderr } = await polity([...words, '--node', at.url, '--timeout', '20s']);
  if (code !== 0) throw new Error(`polity ${words.join(' ')} at ${at.name} ended with ${code}: ${stdout}${stderr}`);
  return stdout;
};

export class Cluster {
  readonly nodes: readonly NodeProcess[];
  readonly directory: string;

  constructor(nodes: readonly NodeProcess[], directory: string) {
    this.nodes = nodes;
    this.directory = directory;
  }

  static async plan(options: ClusterOptions): Promise<Cluster> {
    const directory = mkdtempSync(join(options.directory ?? tmpdir(), 'polity-e2e-'));
    mkdirSync(directory, { recursive: true });
    return new Cluster(await planNodes(options, directory), directory);
  }

  node(name: string): NodeProcess {
    const node = this.nodes.find((one) => one.name === name);
    if (node === undefined) throw new Error(`there is no node ${name}`);
    return node;
  }

  others(than: NodeProcess): NodeProcess[] {
    return this.nodes.filter((node) => node !== than);
  }

  /** Of the nodes that run. */
  urls(): string[] {
    return this.nodes.filter((node) => node.isRunning).map((node) => node.url);
  }

  /**
   * Waits until the running nodes among these (all by default) serve and name the same leader, which itself says that it leads; it
   * need not be one of them.
   */
  settled(among: readonly NodeProcess[] = this.nodes, group = 'kv'): Promise<NodeProcess> {
    return until('a leader that all nodes name', async () => {
      const asked = among.filter((node) => node.isRunning);
      const statuses = await Promise.all(asked.map((node) => node.status()));
      const groups = statuses.map((status) => (status?.state === 'ready' ? groupOf(status, group) : undefined));
      const leader = groups[0]?.leader ?? null;
      if (leader === null || groups.some((one) => one?.leader !== leader)) return null;
      const leading = this.node(leader);
      const status = await leading.status();
      return status !== null && groupOf(status, group)?.role === 'leader' ? leading : null;
    });
  }

  /** Some node that does not lead. */
  async follower(): Promise<NodeProcess> {
    const leader = await this.settled();
    return this.nodes.find((node) => node !== leader && node.isRunning)!;
  }

  /** Running members of a group, as its leader says. */
  async members(leader: NodeProcess, group = 'kv'): Promise<NodeProcess[]> {
    const status = await until(`the status of ${leader.name}`, () => leader.status());
    const { voters = [], learners = [] } = groupOf(status, group) ?? {};
    return this.nodes.filter((node) => node.isRunning && [...voters, ...learners].includes(node.name));
  }

  /**
   * Waits until these nodes have applied the same, and answers that index. What a node says of itself may be 50 ms old, and more on a
   * busy machine, at all of them alike: they are believed from the index of a write on that is made now.
   */
  async converged(among: readonly NodeProcess[] = this.nodes, group = 'kv'): Promise<number> {
    const written = await until('a write', async () => {
      const via = among.find((node) => node.isRunning)!;
      const { status, fields } = await via.ask('PUT', `/v1/kv/converged?group=${group}`, 'x');
      return status === 200 && (fields.index as number);
    });
    return until('the same applied index on all nodes', async () => {
      const statuses = await Promise.all(among.filter((node) => node.isRunning).map((node) => node.status()));
      const groups = statuses.map((status) => (status === null ? undefined : groupOf(status, group)));
      const applied = groups[0]?.appliedIndex ?? 0;
      const isSame = groups.every((one) => one?.appliedIndex === applied && one.commitIndex === applied);
      return isSame && applied >= written ? applied : null;
    });
  }

  /** Waits until every running node is connected to every other. */
  async connected(): Promise<void> {
    await until('every node connected to every other', async () => {
      const running = this.nodes.filter((node) => node.isRunning);
      const statuses = await Promise.all(running.map((node) => node.status()));
      return statuses.every((status) => running.every(({ name }) => name === status?.name || seesPeer(status, name)));
    });
  }

  /** Somebody has read the ends of the logs. */
  isTold = false;

  /** What to read when something went wrong. */
  tails(): string {
    this.isTold = true;
    return this.nodes.map((node) => `--- the log of ${node.name} (${node.plan.logFile}) ends with\n${node.tail()}`).join('\n');
  }

  async close(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.close()));
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Forms a cluster, waits until it serves, lends it to `body`, and ends all its processes. */
export const withCluster = async (options: ClusterOptions, body: (cluster: Cluster) => Promise<void>): Promise<void> => {
  const cluster = await Cluster.plan(options);
  try {
    await Promise.all(cluster.nodes.slice(0, options.nodes).map((node) => node.start()));
    await cluster.settled();
    await body(cluster);
  } catch (error) {
    if (!cluster.isTold) console.error(cluster.tails());
    throw error;
  } finally {
    await cluster.close();
  }
};
