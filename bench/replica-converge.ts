// How soon five real nodes read the same after random writes to every replicated type at all of them: from the last write that was
// made to the last change that anybody saw, once the digests of everything are equal everywhere.
import { until } from '../test/e2e/cluster.ts';
import { median, type Row, round, sleep } from './figures.ts';
import { type ReplicaMember, ReplicaMembers } from './replica-members.ts';
import type { Sums } from './replica-writes.ts';

const nodes = 5;
const writes = 10_000;
/** Gossip's mesh grafts within a few of its heartbeats of a second; before that, a first word may reach nobody. */
const settleMs = 3_000;
const convergeMsMax = 60_000;
/** Long enough to see a change that comes after all. */
const quietMs = 1_500;

type Sample = {
  convergedMs: number;
  writingMs: number;
  acknowledgedMs: number;
  cpuMs: number;
  untold: number;
  gaps: number;
  repaired: number;
  refused: number;
};

const counts = ['deltas_untold', 'gaps', 'repaired', 'refused'] as const;

const countAll = (cluster: ReplicaMembers): Promise<number[]> =>
  Promise.all(counts.map((name) => cluster.counted(`replica_${name}_total`)));

const looksOf = (members: readonly ReplicaMember[]) => Promise.all(members.map((member) => member.ask('look', null)));

/** Equal everywhere, and still so after a while. */
const agreed = (members: readonly ReplicaMember[]) =>
  until(
    'all read the same',
    async () => {
      const looks = await looksOf(members);
      if (new Set(looks.map(({ digest }) => digest)).size > 1) return null;
      await sleep(quietMs);
      const again = await looksOf(members);
      return again.every(({ digest }) => digest === looks[0]!.digest) ? again : null;
    },
    convergeMsMax,
  );

/** `wanted`: of all writes so far. */
const assertNothingLost = async (cluster: ReplicaMembers, wanted: Sums): Promise<void> => {
  for (const [at, sums] of (await cluster.ask('sums', null)).entries())
    for (const name of ['counted', 'elements'] as const)
      if (sums[name] !== wanted[name]) throw new Error(`n${at + 1} has ${sums[name]} ${name}, ${wanted[name]} were written`);
};

const usedMs = async (cluster: ReplicaMembers): Promise<number> =>
  (await cluster.ask('cpuMs', null)).reduce((sum, used) => sum + used, 0);

const measureOnce = async (cluster: ReplicaMembers, wanted: Sums, plan: { seed: number; loops: number }): Promise<Sample> => {
  const { members } = cluster;
  await cluster.ask('followWrites', null);
  const before = { counts: await countAll(cluster), cpuMs: await usedMs(cluster) };
  const written = await Promise.all(
    members.map((each, member) => each.ask('write', { ...plan, member, count: writes / nodes })),
  );
  const lastMadeMs = Math.max(...written.map((one) => one.lastMadeMs));
  const looks = await agreed(members);
  const cpuMs = (await usedMs(cluster)) - before.cpuMs;
  const [untold, gaps, repaired, refused] = (await countAll(cluster)).map((count, at) => count - before.counts[at]!);
  for (const { sums } of written) {
    wanted.counted += sums.counted;
    wanted.elements += sums.elements;
  }
  const failed = written.reduce((sum, one) => sum + one.failed, 0);
  if (failed > 0) throw new Error(`${failed} writes failed`);
  await assertNothingLost(cluster, wanted);
  return {
    convergedMs: Math.max(...looks.map(({ lastChangedMs }) => lastChangedMs)) - lastMadeMs,
    writingMs: lastMadeMs - Math.min(...written.map((one) => one.firstMadeMs)),
    acknowledgedMs: Math.max(...written.map((one) => one.lastAcknowledgedMs)) - lastMadeMs,
    ...{ cpuMs, untold: untold!, gaps: gaps!, repaired: repaired!, refused: refused! },
  };
};

const trials = [
  { what: 'all at once', loops: writes / nodes, runs: 7 },
  { what: '64 at a time at each', loops: 64, runs: 3 },
] as const;

const rowOf = (what: string, samples: readonly Sample[]): Row => {
  const of = (name: keyof Sample, digits = 2): number => round(median(samples.map((sample) => sample[name])), digits);
  return {
    [`${writes} random writes, 7 types, ${nodes} nodes`]: what,
    ...{ runs: samples.length, 'same everywhere after ms': of('convergedMs') },
    'worst ms': round(Math.max(...samples.map(({ convergedMs }) => convergedMs))),
    ...{ 'aim ms': 2_000, 'written in ms': of('writingMs'), 'last on disk after ms': of('acknowledgedMs') },
    'cpu µs/write': Math.round((of('cpuMs', 5) * 1_000) / writes),
    ...{
      'deltas untold': of('untold'),
      'gaps fetched': of('gaps'),
      'objects repaired': of('repaired'),
      unheard: of('refused'),
    },
  };
};

export const measureReplicaConverge = async (quick: boolean): Promise<{ rows: Row[]; samples: Record<string, Sample[]> }> => {
  const cluster = await ReplicaMembers.start(nodes);
  try {
    await sleep(settleMs);
    const wanted: Sums = { counted: 0, elements: 0 };
    // What the engine takes to compile the program is not what a write costs.
    await measureOnce(cluster, wanted, { seed: 0, loops: 64 });
    const samples: Record<string, Sample[]> = {};
    let seed = 1;
    for (const { what, loops, runs } of trials) {
      samples[what] = [];
      for (let run = 0; run < (quick ? 2 : runs); run++)
        samples[what].push(await measureOnce(cluster, wanted, { seed: seed++, loops }));
    }
    return { rows: Object.entries(samples).map(([what, measured]) => rowOf(what, measured)), samples };
  } finally {
    await cluster.stop();
  }
};
