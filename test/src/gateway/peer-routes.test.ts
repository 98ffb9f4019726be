// How a node reaches another, over HTTP and in the terminal.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { NamedRoute } from '../../../actors/routes-door.ts';
import type { Gateway } from '../../../src/gateway/index.ts';
import { polity } from '../cli/polity.ts';
import { FakeNode } from './fake-node.ts';
import { openTestGateway } from './open.ts';
import { ask } from './request.ts';

let node: FakeNode;
let gateway: Gateway;
before(async () => {
  node = new FakeNode();
  gateway = await openTestGateway(node);
});
after(() => gateway.close());

const relayed: NamedRoute = {
  ...{ peer: 'peer-n3', node: 'n3', how: 'relayed', path: ['peer-n2', 'peer-n3'], over: ['n2', 'n3'], latencyMs: 1.5 },
  ...{ ageMs: 1_000, leftMs: 29_000, others: 1, isAsking: false, isDialable: false },
};

test('a route says how and why; a node that nobody knows is no node', async () => {
  const missing = await ask(gateway, 'GET', '/v1/routes/n3');
  assert.deepEqual([missing.status, missing.json.code], [404, 'MEMBER_NOT_FOUND']);
  node.routed = relayed;
  assert.deepEqual((await ask(gateway, 'GET', '/v1/routes/n3?ask=true')).json, JSON.parse(JSON.stringify(relayed)));
  for (const path of ['n3?ask=perhaps', 'n3?via=n2', 'a%20b', 'x'.repeat(200)])
    assert.equal((await ask(gateway, 'GET', `/v1/routes/${path}`)).status, 400, path);
  const env = { POLITY_NODE: gateway.url };
  const [shown, json] = await Promise.all([polity(['route', 'n3'], { env }), polity(['route', 'n3', '--json'], { env })]);
  node.places = [{ owner: 'peer-n2', version: '1.2.0', latencyMs: 0.4, node: 'n2' }];
  assert.deepEqual((await ask(gateway, 'GET', '/v1/routes?name=sums&range=^1&prefer=n2')).json, { places: node.places });
  for (const query of ['', '?range=1', '?name=sums&kind=thing', '?name=sums&prefer=a%20b'])
    assert.equal((await ask(gateway, 'GET', `/v1/routes${query}`)).status, 400, query);
  const [places, wrong] = await Promise.all([
    polity(['route', '--offers', 'sums', '--prefer', 'n2'], { env }),
    polity(['route', 'n2', '--offers', 'sums'], { env }),
  ]);
  assert.match(places.stdout, /n2 +1.2.0 +0.4 ms +peer-n2/);
  assert.equal(wrong.code, 2);
  assert.match(shown.stdout, /n3 +relayed +n2 → n3 +1.5 ms +1s +29s +1 +there is no connection/);
  assert.deepEqual(JSON.parse(json.stdout), JSON.parse(JSON.stringify(relayed)));
});
