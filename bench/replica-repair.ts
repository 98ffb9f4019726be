// What it costs two real nodes with 100 000 keys to find and repair the few that differ, after one was away and after both were cut off
// from each other and written to: bytes on the wire and time, beside the same reconnection with nothing to repair.
import { until } from '../test/e2e/cluster.ts';
import { median, type Row, round, sleep } from './figures.ts';
import type { Look, Range } from './replica-member.ts';
import { type ReplicaMember, ReplicaMembers } from './replica-members.ts';
import { Wire } from './replica-wire.ts';
import { sharedMs } from './replica-writes.ts';

const valueBytes = 100;
/** From the connection on, or longer if it takes longer: members also say other things to each other. */
const windowMs = 3_000;
const lookEveryMs = 1_000;
const filledMsMax = 110_000;
const spread = 997;
/** So that nothing of what was said meanwhile is still told when they meet: gossipsub keeps it for five of its heartbeats of a second. */
const forgottenMs = 7_000;

type Sample = {
  /** From the connection to the last change of the last key. */
  sameMs: number;
  /** From the first key that changed to the last. */
  repairMs: number;
  bytes: number;
  /** Keys that came by exchanges, and how many of these found something. */
  repaired: number;
  exchanges: number;
};

type Pair = { cluster: ReplicaMembers; wires: readonly Wire[]; keys: number; salt: number };

const bytesOf = ({ wires }: Pair): number => wires.reduce((sum, { bytes }) => sum + bytes, 0);

/** One key each, all over the keyspace. */
const apart = (count: number, from: number, keys: number): Range[] =>
  Array.from({ length: count }, (_, at) => ({ from: ((from + at) * spread) % keys, count: 1 }));

const fillEach = async (member: ReplicaMember, ranges: readonly Range[], salt: string): Promise<void> => {
  for (const range of ranges) await member.ask('fill', { ...range, valueBytes, salt, atOnce: 1 });
};

/** Both have everything. Looks seldom: each look reads every key. */
const equal = (pair: Pair): Promise<unknown> =>
  until(
    'both have the same keys',
    async () => {
      const isEqual = new Set(await pair.cluster.ask('digest', { from: 0, count: pair.keys })).size === 1;
      if (!isEqual) await sleep(lookEveryMs);
      return isEqual;
    },
    filledMsMax,
  );

const startPair = async (keys: number): Promise<Pair> => {
  const wires: Wire[] = [];
  const cluster = await ReplicaMembers.start(2, async (port) => {
    const wire = await Wire.before(port);
    wires.push(wire);
    return wire.port;
  });
  const pair = { cluster, wires, keys, salt: 0 };
  await Promise.all(
    cluster.members.map((member, at) =>
      member.ask('fill', { from: (at * keys) / 2, count: keys / 2, valueBytes, salt: 'first', atOnce: 2_000 }),
    ),
  );
  await equal(pair);
  return pair;
};

type Case = {
  what: string;
  /** Changes that each of both makes while the other does not hear it. */
  changes: readonly [number, number];
  apart: (pair: Pair) => Promise<void>;
  together: (pair: Pair) => Promise<void>;
};

const cut = async ({ cluster, wires }: Pair): Promise<void> => {
  for (const wire of wires) wire.cut();
  await until('both know that they are alone', async () =>
    (await cluster.ask('peers', null)).every(({ count }) => count === 0),
  );
};
const heal = async ({ wires }: Pair): Promise<void> => {
  for (const wire of wires) wire.heal();
};
const stopSecond = ({ cluster }: Pair): Promise<void> => cluster.members[1]!.stop();
const startSecond = async ({ cluster }: Pair): Promise<void> => {
  await cluster.members[1]!.start();
};

const cases: readonly Case[] = [
  { what: 'a partition, none differ', changes: [0, 0], apart: cut, together: heal },
  { what: 'a partition, 1 differs', changes: [1, 0], apart: cut, together: heal },
  { what: 'a partition, 100 differ, 50 changed at each', changes: [50, 50], apart: cut, together: heal },
  { what: 'a restart of one, 100 differ', changes: [100, 0], apart: stopSecond, together: startSecond },
];

const differ = async (pair: Pair, { changes }: Case): Promise<Range[]> => {
  const salt = `again-${pair.salt++}`;
  const [first, second] = pair.cluster.members;
  const ranges = [apart(changes[0], 0, pair.keys), apart(changes[1], changes[0], pair.keys)] as const;
  await fillEach(first!, ranges[0], salt);
  if (changes[1] > 0) await fillEach(second!, ranges[1], salt);
  return ranges.flat();
};

/** Counts of one incarnation. */
const repairsOf = async (members: readonly ReplicaMember[]): Promise<{ repaired: number; exchanges: number }> => {
  const counts = { repaired: 0, exchanges: 0 };
  for (const member of members) {
    counts.repaired += await member.counted('replica_repaired_total');
    counts.exchanges += await member.counted('replica_exchanges_total', 'outcome="repaired"');
  }
  return counts;
};

const runOnce = async (pair: Pair, one: Case): Promise<Sample> => {
  const { cluster } = pair;
  const [first, second] = [cluster.members[0]!, cluster.members[1]!];
  await one.apart(pair);
  const ranges = await differ(pair, one);
  if (ranges.length > 0) await sleep(forgottenMs);
  const isAway = one.apart === stopSecond;
  const before = await repairsOf(isAway ? [first] : [first, second]);
  if (!isAway) await cluster.ask('followKeys', ranges);
  const bytesBefore = bytesOf(pair);
  await one.together(pair);
  if (isAway) await cluster.ask('followKeys', ranges);
  await cluster.connected();
  const connectedMs = Math.max(...(await cluster.ask('peers', null)).map(({ sinceMs }) => sinceMs));
  const looks = await until('the differences are repaired', async () => {
    const found = await cluster.ask('look', null);
    return new Set(found.map(({ digest }) => digest)).size === 1 ? found : null;
  });
  await sleep(Math.max(0, connectedMs + windowMs - sharedMs()));
  const bytes = bytesOf(pair) - bytesBefore;
  await equal(pair);
  const changed = looks.filter(({ lastChangedMs }) => lastChangedMs > 0);
  if (ranges.length > 0 && changed.length === 0) throw new Error(`${one.what}: repaired before anybody looked`);
  const lastMs = Math.max(...changed.map(({ lastChangedMs }) => lastChangedMs), connectedMs);
  const firstMs = Math.min(...changed.map(({ firstChangedMs }: Look) => firstChangedMs), lastMs);
  const after = await repairsOf([first, second]);
  return {
    ...{ sameMs: lastMs - connectedMs, repairMs: lastMs - firstMs, bytes },
    ...{ repaired: after.repaired - before.repaired, exchanges: after.exchanges - before.exchanges },
  };
};

export const measureReplicaRepair = async (quick: boolean): Promise<{ rows: Row[]; samples: Record<string, Sample[]> }> => {
  const keys = quick ? 10_000 : 100_000;
  const pair = await startPair(keys);
  try {
    const samples: Record<string, Sample[]> = {};
    for (const one of cases) {
      samples[one.what] = [];
      for (let run = 0; run < (quick ? 1 : 3); run++) samples[one.what]!.push(await runOnce(pair, one));
    }
    const of = (what: string, name: keyof Sample): number => median(samples[what]!.map((sample) => sample[name]));
    const rows = cases.map(({ what, changes }): Row => {
      const column = `${keys} keys of ${valueBytes} bytes at 2 nodes, after`;
      const row: Row = { [column]: what, runs: samples[what]!.length, 'bytes on the wire': Math.round(of(what, 'bytes')) };
      if (changes[0] === 0) return row;
      return {
        ...{ ...row, 'beyond none': Math.round(of(what, 'bytes') - of(cases[0]!.what, 'bytes')), 'aim bytes': 100_000 },
        ...{ 'keys repaired': of(what, 'repaired'), 'by exchanges': of(what, 'exchanges') },
        ...{ 'connection to same ms': round(of(what, 'sameMs')), 'aim ms': 1_000 },
        'first to last key ms': round(of(what, 'repairMs')),
      };
    });
    return { rows, samples };
  } finally {
    await pair.cluster.stop();
    await Promise.all(pair.wires.map((wire) => wire.close()));
  }
};
