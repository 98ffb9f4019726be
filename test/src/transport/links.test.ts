// Whole trees over real libp2p in one process, with so few links allowed that not everybody is connected to everybody: what the
// simulator shows (test/sim/links.test.ts) is so over TCP. Connections open on demand, end by agreement, and nobody is taken for dead.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeApi } from '../../../actors/api.ts';
import { createNodeTree } from '../../../actors/node.ts';
import { noLookup } from '../../../actors/ports/index.ts';
import { settingsDefaults } from '../../../actors/settings.ts';
import { linksDefaults } from '../../../machines/links/index.ts';
import { realClock } from '../../../src/clock.ts';
import { realRandom } from '../../../src/random.ts';
import { createTransport, generateIdentity } from '../../../src/transport/index.ts';
import { createMemoryStorage } from '../../ports/memory-storage.ts';
import { countingSink, loopback, secret, until } from './world.ts';

const count = 9;
const founders = 3;
const patienceMs = 60_000;
const links = { ...linksDefaults, linksMax: 4, neighbours: 2, idleMs: 1_200, lapseMs: 2_000 };

type Running = { name: string; api: NodeApi; sink: ReturnType<typeof countingSink>; stop(): Promise<void> };

const start = async (at: number, join: string[]): Promise<Running> => {
  const sink = countingSink();
  const identity = await generateIdentity();
  const network = await createTransport({ identity, listen: [loopback], cluster: 'suite', secret, sink });
  const name = `n${at + 1}`;
  const settings = {
    ...settingsDefaults,
    ...{ name, cluster: 'suite', version: 'test', http: null, links, join, groups: ['kv'] },
    bootstrap: at < founders ? Array.from({ length: founders }, (_, one) => `n${one + 1}`) : [],
  };
  const storage = createMemoryStorage(new Map(), setImmediate);
  const api = createNodeTree(settings, { clock: realClock, random: realRandom, network, lookup: noLookup, storage, sink });
  return { name, api, sink, stop: () => new Promise((resolve) => api.stop(resolve)) };
};

const connectedOf = ({ api }: Running): string[] =>
  api
    .status()
    .peers.filter((peer) => peer.connected)
    .map(({ name }) => name);
const linesOf = ({ sink }: Running, code: string): string[] => sink.lines.filter((line) => line.includes(` ${code} `));

test('among many over TCP: served, known, few connections, and none that ends is a death', { timeout: 180_000 }, async (t) => {
  const nodes: Running[] = [];
  try {
    nodes.push(await start(0, []));
    await until(() => nodes[0]!.api.status().listen.length > 0, 'the first listens', patienceMs);
    const [address] = nodes[0]!.api.status().listen;
    for (let at = 1; at < count; at++) nodes.push(await start(at, [address!.split('/p2p/')[0]!]));
    const isKnown = ({ api }: Running): boolean => api.members().filter(({ status }) => status === 'alive').length === count;
    await until(() => nodes.every(({ api }) => api.status().state === 'ready'), 'all are ready', patienceMs);
    await until(() => nodes.every(isKnown), 'all know all', patienceMs);

    const outcomes: string[] = [];
    for (const { name, api } of nodes)
      api.write({ op: 'put', key: name, value: new Uint8Array([1]) }, { timeoutMs: 20_000 }, (outcome) =>
        outcomes.push(outcome.ok ? 'ok' : outcome.failure.code),
      );
    await until(() => outcomes.length === count, 'all are answered', patienceMs);
    assert.deepEqual(new Set(outcomes), new Set(['ok']));

    const parted = (): number => nodes.reduce((sum, node) => sum + linesOf(node, 'PEER_CLOSED').length, 0);
    await until(() => parted() > 2 * count, 'connections end when they idle', patienceMs);
    await until(
      () => nodes.some((node) => connectedOf(node).length < count - 1),
      'somebody is not connected to all',
      patienceMs,
    );
    const mean = nodes.reduce((sum, node) => sum + connectedOf(node).length, 0) / count;
    t.diagnostic(`${mean.toFixed(1)} of ${count - 1} connections each, ${parted()} ended`);
    for (const node of nodes.slice(0, founders))
      for (const other of nodes.slice(0, founders))
        if (node !== other) assert.ok(connectedOf(node).includes(other.name), `${node.name} keeps ${other.name}`);
    // Busy machines suspect each other; nobody is given up, and nobody is dropped for his silence.
    for (const node of nodes) {
      assert.deepEqual(linesOf(node, 'PEER_SILENT'), [], node.name);
      assert.deepEqual(
        linesOf(node, 'MEMBER_CHANGED').filter((line) => line.includes(' is failed')),
        [],
        node.name,
      );
    }
  } finally {
    await Promise.all(nodes.map((node) => node.stop()));
  }
});
