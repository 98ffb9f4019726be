// Who is heard, who is not, and when again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Conduct, conductLimits } from '../../../src/transport/conduct.ts';

test('three offences are too many, and are forgiven after some minutes', () => {
  let nowMs = 0;
  const conduct = new Conduct(() => nowMs);
  assert.deepEqual([conduct.offended('p'), conduct.offended('p'), conduct.offended('p')], [false, false, true]);
  assert.equal(conduct.isHeard('p'), false);
  assert.equal(conduct.offended('p'), false, 'told once');
  assert.ok(conduct.isHeard('q'));
  assert.equal(conduct.scoreOf('q'), 0);
  nowMs += 2 * conductLimits.forgiveMs;
  assert.ok(conduct.isHeard('p'));
});

test('a flood is forgiven too, an hour later', () => {
  let nowMs = 0;
  const conduct = new Conduct(() => nowMs);
  for (let at = 0; at < 100_000; at++) conduct.offended('p');
  nowMs += 1_200_000;
  assert.equal(conduct.isHeard('p'), false);
  nowMs += 2_400_000;
  assert.ok(conduct.isHeard('p'));
});

test('only the latest offenders are remembered', () => {
  const conduct = new Conduct(() => 0);
  for (let times = 0; times < 3; times++) for (let at = 0; at < conductLimits.peersMax; at++) conduct.offended(`p${at}`);
  assert.equal(conduct.isHeard('p0'), false);
  conduct.offended('one more');
  assert.ok(conduct.isHeard('p0'));
  assert.equal(conduct.isHeard('p1'), false);
});
