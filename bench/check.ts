// What the judge of linearizability manages: 10 000 operations of 50 clients, on one key and on ten, all outcomes known or one in
// twenty not, values that come once, seldom or often. Prints one JSON object. `node bench/check.ts`
import { performance } from 'node:perf_hooks';
import { judgeHistory, registerModel } from '../sim/checkers/index.ts';
import { recordClients } from '../test/sim/checkers/clients.ts';

const operations = 10_000;
const seeds = [1, 2, 3, 4, 5];
const timeLimitMs = 60_000;

const measure = (keys: number, values: number, unknownRatio: number, lie: boolean) => {
  const verdicts: Record<string, number> = {};
  const tookMs = seeds.map((seed) => {
    const events = recordClients({
      ...{ seed, operations, clients: 50, keys, values, writes: 25, cas: 25, unknownRatio },
      ...(lie ? { lie: { read: operations / 4, writesAgo: 100 } } : {}),
    });
    const startMs = performance.now();
    const expired = (): boolean => performance.now() - startMs > timeLimitMs;
    const { type } = judgeHistory(registerModel, events, { order: 'place', expired });
    verdicts[type] = (verdicts[type] ?? 0) + 1;
    return performance.now() - startMs;
  });
  tookMs.sort((a, b) => a - b);
  const medianMs = tookMs[tookMs.length >> 1]!;
  return {
    ...{ keys, values: values === 0 ? 'unique' : values, unknownRatio, lie, verdicts },
    ...{ medianMs: Math.round(medianMs), worstMs: Math.round(tookMs.at(-1)!) },
    operationsPerSecond: Math.round((1_000 * operations) / medianMs),
  };
};

const rows = [];
for (const lie of [false, true])
  for (const keys of [1, 10])
    for (const values of [0, 5, 50]) for (const unknownRatio of [0, 0.05]) rows.push(measure(keys, values, unknownRatio, lie));
const residentMB = Math.round(process.memoryUsage().rss / 1e6);
console.log(JSON.stringify({ node: process.version, operations, clients: 50, residentMB, rows }, null, 2));
