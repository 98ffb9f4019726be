// Two nodes that were told of each other's address, without the peer id, have one connection and leave it at that: whoever dialled in
// vain learns that he is connected already.
import assert from 'node:assert/strict';
import { Socket } from 'node:net';
import { test } from 'node:test';
import { Probe } from '../../ports/network-suite.ts';
import { realWorld } from './world.ts';

const quietMs = 1_500;

test('nodes that join each other by address alone do not go on dialling', async (t) => {
  const world = await realWorld('auto');
  const probes = await Promise.all(
    ['spare-a', 'spare-b', 'spare-c'].map(async (name) => new Probe(name, await world.create(name))),
  );
  try {
    for (const probe of probes) probe.start(1);
    await world.until(() => probes.every((probe) => probe.addresses.length > 0), 'all listen');
    const addresses = probes.flatMap((probe) => probe.addresses.map((address) => address.replace(/\/p2p\/.*$/, '')));
    for (const probe of probes) probe.port.connect(addresses);
    const isMesh = (): boolean =>
      probes.every((one) => probes.every((other) => one === other || one.isOpenTo(other.port.self)));
    await world.until(isMesh, 'everybody is open to everybody');
    // The dials that crossed end within the time that a spare connection is kept.
    await new Promise((resolve) => setTimeout(resolve, quietMs));
    const dials = t.mock.method(Socket.prototype, 'connect');
    await new Promise((resolve) => setTimeout(resolve, quietMs));
    assert.equal(dials.mock.callCount(), 0, 'nobody dials any more');
    assert.ok(isMesh());
  } finally {
    await Promise.all(probes.map((probe) => probe.stop()));
    await world.close();
  }
});
