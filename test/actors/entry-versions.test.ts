// Builds of different ages in one group: a newer version of entries is used once all its members read it, and who does not read what is used
// says so and touches nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromTransition } from 'xstate';
import { type NodeSettings, settingsDefaults } from '../../actors/settings.ts';
import { groupOf, type HandNode, type StartOptions } from './hand-cluster.ts';
import { addressOf, createReplicaWorld, definitionOf, said } from './replica-world.ts';

const counter = definitionOf(
  fromTransition((count: number) => count + 1, 0),
  { replies: { add: ({ snapshot }) => (snapshot as unknown as { context: number }).context } },
);
const [old, now] = [1, 2];

const createWorld = (definitions = [counter], settings: Partial<NodeSettings> = {}) => {
  const world = createReplicaWorld(() => definitions, settings);
  /** A node of a build that reads so much. */
  const start = (name: string, entriesMax: number, options: StartOptions = {}): HandNode =>
    world.start(name, { ...options, own: { entriesMax } });
  const isReady = ({ api }: HandNode): boolean => api.status().state === 'ready';
  return {
    ...world,
    start,
    form(...builds: readonly number[]): HandNode[] {
      const all = builds.map((build, at) => start(`n${at + 1}`, build));
      world.cluster.until(() => all.every(isReady) && world.leader() !== null);
      return all;
    },
    /** The same node with another build. */
    replace(node: HandNode, entriesMax: number): HandNode {
      const contents = world.cluster.kill(node);
      world.cluster.pass(1_000);
      return start(node.name, entriesMax, { contents });
    },
    isReady,
    lines: (node: HandNode) => node.lines.filter(({ code }) => code.startsWith('BUILD_')).map(({ message }) => message),
  };
};

test('a group takes no actors before all its members read such entries, and then it does', () => {
  const world = createWorld();
  const [first, , third] = world.form(now, now, old);
  world.lead(first!);
  let isAnswered = false;
  const ends: unknown[] = [];
  first!.api.actors.ask(addressOf('a'), { type: 'add' }, { timeoutMs: 60_000 }, (outcome) => {
    isAnswered = true;
    ends.push(said(outcome));
  });
  const early = world.cluster;
  const refused: unknown[] = [];
  first!.api.actors.ask(addressOf('b'), { type: 'add' }, { timeoutMs: 2_000 }, (outcome) => {
    refused.push(outcome.ok ? outcome.value : [outcome.failure.code, outcome.failure.message]);
  });
  early.until(() => refused.length > 0);
  const [[code, message]] = refused as [[string, string]];
  assert.equal(code, 'DEADLINE_EXCEEDED');
  assert.match(message, /n3 reads entries up to version 1, 'kv' needs version 2: start a newer build of Polity on n3/);
  assert.match(world.lines(first!)[0]!, /'kv' stays at version 1 of its entries: n3 reads entries up to version 1/);
  assert.equal(isAnswered, false);
  assert.equal(groupOf(third!)?.halted, null, 'it has met nothing that it does not read');
  world.replace(third!, now);
  world.cluster.until(() => isAnswered);
  assert.deepEqual(ends, [1], 'whoever waited is answered');
});

test('a member that comes back as an older build touches nothing and says so, and goes on as a newer one', () => {
  const world = createWorld();
  const [first, , third] = world.form(now, now, now);
  world.lead(first!);
  assert.equal(said(world.ask('a', { type: 'add' })), 1);
  // It has not heard of the actors yet, so that it meets them in the log.
  const back = world.replace(third!, old);
  world.cluster.until(() => groupOf(back)?.halted === 'BUILD_TOO_OLD');
  assert.equal(back.api.status().reason, 'BUILD_TOO_OLD');
  assert.match(world.lines(back)[0]!, /n3 reads entries up to version 1, 'kv' needs version 2/);
  const applied = groupOf(back)?.appliedIndex;
  assert.equal(said(world.ask('a', { type: 'add' })), 2, 'the others go on');
  world.cluster.pass(500);
  assert.equal(groupOf(back)?.appliedIndex, applied);
  const again = world.replace(back, now);
  world.cluster.until(() => world.isReady(again));
  assert.equal(said(world.ask('a', { type: 'add' })), 3);
  world.lead(again);
  assert.equal(said(world.ask('a', { type: 'add' })), 4);
});

test('one that meets them in its log applies what stands before them and nothing after', () => {
  const world = createWorld([]);
  const [first, second, third] = world.form(now, now, now);
  world.lead(first!);
  const applied = groupOf(third!)?.appliedIndex ?? 0;
  world.cluster.lose(({ from, to }, { type }) => type === 'raft' && [from, to].includes(third!.peer));
  for (const node of [first!, second!]) node.api.actors.host(counter);
  assert.equal(said(world.ask('a', { type: 'add' })), 1);
  const back = world.replace(third!, old);
  world.cluster.lose(() => false);
  world.cluster.until(() => groupOf(back)?.halted === 'BUILD_TOO_OLD');
  const { appliedIndex } = groupOf(back)!;
  assert.ok(applied <= appliedIndex && appliedIndex < groupOf(first!)!.appliedIndex);
  const again = world.replace(back, now);
  world.cluster.until(() => world.isReady(again));
  assert.equal(groupOf(again)?.halted, null);
});

test('one that meets them in a snapshot does not go on from it', () => {
  const settings = { snapshotEntries: 5, raft: { ...settingsDefaults.raft, retainEntries: 0 } };
  const world = createWorld([], settings);
  const [first, second, third] = world.form(now, now, now);
  world.lead(first!);
  world.cluster.lose(({ from, to }, { type }) => type === 'raft' && [from, to].includes(third!.peer));
  for (const node of [first!, second!]) node.api.actors.host(counter);
  for (let count = 1; count <= 20; count++) assert.equal(said(world.ask('a', { type: 'add' })), count);
  const back = world.replace(third!, old);
  world.cluster.lose(() => false);
  world.cluster.until(() => groupOf(back)?.halted === 'BUILD_TOO_OLD');
  assert.ok(groupOf(first!)!.firstIndex > groupOf(back)!.lastIndex, 'there was no other way');
  const again = world.replace(back, now);
  world.cluster.until(() => world.isReady(again));
  world.lead(again);
  again.api.actors.host(counter);
  assert.equal(said(world.ask('a', { type: 'add' })), 21);
});

test('a node of an older build does not become a member of a group that uses what it does not read', () => {
  const world = createWorld();
  const [first] = world.form(now, now, now);
  world.lead(first!);
  assert.equal(said(world.ask('a', { type: 'add' })), 1);
  const late = world.start('n4', old, { bootstrap: [] });
  world.cluster.pass(3_000);
  const ends: unknown[] = [];
  const add = (): void =>
    first!.api.changeGroup('kv', { type: 'add', node: 'n4', role: 'voter' }, { timeoutMs: 5_000 }, (outcome) => {
      ends.push(outcome.ok ? 'added' : [outcome.failure.code, outcome.failure.message]);
    });
  add();
  world.cluster.until(() => ends.length === 1);
  assert.deepEqual(ends[0], [
    'BUILD_TOO_OLD',
    "n4 reads entries up to version 1, 'kv' needs version 2: start a newer build of Polity on n4",
  ]);
  assert.match(world.lines(late)[0]!, /n4 reads entries up to version 1/, 'it says so itself');
  world.replace(late, now);
  world.cluster.pass(3_000);
  add();
  world.cluster.until(() => ends.length === 2);
  assert.equal(ends[1], 'added');
});
