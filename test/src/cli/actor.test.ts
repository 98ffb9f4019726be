// `polity actor …` against a gateway over a node whose actors are stand-ins, as processes.
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fromTransition, setup } from 'xstate';
import { defineActor } from '../../../src/actor/index.ts';
import type { Gateway } from '../../../src/gateway/index.ts';
import { FakeNode } from '../gateway/fake-node.ts';
import { openTestGateway } from '../gateway/open.ts';
import { launch, many, polity, written } from './polity.ts';

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

test('polity start --actors: a module is hosted, and a bad one ends the start in words', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'polity-cli-actors-'));
  const secretFile = join(directory, 'secret');
  writeFileSync(secretFile, 'a secret for tests, long enough\n');
  chmodSync(secretFile, 0o600);
  const good = join(directory, 'echo.mjs');
  writeFileSync(
    good,
    `import { defineActor } from '${new URL('../../../src/index.ts', import.meta.url).href}';
     import { fromTransition } from '${import.meta.resolve('xstate')}';
     export const Echo = defineActor('echo', { logic: fromTransition((s) => s, {}), replies: { say: ({ event }) => event.words } });`,
  );
  const bad = join(directory, 'bad.mjs');
  writeFileSync(bad, 'export const nothing = 1;');
  const words = [
    ...['start', '--name', 'n1', '--cluster', 'test', '--data', join(directory, 'n1'), '--listen', '/ip4/127.0.0.1/tcp/0'],
    ...['--http', '127.0.0.1:0', '--secret-file', secretFile, '--bootstrap', 'n1', '--actors'],
  ];
  const refused = polity([...words, bad]);
  const node = launch([...words, good]);
  try {
    const [line] = await written(node, /^\{.*\}\n/);
    const { http } = JSON.parse(line) as { http: string };
    const asked = await polity(['actor', 'ask', 'echo/k', '{"type":"say","words":"hallo"}', '--node', http]);
    assert.deepEqual([asked.code, asked.stdout], [0, 'hallo\n'], asked.stderr);
    const { code, stderr } = await refused;
    assert.equal(code, 2);
    assert.match(stderr, /n1 cannot start: the actors of .*bad\.mjs: it exports nothing that defineActor made/);
  } finally {
    node.child.kill('SIGTERM');
    await node.ended;
    rmSync(directory, { recursive: true, force: true });
  }
});
