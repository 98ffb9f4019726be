// Replicated data through the client: typed by the name of the type, lossless, and honest about what it does not know.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import fc from 'fast-check';
import { failure } from '../../../machines/errors.ts';
import { textOf } from '../../../machines/replicator/plain.ts';
import { type Client, createClient, type Plain, PolityError } from '../../../src/client/index.ts';
import type { Gateway } from '../../../src/gateway/index.ts';
import { parseJson } from '../../../src/json.ts';
import { jsonTextOf, plainOf } from '../../../src/replica-json.ts';
import { FakeNode } from '../gateway/fake-node.ts';
import { openTestGateway } from '../gateway/open.ts';

let node: FakeNode;
let gateway: Gateway;
let client: Client;
before(async () => {
  node = new FakeNode();
  gateway = await openTestGateway(node);
  client = createClient({ urls: [gateway.url], roundsMax: 1 });
});
after(async () => {
  client.close();
  await gateway.close();
});
beforeEach(() => {
  node.replicated.intercept = () => null;
});

const codeOf = async (promise: Promise<unknown>): Promise<string> => {
  try {
    await promise;
    return 'no error';
  } catch (error) {
    return error instanceof PolityError ? error.code : String(error);
  }
};

test('each type has its value and its changes', async () => {
  const { replica } = client;
  assert.equal(await replica.get('counter', 'n'), null);
  const now: number = await replica.change('counter', 'n', { type: 'add', by: 4 });
  assert.equal(now, 4);
  const isOn: boolean = await replica.change('flag', 'f', { type: 'enable' });
  assert.equal(isOn, true);
  const nothing: undefined = await replica.change('register', 'r', { type: 'set', value: { a: Uint8Array.of(1, 255) } });
  assert.equal(nothing, undefined);
  assert.deepEqual((await replica.get('register', 'r'))?.value, { a: Uint8Array.of(1, 255) });
  await replica.change('set', 's', { type: 'add', element: 'x' });
  const elements: Plain[] = (await replica.get('set', 's'))!.value;
  assert.deepEqual(elements, ['x']);
  for (const key of ['__proto__', 'b', '1']) await replica.change('map', 'm', { type: 'put', key, value: [key] });
  const map: Map<string, Plain> = (await replica.get('map', 'm'))!.value;
  assert.deepEqual([...map.keys()].toSorted(), ['1', '__proto__', 'b']);
  assert.deepEqual(await replica.entry('m', '__proto__'), { value: ['__proto__'] });
  assert.equal(await replica.entry('m', 'c'), null);
  await replica.change('list', 'l', { type: 'insert', content: [1, [2]] });
  await replica.change('text', 't', { type: 'insert', content: 'héllo' });
  assert.deepEqual((await replica.get('list', 'l'))?.value, [1, [2]]);
  const text: string = (await replica.get('text', 't'))!.value;
  assert.equal(text, 'héllo');
  await replica.change('tree', 'u', {
    ...{ type: 'update', of: 'tree', key: 'a/b' },
    change: { type: 'update', of: 'counter', key: 'visits', change: { type: 'add', by: 2 } },
  });
  assert.equal(await replica.change('counter', 'u', { type: 'add' }, { at: ['a/b', 'visits'] }), 3);
  const inside = (await replica.get('tree', 'u'))!.value.tree?.get('a/b') as { counter?: Map<string, number> };
  assert.equal(inside.counter?.get('visits'), 3);
  assert.deepEqual(await replica.list({ key: 'm' }), [{ type: 'map', key: 'm' }]);
  assert.equal((await replica.list({ type: 'set' })).length, 1);
  const [first, second] = await replica.list({ limit: 2 });
  assert.deepEqual((await replica.list({ limit: 1, after: first! }))[0], second);
  assert.equal((await replica.summary()).replica, 'replica-b');
});

test('what is misspelt does not compile', () => {
  const never = (): void => {
    // @ts-expect-error there is no such type
    void client.replica.get('or-set', 'a');
    // @ts-expect-error a counter is not enabled
    void client.replica.change('counter', 'a', { type: 'enable' });
    // @ts-expect-error a text takes text
    void client.replica.change('text', 'a', { type: 'insert', content: [1] });
    // @ts-expect-error nothing else is inside of a tree
    void client.replica.change('tree', 'a', { type: 'remove', of: 'text', key: 'b' });
  };
  assert.equal(typeof never, 'function');
});

test('a register tells its siblings', async () => {
  await client.replica.change('register', 'motd', { type: 'set', value: 'mine' });
  node.replicated.hears('replica-a', 'register', 'motd', { type: 'set', value: 'theirs' });
  const { value, siblings } = (await client.replica.get('register', 'motd', { conflicts: 'highest-node' }))!;
  assert.deepEqual([value, siblings?.map((one) => one.value)], ['mine', ['theirs', 'mine']]);
  assert.deepEqual((await client.replica.get('register', 'motd', { conflicts: 'keep-all' }))?.value, ['theirs', 'mine']);
});

const plain = fc.letrec<{ value: Plain }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom<Plain>(null, true, 0, 1.5, -1e300, '', '$base64', 'ü😀"\\\n'),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0),
    fc.uint8Array({ maxLength: 5 }).map((bytes) => Buffer.from(bytes)),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom('a', '$base64', '$$base64', 'constructor'), tie('value'), {
      maxKeys: 2,
      noNullPrototype: true,
    }),
  ),
})).value;

test('data is the same after it was JSON', () => {
  fc.assert(
    fc.property(plain, (value) => {
      const text = jsonTextOf(value);
      const back = plainOf(parseJson(text, 64, 'it'));
      assert.equal(textOf(back), textOf(value));
      assert.equal(jsonTextOf(back), text);
    }),
    { numRuns: 300 },
  );
});

test('what is no plain data is not sent', async () => {
  const deep = Array.from({ length: 32 }).reduce<Plain>((inside) => [inside], 1);
  await client.replica.change('register', 'deep', { type: 'set', value: deep });
  assert.deepEqual((await client.replica.get('register', 'deep'))?.value, deep);
  for (const value of [Number.NaN, undefined, () => 1, '\ud800', [deep], { a: new Date() }, Object.defineProperty({}, 'x', {})])
    if (!(typeof value === 'object' && Object.keys(value).length === 0))
      assert.equal(
        await codeOf(client.replica.change('register', 'r', { type: 'set', value: value as Plain })),
        'INVALID_REQUEST',
      );
  assert.equal(await codeOf(client.replica.change('counter', '', { type: 'add' })), 'INVALID_REQUEST');
  assert.equal(await codeOf(client.replica.get('counter', '\udc00')), 'INVALID_REQUEST');
  assert.equal(await codeOf(client.replica.change('tally', 'n', { type: 'add', by: -1 })), 'INVALID_REQUEST');
});

test('a change is tried elsewhere only if it surely did not happen', async () => {
  const other = new FakeNode();
  const elsewhere = await openTestGateway(other);
  const both = createClient({ urls: [gateway.url, elsewhere.url], roundsMax: 1, timeoutMs: 2_000 });
  node.replicated.intercept = () => failure('OVERLOADED', 'the disk');
  assert.equal(await both.replica.change('counter', 'moved', { type: 'add' }), 1);
  assert.equal(other.replica.read('pn-counter', 'moved'), 1);
  other.replicated.intercept = () => failure('OUTCOME_UNKNOWN', 'stopped meanwhile');
  node.replicated.intercept = () => null;
  assert.equal(await codeOf(both.replica.change('counter', 'moved', { type: 'add' })), 'OUTCOME_UNKNOWN');
  assert.equal(node.replica.read('pn-counter', 'moved'), undefined);
  both.close();
  await elsewhere.close();
});

test('an answer that is not ours is not believed', async () => {
  const answers = ['{"type":"set","key":"s","value":7}', '{"value":{"$base64":"?"}}', 'no JSON', '{"value":[{"__proto__":1}]}'];
  const server = createServer((_request, response) => response.end(answers.shift()));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  using odd = createClient({ urls: [url], roundsMax: 1 });
  assert.equal(await codeOf(odd.replica.get('set', 's')), 'INTERNAL');
  assert.equal(await codeOf(odd.replica.get('register', 's')), 'INTERNAL');
  assert.equal(await codeOf(odd.replica.get('set', 's')), 'INTERNAL');
  assert.equal(await codeOf(odd.replica.get('set', 's')), 'INTERNAL');
  server.close();
  server.closeAllConnections();
});

test('a watch goes on at the next node, and does not tell the same again', async () => {
  const first = await openTestGateway(node);
  const other = new FakeNode();
  const second = await openTestGateway(other);
  using both = createClient({ urls: [first.url, second.url] });
  const end = new AbortController();
  const seen: (number | null)[] = [];
  const watching = (async () => {
    for await (const object of both.replica.watch('counter', 'watched', { signal: end.signal })) {
      seen.push(object?.value ?? null);
      if (seen.length === 1) await both.replica.change('counter', 'watched', { type: 'add', by: 5 });
      if (object?.value === 5) {
        other.replica.change('pn-counter', 'watched', { type: 'add', by: 5 }, () => {});
        void first.close();
        setTimeout(() => other.replica.change('pn-counter', 'watched', { type: 'add', by: 1 }, () => {}), 300);
      }
      if (object?.value === 6) end.abort(new Error('enough'));
    }
  })();
  await assert.rejects(watching, /enough/);
  assert.deepEqual(seen, [null, 5, 6]);
  await second.close();
});
