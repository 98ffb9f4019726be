// The addresses to begin with: dialled until somebody answers, with pauses that grow, and told to the log seldom.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createJoining } from '../../actors/joining.ts';
import { createHandClock, quietSink } from './hand-clock.ts';

const setUp = (...addresses: string[]) => {
  const clock = createHandClock();
  const sink = quietSink();
  const dials: { address: string; atMs: number }[] = [];
  const random = { uint32: () => 2 ** 32 - 1, bytes: () => new Uint8Array() };
  const dial = (address: string): void => void dials.push({ address, atMs: clock.nowMs() });
  const joining = createJoining(addresses, { clock, random, sink, dial });
  const answer = (address: string, peer: string | null): void =>
    joining.dialled({ type: 'dialled', addresses: [address], peer, reason: peer === null ? 'refused' : null });
  return { clock, sink, dials, joining, answer };
};

test('an address at which nobody answers is dialled again, after pauses that grow to a maximum', () => {
  const { clock, sink, dials, joining, answer } = setUp('/a');
  joining.begin();
  for (let failure = 1; failure <= 200; failure++) {
    answer('/a', null);
    answer('/a', null);
    clock.pass(2_001);
    assert.equal(dials.length, failure + 1, 'once for each answer');
  }
  const pauses = dials.slice(1).map(({ atMs }, at) => atMs - at * 2_001);
  assert.deepEqual(pauses.slice(0, 7).map(Math.round), [50, 100, 200, 400, 800, 1_600, 2_000]);
  assert.deepEqual(sink.lines, ['info DIAL_FAILED', 'info DIAL_FAILED'], 'the first and the 128th');
  joining.stop();
  answer('/a', null);
  clock.pass(10_000);
  assert.equal(dials.length, 201);
});

test('each is dialled until it has answered once, whoever it is; other dials are none of its business', () => {
  const { clock, dials, joining, answer } = setUp('/a', '/b', '/own');
  joining.begin();
  assert.deepEqual(
    dials.map(({ address }) => address),
    ['/a', '/b', '/own'],
  );
  answer('/a', 'p1');
  answer('/own', 'self');
  answer('/elsewhere', null);
  joining.dialled({ type: 'dialled', addresses: ['/b', '/a'], peer: null, reason: 'refused' });
  joining.dialled({ type: 'dialled', addresses: [], peer: null, reason: 'refused' });
  clock.pass(10_000);
  assert.equal(dials.length, 3);
  answer('/b', null);
  answer('/a', null);
  clock.pass(10_000);
  assert.deepEqual(
    dials.slice(3).map(({ address }) => address),
    ['/b'],
  );
});
