// Many real node trees in one simulated world, with so few links allowed that nobody is connected to all: everybody is served, agrees
// on who is there, holds few connections, ends those that it does not need, and finds the others again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settingsDefaults } from '../../actors/settings.ts';
import { linksDefaults } from '../../machines/links/index.ts';
import { addressOf, calmNetwork, Network } from '../../sim/network.ts';
import { SimulatedNode } from '../../sim/node.ts';
import { ClockSkew } from '../../sim/process.ts';
import { Trace } from '../../sim/trace.ts';
import { World } from '../../sim/world.ts';

const links = { ...linksDefaults, linksMax: 6, neighbours: 3, idleMs: 3_000, lapseMs: 5_000 };

type Crowd = {
  world: World;
  network: Network;
  trace: Trace;
  nodes: SimulatedNode[];
  until(what: string, holds: () => boolean, limitMs?: number): void;
};

const readyOf = ({ api }: SimulatedNode): boolean => api?.status().state === 'ready';
const connectedOf = ({ api }: SimulatedNode): string[] =>
  (api?.status().peers ?? []).filter((peer) => peer.connected).map(({ name }) => name);
const liveOf = ({ api }: SimulatedNode): number => (api?.members() ?? []).filter(({ status }) => status === 'alive').length;

/** The first `voters` form the cluster; all others know one address. */
const gather = (count: number, voters: number, seed = 1): Crowd => {
  const trace = new Trace();
  const world = new World(seed, trace);
  const network = new Network(world, { ...calmNetwork, latencyMs: [0.2, 2] });
  const names = Array.from({ length: count }, (_, at) => `n${at + 1}`);
  const faults: unknown[] = [];
  const nodes = names.map((name, at) => {
    const founds = at < voters;
    return new SimulatedNode(world, network, {
      ...{ name, disk: { syncMs: [0.1, 1] }, turnMs: [0.005, 0.05], skew: new ClockSkew(1, 0) },
      settings: {
        ...settingsDefaults,
        ...{ name, cluster: 'sim', version: 'sim', http: null, links, groups: ['kv'] },
        bootstrap: founds ? names.slice(0, voters) : [],
        join: at === 0 ? [] : [addressOf('n1')],
      },
      observe: () => {},
      onStart: () => {},
      onEnd: () => {},
      onFault: (node, error) => faults.push(`${node}: ${String(error)}`),
      onBroken: (node, code, message) => faults.push(`${node}: ${code} ${message}`),
    });
  });
  return {
    ...{ world, network, trace, nodes },
    until(what, holds, limitMs = 60_000) {
      const isReached = world.run(limitMs, () => {
        assert.deepEqual(faults, []);
        return holds();
      });
      const states = nodes.map(
        (node) => `${node.name} ${node.api?.status().state} sees ${connectedOf(node)}, ${liveOf(node)} live`,
      );
      assert.ok(isReached, `${what}: not within ${limitMs} ms\n${states.join('\n')}`);
    },
  };
};

const formed = (count: number, voters: number, seed = 1): Crowd => {
  const crowd = gather(count, voters, seed);
  for (const node of crowd.nodes) node.start();
  crowd.until('all are ready', () => crowd.nodes.every(readyOf));
  crowd.until('all know all', () => crowd.nodes.every((node) => liveOf(node) === count));
  return crowd;
};

/** Everybody writes; answers how long the slowest took. */
const everybodyWrites = ({ nodes, world, until }: Crowd, key: string): number => {
  const beganMs = world.nowMs;
  let served = 0;
  const failed: string[] = [];
  for (const node of nodes.filter(({ isUp }) => isUp))
    node.enter('write', (api) =>
      api.write({ op: 'put', key: `${key}-${node.name}`, value: new Uint8Array([1]) }, { timeoutMs: 10_000 }, (outcome) => {
        if (outcome.ok) served++;
        else failed.push(`${node.name}: ${outcome.failure.code} ${outcome.failure.message}`);
      }),
    );
  until('all writes end', () => served + failed.length === nodes.filter(({ isUp }) => isUp).length);
  assert.deepEqual(failed, []);
  return world.nowMs - beganMs;
};

const count = 16;
const voters = 5;

test('among many, everybody is served and knows everybody over few connections, and those that idle end', () => {
  const crowd = formed(count, voters);
  const { nodes, world } = crowd;
  assert.ok(everybodyWrites(crowd, 'first') < 1_000, 'a way to the leader is found at once');
  world.run(20_000);
  const open: number[][] = [];
  for (let second = 0; second < 15; second++) {
    world.run(1_000);
    open.push(nodes.map((node) => connectedOf(node).length));
  }
  const mean = open.flat().reduce((sum, one) => sum + one, 0) / open.length / count;
  assert.ok(mean < (count - 1) * 0.75, `${mean} connections a node on average`);
  for (const [which, { name }] of nodes.entries())
    assert.ok(Math.min(...open.map((one) => one[which]!)) < count - 1, `${name} is not connected to all all the time`);
  // Who agrees with others on something is connected to them all the time.
  for (const voter of nodes.slice(0, voters))
    for (const other of nodes.slice(0, voters))
      if (voter !== other) assert.ok(connectedOf(voter).includes(other.name), `${voter.name} sees ${other.name}`);
  assert.ok(nodes.every((node) => liveOf(node) === count));
  const suspected = nodes.reduce((sum, node) => sum + (node.counters.get('membership_warnings_total') ?? 0), 0);
  assert.equal(suspected, 0);
  assert.ok(everybodyWrites(crowd, 'second') < 1_000);
});

test('halves of many find each other again, and so do nodes that were all started anew', () => {
  const crowd = formed(count, voters, 2);
  const { nodes, network, until } = crowd;
  const [left, right] = [nodes.filter((_, at) => at % 2 === 0), nodes.filter((_, at) => at % 2 === 1)];
  for (const a of left)
    for (const b of right) {
      network.block(a.name, b.name);
      network.block(b.name, a.name);
    }
  until('the halves give each other up', () => nodes.every((node) => liveOf(node) <= count / 2), 120_000);
  network.heal();
  until('all know all again', () => nodes.every((node) => liveOf(node) === count));
  until('all are ready again', () => nodes.every(readyOf));
  everybodyWrites(crowd, 'healed');
  for (const node of nodes) node.crash({ silently: false });
  for (const node of nodes) node.start();
  until('all are ready after their restart', () => nodes.every(readyOf));
  until('all know all after their restart', () => nodes.every((node) => liveOf(node) === count));
  everybodyWrites(crowd, 'restarted');
});

test('the same seed is the same run', () => {
  const hashes = [1, 2].map(() => {
    const crowd = formed(12, 3, 7);
    everybodyWrites(crowd, 'k');
    crowd.world.run(10_000);
    return crowd.trace.hash;
  });
  assert.equal(hashes[0], hashes[1]);
});
