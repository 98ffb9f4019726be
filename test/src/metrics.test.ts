// The list of counters and what the sources raise are the same, both ways; unexpected labels do not grow it without end.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { createMetrics, sinkCounters } from '../../src/metrics.ts';

const root = new URL('../..', import.meta.url).pathname;

test('every counter that is raised is listed, and every listed one is raised', () => {
  const raised = new Set<string>();
  for (const file of globSync('{actors,src,machines}/**/*.ts', { cwd: root }))
    for (const [, name] of readFileSync(`${root}${file}`, 'utf8').matchAll(/sink\.count\(\s*'([a-z_]+)'/g)) raised.add(name!);
  assert.deepEqual([...raised].toSorted(), Object.keys(sinkCounters).toSorted());
});

test('what is not on the list is counted under its name', async () => {
  const metrics = createMetrics({ name: 'n1', version: '0' });
  metrics.count('peers_dropped_total');
  metrics.count('raft_warnings_total', { group: 'kv', code: 'LOG_REGRESSED' }, 2);
  metrics.count('never_heard_of');
  const text = await metrics.registry.metrics();
  assert.match(text, /polity_peers_dropped_total 1\n/);
  assert.match(text, /polity_raft_warnings_total\{group="kv",code="LOG_REGRESSED"\} 2\n/);
  assert.match(text, /polity_unlisted_total\{name="never_heard_of"\} 1\n/);
});

test('labels from outside are bounded', async () => {
  const metrics = createMetrics({ name: 'n1', version: '0' });
  for (let n = 0; n < 1_500; n++) metrics.count('refused_total', { code: `CODE_${n}` });
  const text = await metrics.registry.metrics();
  assert.equal(text.match(/^polity_refused_total\{/gm)?.length, 1_000);
  assert.match(text, /polity_unlisted_total\{name="too many series"\} 500\n/);
});

test('a metric of the process does not wake it: no sampling of the event loop by a timer', async () => {
  // In a process of its own: what a test runner does counts too.
  const program = `
    import { createMetrics } from ${JSON.stringify(`${root}src/metrics.ts`)};
    const { registry } = createMetrics({ name: 'n1', version: '0' });
    await registry.metrics();
    const before = process.resourceUsage().voluntaryContextSwitches;
    setTimeout(async () => {
      const text = await registry.metrics();
      const woken = process.resourceUsage().voluntaryContextSwitches - before;
      console.log(JSON.stringify({ woken, lag: text.includes('eventloop_lag'), active: /event_loop_active_seconds_total [0-9.]+/.test(text) }));
    }, 1_000);`;
  const said = execFileSync(process.execPath, ['--input-type=module', '--eval', program], { encoding: 'utf8' });
  const { woken, lag, active } = JSON.parse(said) as { woken: number; lag: boolean; active: boolean };
  assert.ok(woken < 60, `woken ${woken} times in a second without work`);
  assert.deepEqual({ lag, active }, { lag: false, active: true });
});
