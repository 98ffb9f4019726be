// Ways over others, between whole nodes in a simulated world: links that are cut and mended, chains, and nobody who lies in vain.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromTransition } from 'xstate';
import { type ActorDefinition, restartDefault } from '../../actors/actor-api.ts';
import type { Via } from '../../actors/routes-door.ts';
import type { CallContext, CallEvents, CallHandle, HostedMethod } from '../../actors/service-api.ts';
import { settingsDefaults } from '../../actors/settings.ts';
import { bulkheadDefaults } from '../../machines/bulkhead/index.ts';
import type { Offer } from '../../machines/catalog/index.ts';
import { addressOf, calmNetwork, Network } from '../../sim/network.ts';
import { SimulatedNode } from '../../sim/node.ts';
import { ClockSkew } from '../../sim/process.ts';
import { Trace } from '../../sim/trace.ts';
import { World } from '../../sim/world.ts';

const gather = (count: number) => {
  const trace = new Trace();
  const world = new World(1, trace);
  const network = new Network(world, calmNetwork);
  const names = Array.from({ length: count }, (_, at) => `n${at + 1}`);
  const faults: unknown[] = [];
  const nodes = names.map(
    (name, at) =>
      new SimulatedNode(world, network, {
        ...{ name, disk: { syncMs: [0.1, 1] }, turnMs: [0.005, 0.05], skew: new ClockSkew(1, 0) },
        settings: {
          ...{ ...settingsDefaults, name, cluster: 'sim', version: 'sim', http: null, groups: ['kv'], bootstrap: names },
          join: at === 0 ? [] : [addressOf('n1')],
        },
        observe: () => {},
        onStart: () => {},
        onEnd: () => {},
        onFault: (node, error) => faults.push(`${node}: ${String(error)}`),
        onBroken: (node, code, message) => faults.push(`${node}: ${code} ${message}`),
      }),
  );
  const until = (what: string, holds: () => boolean, limitMs = 30_000): void => {
    const isReached = world.run(limitMs, () => {
      assert.deepEqual(faults, []);
      return holds();
    });
    assert.ok(isReached, `${what}: not within ${limitMs} ms`);
  };
  const apiOf = (name: string) => nodes.find((node) => node.name === name)!.api!;
  const peerOf = (name: string): string => apiOf(name).status().peerId;
  const isConnected = (a: string, b: string): boolean =>
    apiOf(a)
      .status()
      .peers.some(({ name, connected }) => name === b && connected);
  for (const node of nodes) node.start();
  until('all are ready', () => nodes.every(({ api }) => api?.status().state === 'ready'));
  until('all are connected', () => names.every((a) => names.every((b) => a === b || isConnected(a, b))));
  return {
    ...{ world, network, until, apiOf, peerOf, isConnected },
    cut(a: string, b: string): void {
      network.block(a, b);
      network.block(b, a);
    },
    mend(a: string, b: string): void {
      network.unblock(a, b);
      network.unblock(b, a);
    },
    find(from: string, to: string): { way: Via | null; tookMs: number } {
      const beganMs = world.nowMs;
      let answer: Via | null | undefined;
      apiOf(from).routes.find(peerOf(to), (way) => {
        answer = way;
      });
      until(`${from} is told of ${to}`, () => answer !== undefined, 6_000);
      return { way: answer!, tookMs: world.nowMs - beganMs };
    },
  };
};

test('over a link that is cut another member is the way; when it is mended it is straight on again', () => {
  const crowd = gather(3);
  const { apiOf, peerOf, isConnected, until } = crowd;
  const third = peerOf('n3');
  assert.deepEqual(apiOf('n1').routes.wayTo(third), { via: third });
  crowd.cut('n1', 'n3');
  until('they lost each other', () => !isConnected('n1', 'n3') && !isConnected('n3', 'n1'));
  assert.equal(apiOf('n1').routes.wayTo(third), 'asking');
  const { way, tookMs } = crowd.find('n1', 'n3');
  assert.deepEqual(way, { via: peerOf('n2') });
  assert.ok(tookMs < 50, `it took ${tookMs} ms`);
  assert.deepEqual(apiOf('n1').routes.wayTo(third), { via: peerOf('n2') });
  apiOf('n1').routes.describe('n3', false, (outcome) => {
    assert.ok(outcome.ok);
    const { how, over, node } = outcome.value;
    assert.deepEqual([how, over, node], ['relayed', ['n2', 'n3'], 'n3']);
  });
  apiOf('n1').routes.broken(third, peerOf('n2'));
  assert.equal(apiOf('n1').routes.wayTo(third), 'asking');
  crowd.mend('n1', 'n3');
  until('they found each other', () => isConnected('n1', 'n3'));
  assert.deepEqual(apiOf('n1').routes.wayTo(third), { via: third });
});

test('along a chain the way leads over all of it; a node that is dead is said to be out of reach in time', () => {
  const crowd = gather(4);
  const { apiOf, peerOf, isConnected, until } = crowd;
  for (const [a, b] of [
    ['n1', 'n3'],
    ['n1', 'n4'],
    ['n2', 'n4'],
  ] as const)
    crowd.cut(a, b);
  until('only a chain is left', () => !isConnected('n1', 'n3') && !isConnected('n1', 'n4') && !isConnected('n2', 'n4'));
  assert.deepEqual(crowd.find('n1', 'n4').way, { via: peerOf('n2') });
  apiOf('n1').routes.describe('n4', false, (outcome) => {
    assert.deepEqual(outcome.ok && outcome.value.over, ['n2', 'n3', 'n4']);
  });
  crowd.cut('n3', 'n4');
  until('it is alone', () => !isConnected('n3', 'n4'));
  apiOf('n1').routes.broken(peerOf('n4'), peerOf('n2'));
  const { way, tookMs } = crowd.find('n1', 'n4');
  assert.ok(way === null && tookMs <= 5_000, `${way?.via} after ${tookMs} ms`);
  assert.equal(apiOf('n1').routes.wayTo(peerOf('n4')), 'none');
  apiOf('n1').routes.describe('nobody', false, (outcome) => {
    assert.equal(outcome.ok ? null : outcome.failure.code, 'MEMBER_NOT_FOUND');
  });
});

const methodOf = (isStream: boolean, invoke: HostedMethod['invoke']): HostedMethod => ({
  ...{ idempotent: false, isStream, importance: 'normal', cost: 1, invoke },
});

test('calls, streams and cancellation go over a third while a link is cut, and straight on when it is mended', () => {
  const crowd = gather(3);
  const { apiOf, isConnected, until } = crowd;
  const callers: string[] = [];
  let cancelled = 0;
  const echo = methodOf(false, (input: unknown, { caller }: CallContext, on: CallEvents): CallHandle => {
    callers.push(caller);
    on.end({ ok: true, value: input });
    return { cancel() {}, more() {} };
  });
  const count = methodOf(true, (_input: unknown, _context: CallContext, on: CallEvents): CallHandle => {
    let next = 0;
    return {
      more(items) {
        for (let item = 0; item < items; item++) on.item(next++);
      },
      cancel: () => void cancelled++,
    };
  });
  const none = { input: null, output: null, idempotent: false };
  const offer: Offer = {
    ...{ kind: 'service', name: 'work', version: '1.0.0', resources: {}, capabilities: [], tags: [] },
    methods: { echo: none, count: none },
  };
  apiOf('n3').host.add({ offer, methods: { echo, count }, bulkhead: bulkheadDefaults });
  apiOf('n3').catalog.offer(offer, () => {});
  const isKnown = (): boolean => {
    const found = apiOf('n1').catalog.find({ name: 'work' });
    return found.ok && found.entries.length === 1;
  };
  until('the offer is known', isKnown);
  const call = (method: string, input: unknown = null) => {
    const items: unknown[] = [];
    const told: { end: unknown } = { end: undefined };
    const handle = apiOf('n1').calls.call(
      { service: 'work', method, input, timeoutMs: 5_000 },
      {
        item: (item) => void items.push(item),
        end: (outcome) => void (told.end = outcome.ok ? outcome.value : outcome.failure.code),
      },
    );
    return { items, told, handle };
  };
  const echoed = (input: string): void => {
    const { told } = call('echo', input);
    until('it is answered', () => told.end !== undefined);
    assert.equal(told.end, input);
  };
  echoed('straight on');
  crowd.cut('n1', 'n3');
  until('they lost each other', () => !isConnected('n1', 'n3') && !isConnected('n3', 'n1'));
  echoed('over the second');
  const stream = call('count');
  stream.handle.more(20);
  until('the first items came', () => stream.items.length === 20);
  stream.handle.more(5);
  until('and more', () => stream.items.length === 25);
  assert.deepEqual(
    stream.items,
    Array.from({ length: 25 }, (_, item) => item),
  );
  stream.handle.cancel();
  until('it is cancelled where it is made', () => cancelled === 1);
  crowd.mend('n1', 'n3');
  until('they found each other', () => isConnected('n1', 'n3') && isConnected('n3', 'n1'));
  echoed('straight on again');
  assert.deepEqual(callers, ['n1', 'n1 over n2', 'n1']);
});

test('actors are spoken to over a third while a link is cut, and straight on when it is mended', () => {
  const crowd = gather(3);
  const { apiOf, isConnected, until } = crowd;
  const names = ['n1', 'n2', 'n3'];
  const counter: ActorDefinition = {
    ...{ name: 'counter', version: 1, durability: 'replicated', placement: 'sharded', input: () => undefined },
    ...{ logic: fromTransition((count: number) => count + 1, 0), restart: restartDefault, mailboxMax: 1_000 },
    replies: { add: ({ snapshot }) => (snapshot as unknown as { context: number }).context },
    ...{ passivateAfterMs: null, remember: false, timers: 'deadline', resume: {}, migrate: {}, redact: [] },
  };
  for (const name of names) assert.equal(apiOf(name).actors.host(counter), null);
  const address = { type: 'counter', key: 'a', node: null };
  const ask = (from: string): unknown => {
    let answer: unknown;
    apiOf(from).actors.ask(address, { type: 'add' }, {}, (outcome) => {
      answer = outcome.ok ? outcome.value : outcome.failure.code;
    });
    until('it is answered', () => answer !== undefined);
    return answer;
  };
  assert.equal(ask('n1'), 1);
  const isOwner = (name: string): boolean => apiOf(name).actors.find(address) !== null;
  const owner = names.find(isOwner)!;
  const from = names.find((name) => name !== owner)!;
  const shown: unknown[] = [];
  apiOf(from).actors.subscribe(
    address,
    'context',
    (value) => shown.push(value),
    () => shown.push('over'),
  );
  until('it is shown', () => shown.length > 0);
  crowd.cut(from, owner);
  until('they lost each other', () => !isConnected(from, owner) && !isConnected(owner, from));
  for (const turn of [2, 3, 4]) assert.equal(ask(from), turn);
  assert.ok(isOwner(owner), 'the actor stayed where it was');
  until('the change is shown', () => shown.at(-1) === 4);
  crowd.mend(from, owner);
  until('they found each other', () => isConnected(from, owner) && isConnected(owner, from));
  assert.equal(ask(from), 5);
  until('the change is shown', () => shown.at(-1) === 5);
});
