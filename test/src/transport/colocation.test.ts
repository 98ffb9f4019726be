// Many members on one machine have one address. Gossipsub's score holds that against each of them (P6: from the eleventh on, the square of
// how many too many, five points each), so that with sixteen nobody would be heard any more. Members are admitted, so it is off
// (src/transport/host.ts).
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { createPeerScoreParams, createPeerScoreThresholds } from '@libp2p/gossipsub/score';
import { createTransport, generateIdentity } from '../../../src/transport/index.ts';
import { Probe } from '../../ports/network-suite.ts';
import { countingSink, loopback, secret, until } from './world.ts';

const leavesCount = 16;
const probes: Probe[] = [];
after(async () => {
  await Promise.all(probes.map((probe) => probe.stop()));
});

const start = async (name: string, listen: string[]): Promise<Probe> => {
  const identity = await generateIdentity();
  const probe = new Probe(name, await createTransport({ identity, listen, cluster: 'suite', secret, sink: countingSink() }));
  probes.push(probe);
  probe.start(1);
  probe.port.subscribe('news');
  return probe;
};

const heard = (probe: Probe): string[] => probe.of('published').map(({ bytes }) => Buffer.from(bytes).toString());

test('sixteen members behind one address are all heard, by whoever is connected to all of them', async () => {
  // What this is about: were it on as it comes, the hub would neither listen to them nor write to them.
  const { IPColocationFactorWeight, IPColocationFactorThreshold } = createPeerScoreParams({});
  const { graylistThreshold, publishThreshold } = createPeerScoreThresholds({});
  const scored = (leavesCount - IPColocationFactorThreshold) ** 2 * IPColocationFactorWeight;
  assert.ok(scored < graylistThreshold && scored < publishThreshold, `${scored} by default`);

  const hub = await start('hub', [loopback]);
  await until(() => hub.addresses.length > 0, 'it listens');
  const leaves = await Promise.all(Array.from({ length: leavesCount }, (_, at) => start(`leaf${at}`, [])));
  for (const leaf of leaves) leaf.port.connect(hub.addresses);
  await until(() => leaves.every((leaf) => hub.isOpenTo(leaf.port.self)), 'all of them are connected');
  const all = [hub, ...leaves];
  const isHeard = (): boolean => all.every((probe) => new Set(heard(probe)).size === leavesCount);
  // What is published before a subscription came is lost to that one, so it is said again.
  let saidMs = Number.NEGATIVE_INFINITY;
  const sayAgain = (): void => {
    if (performance.now() - saidMs < 500) return;
    saidMs = performance.now();
    for (const [at, probe] of all.entries()) probe.port.publish('news', new Uint8Array(Buffer.from(`from ${at}`)));
  };
  await until(
    () => {
      sayAgain();
      return isHeard();
    },
    'everybody hears all the others',
    30_000,
  );
});
