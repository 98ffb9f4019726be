// Calls to a member without a connection: one question waits for it, all others behind that one, whatever there are.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noBreakers } from '../../actors/call-breakers.ts';
import { callingDefaults } from '../../actors/call-options.ts';
import { type CallsCore, createCalls } from '../../actors/calls.ts';
import type { Carrier } from '../../actors/calls-post.ts';
import type { Fate } from '../../actors/router.ts';
import { createMemory } from '../../machines/rpc/index.ts';
import { createHandClock, quietSink } from './hand-clock.ts';
import { createHandScope } from './hand-scope.ts';
import { answers, createHandCatalog, createHandServices, watched } from './hand-services.ts';

const caller = () => {
  const clock = createHandClock();
  const catalog = createHandCatalog();
  createHandServices('p-n2', catalog, { jobs: { do: answers(() => null) } });
  const { host } = createHandServices('p-n1', createHandCatalog(), {});
  const sent: { type: string; body: unknown; fate: Fate }[] = [];
  const world: { says: ReturnType<Carrier['send']> } = { says: 'waits' };
  const carrier: Carrier = {
    send(_peer, type, body, _timeLeftMs, _trace, fate) {
      if (world.says === 'waits' || world.says === 'queued') sent.push({ type, body, fate });
      return world.says;
    },
  };
  let core: CallsCore | null = null;
  createCalls(createHandScope(clock), {
    ...{ name: 'n1', region: '', epoch: 1, router: { refuse: () => {} }, carrier, options: callingDefaults, host },
    ports: { clock, network: { self: 'p-n1' }, sink: quietSink(), random: { uint32: () => 7 } } as never,
    ...{ find: catalog.find, breakers: noBreakers, members: () => [], connected: [], isConnected: () => true },
    ...{ isStraight: () => true, epochOf: () => 4, nameOf: () => null, peerNamed: () => null, memory: createMemory() },
    ...{ lastNumber: 0, hasForgotten: false, onLastNumber: () => {}, onCore: (now) => void (core = now) },
  });
  const call = (timeoutMs = 5_000) => {
    const end = watched();
    return Object.assign(end, { handle: core!.call({ service: 'jobs', method: 'do', input: null, timeoutMs }, end) });
  };
  return { clock, sent, world, call, core: core! as CallsCore };
};

test('one waits for the connection, and all leave when it is there, in their order', () => {
  const { sent, world, call, clock } = caller();
  const calls = Array.from({ length: 100 }, () => call());
  assert.equal(sent.length, 1);
  calls[7]!.handle.cancel();
  world.says = 'queued';
  sent[0]!.fate.left();
  assert.deepEqual(
    sent.map(({ body }) => (body as number[])[0]),
    Array.from({ length: 100 }, (_, at) => at + 1).filter((number) => number !== 8),
  );
  assert.equal(call().code, 'waits');
  assert.equal(sent.length as number, 100, 'the next one goes straight on');
  clock.pass(5_100);
  assert.ok(calls.every(({ code }, at) => code === (at === 7 ? 'CANCELLED' : 'OUTCOME_UNKNOWN')));
});

test('if there is none, nothing has happened to any of them', () => {
  const { sent, world, call, clock, core } = caller();
  const calls = Array.from({ length: 50 }, () => call(300));
  world.says = 'unreachable';
  sent[0]!.fate.dropped();
  clock.pass(400);
  assert.equal(sent.length, 1);
  assert.deepEqual(new Set(calls.map(({ code }) => code)), new Set(['UNREACHABLE']));
  assert.deepEqual(core.counts(), { local: 0, outgoing: 0, incoming: 0 });
});

test('the first is not wanted any more: those behind it leave all the same', () => {
  const { sent, world, call } = caller();
  const [first, second] = [call(), call()];
  first.handle.cancel();
  world.says = 'queued';
  sent[0]!.fate.left();
  assert.deepEqual([first.code, second.code], ['CANCELLED', 'waits']);
  assert.equal(sent.filter(({ type }) => type === 'call').length, 2);
});
