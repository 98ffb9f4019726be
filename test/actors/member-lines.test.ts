// The log of members: each change has its line until there are too many of them; the counter misses none.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMemberLines, lineEveryMs, linesMax } from '../../actors/member-lines.ts';
import type { Change } from '../../machines/membership/index.ts';
import { createHandClock } from './hand-clock.ts';

const setUp = () => {
  const clock = createHandClock();
  const lines: string[] = [];
  const counts: Record<string, number> = {};
  const tell = createMemberLines({
    after: clock.after,
    sink: {
      log: (_level, code, message) => void lines.push(`${code} ${message}`),
      count: (_name, { status } = {}) => void (counts[status!] = (counts[status!] ?? 0) + 1),
    },
  });
  const change = (peer: string, before: Change['before'], after: Change['after']): void =>
    tell({ peer, before, after, why: 'heard' });
  return { clock, lines, counts, change };
};

test('a change is told at once, a new profile is none', () => {
  const { clock, lines, change } = setUp();
  change('p1', null, 'alive');
  change('p1', 'alive', 'alive');
  clock.pass(5 * lineEveryMs);
  change('p1', 'alive', 'left');
  assert.deepEqual(lines, ['MEMBER_CHANGED p1 is alive, was unknown (heard)', 'MEMBER_CHANGED p1 is left, was alive (heard)']);
});

test('a member that goes to and fro has a line a second, with a count; the counter has every change', () => {
  const { clock, lines, counts, change } = setUp();
  for (let at = 0; at < 100; at++) {
    change('p1', 'alive', 'suspect');
    change('p1', 'suspect', 'alive');
    clock.pass(50);
  }
  clock.pass(10 * lineEveryMs);
  assert.ok(lines.length >= 5 && lines.length <= 7, `${lines.length} lines in 5 s`);
  assert.equal(lines[1], 'MEMBER_CHANGED p1 is alive, was suspect (heard; 39 changes)');
  const told = lines.map((line) => Number(/(\d+) changes/.exec(line)?.[1] ?? 1));
  assert.equal(
    told.reduce((sum, one) => sum + one, 0),
    200,
  );
  assert.deepEqual(counts, { suspect: 100, alive: 100 });
});

test('of hundreds at once it is told how many became what', () => {
  const { clock, lines, counts, change } = setUp();
  for (let at = 0; at < 500; at++) change(`p${at}`, 'alive', at % 2 === 0 ? 'failed' : 'suspect');
  assert.equal(lines.length, linesMax);
  clock.pass(lineEveryMs);
  assert.equal(lines.length, 2 * linesMax + 1);
  assert.equal(lines.at(-1), `MEMBERS_CHANGED ${500 - 2 * linesMax} more members changed: 200 failed, 200 suspect`);
  assert.deepEqual(counts, { failed: 250, suspect: 250 });
  clock.pass(10 * lineEveryMs);
  assert.equal(lines.length, 2 * linesMax + 1, 'and nothing is kept');
});
