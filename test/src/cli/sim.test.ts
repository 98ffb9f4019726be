// `polity sim` as people and scripts use it: seeds in order whatever runs them, failures that repeat, files, refusals.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import type { Work } from '../../../sim/index.ts';
import { commandOf, planOf, type SeedOptions } from '../../../src/cli/sim/options.ts';
import { Pool } from '../../../src/cli/sim/pool.ts';
import type { Outcome } from '../../../src/cli/sim/run.ts';
import { numbersText, type SimOptions } from '../../../src/cli/sim/words.ts';
import { launch, polity, written } from './polity.ts';

const directory = mkdtempSync(join(tmpdir(), 'polity-sim-'));
after(() => rmSync(directory, { recursive: true, force: true }));

const short = ['--time', '300ms', '--nodes', '3'];
/** A world in which a restart shows that something is wrong: soon, and in few events. */
const planted = ['--plant', 'forgotten-vote', '--faults', 'kill', '--nodes', '3', '--clients', '2', '--time', '8s'];

const objects = (text: string): Record<string, unknown>[] =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

test('many seeds come in their order, each the same as alone', async () => {
  const many = await polity(['sim', '--seeds', '5..10', '--workers', '2', '--json', ...short]);
  assert.deepEqual([many.code, many.stderr], [0, '']);
  const results = objects(many.stdout);
  assert.deepEqual(
    results.map(({ seed }) => seed),
    [5, 6, 7, 8, 9, 10],
  );
  const alone = await polity(['sim', '--seed', '9', '--json', ...short]);
  assert.deepEqual(objects(alone.stdout), [results[4]]);
});

test('a failure says what was drawn, shows the last messages, and repeats by its command', async () => {
  const failed = await polity(['sim', '--seeds', '1..4', ...planted]);
  assert.equal(failed.code, 129, failed.stdout + failed.stderr);
  assert.match(failed.stdout, /drawn: \{"nodes":3/);
  assert.match(failed.stdout, /^4 seeds, [1-4] failed/m);
  assert.match(failed.stdout, /^terms /m);
  const [, line] = /^(seed \d+: correctness.*trace [0-9a-f]+)$/m.exec(failed.stdout)!;
  const [, command] = /repeat it with: polity (.*)$/m.exec(failed.stdout)!;
  const again = await polity(command!.split(' '));
  assert.equal(again.code, 129);
  assert.ok(again.stdout.startsWith(`${line}\n`), again.stdout);
});

test('--shrink, and files about the run that is left', async () => {
  const path = (name: string): string => join(directory, name);
  const files = [
    '--report',
    path('run.html'),
    '--trace',
    path('trace.jsonl'),
    '--tla',
    path('tla.ndjson'),
    '--history',
    path('h.jsonl'),
  ];
  // It ends when nothing makes it smaller, long before that; a busy machine may take its time.
  const failed = await polity(['sim', '--seeds', '1..2', '--shrink', '3m', ...planted, ...files]);
  assert.equal(failed.code, 129, failed.stdout + failed.stderr);
  assert.match(failed.stdout, /made smaller: .*\n +→ [12] nodes?, 1 fault, /);
  const command = /→[\s\S]*repeat it with: polity (.*)$/m.exec(failed.stdout)![1]!;
  assert.match(command, /--nodes [12] .*--clients 1 .*--plant forgotten-vote/);
  assert.equal((await polity(command.split(' '))).code, 129);
  const html = readFileSync(path('run.html'), 'utf8');
  assert.ok(html.startsWith('<!doctype html>') && html.includes(command));
  const trace = objects(readFileSync(path('trace.jsonl'), 'utf8'));
  assert.ok(trace.every(({ type, atMs }) => typeof type === 'string' && typeof atMs === 'number'));
  const tla = objects(readFileSync(path('tla.ndjson'), 'utf8'));
  assert.ok(tla.length > 5 && tla.every(({ tag }) => tag === 'trace'));
  assert.ok(existsSync(path('h.jsonl')));
});

test('a mesh: seeds in order, each the same as alone and twice the same', async () => {
  const mesh = ['--scenario', 'mesh', '--nodes', '5', '--time', '10s'];
  const [many, alone, text] = await Promise.all([
    polity(['sim', '--seeds', '1..4', '--workers', '2', '--json', ...mesh]),
    polity(['sim', '--seed', '3', '--twice', '--json', ...mesh]),
    polity(['sim', '--seed', '3', ...mesh]),
  ]);
  assert.deepEqual([many.code, many.stderr], [0, '']);
  const results = objects(many.stdout);
  assert.deepEqual(
    results.map(({ seed, scenario }) => [seed, scenario]),
    [1, 2, 3, 4].map((seed) => [seed, 'mesh']),
  );
  assert.deepEqual(objects(alone.stdout), [results[2]]);
  assert.match(text.stdout, /^seed 3: held; mesh of 5, \d+ s, \d+ events, \d+ faults; trace [0-9a-f]{16}\n {2}faults /);
  assert.match(text.stdout, /crashes +\d+; noticed after .*\n {2}wronged +nobody; .*\n {2}agreed .*\n {2}cost /);
});

test('a mesh in which somebody is wronged says who, repeats, and is written down', async () => {
  const trace = join(directory, 'mesh.jsonl');
  const mesh = ['--scenario', 'mesh', '--plant', 'hasty', '--nodes', '8', '--time', '60s'];
  const failed = await polity(['sim', '--seeds', '3..4', ...mesh, '--trace', trace]);
  assert.equal(failed.code, 129, failed.stdout + failed.stderr);
  assert.match(failed.stdout, /n\d holds n\d for failed, who is not/);
  const [, line] = /^(seed \d+: correctness; mesh of 8.*trace [0-9a-f]+)$/m.exec(failed.stdout)!;
  const [, command] = /repeat it with: polity (.*)$/m.exec(failed.stdout)!;
  assert.match(command!, /^sim --scenario mesh --seed \d --nodes 8 --time 60s --plant hasty$/);
  const again = await polity(command!.split(' '));
  assert.equal(again.code, 129);
  assert.ok(again.stdout.startsWith(`${line}\n`), again.stdout);
  const events = objects(readFileSync(trace, 'utf8'));
  assert.ok(events.some(({ type, after }) => type === 'changed' && after === 'failed'));
  assert.ok(events.some(({ type, fault }) => type === 'fault' && typeof fault === 'string'));
  const without = await polity([...command!.split(' '), '--without', '0..9999', '--json']);
  assert.deepEqual(objects(without.stdout)[0]!.faults, []);
});

test('a soak ends in time and keeps what failed', async () => {
  const path = join(directory, 'failures.jsonl');
  const soak = (time: string) =>
    polity(['sim', '--soak', time, '--seed', '1', '--failures', path, '--workers', '2', ...planted]);
  let soaked = await soak('2s');
  // So soon that a busy machine has not begun its first seed yet.
  for (const time of ['10s', '60s']) if (soaked.code === 0) soaked = await soak(time);
  assert.equal(soaked.code, 129, soaked.stdout + soaked.stderr);
  const failures = objects(readFileSync(path, 'utf8'));
  assert.ok(failures.length > 0);
  for (const { seed, options, verdict, reason, kind, command, version } of failures) {
    assert.equal(verdict, 'correctness');
    assert.deepEqual((options as SeedOptions).planted, 'forgotten-vote');
    assert.ok(typeof reason === 'string' && typeof kind === 'string' && typeof version === 'string');
    assert.equal(
      command,
      `polity ${['sim', '--faults', 'kill', '--seed', String(seed), ...planted.slice(4, 6)].join(' ')} --time 8s --clients 2 --plant forgotten-vote`,
    );
  }
});

test('Ctrl-C says what is known', { skip: process.platform === 'win32' }, async () => {
  const running = launch(['sim', '--seeds', '1..100000', '--workers', '1', ...short]);
  await written(running, /seed 2: held/);
  running.child.kill('SIGINT');
  const { code, stdout } = await running.ended;
  assert.equal(code, 0);
  assert.match(stdout, /^\d+ of 100000 seeds, 0 failed; [\d.]+ s; interrupted$/m);
});

test('what makes no sense is refused before anything runs', async () => {
  const refusals: [SimOptions, RegExp][] = [
    [{ seed: '1', seeds: '1..2' }, /--seed or --seeds, not both/],
    [{ seeds: '5' }, /A\.\.B, not '5'/],
    [{ seeds: '1..2..3' }, /A\.\.B/],
    [{ seeds: '9..3' }, /A ≤ B/],
    [{ seed: '4294967296' }, /at most 4294967295/],
    [{ seed: '-1' }, /whole number/],
    [{ scenario: 'nonsense' }, /no scenario 'nonsense'/],
    [{ faults: 'kill,nonsense' }, /no fault 'nonsense'/],
    [{ works: 'register,sleep' }, /no work 'sleep'/],
    [{ nodes: '0' }, /--nodes must be 1 to 9, not 0/],
    [{ nodes: '10' }, /--nodes must be 1 to 9/],
    [{ clients: '1001' }, /--clients must be 0 to 1000/],
    [{ workers: '0' }, /--workers must be 1 to 64/],
    [{ without: '1,x' }, /--without must be numbers/],
    [{ without: '' }, /--without must be numbers/],
    [{ without: '0..999999' }, /--without is at most/],
    [{ time: '3 parsecs' }, /--time must be a time/],
    [{ shrink: 'long' }, /--shrink must be a time/],
    [{ soak: 'x' }, /--soak must be a time/],
    [{ soak: '1s', seeds: '1..2' }, /--soak runs seeds until/],
    [{ failures: 'file' }, /--failures goes with --soak/],
    [{ scenario: 'mesh', nodes: '1' }, /--nodes must be 2 to 1000, not 1/],
    [{ scenario: 'mesh', nodes: '1001' }, /--nodes must be 2 to 1000/],
    [{ scenario: 'mesh', report: 'x.html' }, /--report: a mesh is not drawn; --trace/],
    [{ scenario: 'mesh', shrink: true }, /--shrink: a mesh is not made smaller/],
    [{ scenario: 'mesh', clients: '3' }, /--clients: a mesh has no clients/],
    [{ scenario: 'mesh', plant: 'lying-disk' }, /--plant must be hasty for a mesh/],
    [{ plant: 'hasty' }, /--plant must be lying-disk or forgotten-vote or chance-in-actors, not 'hasty'/],
    [{ plant: 'roses' }, /--plant must be lying-disk or forgotten-vote/],
    [{ plant: 'chance-in-actors' }, /--plant chance-in-actors goes with --scenario actors/],
    [{ plant: 'chance-in-actors', scenario: 'calls' }, /--plant chance-in-actors goes with --scenario actors/],
  ];
  for (const [options, message] of refusals) assert.throws(() => planOf(options), { name: 'UsageError', message });
  assert.equal((planOf({ plant: 'chance-in-actors', scenario: 'actors' }).options as SeedOptions).planted, 'chance-in-actors');
  const unwritable = await polity(['sim', '--seeds', '1..100000', '--report', join(directory, 'no', 'such', 'folder.html')]);
  assert.equal(unwritable.code, 1);
  assert.match(unwritable.stderr, /folder\.html cannot be written/);
});

test('the command of a run is read as the run that it stands for', () => {
  const words = (command: string): SimOptions => {
    const options: Record<string, string> = {};
    for (const [, name, value] of command.matchAll(/--(\w+) (\S+)/g)) options[name!] = value!;
    return options;
  };
  const numbers = fc.uniqueArray(fc.nat(60), { minLength: 1 }).map((list) => list.sort((a, b) => a - b));
  const optional = <Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> => fc.option(value, { nil: undefined });
  const options = fc
    .record({
      scenario: optional(fc.constantFrom('calm', 'partitions')),
      faults: optional(fc.constantFrom([], ['kill'], ['kill', 'partition'])),
      works: optional(fc.constantFrom<[Work, ...Work[]]>(['register'], ['lock', 'watch'])),
      nodes: optional(fc.integer({ min: 1, max: 9 })),
      clients: optional(fc.nat(1_000)),
      operations: optional(fc.nat(10_000)),
      without: optional(numbers),
      timeMs: optional(fc.integer({ min: 1, max: 10_000_000 })),
      planted: optional(fc.constantFrom('lying-disk', 'forgotten-vote')),
    })
    .map((record) => Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as SeedOptions);
  fc.assert(
    fc.property(options, fc.nat(4_294_967_295), (wanted, seed) => {
      const plan = planOf(words(commandOf(seed, wanted)));
      assert.deepEqual([plan.from, plan.to, plan.options], [seed, seed, wanted]);
    }),
  );
  assert.equal(numbersText([0, 1, 2, 5, 6, 9]), '0..2,5,6,9');
});

test('a thread that dies over a seed is a failure of that seed, and the others go on', async () => {
  const entry = join(directory, 'worker.mjs');
  const source = `import { parentPort } from 'node:worker_threads';
    parentPort.on('message', ({ seed }) => {
      if (seed === 3) process.exit(1);
      if (seed === 5) throw new Error('out of luck');
      const wait = seed % 2 === 0 ? 30 : 0;
      setTimeout(() => parentPort.postMessage({ seed, verdict: 'held', reason: '', facts: null }), wait);
    });`;
  writeFileSync(entry, source);
  const seen: Outcome[] = [];
  let seed = 1;
  const pool = new Pool({
    ...{ options: {}, isTwice: false, workers: 3, entry: new URL(`file://${entry}`) },
    next: () => (seed <= 12 ? seed++ : null),
    onResult: (outcome) => seen.push(outcome),
  });
  await pool.run();
  assert.deepEqual(
    seen.map((outcome) => outcome.seed),
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
  );
  assert.deepEqual(
    seen.filter(({ verdict }) => verdict !== 'held').map((outcome) => outcome.seed),
    [3, 5],
  );
  assert.match(seen[4]!.reason, /out of luck/);
});
