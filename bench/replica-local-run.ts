// One node that writes to its own replicated data as fast as it can, in a process of its own; beside it what the disk and a library in
// memory do with as much. Given a plan, writes what it measured.
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { Level } from 'level';
import { createNode, type Node } from 'polity';
import * as Y from 'yjs';
import { makeDirectory } from './children.ts';

export const kinds = ['register', 'counter', 'one counter', 'or-set', 'map', 'text'] as const;
export type Kind = (typeof kinds)[number];

export type LocalPlan = { kinds: readonly Kind[]; atOnce: number; forMs: number };

export type LocalSample = {
  kind: Kind;
  perSecond: number;
  /** Processor time of the thread that runs the node and its callers, for one write. */
  threadUs: number;
  /** Of the whole process: also LevelDB's threads and the garbage collector's. */
  processUs: number;
  /** The longest turn of the event loop, by processor time. */
  turnMs: number;
  /** Bytes of this node's log for one write. */
  logBytes: number;
  failed: number;
  /** Synced batches of LevelDB, as many puts at once and as many bytes in each, a second. */
  diskPerSecond: number;
  /** Updates that Yjs makes in memory, by processor time; 0: it has no such type. */
  yjsUs: number;
};

const keys = 1_000;

const start = async (): Promise<Node> => {
  const node = await createNode({
    ...{ name: 'n1', cluster: 'bench', data: join(makeDirectory(), 'n1'), listen: ['/ip4/127.0.0.1/tcp/0'] },
    ...{ bootstrap: ['n1'], secret: randomBytes(32).toString('hex'), log: { level: 'error' } },
  });
  await node.replica.opened();
  return node;
};

type Write = (n: number) => Promise<void>;

const textOf = (n: number): string => `value ${String(n).padStart(14, '0')}`;

const writesOf = (node: Node): Record<Kind, Write> => {
  const { replica } = node;
  const each = <Handle>(make: (key: string) => Handle): ((n: number) => Handle) => {
    const handles = Array.from({ length: keys }, (_, n) => make(`key-${String(n).padStart(4, '0')}`));
    return (n) => handles[n % keys]!;
  };
  const [registers, counters] = [each((key) => replica.register<string>(key)), each((key) => replica.counter(key))];
  const [sets, maps] = [each((key) => replica.orSet<string>(key)), each((key) => replica.map<string>(key))];
  const texts = each((key) => replica.text(key));
  return {
    register: (n) => registers(n).set(textOf(n)),
    counter: (n) => counters(n).add(1),
    'one counter': () => counters(0).add(1),
    'or-set': (n) => sets(n).add(textOf(n)),
    map: (n) => maps(n).put(`k${Math.floor(n / keys) % 100}`, textOf(n)),
    text: (n) => texts(n).insert(0, 'a'),
  };
};

const threadMs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
};

const processMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
};

/**
 * Looks at every round of the event loop. Turns by processor time, since a busy machine stops a process for as long as it likes; the
 * log by how much longer it is, since now and then it is cut.
 */
const watch = (node: Node): { end(): { turnMs: number; logBytes: number } } => {
  const logNow = (): number => node.api.replica.summary().logBytes;
  let [turnMs, logBytes] = [0, 0];
  let [threadBefore, logBefore] = [threadMs(), logNow()];
  let ended = false;
  const look = (): void => {
    const [thread, log] = [threadMs(), logNow()];
    turnMs = Math.max(turnMs, thread - threadBefore);
    logBytes += Math.max(0, log - logBefore);
    threadBefore = thread;
    logBefore = log;
    if (!ended) setImmediate(look);
  };
  setImmediate(look);
  return {
    end() {
      ended = true;
      return { turnMs, logBytes };
    },
  };
};

/** Loops that each wait for one write before they begin the next. */
const writeFor = async (node: Node, write: Write, atOnce: number, forMs: number) => {
  let [begun, failed] = [0, 0];
  const endMs = performance.now() + forMs;
  const loop = async (): Promise<void> => {
    while (performance.now() < endMs)
      try {
        await write(begun++);
      } catch {
        failed++;
      }
  };
  const before = { ms: performance.now(), thread: threadMs(), process: processMs() };
  const watched = watch(node);
  await Promise.all(Array.from({ length: atOnce }, loop));
  const tookMs = performance.now() - before.ms;
  const { turnMs, logBytes } = watched.end();
  const writes = begun - failed;
  return {
    ...{ failed, turnMs, logBytes: logBytes / writes, perSecond: (writes / tookMs) * 1_000 },
    threadUs: ((threadMs() - before.thread) / begun) * 1_000,
    processUs: ((processMs() - before.process) / begun) * 1_000,
  };
};

/** What the disk does when it is given as many values of as many bytes, so many in each synced batch. */
const diskFor = async (valueBytes: number, atOnce: number, forMs: number): Promise<number> => {
  const level = new Level<string, Uint8Array>(join(makeDirectory(), 'level'), { valueEncoding: 'view' });
  await level.open();
  const value = new Uint8Array(Math.max(1, Math.round(valueBytes))).fill(7);
  let written = 0;
  const beginMs = performance.now();
  while (performance.now() - beginMs < forMs) {
    const batch = Array.from({ length: atOnce }, (_, n) => ({
      type: 'put' as const,
      key: `key-${(written + n) % keys}`,
      value,
    }));
    await level.batch(batch, { sync: true });
    written += atOnce;
  }
  const perSecond = (written / (performance.now() - beginMs)) * 1_000;
  await level.close();
  return perSecond;
};

/** The update of one edit, in memory, as it would be sent to others. */
const yjsUs = (kind: Kind, edits: number): number => {
  const doc = new Y.Doc();
  let bytes = 0;
  doc.on('update', (update: Uint8Array) => {
    bytes += update.byteLength;
  });
  const map = doc.getMap<unknown>('map');
  const texts = Array.from({ length: 100 }, (_, n) => doc.getText(`text-${n}`));
  const edit: Partial<Record<Kind, (n: number) => void>> = {
    register: (n) => map.set(`key-${n % keys}`, textOf(n)),
    map: (n) => map.set(`key-${n % keys}`, textOf(n)),
    text: (n) => texts[n % texts.length]!.insert(0, 'a'),
  };
  const one = edit[kind];
  if (one === undefined) return 0;
  for (let n = 0; n < 5_000; n++) one(n);
  const before = threadMs();
  for (let n = 0; n < edits; n++) one(n);
  if (bytes === 0) throw new Error('Yjs made no updates');
  return ((threadMs() - before) / edits) * 1_000;
};

const measure = async ({ kinds: wanted, atOnce, forMs }: LocalPlan): Promise<LocalSample[]> => {
  const node = await start();
  const writes = writesOf(node);
  const samples: LocalSample[] = [];
  for (const kind of wanted) {
    // Compilers warm up on work that does not count.
    await writeFor(node, writes[kind], atOnce, 700);
    const figures = await writeFor(node, writes[kind], atOnce, forMs);
    const diskPerSecond = await diskFor(figures.logBytes, atOnce, forMs / 2);
    samples.push({ kind, ...figures, diskPerSecond, yjsUs: yjsUs(kind, 20_000) });
  }
  await node.stop();
  return samples;
};

process.stdout.write(JSON.stringify(await measure(JSON.parse(process.argv[2]!) as LocalPlan)));
process.exit(0);
