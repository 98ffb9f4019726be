// Whatever is sent, the answer is the change or a named refusal, never a fault; and what is there afterwards can be read by everybody.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { createClient } from '../../../src/client/index.ts';
import type { Gateway } from '../../../src/gateway/index.ts';
import { changeKinds } from '../../../src/gateway/replica-changes.ts';
import { insideTypes, replicaTypes } from '../../../src/replica-json.ts';
import { FakeNode } from './fake-node.ts';
import { openTestGateway } from './open.ts';
import { ask } from './request.ts';

const node = new FakeNode();
const faults: unknown[] = [];
const agent = new http.Agent({ keepAlive: true });
let gateway: Gateway;
before(async () => {
  gateway = await openTestGateway(node, { onLog: (code, facts) => faults.push([code, facts]) });
});
after(async () => {
  agent.destroy();
  await gateway.close();
});

const kinds = [...new Set(Object.values(changeKinds).flatMap((taken) => Object.keys(taken)))];
const value = fc.oneof(
  fc.constantFrom<unknown>(null, -1, 0, 1, 2 ** 53, 1e300, 'end', '', '\ud800', '__proto__', true, [], {}, { $base64: 'AA==' }),
  fc.jsonValue({ maxDepth: 3 }),
);
const changed = fc.letrec((tie) => ({
  change: fc.record(
    {
      type: fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...kinds) }, { weight: 1, arbitrary: value }),
      value,
      element: value,
      content: fc.oneof(value, fc.array(value, { maxLength: 3 }), fc.string({ maxLength: 5 })),
      key: fc.oneof(fc.string({ maxLength: 3 }), value),
      by: fc.oneof(fc.integer({ min: -3, max: 3 }), value),
      at: fc.oneof(fc.nat(3), value),
      count: fc.oneof(fc.nat(3), value),
      of: fc.oneof(fc.constantFrom(...insideTypes), value),
      change: fc.oneof({ depthSize: 'small' }, value, tie('change')),
    },
    { requiredKeys: ['type'] },
  ),
}));

/** A change that has only what its kind takes is often one that can be made. */
const fitting = fc
  .tuple(fc.constantFrom(...replicaTypes), changed.change as fc.Arbitrary<Record<string, unknown>>)
  .map(([type, change]) => {
    const taken = Object.entries(changeKinds[type]);
    const [kind, fields] = taken[String(change.type).length % taken.length]!;
    const names = fields.map(({ name }) => name);
    return [
      type,
      { ...Object.fromEntries(Object.entries(change).filter(([name]) => names.includes(name))), type: kind },
    ] as const;
  });

const sent = fc.oneof(
  fitting.map(([type, change]) => [type, Buffer.from(JSON.stringify(change))] as const),
  fc.tuple(
    fc.constantFrom(...replicaTypes),
    changed.change.map((change) => Buffer.from(JSON.stringify(change))),
  ),
  fc.tuple(
    fc.constantFrom(...replicaTypes),
    fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes)),
  ),
);

const path = fc.oneof(
  fc.constant(''),
  fc.constantFrom(
    '?at=a',
    '?at=a/b',
    '?at=a%2Fb',
    '?at=',
    '?at=%',
    '?entry=a',
    '?conflicts=union',
    '?timeout-ms=9',
    '?at=a&at=b',
    '?__proto__=1',
  ),
);

test('rubbish', async () => {
  let made = 0;
  await fc.assert(
    fc.asyncProperty(sent, path, async ([type, body], query) => {
      const answer = await ask(gateway, 'POST', `/v1/replica/${type}/k${query}`, { body, agent });
      assert.ok(
        answer.status === 200 || (answer.status === 400 && answer.json.code === 'INVALID_REQUEST'),
        answer.bytes.toString(),
      );
      if (answer.status === 200) made++;
      const read = await ask(gateway, 'GET', `/v1/replica/${type}/k${query}`, { agent });
      assert.ok([200, 400, 404].includes(read.status), read.bytes.toString());
    }),
    { numRuns: 250 },
  );
  assert.deepEqual(faults, []);
  assert.ok(made > 20, `${made} changes were made`);
  using client = createClient({ urls: [gateway.url] });
  for (const { type, key } of await client.replica.list()) await client.replica.get(type, key);
});
