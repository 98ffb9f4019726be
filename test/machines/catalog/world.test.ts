// Many catalogs that lose what they say to each other, are cut in two, crash and begin anew: in the end all know what everybody offers,
// and never is anything found that its owner has not said, or for longer than its time.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { catalogDefaults, createCatalog, step } from '../../../machines/catalog/index.ts';
import { listed, offerOf, World } from './stage.ts';

const { ttlMs, renewMs } = catalogDefaults;

const worldOf = (seed: number, count: number, offersEach: number): World => {
  const world = new World(seed);
  for (let at = 0; at < count; at++) world.start(`n${at}`);
  world.run(1_000);
  for (const node of world.nodes.values())
    for (let at = 0; at < offersEach; at++) world.tell(node, { type: 'offer', offer: offerOf(`${node.name}.s${at}`) });
  return world;
};

const assertAgreed = (world: World, side = 0): void => {
  const truth = world.truth(side);
  for (const { name, isUp, side: at, state } of world.nodes.values())
    if (isUp && at === side) assert.deepEqual(listed(state, world.nowMs), truth, `${name} at ${world.nowMs}`);
};

test('who begins late knows everything after one walk, though it hears nothing that was announced before', () => {
  const world = worldOf(1, 6, 10);
  world.run(20_000);
  assertAgreed(world);
  const before = world.sent.messages;
  world.start('late');
  world.run(500);
  assertAgreed(world);
  const late = world.nodes.get('late')!;
  assert.ok(late.state.hasJoined && listed(late.state, world.nowMs).length === 60);
  assert.ok(world.sent.messages - before <= 6, `${world.sent.messages - before} messages`);
});

test('many who begin together, among few who know: all know everything within seconds, whomever they ask first', () => {
  const world = worldOf(9, 2, 4);
  world.run(20_000);
  for (let at = 0; at < 8; at++) world.start(`late${at}`);
  world.run(3_000);
  assertAgreed(world);
  world.run(60_000);
  for (const { state } of world.nodes.values()) assert.ok(state.hasJoined);
  // All at once, and nobody knows anything: that ends, too.
  const fresh = new World(1);
  for (let at = 0; at < 5; at++) fresh.start(`n${at}`);
  fresh.run(60_000);
  for (const { state } of fresh.nodes.values()) assert.ok(state.hasJoined);
  assert.ok(fresh.sent.messages <= 5 * 8 * 2, `${fresh.sent.messages} messages`);
});

test('what announcements lost is repaired by the next renewal', () => {
  for (const seed of [1, 2, 3]) {
    const world = worldOf(seed, 6, 3);
    world.lostAnnouncements = 0.4;
    world.lostMessages = 0.2;
    for (let round = 0; round < 40; round++) {
      const node = world.nodes.get(`n${world.between(0, 6)}`)!;
      const name = `${node.name}.s${world.between(0, 5)}`;
      const isOffered = [...node.state.own.kept.values()].some(({ id, entry }) => id.name === name && entry !== null);
      const tags = [`t${world.between(0, 9)}`];
      world.tell(
        node,
        isOffered && world.chance() < 0.5
          ? { type: 'withdraw', id: offerOf(name) }
          : { type: 'offer', offer: offerOf(name, { tags }) },
      );
      world.run(world.between(1, 2_000));
    }
    // Two renewals in a row may be lost; three are a TTL.
    world.run(3 * renewMs + 20_000);
    world.lostAnnouncements = 0;
    world.lostMessages = 0;
    world.run(1.3 * renewMs + 20_000);
    assertAgreed(world);
    for (const { state } of world.nodes.values()) assert.equal(state.differing.size, 0);
  }
});

test('what a node that crashed offered ends with its time; in its next life it is known at once', () => {
  const world = worldOf(4, 6, 4);
  world.run(10_000);
  world.stop('n2');
  world.run(60_000);
  const n1 = world.nodes.get('n1')!;
  assert.equal(listed(n1.state, world.nowMs).length, 24, 'nobody else removes it');
  world.run(ttlMs - 60_000 + 2_000);
  assertAgreed(world);
  assert.equal(listed(n1.state, world.nowMs).length, 20);
  world.start('n2');
  world.tell(world.nodes.get('n2')!, { type: 'offer', offer: offerOf('again') });
  world.run(2_100);
  assertAgreed(world);
});

test('two halves forget each other, and know each other again within a renewal after the cut is mended', () => {
  const world = worldOf(5, 6, 4);
  world.run(10_000);
  world.cut((name) => Number(name.slice(1)) % 2);
  world.run(ttlMs + 3_000);
  assertAgreed(world, 0);
  assertAgreed(world, 1);
  world.tell(world.nodes.get('n1')!, { type: 'withdraw', id: offerOf('n1.s0') });
  world.cut(() => 0);
  world.run(1.25 * renewMs + 10_000);
  assertAgreed(world);
});

test('a withdrawal that nobody heard is known by the next renewal; while the owner is out of reach, at the end of its time', () => {
  const world = worldOf(6, 5, 2);
  world.run(10_000);
  world.lostAnnouncements = 1;
  world.tell(world.nodes.get('n0')!, { type: 'withdraw', id: offerOf('n0.s0') });
  world.run(100);
  world.lostAnnouncements = 0;
  assert.equal(listed(world.nodes.get('n1')!.state, world.nowMs).length, 10);
  world.run(1.25 * renewMs + 10_000);
  assertAgreed(world);
  // It announces, and answers nobody.
  world.lostAnnouncements = 1;
  world.tell(world.nodes.get('n0')!, { type: 'withdraw', id: offerOf('n0.s1') });
  world.tell(world.nodes.get('n0')!, { type: 'offer', offer: offerOf('n0.s2') });
  world.run(100);
  world.lostAnnouncements = 0;
  world.lostMessages = 1;
  world.run(ttlMs + 2_000);
  assert.ok(!listed(world.nodes.get('n1')!.state, world.nowMs).includes('n0 n0.s1@1.0.0'));
});

test('whatever happens: nothing is found that was never said, or after its time; and in the end all agree', () => {
  for (let seed = 10; seed < 14; seed++) {
    const world = worldOf(seed, 5, 2);
    world.lostAnnouncements = 0.2;
    world.lostMessages = 0.2;
    const saidMs = new Map<string, number>();
    const note = (): void => {
      for (const side of [0, 1]) for (const one of world.truth(side)) saidMs.set(one, world.nowMs);
    };
    for (let round = 0; round < 60; round++) {
      note();
      const name = `n${world.between(0, 5)}`;
      const node = world.nodes.get(name)!;
      const drawn = world.chance();
      if (drawn < 0.3) world.tell(node, { type: 'offer', offer: offerOf(`s${world.between(0, 6)}`, { tags: [`t${round}`] }) });
      else if (drawn < 0.5) world.tell(node, { type: 'withdraw', id: offerOf(`s${world.between(0, 6)}`) });
      else if (drawn < 0.58 && node.isUp) world.stop(name);
      else if (drawn < 0.7 && !node.isUp) world.start(name);
      else if (drawn < 0.76) world.cut((one) => Number(one.slice(1)) % 2);
      else if (drawn < 0.86) world.cut(() => 0);
      note();
      world.run(world.between(1, 20_000));
      // A word on its way is 2 s late at most.
      for (const { state, isUp } of world.nodes.values())
        if (isUp)
          for (const one of listed(state, world.nowMs))
            assert.ok(world.nowMs - (saidMs.get(one) ?? Number.NEGATIVE_INFINITY) <= ttlMs + 22_000, `seed ${seed}: ${one}`);
    }
    world.cut(() => 0);
    world.lostAnnouncements = 0;
    world.lostMessages = 0;
    for (const node of world.nodes.values()) if (!node.isUp) world.start(node.name);
    world.run(ttlMs + 2 * renewMs);
    assertAgreed(world);
  }
});

test('the same seed gives the same history', () => {
  const run = (): unknown => {
    const world = worldOf(7, 5, 3);
    world.lostAnnouncements = 0.3;
    world.run(200_000);
    return [world.sent, [...world.nodes.values()].map(({ state }) => [state.revision, state.random, state.deadlineMs])];
  };
  assert.deepEqual(run(), run());
});

test('at rest a node says one small word in 40 s, however much it offers', () => {
  const world = worldOf(8, 4, 12);
  world.run(20_000);
  const before = { ...world.sent };
  world.run(400_000);
  const announcements = world.sent.announcements - before.announcements;
  assert.ok(announcements >= 36 && announcements <= 50, `${announcements} in ten times 40 s by four`);
  assert.equal(world.sent.messages, before.messages);
  assert.ok((world.sent.bytes - before.bytes) / announcements < 40);
  for (const { state } of world.nodes.values()) assert.equal(step(state, world.nowMs, { type: 'wake' }).length, 0);
});

test('much of one owner comes in several pages, in which nothing that stays is gone in between', () => {
  const large = (name: string) =>
    offerOf(name, { methods: { run: { input: 'x'.repeat(9_000), output: null, idempotent: true } } });
  const world = new World(11);
  for (const name of ['big', 'n1']) world.start(name);
  for (let at = 0; at < 40; at++) world.tell(world.nodes.get('big')!, { type: 'offer', offer: large(`s${at}`) });
  world.run(20_000);
  world.start('late');
  world.run(1_000);
  assertAgreed(world);
  // The catalog fails and begins anew in the same process: it says less now, and remembers nothing that it withdrew.
  const big = world.nodes.get('big')!;
  const input = { self: 'big', epoch: big.epoch, said: big.state.said, options: catalogDefaults, seed: 1, nowMs: world.nowMs };
  world.nodes.set('big', { ...big, state: createCatalog({ ...input, checkAll: true }) });
  const anew = world.nodes.get('big')!;
  for (let at = 0; at < 36; at++) world.tell(anew, { type: 'offer', offer: large(`s${at}`) });
  const before = world.nodes.get('n1')!.state.revision;
  world.run(10_000);
  assertAgreed(world);
  assert.ok(world.truth().length === 36);
  // 36 are said anew, four are gone: each is one out or one out and in.
  assert.equal(world.nodes.get('n1')!.state.revision - before, 36 * 2 + 4);
});
