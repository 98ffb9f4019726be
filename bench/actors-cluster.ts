// Actors over several processes: asks of one that lives at another node, events of replicated ones on three, and how long nobody answers
// when the node under one is killed.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePorts } from '../test/e2e/cluster.ts';
import type { ActorsMemberCalls, ActorsMemberPlan, AskPlan, AskSample } from './actors-member.ts';
import { makeDirectory, removeDirectory } from './children.ts';
import { median, quantile, type Row, round, sleep } from './figures.ts';
import { AskedProcess } from './replica-process.ts';

const program = fileURLToPath(new URL('actors-member.ts', import.meta.url));
type Member = AskedProcess<ActorsMemberCalls>;

const membersOf = async (count: number, directory: string): Promise<Member[]> => {
  const ports = await freePorts(count);
  const names = ports.map((_, at) => `n${at + 1}`);
  return names.map(
    (name, at) =>
      new AskedProcess<ActorsMemberCalls>(name, program, {
        ...{ name, data: join(directory, name), listenPort: ports[at]!, bootstrap: names },
        joinPorts: ports.filter((_, other) => other !== at),
      } satisfies ActorsMemberPlan),
  );
};

const within = async <Value>(count: number, run: (members: Member[]) => Promise<Value>): Promise<Value> => {
  const directory = makeDirectory();
  const members = await membersOf(count, directory);
  try {
    await Promise.all(members.map((member) => member.start()));
    await Promise.all(members.map((member, at) => member.ask('warm', { node: members[(at + 1) % count]!.name })));
    return await run(members);
  } finally {
    await Promise.all(members.map((member) => member.stop()));
    removeDirectory(directory);
  }
};

const warmUps = [1_000, 1_000, 1_000];

const rowOf = (what: string, inFlight: number, samples: readonly AskSample[]): Row => {
  const of = (figure: (sample: AskSample) => number): number => Math.round(round(median(samples.map(figure)), 3));
  return {
    ...{ actors: what, 'in flight': inFlight, runs: samples.length, 'per second': of((one) => one.perSecond) },
    ...{ 'p50 µs': of((one) => one.p50Us), 'p99 µs': of((one) => one.p99Us), 'cpu µs each': of((one) => one.cpuUs) },
    failed: samples.reduce((sum, one) => sum + one.failed, 0),
  };
};

/** `cpuUs`: of all processes, by the ask: who leads and who follows work as well as who asks. */
const combined = (samples: readonly Omit<AskSample, 'cpuUs'>[], cpuUs: number): AskSample => ({
  perSecond: samples.reduce((sum, one) => sum + one.perSecond, 0),
  p50Us: median(samples.map((one) => one.p50Us)),
  p99Us: Math.max(...samples.map((one) => one.p99Us)),
  cpuUs,
  asks: samples.reduce((sum, one) => sum + one.asks, 0),
  failed: samples.reduce((sum, one) => sum + one.failed, 0),
});

/** `by` all: every member asks a third of it. */
const loads = [
  ...[1, 64, 1_024].map((inFlight) => ({
    what: 'remote, in memory',
    kind: 'memory' as const,
    actors: 64,
    inFlight,
    by: 'one',
  })),
  { what: 'one replicated, asked from one node', kind: 'replicated' as const, actors: 1, inFlight: 1, by: 'one' },
  { what: '64 replicated, asked from three nodes', kind: 'replicated' as const, actors: 64, inFlight: 768, by: 'all' },
];

export const measureActorsCluster = async (quick: boolean): Promise<{ rows: Row[]; samples: unknown }> =>
  within(3, async (members) => {
    const rows: Row[] = [];
    const kept: unknown[] = [];
    for (const { what, kind, actors, inFlight, by } of loads) {
      const asking = by === 'all' ? members : members.slice(0, 1);
      const planOf = (forMs: number): AskPlan => ({
        ...{ kind, actors, forMs, inFlight: Math.ceil(inFlight / asking.length) },
        node: kind === 'memory' ? members[1]!.name : null,
      });
      const cpuUsOfAll = async (): Promise<number> => {
        const each = await Promise.all(members.map((member) => member.ask('cpuUs', null)));
        return each.reduce((sum, one) => sum + one, 0);
      };
      const run = async (forMs: number): Promise<AskSample> => {
        const beforeUs = await cpuUsOfAll();
        const shares = await Promise.all(asking.map((member) => member.ask('load', planOf(forMs))));
        const asks = shares.reduce((sum, one) => sum + one.asks, 0);
        return combined(shares, ((await cpuUsOfAll()) - beforeUs) / Math.max(1, asks));
      };
      for (const forMs of warmUps) await run(forMs);
      const samples: AskSample[] = [];
      for (let at = 0; at < (quick ? 2 : 5); at++) samples.push(await run(quick ? 2_000 : 4_000));
      kept.push({ what, inFlight, samples });
      rows.push(rowOf(what, inFlight, samples));
    }
    return { rows, samples: kept };
  });

/** From kill -9 of the node under an actor to the first ask that somebody answers. Each kill in a cluster of its own. */
export const measureActorsFailover = async (kills: number): Promise<{ rows: Row[]; samples: unknown }> => {
  const tookMs: number[] = [];
  let lost = 0;
  for (let kill = 0; kill < kills; kill++)
    await within(3, async (members) => {
      const key = `failover-${kill}`;
      const before = await members[0]!.ask('firstAnswer', { key });
      await sleep(1_000);
      const leader = await members[0]!.ask('leader', { key });
      const victim = members.find(({ name }) => name === leader);
      const asking = members.find(({ name }) => name !== leader);
      if (victim === undefined || asking === undefined) throw new Error(`nobody leads the group of ${key}`);
      const fromMs = performance.timeOrigin + performance.now();
      victim.kill();
      const { atMs, count } = await asking.ask('firstAnswer', { key });
      tookMs.push(atMs - fromMs);
      if (count <= before.count) lost++;
    });
  const row: Row = {
    ...{ actors: 'failover to the first answered ask', kills, 'median ms': Math.round(median(tookMs)) },
    ...{ 'p90 ms': Math.round(quantile(tookMs, 0.9)), 'worst ms': Math.round(Math.max(...tookMs)), lost },
  };
  return { rows: [row], samples: tookMs };
};
