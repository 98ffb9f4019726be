// What is not taken is counted each time and told now and then: a node with the wrong secret knocks every second for ever.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NetworkEvent } from '../../actors/ports/index.ts';
import { createStrangers, refusalLogEveryMs } from '../../actors/refusals.ts';
import { createHandClock } from './hand-clock.ts';

type Refused = Extract<NetworkEvent, { type: 'refused' }>;

const setUp = () => {
  const clock = createHandClock();
  const lines: Record<string, unknown>[] = [];
  let counted = 0;
  const tell = createStrangers({
    clock,
    sink: { log: (_level, code, _message, facts) => void lines.push({ code, ...facts }), count: () => void counted++ },
  });
  const refused = (given: Partial<Refused>): void =>
    tell({ type: 'refused', code: 'WRONG_SECRET', message: 'no', peer: 'p', address: '/ip4/10.0.0.9/tcp/1', ...given });
  return { clock, lines, refused, counted: () => counted };
};

test('who knocks all day with the wrong secret, each time as another peer from another port, has a line in a while', () => {
  const { clock, lines, refused, counted } = setUp();
  for (let at = 0; at < 100; at++) {
    refused({ peer: `p${at}`, address: `/ip4/10.0.0.9/tcp/${1_000 + at}` });
    clock.pass(refusalLogEveryMs / 50);
  }
  assert.equal(counted(), 100);
  assert.deepEqual(
    lines.map(({ untold }) => untold),
    [undefined, 49],
  );
  assert.equal(lines[1]?.peer, 'p50');
});

test('another reason, another host, and a peer without an address have lines of their own', () => {
  const { lines, refused } = setUp();
  for (let at = 0; at < 3; at++) {
    refused({});
    refused({ code: 'OTHER_CLUSTER' });
    refused({ address: '/ip6/::1/tcp/1' });
    refused({ address: null });
    refused({ peer: 'q', address: null });
  }
  assert.equal(lines.length, 5);
});
