// `polity dev`: a cluster of real processes on this machine, to look at and to hurt. Each node has a directory, a log and a port of
// its own; a directory that was used before is used again. No node outlives this process.
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { definitionsIn } from '../actor/module.ts';
import { type Client, createClient } from '../client/index.ts';
import { makeDirectory } from '../storage/directory.ts';
import { DevNode, type DevNodeEvent } from './dev-node.ts';
import { type DevRow, devTable, hintLines, keysLine, LiveView, noteLines } from './dev-view.ts';
import { CommandError, UsageError } from './exit.ts';
import { print } from './output.ts';
import { countOf, nodeDefault } from './reach.ts';

export type DevOptions = { nodes: string; dir: string; basePort: string; actorGroups: string; actors?: string[] };

const nodesMax = 9;
const actorGroupsMax = 64;
const httpOffset = 100;
const pollMs = 300;
const readyMsMax = 30_000;
const stopMsMax = 5_000;
const sameSignalMs = 400;

type Remembered = { bootstrap: string[] };

const portPatienceMs = 2_000;
const portRetryMs = 200;

const isFree = (port: number): Promise<NodeJS.ErrnoException | null> =>
  new Promise((done) => {
    const server = createServer();
    server.once('error', done);
    server.listen(port, '127.0.0.1', () => server.close(() => done(null)));
  });

/** Fails with the port's number if somebody listens there, and not only because a cluster before this one is just ending. */
const assertFree = async (port: number): Promise<void> => {
  const untilMs = performance.now() + portPatienceMs;
  for (let error = await isFree(port); error !== null; error = await isFree(port)) {
    const isTaken = error.code === 'EADDRINUSE';
    if (isTaken && performance.now() < untilMs) {
      await new Promise((done) => setTimeout(done, portRetryMs));
      continue;
    }
    const why = isTaken ? 'another process listens there' : error.message;
    throw new CommandError(`port ${port} cannot be used: ${why}; --base-port N takes others`);
  }
};

/** Who forms the cluster is decided when the directory is made; nodes beyond them join and are added by hand. */
const prepare = (directory: string, names: readonly string[]): { secretFile: string; bootstrap: string[]; isOld: boolean } => {
  try {
    makeDirectory(directory);
    const secretFile = join(directory, 'secret');
    if (!existsSync(secretFile)) writeFileSync(secretFile, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600, flag: 'wx' });
    chmodSync(secretFile, 0o600);
    const file = join(directory, 'dev.json');
    const isOld = existsSync(file);
    if (!isOld) writeFileSync(file, `${JSON.stringify({ bootstrap: [...names] } satisfies Remembered)}\n`);
    const { bootstrap } = JSON.parse(readFileSync(file, 'utf8')) as Partial<Remembered>;
    if (!Array.isArray(bootstrap) || bootstrap.length === 0) throw new Error(`${file} is damaged`);
    return { secretFile, bootstrap, isOld };
  } catch (error) {
    throw new CommandError(`${directory} cannot be used: ${(error as Error).message}`);
  }
};

type Seen = {
  state: string;
  groups: {
    id: string;
    role: string;
    term: number;
    leader: string | null;
    voters: string[];
    commitIndex: number;
    appliedIndex: number;
  }[];
};

class Dev {
  readonly #nodes: DevNode[];
  readonly #clients = new Map<DevNode, Client>();
  readonly #seen = new Map<DevNode, Seen>();
  readonly #view: LiveView | null = process.stdout.isTTY ? new LiveView(process.stdout) : null;
  readonly #title: string;
  /** Voters of kv as the node with the newest configuration knows them; before anybody does, those that form the cluster. */
  #voters: readonly string[];
  #leader: string | null = null;
  #wasReady = false;
  #notes = '';
  #firstSignalMs: number | null = null;
  #stopping = false;
  #finished: () => void = () => {};

  constructor(
    nodes: (onEvent: (event: DevNodeEvent, at: number) => void) => DevNode[],
    title: string,
    bootstrap: readonly string[],
  ) {
    this.#nodes = nodes((event, at) => this.#onEvent(event, at));
    this.#title = title;
    this.#voters = bootstrap;
    for (const node of this.#nodes) this.#clients.set(node, createClient({ urls: [node.url], roundsMax: 1, timeoutMs: 1_000 }));
  }

  async run(): Promise<void> {
    const finished = new Promise<void>((done) => (this.#finished = done));
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => this.#onSignal());
    // Whatever ends this process, the children end with it; those that this cannot reach see their channel close.
    process.on('exit', () => {
      for (const node of this.#nodes) node.kill();
    });
    this.#listenToKeys();
    this.#say(this.#title);
    for (const node of this.#nodes) node.start();
    const startMs = performance.now();
    while (!this.#stopping) {
      await this.#poll();
      if (this.#stopping) break;
      this.#judge(performance.now() - startMs);
      this.#draw();
      await new Promise((done) => setTimeout(done, pollMs));
    }
    await finished;
  }

  // -------------------------------------------------------------- looking

  async #poll(): Promise<void> {
    await Promise.all(
      this.#nodes.map(async (node) => {
        if (node.pid === null) return void this.#seen.delete(node);
        try {
          this.#seen.set(node, (await this.#clients.get(node)!.status()) as unknown as Seen);
          node.answered();
        } catch {
          this.#seen.delete(node);
        }
      }),
    );
    const known = [...this.#seen.values()].flatMap((seen) =>
      seen.groups.filter((group) => group.id === 'kv' && group.voters.length > 0),
    );
    const newest = known.sort((a, b) => b.appliedIndex - a.appliedIndex)[0];
    if (newest !== undefined) this.#voters = newest.voters;
  }

  #rows(): DevRow[] {
    return this.#nodes.map((node) => {
      const seen = this.#seen.get(node);
      const group = seen?.groups.find((one) => one.id === 'kv');
      const isDown = node.pid === null;
      const text = (value: string | number | null | undefined): string =>
        value === undefined || value === null ? '-' : String(value);
      return {
        ...{ name: node.plan.name, state: this.#stateOf(node, seen), role: text(group?.role), term: text(group?.term) },
        ...{ leader: text(group?.leader), commit: text(group?.commitIndex), applied: text(group?.appliedIndex) },
        ...{ pid: text(node.pid), http: node.url, isLeader: group?.role === 'leader', isDown },
      };
    });
  }

  #stateOf(node: DevNode, seen: Seen | undefined): string {
    if (node.state === 'dead') {
      const seconds = Math.max(0, Math.ceil((node.restartAtMs - performance.now()) / 1_000));
      return `${node.reason === 'SIGKILL' ? 'killed' : 'dead'}, back in ${seconds} s`;
    }
    if (node.state === 'given up' || node.state === 'stopped') return node.state;
    return seen?.state ?? (node.state === 'running' ? 'no answer' : node.state);
  }

  /** What a person wants to be told once: all ready, another leader, something amiss. */
  #judge(sinceStartMs: number): void {
    const states = [...this.#seen.values()].map((seen) => seen.state);
    const allReady = states.length === this.#nodes.length && states.every((state) => state === 'ready');
    if (!this.#wasReady && (allReady || sinceStartMs > readyMsMax)) {
      this.#wasReady = true;
      const rows = this.#rows();
      this.#say(
        allReady
          ? `All ${rows.length} nodes are ready after ${(sinceStartMs / 1_000).toFixed(1)} s.`
          : 'Not all nodes became ready; their logs say why.',
      );
      this.#say(`${devTable(rows)}\n\n${hintLines(rows, nodeDefault).join('\n')}\n`);
    }
    const notes = noteLines(this.#rows(), this.#voters, nodeDefault).join('\n');
    if (notes !== '' && notes !== this.#notes) this.#say(notes);
    this.#notes = notes;
    const leads = [...this.#seen.values()].flatMap((seen) =>
      seen.groups.filter((group) => group.id === 'kv' && group.leader !== null),
    );
    const newest = leads.sort((a, b) => b.term - a.term)[0];
    const leader = newest === undefined ? null : `${newest.leader} leads kv in term ${newest.term}`;
    if (leader !== null && leader !== this.#leader && this.#wasReady && this.#leader !== null) this.#say(leader);
    if (leader !== null) this.#leader = leader;
  }

  #advice(rows: readonly DevRow[]): string[] {
    const notes = noteLines(rows, this.#voters, nodeDefault);
    const hints = hintLines(rows, nodeDefault);
    return [...notes, ...(notes.length > 0 && hints.length > 0 ? [''] : []), ...hints];
  }

  #onEvent(event: DevNodeEvent, at: number): void {
    const node = this.#nodes[at];
    if (node === undefined || this.#stopping) return;
    const { name } = node.plan;
    if (event.type === 'died') this.#say(`${name} died (${event.reason}); it comes back in 3 s`);
    if (event.type === 'given-up') this.#say(`${name} keeps dying (${event.reason}); see ${node.logFile}`);
    if (event.type === 'started' && this.#wasReady) this.#say(`${name} was started again (pid ${event.pid})`);
  }

  // -------------------------------------------------------------- showing

  /** Lines for whoever has no table that is kept current. */
  #say(text: string): void {
    if (this.#view === null) print(text);
  }

  #draw(): void {
    if (this.#view === null) return;
    const rows = this.#rows();
    const trouble = this.#nodes
      .filter((node) => node.state === 'given up')
      .map((node) => `${node.plan.name} keeps dying: ${node.reason}`);
    const advice = this.#wasReady ? this.#advice(rows) : [...noteLines(rows, this.#voters, nodeDefault), 'Starting …'];
    this.#view.draw(rows, this.#title, [...trouble, ...advice, '', keysLine]);
  }

  // -------------------------------------------------------------- ending

  #listenToKeys(): void {
    const { stdin } = process;
    if (this.#view === null || !stdin.isTTY) return;
    stdin.setRawMode(true);
    stdin.resume();
    stdin.on('data', (keys: Buffer) => {
      for (const key of keys.toString('latin1')) {
        // In raw mode Ctrl-C is a key.
        if (key === '\x03' || key === 'q') this.#onSignal();
        if (key === 'r') for (const node of this.#nodes) node.revive();
      }
    });
  }

  #onSignal(): void {
    const nowMs = performance.now();
    if (this.#firstSignalMs === null) {
      this.#firstSignalMs = nowMs;
      void this.#stop();
    } else if (nowMs - this.#firstSignalMs > sameSignalMs) for (const node of this.#nodes) node.kill();
  }

  async #stop(): Promise<void> {
    this.#stopping = true;
    if (this.#view !== null && process.stdin.isTTY) {
      process.stdin.setRawMode(false);
      process.stdin.pause();
    }
    this.#view?.end();
    print('Stopping all nodes …');
    await Promise.all(this.#nodes.map((node) => node.stop(stopMsMax)));
    for (const client of this.#clients.values()) client.close();
    print('All nodes are stopped; their data stays. The same command goes on where they were.');
    this.#finished();
  }
}

const badModule = (error: unknown): never => {
  throw new CommandError((error as Error).message, 'usage');
};

export const dev = async (options: DevOptions): Promise<void> => {
  const count = countOf(options.nodes, '--nodes');
  const basePort = countOf(options.basePort, '--base-port');
  if (count < 1 || count > nodesMax) throw new UsageError(`--nodes must be from 1 to ${nodesMax}, not ${count}`);
  if (basePort < 1_024 || basePort + httpOffset + count > 65_535)
    throw new UsageError(`--base-port must be from 1024 to ${65_535 - httpOffset - count}, not ${basePort}`);
  const actors = (options.actors ?? []).map((path) => resolve(path));
  // Told here, once, and not by each node in its log.
  for (const path of actors) await definitionsIn(path).catch(badModule);
  const actorGroups = countOf(options.actorGroups, '--actor-groups');
  if (actorGroups > actorGroupsMax)
    throw new UsageError(`--actor-groups must be from 0 to ${actorGroupsMax}, not ${actorGroups}`);
  const groups = ['kv', ...Array.from({ length: actorGroups }, (_, at) => `actors-${at + 1}`)];
  const directory = resolve(options.dir);
  const names = Array.from({ length: count }, (_, at) => `n${at + 1}`);
  const ports = names.flatMap((_, at) => [basePort + at + 1, basePort + httpOffset + at + 1]);
  for (const port of ports) await assertFree(port);
  const { secretFile, bootstrap, isOld } = prepare(directory, names);
  const addresses = names.map((_, at) => `/ip4/127.0.0.1/tcp/${basePort + at + 1}`);
  const main = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './main.ts' : './main.js', import.meta.url));
  const title = `Polity: ${count} node${count === 1 ? '' : 's'} in ${directory}${isOld ? ' (used before)' : ''}`;
  const cluster = new Dev(
    (onEvent) =>
      names.map((name, at) => {
        const ownPorts = { listenPort: basePort + at + 1, httpPort: basePort + httpOffset + at + 1 };
        const plan = { name, ...ownPorts, directory, secretFile, bootstrap, groups, addresses, actors };
        return new DevNode(plan, main, (event) => onEvent(event, at));
      }),
    title,
    bootstrap,
  );
  await cluster.run();
};
