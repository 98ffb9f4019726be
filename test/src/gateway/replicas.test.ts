// Who takes part in the rounds of replicated data, over HTTP and by command.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createClient } from '../../../src/client/index.ts';
import type { Gateway } from '../../../src/gateway/index.ts';
import { FakeNode } from './fake-node.ts';
import { openTestGateway } from './open.ts';
import { ask } from './request.ts';

let gateway: Gateway;
before(async () => {
  gateway = await openTestGateway(new FakeNode());
});
after(() => gateway.close());

const n1 = { replica: 'r1', peerId: 'p1', name: 'n1', round: 1, standing: 'member' };

test('they are listed, retired by id or name, and what there is not is not found', async () => {
  const listed = await ask(gateway, 'GET', '/v1/replicas');
  assert.deepEqual(listed.json, { replica: 'r1', standing: 'member', round: 1, stable: 0, replicas: [n1] });
  for (const named of ['r1', 'n1']) {
    const { status, json } = await ask(gateway, 'POST', `/v1/replicas/${named}/retire`);
    assert.deepEqual([status, json], [200, { replica: 'r1', name: 'n1' }]);
  }
  assert.deepEqual((await ask(gateway, 'POST', '/v1/replicas/r2/retire')).json.code, 'NOT_FOUND');
  assert.equal((await ask(gateway, 'POST', `/v1/replicas/${'x'.repeat(200)}/retire`)).status, 400);
  assert.equal((await ask(gateway, 'GET', '/v1/replicas?x=1')).status, 400);
  assert.equal((await ask(gateway, 'GET', '/v1/replicas/r1/retire')).status, 405);
});

test('a client sees and retires them', async () => {
  const client = createClient({ urls: [gateway.url] });
  assert.deepEqual((await client.replica.replicas()).replicas, [n1]);
  assert.deepEqual(await client.replica.retire('n1'), { replica: 'r1', name: 'n1' });
  await assert.rejects(client.replica.retire('n9'), { code: 'NOT_FOUND' });
  client.close();
});
