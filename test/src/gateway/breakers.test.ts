// Breakers as a person sees and commands them: over HTTP, by a client, by command, as a metric.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { BreakerReport } from '../../../actors/service-api.ts';
import { createClient } from '../../../src/client/index.ts';
import type { Gateway } from '../../../src/gateway/index.ts';
import { createMetrics } from '../../../src/metrics.ts';
import { many } from '../cli/polity.ts';
import { FakeNode } from './fake-node.ts';
import { openTestGateway } from './open.ts';
import { ask } from './request.ts';

const report = (node: string | null, service: string, status: BreakerReport['status']): BreakerReport => ({
  ...{ peer: `peer of ${node}`, node, service, status, isForced: status.startsWith('forced') },
  ...{ openForMs: status === 'open' ? 59_100 : 0, failures: 5, refused: 2 },
});

let gateway: Gateway;
let node: FakeNode;
before(async () => {
  node = new FakeNode();
  node.reports = [report('n2', 'mail', 'open'), report('n2', 'math', 'forced-closed'), report(null, 'mail', 'half-open')];
  gateway = await openTestGateway(node);
});
after(() => gateway.close());

test('they are listed and told over HTTP, and what is wrong is said', async () => {
  assert.deepEqual((await ask(gateway, 'GET', '/v1/breakers')).json, { breakers: node.reports });
  const tell = async (path: string, fields: unknown) => {
    const { status, json } = await ask(gateway, 'POST', path, { body: JSON.stringify(fields) });
    return status === 200 ? json : [status, json.code];
  };
  assert.deepEqual(await tell('/v1/breakers/n2', { command: 'open', service: 'mail' }), {
    ...{ node: 'n2', service: 'mail', command: 'open', told: 1 },
  });
  assert.deepEqual(await tell('/v1/breakers/n2', { command: 'reset' }), {
    node: 'n2',
    service: null,
    command: 'reset',
    told: 2,
  });
  assert.deepEqual(node.commands, ['open n2 mail', 'reset n2 null']);
  assert.deepEqual(await tell('/v1/breakers/n9', { command: 'open' }), [404, 'MEMBER_NOT_FOUND']);
  for (const fields of [{}, { command: 'half-open' }, { command: 'open', service: 7 }, { command: 'open', peer: 'n2' }])
    assert.deepEqual(await tell('/v1/breakers/n2', fields), [400, 'INVALID_REQUEST']);
  assert.equal((await ask(gateway, 'GET', '/v1/breakers?open=1')).status, 400);
  assert.equal((await ask(gateway, 'DELETE', '/v1/breakers/n2')).status, 405);
});

test('a client and a command do the same', async () => {
  const client = createClient({ urls: [gateway.url] });
  assert.deepEqual(await client.breakers.list(), node.reports);
  assert.equal(await client.breakers.command('n2', 'close'), 2);
  await assert.rejects(client.breakers.command('n9', 'close', { service: 'mail' }), { code: 'MEMBER_NOT_FOUND' });
  client.close();
  node.commands.length = 0;
  const [listed, told, unknown] = await many(
    [
      ['breaker', 'list'],
      ['breaker', 'open', 'n2', 'mail', '--json'],
      ['breaker', 'reset', 'n9'],
    ],
    { POLITY_NODE: gateway.url },
  );
  assert.match(listed!.stdout, /NODE\s+SERVICE\s+STATE\s+OPEN FOR\s+FAILED\s+REFUSED\nn2\s+mail\s+open\s+60s\s+5\s+2\n/);
  assert.match(listed!.stdout, /peer of null\s+mail\s+half-open\s+-/);
  assert.deepEqual(JSON.parse(told!.stdout), { node: 'n2', service: 'mail', command: 'open', told: 1 });
  assert.deepEqual([unknown!.code, node.commands], [1, ['open n2 mail']]);
});

test('the state of each is a metric: 0 closed, 1 open, 2 half-open', async () => {
  const metrics = createMetrics({ name: 'n1', version: '0' });
  metrics.follow(node);
  const text = await metrics.registry.metrics();
  assert.match(text, /polity_breaker_state\{peer="n2",service="mail"\} 1\n/);
  assert.match(text, /polity_breaker_state\{peer="n2",service="math"\} 0\n/);
  assert.match(text, /polity_breaker_state\{peer="peer of null",service="mail"\} 2\n/);
  node.reports = [];
  assert.doesNotMatch(await metrics.registry.metrics(), /polity_breaker_state\{/);
});
