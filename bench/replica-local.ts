// Replicated data on one node: durable writes a second through the embedded API, beside what the disk does with as many bytes and what Yjs
// takes in memory, and what an object weighs.
import { fileURLToPath } from 'node:url';
import { outputOf } from './children.ts';
import { median, type Row, round } from './figures.ts';
import type { Kind, LocalPlan, LocalSample } from './replica-local-run.ts';

const program = (name: string): string => fileURLToPath(new URL(`replica-local-${name}.ts`, import.meta.url));
const limitMs = 180_000;

const kinds: readonly Kind[] = ['register', 'counter', 'one counter', 'or-set', 'map', 'text'];
/** Issue 5; none for the others. */
const aims: Partial<Record<Kind, number>> = { register: 100_000, counter: 100_000, 'one counter': 100_000, 'or-set': 50_000 };
const atOnce = 2_000;

const rowOf = (kind: Kind, samples: readonly LocalSample[]): Row => {
  const mine = samples.filter((sample) => sample.kind === kind);
  const of = (figure: (sample: LocalSample) => number, digits = 2): number => round(median(mine.map(figure)), digits);
  return {
    [`${atOnce} at a time`]: kind,
    ...{ runs: mine.length, 'writes/s': Math.round(of((one) => one.perSecond, 3)), 'aim/s': aims[kind] ?? '' },
    'best/s': Math.round(Math.max(...mine.map((one) => one.perSecond))),
    ...{ 'thread µs/write': of((one) => one.threadUs), 'process µs/write': of((one) => one.processUs) },
    'writes/s of thread': Math.round(of((one) => 1_000_000 / one.threadUs, 3)),
    ...{ 'longest turn ms': of((one) => one.turnMs), 'log B/write': of((one) => one.logBytes) },
    'rate × disk': of((one) => one.perSecond / one.diskPerSecond),
    'thread × Yjs': mine[0]!.yjsUs === 0 ? '' : of((one) => one.threadUs / one.yjsUs),
    failed: mine.reduce((sum, one) => sum + one.failed, 0),
  };
};

const keyAndValueBytes = 36;

const weigh = async (type: string, objects: number): Promise<Row> => {
  const of = async (how: string): Promise<number> =>
    Math.round(Number(await outputOf(['--expose-gc', program('memory'), type, how, `${objects}`], limitMs)));
  return {
    ...{ 'bytes of an object': type, objects, 'made here': await of('made'), heard: await of('heard') },
    'may be': type === 'register' ? 3 * keyAndValueBytes + 300 : '',
  };
};

export const measureReplicaLocal = async (quick: boolean): Promise<{ rows: Row[]; samples: LocalSample[] }> => {
  const plan: LocalPlan = { kinds, atOnce, forMs: quick ? 1_000 : 2_000 };
  const samples: LocalSample[] = [];
  for (let run = 0; run < (quick ? 1 : 3); run++)
    samples.push(...(JSON.parse(await outputOf([program('run'), JSON.stringify(plan)], limitMs)) as LocalSample[]));
  return { rows: kinds.map((kind) => rowOf(kind, samples)), samples };
};

export const measureReplicaMemory = async (): Promise<Row[]> => {
  const rows: Row[] = [];
  for (const type of ['register', 'lww-register', 'pn-counter', 'flag', 'or-set']) rows.push(await weigh(type, 100_000));
  return rows;
};
