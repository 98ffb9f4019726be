// `npm run bench [-- part …] [--quick] [--kills N] [--json FILE]`: what Polity does on this machine, beside what the machine itself
// can do and, where it is installed, etcd. Parts: limits, durable-3, durable-5, failover, idle; all of them by default.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { measureDurable } from './durable.ts';
import { etcdVersion } from './etcd.ts';
import { measureFailover } from './failover.ts';
import { load, type Row, table } from './figures.ts';
import { measureIdle } from './idle.ts';
import { type Limits, measureLimits } from './limits.ts';

const parts = ['limits', 'durable-3', 'durable-5', 'failover', 'idle'] as const;
type Part = (typeof parts)[number];

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean', default: false }, kills: { type: 'string', default: '20' }, json: { type: 'string' } },
});
const wrong = positionals.find((name) => !parts.includes(name as Part));
const kills = Number(options.kills);
if (wrong !== undefined || !Number.isSafeInteger(kills) || kills < 1 || kills > 1_000) {
  console.error(
    wrong === undefined
      ? '--kills is a whole number from 1 to 1000'
      : `there is no part '${wrong}'; there is ${parts.join(', ')}`,
  );
  process.exit(2);
}
const wanted = positionals.length === 0 ? parts : parts.filter((part) => positionals.includes(part));
const quick = options.quick;

let limits: Limits | null = null;
const limitsOfNow = async (): Promise<Limits> => {
  limits ??= await measureLimits(quick);
  return limits;
};

const measure = async (part: Part): Promise<Row[]> => {
  switch (part) {
    case 'limits':
      return (await limitsOfNow()).rows;
    case 'durable-3':
      return measureDurable(3, await limitsOfNow(), quick);
    case 'durable-5':
      return measureDurable(5, await limitsOfNow(), quick);
    case 'failover':
      return [await measureFailover('busy', kills), await measureFailover('quiet', quick ? Math.min(kills, 4) : kills)];
    case 'idle':
      return [...(await measureIdle(3, quick)), ...(await measureIdle(5, quick))];
  }
};

const results: Record<string, Row[]> = {};
console.log(`Node ${process.version}, etcd ${etcdVersion() ?? 'not installed'}, load ${load()}\n`);
for (const part of wanted) {
  results[part] = await measure(part);
  console.log(`${part}\n${table(results[part])}\n`);
}
if (options.json !== undefined)
  writeFileSync(options.json, `${JSON.stringify({ node: process.version, etcd: etcdVersion(), results }, null, 2)}\n`);
