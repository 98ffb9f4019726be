// Dials that are tried once: each is answered once, and what is being tried is not tried a second time beside it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDials } from '../../actors/dials.ts';
import { dialLimits, type NetworkEvent } from '../../actors/ports/network.ts';

const setUp = () => {
  const tried: { addresses: string; done: (peer: string | null, reason: string | null) => void }[] = [];
  const told: Extract<NetworkEvent, { type: 'dialled' }>[] = [];
  const later: (() => void)[] = [];
  const dials = createDials({
    ...{ self: 'me', isOpen: () => false },
    dial: (addresses, _wanted, done) => void tried.push({ addresses: addresses.join(' '), done }),
    later: (run) => void later.push(run),
    tell: (event) => void told.push(event),
  });
  const turn = (): void => {
    for (const run of later.splice(0)) run();
  };
  return { tried, told, dials, turn };
};

test('who asks for the addresses that are being tried gets the answer of that attempt', () => {
  const { tried, told, dials, turn } = setUp();
  dials.dial(['/a', '/b']);
  dials.dial(['/b', '/a']);
  dials.dial(['/a']);
  assert.deepEqual(
    tried.map(({ addresses }) => addresses),
    ['/a /b', '/a'],
  );
  tried[0]!.done(null, 'no');
  tried[0]!.done('p', null);
  turn();
  assert.deepEqual(told, [
    { type: 'dialled', addresses: ['/a', '/b'], peer: null, reason: 'no' },
    { type: 'dialled', addresses: ['/b', '/a'], peer: null, reason: 'no' },
  ]);
  dials.dial(['/b', '/a']);
  assert.equal(tried.length, 3, 'what is over is tried anew');
});

test('also what waits is asked for once; more than so many who want it are no reason to keep a list without end', () => {
  const { tried, told, dials, turn } = setUp();
  for (let at = 0; at < dialLimits.atOnceMax; at++) dials.dial([`/busy${at}`]);
  for (let at = 0; at < 100; at++) dials.dial(['/a']);
  assert.equal(tried.length, dialLimits.atOnceMax);
  for (let at = 0; at < tried.length; at++) tried[at]!.done(`p${at}`, null);
  turn();
  assert.equal(told.length, dialLimits.atOnceMax + 100);
  assert.ok(tried.length - dialLimits.atOnceMax < 10, `${tried.length} attempts`);
});
