// `polity actor …` against a gateway over a node whose actors are stand-ins, as processes.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fromTransition, setup } from 'xstate';
import { defineActor } from '../../../src/actor/index.ts';
import type { Gateway } from '../../../src/gateway/index.ts';
import { FakeNode } from '../gateway/fake-node.ts';
import { openTestGateway } from '../gateway/open.ts';
import { many } from './polity.ts';

type CounterEvent = { type: 'increment'; by?: number } | { type: 'name' };
const counter = defineActor('counter', {
  logic: fromTransition(
    (state: { count: number }, event: CounterEvent) =>
      event.type === 'increment' ? { count: state.count + (event.by ?? 1) } : state,
    { count: 0 },
  ),
  replies: { increment: ({ snapshot }) => snapshot.context.count, name: () => 'visits' },
});
const job = defineActor('job', {
  logic: setup({}).createMachine({
    initial: 'on',
    output: { took: 5 },
    states: { on: { always: 'off' }, off: { type: 'final' } },
  }),
});

let gateway: Gateway;
before(async () => {
  const node = new FakeNode();
  node.actors.host(counter);
  node.actors.host(job);
  gateway = await openTestGateway(node);
});
after(() => gateway.close());

test('events in, replies and states out, and what makes no sense', async () => {
  const lines: [string[], number, string, RegExp?][] = [
    [['ask', 'counter/a', '{"type":"increment","by":2}'], 0, '2\n'],
    [['ask', 'counter/a@n1', 'increment', '--id', 'x', '--json'], 0, '3\n'],
    [['ask', 'counter/a', 'increment', '--id', 'x'], 0, '3\n'],
    [['ask', 'counter/a', 'name'], 0, 'visits\n'],
    [['ask', 'counter/a', 'name', '--json'], 0, '"visits"\n'],
    [['send', 'counter/a', 'increment', '--json'], 0, '{"address":"counter/a","sent":true}\n'],
    [['deliver', 'counter/a', 'increment'], 0, 'counter/a has handled it\n'],
    [['snapshot', 'counter/a', '--json'], 0, '{"status":"active","context":{"count":5}}\n'],
    [['snapshot', 'counter/a', '--select', 'context.count'], 0, '5\n'],
    [['stop', 'counter/a', '--hard'], 0, 'stopped counter/a\n'],
    [['snapshot', 'counter/a', '--select', 'context.count'], 0, '0\n'],
    [['watch', 'job/j', '--select', 'value', '--json'], 0, '"off"\n{"end":"done","output":{"took":5}}\n'],
    [['ask', 'counter/a', 'nothing'], 1, '', /INVALID_REQUEST/],
    [['ask', 'nobody/a', 'increment', '--timeout', '200ms'], 1, '', /ACTOR_NOT_FOUND/],
    [['ask', 'counter', 'increment'], 2, '', /'counter' is no address of an actor/],
    [['ask', 'counter/a', '{"by":1}'], 2, '', /an event has a type/],
    [['ask', 'counter/a', '{by'], 2, '', /the event is not JSON; an event is/],
    [['ask', 'counter/a', 'increment', '--timeout', '2m'], 2, '', /--timeout is at most 60s/],
  ];
  const ran = await many(
    lines.map(([line]) => ['actor', ...line]),
    { POLITY_NODE: gateway.url },
  );
  for (const [n, { code, stdout, stderr }] of ran.entries()) {
    const [line, exit, out, error] = lines[n]!;
    assert.deepEqual([code, stdout], [exit, out], `${line.join(' ')}: ${stderr}`);
    assert.match(stderr, error ?? /^$/);
  }
});
