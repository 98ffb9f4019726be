// What an actor sends while it handles an event has the correlation of that event, and nothing else has.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setup } from 'xstate';
import type { ActorDefinition, Seen } from '../../actors/actor-api.ts';
import { restartDefault } from '../../actors/actor-api.ts';
import type { NodeApi } from '../../actors/api.ts';
import { createHandCluster } from './hand-cluster.ts';

const definitionOf = (name: string, logic: ActorDefinition['logic']): ActorDefinition => ({
  ...{ name, version: 1, logic, durability: 'none', placement: 'node', input: () => undefined, replies: {} },
  ...{ restart: restartDefault, mailboxMax: 100, passivateAfterMs: null, remember: false, timers: 'deadline' },
  ...{ resume: {}, migrate: {}, redact: [] },
});

test('a correlation goes on from actor to actor, and not to what comes later', () => {
  const cluster = createHandCluster();
  const { api } = cluster.start('n1', { bootstrap: ['n1'] });
  const actors: NodeApi['actors'] = api.actors;
  const to = { type: 'target', key: 'a', node: 'n1' };
  const machine = setup({ actions: { pass: () => actors.send(to, { type: 'passed' }) } }).createMachine({
    initial: 'idle',
    states: { idle: { on: { go: 'going' } }, going: { entry: 'pass', after: { 50: 'later' } }, later: { entry: 'pass' } },
  });
  assert.equal(actors.host(definitionOf('sender', machine)), null);
  assert.equal(actors.host(definitionOf('target', setup({}).createMachine({}))), null);
  actors.send(to, { type: 'wake' });
  cluster.pass(10);
  const seen: string[] = [];
  actors.find(to)!.tap((one: Seen) => {
    if (one.type === 'event') seen.push(`${one.event.type} ${one.trail?.source} ${one.trail?.correlation}`);
  });
  actors.send({ type: 'sender', key: 'a', node: 'n1' }, { type: 'go' }, { trail: { source: 'n1', correlation: 'c-7' } });
  cluster.pass(10);
  assert.deepEqual(seen, ['passed sender/a@n1 c-7']);
  cluster.pass(100);
  assert.equal(seen.length, 2);
  assert.match(seen[1]!, /^passed sender\/a@n1 n1-\w+$/);
});
