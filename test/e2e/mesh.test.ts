// The mesh heals without a person: after every node was started anew under new addresses, with no memory of the others and one address
// to begin with that still works; and after some of them stood still until they were given up.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { metaKeys } from '../../actors/keyspace.ts';
import { databaseIn } from '../../src/storage/directory.ts';
import { openLevelStorage } from '../../src/storage/level.ts';
import { Cluster, until } from './cluster.ts';
import { NodeProcess } from './node-process.ts';

const nodesCount = 5;
const anyPort = '/ip4/127.0.0.1/tcp/0';

/** The same nodes, of which only the first listens where the others look for it; one more address at which nobody is. */
const withOneAddress = async (): Promise<Cluster> => {
  const planned = await Cluster.plan({ nodes: nodesCount, spare: 1 });
  const [first, gone] = [planned.nodes[0]!, planned.nodes.at(-1)!];
  const nodes = planned.nodes.slice(0, nodesCount).map(({ plan }) => {
    const isFirst = plan.name === first.name;
    const words = plan.words.filter((word, at) => word !== '--join' && plan.words[at - 1] !== '--join');
    if (!isFirst) words[words.indexOf('--listen') + 1] = anyPort;
    for (const address of isFirst ? [gone.address] : [gone.address, first.address]) words.push('--join', address);
    return new NodeProcess({ ...plan, words });
  });
  return new Cluster(nodes, planned.directory);
};

/** Takes from a stopped node what it knows of where others live. */
const forgetOthers = async ({ plan }: NodeProcess): Promise<void> => {
  const storage = await openLevelStorage(databaseIn(plan.data));
  const erased = [metaKeys.peers, metaKeys.places].map((key) => ({ key, value: null }));
  await new Promise<void>((resolve, reject) =>
    storage.write(erased, { durable: true }, (why) => (why === null ? resolve() : reject(new Error(why.message)))),
  );
  await new Promise<void>((resolve) => storage.stop(resolve));
};

/** Everybody is alive to everybody who runs. */
const agreed = (cluster: Cluster): Promise<unknown> =>
  until('everybody is alive to everybody', async () => {
    const told = await Promise.all(cluster.nodes.map((node) => node.ask('GET', '/v1/members')));
    return told.every(({ fields }) => {
      const members = fields.members as { status: string }[] | undefined;
      return members?.length === nodesCount && members.every(({ status }) => status === 'alive');
    });
  });

const givenUp = (by: NodeProcess, names: readonly string[]): Promise<unknown> =>
  until(`${names} are given up by ${by.name}`, async () => {
    const { fields } = await by.ask('GET', '/v1/members');
    const members = fields.members as { name: string; status: string }[] | undefined;
    return names.every((name) => members?.some((member) => member.name === name && member.status === 'failed'));
  });

test('all find each other again: under new addresses by one that still works, and after some stood still', {
  timeout: 300_000,
}, async (t) => {
  const cluster = await withOneAddress();
  const began = performance.now();
  const since = (from: number): string => `${Math.round(performance.now() - from)} ms`;
  try {
    await Promise.all(cluster.nodes.map((node) => node.start()));
    await cluster.settled();
    await cluster.connected();
    const before = await Promise.all(cluster.nodes.map((node) => node.status()));
    assert.equal((await cluster.nodes[1]!.ask('PUT', '/v1/kv/before', 'b')).status, 200);
    t.diagnostic(`formed and connected after ${since(began)}`);

    await Promise.all(cluster.nodes.map((node) => node.kill9()));
    await Promise.all(cluster.nodes.map(forgetOthers));
    const restarted = performance.now();
    await Promise.all(cluster.nodes.map((node) => node.start()));
    const ready = performance.now();
    await cluster.connected();
    await agreed(cluster);
    await cluster.settled();
    t.diagnostic(`under new addresses: ${since(restarted)}, ${since(ready)} of it after the last was up`);
    const after = await Promise.all(cluster.nodes.map((node) => node.status()));
    for (const [at, status] of after.entries())
      assert.equal(status!.listen[0] === before[at]!.listen[0], at === 0, `${status!.name} listens at ${status!.listen[0]}`);
    assert.equal((await cluster.nodes[2]!.ask('GET', '/v1/kv/before')).fields.value, 'b');

    const leader = await cluster.settled();
    const still = cluster.others(leader).slice(0, 2);
    const names = still.map(({ name }) => name);
    for (const node of still) node.pause();
    await givenUp(leader, names);
    for (const node of still) node.resume();
    const resumed = performance.now();
    await agreed(cluster);
    await cluster.connected();
    await cluster.settled();
    t.diagnostic(`${names} are back after ${since(resumed)}; ${since(began)} in all`);
    for (const node of cluster.nodes) assert.equal((await node.ask('PUT', `/v1/kv/${node.name}`, 'x')).status, 200);
  } catch (error) {
    console.error(cluster.tails());
    throw error;
  } finally {
    await cluster.close();
  }
});
