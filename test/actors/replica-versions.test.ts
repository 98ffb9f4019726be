// The last node of an older version of a definition goes, in order or not, right after something has happened: what came of it is not lost.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assign, setup } from 'xstate';
import type { ActorDefinition } from '../../actors/actor-api.ts';
import { createReplicas } from '../../actors/actor-replica.ts';
import type { Outcome } from '../../actors/api.ts';
import { createLeaderships } from '../../actors/leadership.ts';
import { createHandClock } from './hand-clock.ts';
import type { HandNode } from './hand-cluster.ts';
import { addressOf, createReplicaWorld, definitionOf, said } from './replica-world.ts';

type Context = { count: number; rung: number; currency?: string };

const versionOf = (version: number, rung: string[]): ActorDefinition => {
  const machine = setup({
    types: { context: {} as Context },
    actions: { tell: () => void rung.push(`v${version}`) },
  }).createMachine({
    context: { count: 0, rung: 0 },
    initial: 'still',
    on: {
      add: { actions: assign({ count: ({ context }) => context.count + 1 }) },
      later: '.waiting',
    },
    states: {
      still: {},
      waiting: { after: { 3000: { target: 'still', actions: [assign({ rung: ({ context }) => context.rung + 1 }), 'tell'] } } },
    },
  });
  const contextOf = ({ snapshot }: { snapshot: unknown }): Context => (snapshot as { context: Context }).context;
  return definitionOf(machine, {
    version,
    replies: { add: (args) => contextOf(args).count, rung: (args) => contextOf(args).rung, later: () => 'ok' },
    migrate:
      version === 1
        ? {}
        : { 1: (snapshot) => ({ ...(snapshot as object), context: { ...contextOf({ snapshot }), currency: 'EUR' } }) },
  });
};

const createWorld = () => {
  const rung: string[] = [];
  const [v1, v2] = [versionOf(1, rung), versionOf(2, rung)];
  const versions = new Map<string, ActorDefinition>();
  const world = createReplicaWorld((name) => [versions.get(name) ?? v1]);
  const stop = (node: HandNode): ReturnType<typeof world.cluster.kill> => {
    let isStopped = false;
    node.api.stop(() => {
      isStopped = true;
    });
    world.cluster.until(() => isStopped);
    return world.cluster.kill(node);
  };
  const begin = (name: string, contents?: ReturnType<typeof stop>, version = v2): HandNode => {
    versions.set(name, version);
    const node = world.start(name, contents === undefined ? {} : { contents });
    world.cluster.until(() => node.api.status().state === 'ready', 20_000);
    return node;
  };
  return {
    ...{ ...world, rung, stop, begin, v1 },
    /** n2 and n3 are of the new version, n1 leads and is the last of the old one. */
    mixed(): [HandNode, HandNode, HandNode] {
      const [n1, n2, n3] = world.form();
      for (const node of [n2!, n3!]) begin(node.name, stop(node));
      world.lead(n1!);
      return [n1!, world.cluster.nodes.get('n2')!, world.cluster.nodes.get('n3')!];
    },
    askAt(node: HandNode, key: string, type: string, timeoutMs: number): () => unknown {
      const ends: Outcome<unknown>[] = [];
      node.api.actors.ask(addressOf(key), { type }, { timeoutMs }, (outcome) => void ends.push(outcome));
      return () => (ends[0] === undefined ? undefined : said(ends[0]));
    },
  };
};

test('it leads and stops right after an event: the others go on from there', () => {
  const world = createWorld();
  const [n1, n2] = world.mixed();
  const keys = Array.from({ length: 20 }, (_, at) => `k${at}`);
  for (const key of keys) assert.equal(said(world.ask(key, { type: 'add' })), 1);
  // On their way into the log when it stops.
  const late = keys.map((key) => world.askAt(n1, key, 'add', 10_000));
  world.stop(n1);
  const next = keys.map((key) => world.askAt(n2, key, 'add', 5_000));
  world.cluster.until(() => next.every((answer) => answer() !== undefined));
  for (const [at, answer] of next.entries()) {
    const was = late[at]!();
    assert.equal(answer(), was === 2 ? 3 : 2, `${keys[at]} after ${was}`);
  }
  assert.ok(late.some((answer) => answer() === 2));
});

test('it follows and stops right after it led', () => {
  const world = createWorld();
  const [n1, n2] = world.mixed();
  assert.equal(said(world.ask('a', { type: 'add' })), 1);
  let isMoved = false;
  n1.api.changeGroup('kv', { type: 'transfer', node: 'n2' }, { timeoutMs: 1_000 }, () => {
    isMoved = true;
  });
  world.cluster.until(() => isMoved);
  world.stop(n1);
  const answer = world.askAt(n2, 'a', 'add', 5_000);
  world.cluster.until(() => answer() !== undefined);
  assert.equal(answer(), 2);
});

test('it is killed right after an event: who asks waits, and its disk has what came of it, whatever version it is of', () => {
  const world = createWorld();
  const [n1, n2] = world.mixed();
  assert.equal(said(world.ask('a', { type: 'add' })), 1);
  // So that its state is on its disk.
  world.cluster.pass(50);
  const contents = world.cluster.kill(n1);
  world.cluster.until(() => world.leader() !== null);
  const answer = world.askAt(n2, 'a', 'add', 20_000);
  world.cluster.pass(5_000);
  assert.equal(answer(), undefined, 'it may come back');
  world.begin('n1', contents);
  world.cluster.until(() => answer() !== undefined);
  assert.equal(answer(), 2);
});

test('it is gone for good: when nobody can know any more, that is said', () => {
  const world = createWorld();
  const [n1, n2] = world.mixed();
  assert.equal(said(world.ask('a', { type: 'add' })), 1);
  world.cluster.kill(n1);
  world.cluster.until(() => world.leader() !== null);
  let isGone = false;
  n2.api.changeGroup('kv', { type: 'remove', node: 'n1' }, { timeoutMs: 5_000 }, ({ ok }) => {
    isGone = ok;
  });
  world.cluster.until(() => isGone);
  const ends: Outcome<unknown>[] = [];
  n2.api.actors.ask(addressOf('a'), { type: 'add' }, { timeoutMs: 20_000 }, (outcome) => void ends.push(outcome));
  world.cluster.until(() => ends.length === 1);
  const [end] = ends;
  assert.ok(end !== undefined && !end.ok);
  assert.equal(end.failure.code, 'ACTOR_VERSION');
  assert.match(
    end.failure.message,
    /lacks what came of the last 2 events of 'cart\/a', which are of version 1, and so do the others/,
  );
});

const stopAt = (world: ReturnType<typeof createWorld>, node: HandNode, isHard: boolean): Outcome<null> => {
  const ends: Outcome<null>[] = [];
  node.api.actors.stop(addressOf('a'), { isHard, timeoutMs: 20_000 }, (outcome) => void ends.push(outcome));
  world.cluster.until(() => ends.length === 1, 20_000);
  return ends[0]!;
};

const assertRefused = (outcome: Outcome<null>): void => {
  assert.ok(!outcome.ok);
  assert.equal(outcome.failure.code, 'ACTOR_VERSION');
  assert.match(outcome.failure.message, /; a hard stop removes it unread$/);
};

test('nobody can know any more what came of it: a hard stop removes it, at whatever node, and what it had is told to be unknown', () => {
  const world = createWorld();
  const [n1, n2, n3] = world.mixed();
  assert.equal(said(world.ask('a', { type: 'add' }, 'x')), 1);
  world.cluster.kill(n1);
  world.cluster.until(() => world.leader() !== null);
  let isGone = false;
  n2.api.changeGroup('kv', { type: 'remove', node: 'n1' }, { timeoutMs: 5_000 }, ({ ok }) => {
    isGone = ok;
  });
  world.cluster.until(() => isGone);
  const follower = world.leader() === n2 ? n3 : n2;
  assertRefused(stopAt(world, follower, false));
  assert.deepEqual(stopAt(world, follower, true), { ok: true, value: null });
  assert.ok(world.leader()!.lines.some(({ code }) => code === 'ACTOR_REMOVED_UNREAD'));
  const answers = ['x', 'y'].map((id) => {
    const ends: Outcome<unknown>[] = [];
    n2.api.actors.ask(addressOf('a'), { type: 'add' }, { id, timeoutMs: 5_000 }, (outcome) => void ends.push(outcome));
    world.cluster.until(() => ends.length === 1, 20_000);
    return said(ends[0]!);
  });
  assert.deepEqual(answers, ['OUTCOME_UNKNOWN', 1]);
});

test('of a newer version than any node hosts: a hard stop removes it', () => {
  const world = createWorld();
  const [n1, n2, n3] = world.mixed();
  world.lead(n2);
  assert.equal(said(world.ask('a', { type: 'add' }, 'x')), 1);
  world.cluster.pass(1_500);
  for (const node of [n2, n3]) world.begin(node.name, world.stop(node), world.v1);
  world.lead(n1);
  assertRefused(stopAt(world, n1, false));
  assert.deepEqual(stopAt(world, n1, true), { ok: true, value: null });
  assert.deepEqual(
    ['x', 'y'].map((id) => said(world.ask('a', { type: 'add' }, id))),
    ['ACTOR_REFUSED', 1],
  );
});

test('a timer of the older version rings under the newer, though nobody asks for its actor', () => {
  const world = createWorld();
  const [n1] = world.form();
  world.lead(n1!);
  assert.equal(said(world.ask('a', { type: 'later' })), 'ok');
  for (const name of ['n1', 'n2', 'n3']) world.begin(name, world.stop(world.cluster.nodes.get(name)!));
  world.cluster.until(() => world.rung.length > 0, 20_000);
  assert.deepEqual(world.rung, ['v2']);
  assert.equal(said(world.ask('a', { type: 'rung' })), 1);
});

test('a node that has just begun and does not know its groups yet takes nobody for a liar', () => {
  const clock = createHandClock();
  const refused: string[] = [];
  const replicas = createReplicas({
    ...{ clock, sink: { log() {}, count() {} }, network: { self: 'p-n1' } as never, leaderships: createLeaderships(clock) },
    router: { refuse: (_peer: string, code: string) => void refused.push(code) } as never,
    ...{ groupOf: () => 'kv', definitions: () => [], hostedAt: () => null, formRef: undefined, deliver: () => () => {} },
    events: {} as never,
  });
  const word = { peer: 'p-n2', body: ['kv', ['cart/a']], timeLeftMs: 0, answer() {} };
  replicas.receive({ ...word, type: 'behind' });
  assert.deepEqual(refused, []);
  replicas.receive({ ...word, type: 'nonsense' });
  assert.deepEqual(refused, ['MESSAGE_MALFORMED']);
});
