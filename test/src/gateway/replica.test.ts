// Replicated data over HTTP: every type under its own name, values as JSON that loses nothing, and a clear no to everything else.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import { failure } from '../../../machines/errors.ts';
import { replicatedTypes } from '../../../machines/replicator/index.ts';
import type { Gateway } from '../../../src/gateway/index.ts';
import { machineTypes } from '../../../src/replica-json.ts';
import { FakeNode } from './fake-node.ts';
import { openTestGateway } from './open.ts';
import { type Answer, ask } from './request.ts';

let node: FakeNode;
let gateway: Gateway;
before(async () => {
  node = new FakeNode();
  gateway = await openTestGateway(node);
});
after(() => gateway.close());
beforeEach(() => {
  node.replicated.intercept = () => null;
});

const post = (path: string, change: unknown): Promise<Answer> =>
  ask(gateway, 'POST', `/v1/replica/${path}`, { body: typeof change === 'string' ? change : JSON.stringify(change) });
const get = (path: string): Promise<Answer> => ask(gateway, 'GET', `/v1/replica/${path}`);
const done = async (path: string, change: unknown): Promise<Answer> => {
  const answer = await post(path, change);
  assert.equal(answer.status, 200, answer.bytes.toString());
  return answer;
};
const shownAt = async (path: string): Promise<unknown> => {
  const answer = await get(path);
  assert.equal(answer.status, 200, answer.bytes.toString());
  return answer.json.value;
};

test('every type of the machines has one name outside', () => {
  assert.deepEqual(Object.values(machineTypes).toSorted(), replicatedTypes.map(({ type }) => type).toSorted());
});

test('each type is changed and read in its own words', async () => {
  const cases: [string, unknown[], unknown][] = [
    ['register/r', [{ type: 'set', value: { theme: ['dark', null, 1.5] } }], { theme: ['dark', null, 1.5] }],
    ['latest/r', [{ type: 'set', value: 'x' }], 'x'],
    ['counter/n', [{ type: 'add', by: 5 }, { type: 'add', by: -2 }, { type: 'add' }], 4],
    ['tally/n', [{ type: 'add', by: 2 }], 2],
    ['flag/f', [{ type: 'enable' }], true],
    ['off-flag/f', [{ type: 'enable' }, { type: 'disable' }], false],
    [
      'set/s',
      [
        { type: 'add', element: 'b' },
        { type: 'add', element: 1 },
        { type: 'add', element: 'a' },
      ],
      ['a', 'b', 1],
    ],
    [
      'set/gone',
      [
        { type: 'add', element: 'b' },
        { type: 'remove', element: 'b' },
      ],
      [],
    ],
    [
      'map/m',
      [
        { type: 'put', key: 'a', value: [1] },
        { type: 'put', key: 'b', value: 2 },
        { type: 'remove', key: 'b' },
      ],
      { a: [1] },
    ],
    [
      'list/l',
      [
        { type: 'insert', content: [1, 2] },
        { type: 'insert', at: 0, content: ['x'] },
        { type: 'remove', at: 1 },
      ],
      ['x', 2],
    ],
    [
      'text/t',
      [
        { type: 'insert', content: 'hello' },
        { type: 'insert', at: 5, content: '!' },
        { type: 'remove', at: 0, count: 2 },
      ],
      'llo!',
    ],
  ];
  for (const [path, changes, wanted] of cases) {
    for (const change of changes) await done(path, change);
    assert.deepEqual(await shownAt(path), wanted, path);
  }
  assert.deepEqual((await done('counter/n', { type: 'add', by: 3 })).json, { type: 'counter', key: 'n', value: 7 });
  assert.deepEqual((await done('flag/f', { type: 'disable' })).json, { type: 'flag', key: 'f', value: false });
  assert.deepEqual((await done('set/s', { type: 'add', element: 'c' })).json, { type: 'set', key: 's' });
  assert.deepEqual((await get('map/m?entry=a')).json, { type: 'map', key: 'm', entry: 'a', value: [1] });
  assert.equal((await get('map/m?entry=b')).json.code, 'KEY_NOT_FOUND');
});

test('a register shows one of its siblings, as asked, and all of them beside it', async () => {
  assert.deepEqual((await get('register/motd')).json.code, 'KEY_NOT_FOUND');
  await done('register/motd', { type: 'set', value: ['mine'] });
  assert.deepEqual((await get('register/motd')).json, {
    ...{ type: 'register', key: 'motd', value: ['mine'], conflicts: 'last-writer' },
  });
  node.replicated.hears('replica-a', 'register', 'motd', { type: 'set', value: ['theirs'] });
  const both = await get('register/motd');
  assert.deepEqual(both.json.value, ['theirs']);
  const [first, second] = both.json.siblings as Record<string, unknown>[];
  assert.deepEqual(
    [first!.value, first!.replica, second!.value, second!.replica],
    [['theirs'], 'replica-a', ['mine'], 'replica-b'],
  );
  assert.equal(first!.atMs, 1_700_000_000_001);
  for (const [conflicts, wanted] of [
    ['last-writer', ['theirs']],
    ['highest-node', ['mine']],
    ['union', ['mine', 'theirs']],
    ['keep-all', [['theirs'], ['mine']]],
  ] as const) {
    const { json } = await get(`register/motd?conflicts=${conflicts}`);
    assert.deepEqual([json.value, json.conflicts], [wanted, conflicts]);
  }
  await done('register/motd', { type: 'set', value: 'settled' });
  assert.equal((await get('register/motd')).json.siblings, undefined);
  await done('register/motd', { type: 'clear' });
  assert.equal((await get('register/motd')).status, 404);
  assert.match(String((await get('counter/n?conflicts=union')).json.detail), /only registers/);
  assert.match(String((await get('register/motd?conflicts=mine')).json.detail), /last-writer, highest-node, union, keep-all/);
});

test('a tree is read and changed at a path, or by changes inside each other', async () => {
  await done('counter/users?at=anna/visits', { type: 'add', by: 2 });
  await done('set/users?at=anna%2Fb/tags', { type: 'add', element: 'x' });
  await done('register/users?at=name', { type: 'set', value: 'all' });
  const inside = { type: 'update', of: 'counter', key: 'visits', change: { type: 'add' } };
  await done('tree/users', { type: 'update', of: 'tree', key: 'anna', change: inside });
  assert.deepEqual((await get('counter/users?at=anna/visits')).json, {
    ...{ type: 'counter', key: 'users', at: ['anna', 'visits'], value: 3 },
  });
  assert.deepEqual(await shownAt('tree/users'), {
    tree: { anna: { counter: { visits: 3 } }, 'anna/b': { set: { tags: ['x'] } } },
    register: { name: 'all' },
  });
  assert.deepEqual(await shownAt('tree/users?at=anna'), { counter: { visits: 3 } });
  await done('tree/users?at=anna', { type: 'remove', of: 'counter', key: 'visits' });
  assert.equal((await get('counter/users?at=anna/visits')).json.code, 'KEY_NOT_FOUND');
  assert.equal((await get('set/users?at=anna/b/tags')).json.code, 'KEY_NOT_FOUND');
  const refused: [Promise<Answer>, RegExp][] = [
    [get('map/users?at=a'), /a map cannot be inside of a tree/],
    [get('set/users?at=a//b'), /empty/],
    [get(`set/users?at=${'a/'.repeat(8)}b`), /more than 8 steps/],
    [post('tree/users', { type: 'update', of: 'text', key: 'a', change: {} }), /'of' must be one of register, .*, not 'text'/],
    [post('tree/users', { type: 'update', of: 'set', key: 'a', change: { type: 'add' } }), /'add' needs 'element'/],
    [post('tree/users', { type: 'update', of: 'or-set', key: 'a', change: {} }), /not 'or-set'/],
  ];
  for (const [answer, words] of refused) assert.match(String((await answer).json.detail), words);
});

test('bytes, and what only looks like bytes, come back as they went', async () => {
  const values = [
    { $base64: 'AP/+' },
    { $$base64: 'AP/+' },
    { $base64: 'AA==', other: 1 },
    [{ deep: { $base64: '' } }, { $$$base64: {} }],
    { a: 'ü\u2028"\\\n', b: -0.5, c: 1e21, d: 1e-9, e: 9_007_199_254_740_991 },
  ];
  for (const value of values) {
    await done('register/bytes', { type: 'set', value });
    assert.deepEqual(await shownAt('register/bytes'), value);
  }
  await done('register/bytes', { type: 'set', value: { $base64: 'AP/+' } });
  const siblings = node.replica.read('register', 'bytes') as [string, number, number, Uint8Array][];
  assert.deepEqual([...siblings[0]![3]], [0, 255, 254]);
});

test('JSON that would not be kept as it is, is refused', async () => {
  const refused: [string, RegExp][] = [
    ['{"type":"set","value":12345678901234567890}', /number 12345678901234567890 cannot be kept/],
    ['{"type":"set","value":[-9007199254740993]}', /cannot be kept/],
    ['{"type":"set","value":1e999}', /cannot be kept/],
    [`{"type":"set","value":${'['.repeat(33)}${']'.repeat(33)}}`, /at most 32 inside each other/],
    [`${'['.repeat(100_000)}`, /more than \d+ lists and objects/],
    ['{"type":"set","value":{"__proto__":{"a":1}}}', /__proto__/],
    ['{"type":"set","value":"\\ud800"}', /half a character/],
    ['{"type":"set","value":{"\\udc00":1}}', /half a character/],
    ['{"type":"set","value":{"$base64":"no!"}}', /no base64/],
    ['{"type":"set","value":{"$base64":1}}', /no base64/],
    ['{"type":"set"}', /'set' needs 'value'/],
    ['{"type":"set","value":1,"if":2}', /no field 'if'; it has type, value/],
    ['{"type":"set","value":1,"__proto__":2}', /no field '__proto__'/],
    ['{"type":"constructor"}', /takes the changes set, clear, not 'constructor'/],
    ['{"type":["set"]}', /takes the changes set, clear, not nothing/],
    ['{"type":"set","value":1', /is not JSON/],
    ['{"type":"set","value":"\x01"}', /is not JSON/],
    ['[]', /a change is an object/],
    ['null', /a change is an object/],
    ['', /is not JSON/],
    ['{"type":"set","value":-}', /is not JSON/],
    ['"', /is not JSON/],
  ];
  for (const [body, words] of refused) {
    const answer = await post('register/refused', body);
    assert.deepEqual([answer.status, answer.json.code], [400, 'INVALID_REQUEST'], body.slice(0, 60));
    assert.match(String(answer.json.detail), words, body.slice(0, 60));
  }
  const noText = await ask(gateway, 'POST', '/v1/replica/register/refused', { body: Uint8Array.of(0x22, 0xff, 0x22) });
  assert.match(String(noText.json.detail), /not UTF-8/);
  assert.equal((await get('register/refused')).status, 404);
  // What JSON writes of a large number is taken back.
  for (const value of [2 ** 60, 1e20, -(2 ** 53)]) {
    await done('register/large', { type: 'set', value });
    assert.equal(await shownAt('register/large'), value);
  }
  for (const [path, change, words] of [
    ['counter/c', { type: 'add', by: 0.5 }, /no whole number/],
    ['tally/c', { type: 'add', by: -1 }, /./],
    ['text/c', { type: 'insert', at: 3, content: 'x' }, /begins at 3 of 0/],
    ['text/c', { type: 'insert', content: '' }, /nothing/],
    ['list/c', { type: 'remove', at: 0 }, /ends at 1 of 0/],
    ['set/c', { type: 'add', element: 'x'.repeat(70_000) }, /longer than/],
  ] as const) {
    const answer = await post(path, change);
    assert.equal(answer.json.code, 'INVALID_REQUEST', path);
    assert.match(String(answer.json.detail), words);
  }
});

test('keys are any text without control characters, slashes included', async () => {
  for (const [path, key] of [
    ['counter/a/b', 'a/b'],
    ['counter/a%2Fb%3F', 'a/b?'],
    ['counter/..%2F%25', '../%'],
    ['counter/%E2%82%AC', '€'],
    ['counter/watch', 'watch'],
    [`counter/${'x'.repeat(1024)}`, 'x'.repeat(1024)],
  ] as const) {
    assert.equal((await done(path, { type: 'add' })).json.key, key);
    assert.equal((await get(path)).json.key, key);
  }
  for (const path of ['counter/', 'counter/%00', 'counter/a%0Ab', 'counter/%FF', 'counter/%zz', `counter/${'x'.repeat(1025)}`])
    for (const answer of [await get(path), await post(path, { type: 'add' }), await get(`watch/${path}`)])
      assert.deepEqual([answer.status, answer.json.code], [400, 'INVALID_REQUEST'], path.slice(0, 40));
  assert.match(String((await get('or-set/a')).json.detail), /no replicated type 'or-set'; there is register, latest, counter/);
  assert.equal((await get('__proto__/a')).json.code, 'INVALID_REQUEST');
  assert.equal((await get('counter')).json.code, 'NOT_FOUND');
  assert.equal((await ask(gateway, 'PUT', '/v1/replica/counter/a')).headers.allow, 'GET, POST');
});

test('what is too large is refused, not cut', async () => {
  const body = JSON.stringify({ type: 'set', value: 'x'.repeat(1 << 20) });
  assert.deepEqual((await post('register/large', body)).json.code, 'TOO_LARGE');
  const small = await openTestGateway(node, { limits: { replicaItemsMax: 10, replicaCharsMax: 100 } });
  const read = (path: string): Promise<Answer> => ask(small, 'GET', `/v1/replica/${path}`);
  for (let n = 0; n < 10; n++) await done('set/ten', { type: 'add', element: n });
  assert.equal((await read('set/ten')).status, 200);
  await done('set/ten', { type: 'add', element: 10 });
  const answer = await read('set/ten');
  assert.deepEqual([answer.status, answer.json.code], [413, 'TOO_LARGE']);
  assert.match(String(answer.json.detail), /more than 10 items/);
  assert.equal((await read('watch/set/ten')).json.code, 'TOO_LARGE');
  for (let n = 0; n < 11; n++) await done(`counter/wide?at=${n < 5 ? 'a' : 'b'}/${n}`, { type: 'add' });
  assert.match(String((await read('tree/wide')).json.detail), /more than 10 items/);
  assert.equal((await read('tree/wide?at=a')).status, 200);
  for (const key of ['a', 'b']) await done('map/long', { type: 'put', key, value: 'x'.repeat(60) });
  assert.match(String((await read('map/long')).json.detail), /longer than 100 characters/);
  assert.equal((await read('map/long?entry=a')).status, 200);
  await done('text/long', { type: 'insert', content: 'x'.repeat(101) });
  assert.equal((await read('text/long')).status, 413);
  await small.close();
});

test('answers that are not read have a limit, and what is read or cut makes room again', async (t) => {
  const small = await openTestGateway(node, { limits: { replicaCharsMax: 1 << 20, replicaAnswersBytesMax: 4 << 20 } });
  t.after(() => small.close());
  for (const key of ['a', 'b']) await done('map/mega', { type: 'put', key, value: 'x'.repeat(500_000) });
  const { hostname, port } = new URL(small.url);
  const asked = 'GET /v1/replica/map/mega HTTP/1.1\r\nhost: localhost\r\n\r\n';
  for (const isCut of [true, false]) {
    const socket = connect(Number(port), hostname);
    // All at once, of which the kernel takes some.
    socket.write(asked.repeat(10));
    let text = '';
    for await (const chunk of socket) {
      text += String(chunk);
      if (isCut || text.split('HTTP/1.1 ').length > 10) break;
    }
    if (isCut) continue;
    const statuses = [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status);
    assert.deepEqual([statuses.slice(0, 4), statuses.slice(4)], [Array(4).fill('200'), Array(6).fill('429')]);
    assert.match(text, /"code":"OVERLOADED"/);
  }
  const again = await ask(small, 'GET', '/v1/replica/map/mega');
  assert.equal(again.status, 200);
});

test('objects are listed by type and prefix, and counted', async () => {
  await done('set/list/1', { type: 'add', element: 1 });
  await done('counter/list/2', { type: 'add' });
  const { items } = (await ask(gateway, 'GET', '/v1/replica?prefix=list/')).json;
  assert.deepEqual(items, [
    { type: 'set', key: 'list/1' },
    { type: 'counter', key: 'list/2' },
  ]);
  const rest = await ask(gateway, 'GET', '/v1/replica?prefix=list/&after=set/list%2F1');
  assert.deepEqual(rest.json.items, [{ type: 'counter', key: 'list/2' }]);
  assert.equal(((await ask(gateway, 'GET', '/v1/replica?prefix=list/&type=set')).json.items as unknown[]).length, 1);
  assert.equal(((await ask(gateway, 'GET', '/v1/replica?prefix=list/&limit=1')).json.items as unknown[]).length, 1);
  await done('tally/list/2', { type: 'add' });
  assert.deepEqual((await ask(gateway, 'GET', '/v1/replica?key=list%2F2')).json.items, [
    { type: 'counter', key: 'list/2' },
    { type: 'tally', key: 'list/2' },
  ]);
  for (const query of ['after=list', 'after=or-set/a', 'key=a&type=set', 'type=or-set', 'limit=0', 'limit=1001', 'from=1'])
    assert.equal((await ask(gateway, 'GET', `/v1/replica?${query}`)).json.code, 'INVALID_REQUEST', query);
  const { replica, objects } = (await get('summary')).json;
  assert.deepEqual([replica, Number(objects) > 2], ['replica-b', true]);
});

test('what cannot be done now says so, and what it knows of it', async () => {
  const other = await openTestGateway(node, { limits: { overdueMs: 0 } });
  node.replicated.isClosed = true;
  for (const path of ['/v1/replica', '/v1/replica/counter/n', '/v1/replica/watch/counter/n'])
    assert.equal((await ask(other, 'GET', path)).json.code, 'NOT_READY', path);
  assert.equal((await post('counter/n', { type: 'add' })).json.code, 'NOT_READY');
  node.replicated.isClosed = false;
  node.replicated.intercept = () => failure('OVERLOADED', 'the disk');
  assert.equal((await post('counter/n', { type: 'add' })).status, 429);
  node.replicated.intercept = () => 'silent';
  const silent = await ask(other, 'POST', '/v1/replica/counter/n?timeout-ms=10', { body: '{"type":"add"}' });
  assert.deepEqual([silent.status, silent.json.code, silent.json.definite], [504, 'OUTCOME_UNKNOWN', false]);
  const headers = { 'idempotency-key': 'a' };
  const key = await ask(gateway, 'POST', '/v1/replica/counter/n', { body: '{"type":"add"}', headers });
  assert.match(String(key.json.detail), /no Idempotency-Key/);
  await other.close();
});

test('the guards of every route are before these too', async () => {
  const closed = await openTestGateway(node, { token: 'secret' });
  for (const [method, path] of [
    ['GET', '/v1/replica'],
    ['GET', '/v1/replica/summary'],
    ['GET', '/v1/replica/counter/n'],
    ['GET', '/v1/replica/watch/counter/n'],
    ['POST', '/v1/replica/counter/n'],
  ] as const) {
    assert.equal((await ask(closed, method, path)).status, 401, path);
    for (const headers of [{ host: 'evil.example' }, { origin: 'http://evil.example' }])
      assert.equal((await ask(gateway, method, path, { headers })).status, 403, path);
  }
  await closed.close();
});
