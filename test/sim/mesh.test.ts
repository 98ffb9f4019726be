// Many nodes of membership in one world: they find each other, agree, notice who is gone and nobody else, and find each other again.
// The large ones are measured by `npm run bench -- mesh`.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { membershipDefaults } from '../../machines/membership/index.ts';
import { churn, crashOne, joinAll, Mesh, pauses, rest, runMeshSeed, splitAndHeal, tellNews } from '../../sim/mesh/index.ts';

const seeds = (count: number): number[] => Array.from({ length: count }, (_, at) => at + 1);

test('nodes that know one address find each other', () => {
  for (const seed of seeds(3))
    for (const nodes of [2, 3, 7, 20]) {
      const { joinedMs, mesh } = joinAll({ seed, nodes, lossRatio: 0.05, checkAll: true });
      assert.ok(joinedMs <= 15_000, `seed ${seed}, ${nodes} nodes: ${joinedMs} ms`);
      assert.deepEqual(mesh.falsePositives, []);
    }
});

test('100 nodes know something new within 8 gossip rounds, though messages are lost', () => {
  for (const seed of seeds(3)) {
    const { rounds } = tellNews({ seed, nodes: 100, lossRatio: 0.05 });
    assert.ok(rounds <= 8, `seed ${seed}: ${rounds} rounds`);
  }
});

test('a crash is known everywhere within 10 s', () => {
  for (const seed of seeds(8))
    for (const nodes of [2, 5, 30]) {
      const { knownMs, mesh } = crashOne({ seed, nodes, lossRatio: 0.05 });
      assert.ok(knownMs <= 10_000, `seed ${seed}, ${nodes} nodes: ${knownMs} ms`);
      assert.deepEqual(mesh.falsePositives, []);
    }
});

test('beats spare probes and hide nobody: a crash is noticed half a second later at most', () => {
  const { heardMs } = membershipDefaults;
  const membership = { ...membershipDefaults, heardMs: 0 };
  for (const seed of seeds(8)) {
    const options = { seed, nodes: 5, lossRatio: 0.05, beatMs: 100 };
    const [asked, spared] = [crashOne({ ...options, membership }), crashOne(options)];
    assert.ok(spared.knownMs <= 10_000, `seed ${seed}: ${spared.knownMs} ms`);
    // Which probe finds it is another throw of the dice: one turn of all five, and what was heard before.
    const laterMs = spared.suspectedMs - asked.suspectedMs;
    assert.ok(laterMs <= 4 * membership.probeMs + heardMs, `seed ${seed}: ${laterMs} ms later`);
  }
  const cost = (given: typeof membership): number =>
    rest({ nodes: 5, beatMs: 100, membership: given }, 60_000).messagesPerNodeSecond;
  assert.ok(2 * cost(membershipDefaults) < cost(membership), 'and most probes');
});

test('nobody is declared failed who only stands still for 2 s a minute while messages are lost', () => {
  for (const [seed, always] of [
    [1, true],
    [2, false],
  ] as const) {
    const options = { forMs: 600_000, everyMs: 60_000, pauseMs: 2_000, always };
    const { falsePositives, pauses: paused } = pauses({ seed, nodes: 10, lossRatio: 0.05 }, options);
    assert.ok(paused >= 10);
    assert.equal(falsePositives, 0, `seed ${seed}`);
  }
});

test('halves that lost each other agree again', () => {
  for (const seed of seeds(4)) {
    const { healedMs, mesh } = splitAndHeal({ seed, nodes: 12, checkAll: true }, { moves: false });
    assert.ok(healedMs <= 15_000, `seed ${seed}: ${healedMs} ms`);
    assert.ok(mesh.dials > 0, 'by dialling whom they remember');
  }
});

test('they agree again although all but one address are new and nobody remembers anybody', () => {
  for (const seed of seeds(4)) {
    const { healedMs } = splitAndHeal({ seed, nodes: 12, lossRatio: 0.02, checkAll: true }, { moves: true });
    assert.ok(healedMs <= 30_000, `seed ${seed}: ${healedMs} ms`);
  }
});

test('exchanges whose pages wait behind a snapshot end all the same, and wrong nobody', () => {
  for (const seed of seeds(3)) {
    const { joinedMs, mesh } = joinAll({ seed, nodes: 40, lossRatio: 0.02, bulkMs: 3_000, checkAll: true });
    assert.ok(joinedMs <= 30_000, `seed ${seed}: ${joinedMs} ms`);
    assert.deepEqual(mesh.falsePositives, []);
  }
});

test('what a node says at rest does not grow with the number of nodes', () => {
  const few = rest({ nodes: 20 }, 60_000);
  const many = rest({ nodes: 80 }, 60_000);
  assert.ok(many.bytesPerNodeSecond <= 1.1 * few.bytesPerNodeSecond, `${few.bytesPerNodeSecond}, ${many.bytesPerNodeSecond}`);
  assert.ok(many.bytesPerNodeSecond <= 100, `${many.bytesPerNodeSecond} bytes a second`);
});

test('nodes that come and go and change leave no difference behind', () => {
  for (const seed of seeds(3)) {
    const { mesh } = churn({ seed, nodes: 15, lossRatio: 0.05, checkAll: true }, { forMs: 120_000, everyMs: 3_000 });
    assert.deepEqual(mesh.falsePositives, [], `seed ${seed}`);
    assert.notEqual(
      mesh.passUntil(() => mesh.hasConverged(), 90_000),
      null,
      `seed ${seed}: ${mesh.whyNotConverged()}`,
    );
  }
});

test('a member that leaves is missed by nobody', () => {
  const mesh = new Mesh({ nodes: 20, seed: 4, lossRatio: 0.05, checkAll: true });
  mesh.beginAcquainted();
  mesh.pass(2_000);
  const [leaver] = mesh.nodes;
  const suspected: string[] = [];
  mesh.listen = (node, change) => {
    if (change.peer === leaver!.peer && change.after === 'suspect') suspected.push(node.name);
  };
  leaver!.tell({ type: 'leave' });
  assert.notEqual(
    mesh.passUntil(() => mesh.hasConverged(), 10_000),
    null,
    mesh.whyNotConverged() ?? '',
  );
  assert.ok(leaver!.hasLeft);
  for (const node of mesh.up) assert.equal(mesh.statusAt(node, leaver!), 'left');
  assert.deepEqual(suspected, []);
});

test('an evicted member is told so, and does not come back', () => {
  const mesh = new Mesh({ nodes: 8, seed: 5, checkAll: true });
  mesh.beginAcquainted();
  mesh.pass(2_000);
  const [operator, evicted] = mesh.nodes;
  operator!.tell({ type: 'evict', peer: evicted!.peer });
  mesh.pass(2_000);
  assert.ok(evicted!.wasEvicted);
  mesh.start(evicted!, [{ peer: null, addresses: [mesh.nodes[2]!.address] }]);
  mesh.pass(5_000);
  assert.ok(!evicted!.isUp);
  for (const node of mesh.up) assert.equal(mesh.statusAt(node, evicted!), 'evicted');
});

test('an eviction outlives a restart of everybody, and half of the disks', () => {
  for (const seed of seeds(3)) {
    const mesh = new Mesh({ nodes: 8, seed, lossRatio: 0.05, checkAll: true });
    mesh.beginAcquainted();
    mesh.pass(2_000);
    const [first, evicted] = mesh.nodes;
    first!.tell({ type: 'evict', peer: evicted!.peer });
    mesh.pass(2_000);
    for (const [at, node] of mesh.nodes.entries()) {
      if (node.isUp) node.crash();
      if (at % 2 === 0) node.loseDisk();
    }
    mesh.pass(1_000);
    for (const node of mesh.nodes) mesh.start(node, [{ peer: null, addresses: [first!.address] }], node.address);
    assert.notEqual(
      mesh.passUntil(() => !evicted!.isUp && mesh.hasConverged(), 30_000),
      null,
      `seed ${seed}: ${mesh.whyNotConverged()}`,
    );
    for (const node of mesh.up) assert.equal(mesh.statusAt(node, evicted!), 'evicted', `seed ${seed}: ${node.name}`);
  }
});

test('a mesh with a node that is slow for long agrees on who is there', () => {
  const mesh = new Mesh({ nodes: 10, seed: 6 });
  mesh.beginAcquainted();
  const slow = mesh.nodes[3]!;
  for (let at = 0; at < 60; at++) {
    slow.pause(700);
    mesh.pass(1_000);
  }
  assert.deepEqual(mesh.falsePositives, []);
});

test('whatever happens to a mesh, nobody is wronged, and all agree when it is over', () => {
  for (const seed of seeds(10)) {
    const { verdict, reason } = runMeshSeed(seed, { nodesMax: 12, timeMs: 60_000 });
    assert.equal(verdict, 'held', `seed ${seed}: ${reason}`);
  }
});

test('a judge sees a member that is declared failed and lives', () => {
  const mesh = new Mesh({ nodes: 6, seed: 7 });
  mesh.beginAcquainted();
  mesh.pass(2_000);
  const [slow] = mesh.nodes;
  slow!.pause(15_000);
  mesh.pass(20_000);
  assert.equal(new Set(mesh.falsePositives.map(({ about }) => about)).size, 1);
  assert.ok(mesh.falsePositives.length >= 5);
  assert.notEqual(
    mesh.passUntil(() => mesh.hasConverged(), 10_000),
    null,
    'and it comes back',
  );
});

test('the same seed is the same run', () => {
  const hashes = [1, 1, 2].map((seed) => {
    const { mesh } = churn({ seed, nodes: 12, lossRatio: 0.05 }, { forMs: 30_000, everyMs: 2_000 });
    return mesh.trace.hash;
  });
  assert.equal(hashes[0], hashes[1]);
  assert.notEqual(hashes[0], hashes[2]);
});
