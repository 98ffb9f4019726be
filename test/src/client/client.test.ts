// The client against real gateways over fake nodes: what it says, when it tries again, and what it then claims to know.
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import { failure } from '../../../machines/errors.ts';
import { type Client, createClient, PolityError } from '../../../src/client/index.ts';
import type { Gateway } from '../../../src/gateway/index.ts';
import { FakeNode } from '../gateway/fake-node.ts';
import { openTestGateway } from '../gateway/open.ts';

let node: FakeNode;
let gateway: Gateway;
let client: Client;
before(async () => {
  node = new FakeNode();
  gateway = await openTestGateway(node);
  client = createClient({ urls: [gateway.url] });
});
after(async () => {
  client.close();
  await gateway.close();
});
beforeEach(() => {
  node.intercept = () => null;
  node.asked.length = 0;
});

const codeOf = async (promise: Promise<unknown>): Promise<string> => {
  try {
    await promise;
    return 'no error';
  } catch (error) {
    return error instanceof PolityError ? error.code : String(error);
  }
};

/** Writes that reached the node. */
const writes = (of: FakeNode = node) => of.asked.filter((asked) => asked.type === 'write');

test('put, get, delete, list', async () => {
  const put = await client.put('c/greeting', 'hello');
  assert.deepEqual(put, { key: 'c/greeting', index: node.index, term: 3 });
  const got = (await client.get('c/greeting'))!;
  assert.deepEqual([got.text(), got.index, got.version, got.lease], ['hello', put.index, 1, null]);
  assert.equal(await client.get('c/absent'), null);
  await client.put('c/bytes', new Uint8Array([0xff, 0]));
  assert.deepEqual((await client.get('c/bytes'))!.value, new Uint8Array([0xff, 0]));
  const keys: string[] = [];
  for await (const entry of client.list('c/')) keys.push(entry.key);
  assert.deepEqual(keys, ['c/bytes', 'c/greeting']);
  await client.delete('c/greeting');
  assert.equal(await codeOf(client.delete('c/greeting')), 'KEY_NOT_FOUND');
});

test('keys and conditions of any characters', async () => {
  for (const key of ['..', '.', 'a/../b', 'ключ ☃', '%2F?x#y', 'a+b&c=d']) {
    await client.put(key, key);
    assert.equal((await client.get(key))?.text(), key);
    await client.cas(key, key, `${key}!`);
    assert.equal(await codeOf(client.cas(key, key, 'x')), 'CAS_MISMATCH');
  }
  await client.put('odd', new Uint8Array([0, 0xff, 0x25]));
  await client.put('odd', 'even', { ifValue: new Uint8Array([0, 0xff, 0x25]) });
  assert.equal(await codeOf(client.cas('odd', null, 'x')), 'CAS_MISMATCH');
  assert.equal(await codeOf(client.put('\ud800', 'x')), 'INVALID_REQUEST');
  assert.equal(await codeOf(client.get('')), 'INVALID_REQUEST');
});

test('a list goes over pages and stops at its limit', async () => {
  for (let n = 0; n < 450; n++) node.apply({ op: 'put', key: `page/${String(n).padStart(3, '0')}`, value: new Uint8Array(0) });
  let count = 0;
  for await (const _entry of client.list('page/')) count++;
  assert.equal(count, 450);
  count = 0;
  for await (const _entry of client.list('page/', { limit: 250 })) count++;
  assert.equal(count, 250);
});

test('a refused condition and an overlarge value are errors that say they did nothing', async () => {
  try {
    await client.put('large', new Uint8Array((1 << 20) + 1));
    assert.fail();
  } catch (error) {
    assert.ok(error instanceof PolityError);
    assert.deepEqual([error.code, error.status, error.definite, error.retryable], ['TOO_LARGE', 413, true, false]);
  }
});

test('no quorum for a moment is waited for; the write has one effect', async () => {
  let left = 2;
  node.intercept = () => (left-- > 0 ? failure('NO_QUORUM', 'not now') : null);
  await client.put('patient', 'x');
  assert.equal(writes().length, 3);
  assert.equal(new Set(writes().map((asked) => asked.idempotencyKey)).size, 1);
});

test('an unknown outcome is asked again under the same idempotency key', async () => {
  // The first attempt takes effect, but its answer is lost.
  node.intercept = (asked) => {
    node.intercept = () => null;
    if (asked.type === 'write') node.apply(asked.write, asked.idempotencyKey);
    return failure('OUTCOME_UNKNOWN', 'lost');
  };
  const { index } = await client.put('once', 'x');
  assert.equal((await client.get('once'))?.version, 1);
  assert.equal((await client.get('once'))?.index, index);
});

test('what stays unknown is said to be, whatever the last attempt said', async () => {
  const codes = ['OUTCOME_UNKNOWN', 'NO_QUORUM'] as const;
  let at = 0;
  node.intercept = () => failure(codes[Math.min(at++, 1)]!, 'x');
  const error = await client.put('k', 'x', { timeoutMs: 300 }).catch((why: unknown) => why);
  assert.ok(error instanceof PolityError);
  assert.deepEqual([error.code, error.definite], ['OUTCOME_UNKNOWN', false]);
});

test('after an unknown attempt only what the log decided is believed', async () => {
  const play = (second: 'CAS_MISMATCH' | 'UNAUTHORIZED'): Promise<string> => {
    let at = 0;
    node.intercept = () => failure(at++ === 0 ? 'OUTCOME_UNKNOWN' : second, 'x');
    return codeOf(client.put('k', 'x', { ifIndex: 1 }));
  };
  assert.equal(await play('CAS_MISMATCH'), 'CAS_MISMATCH');
  assert.equal(await play('UNAUTHORIZED'), 'OUTCOME_UNKNOWN');
});

test('errors of the caller are not tried again', async () => {
  for (const code of ['INVALID_REQUEST', 'CAS_MISMATCH', 'GROUP_NOT_FOUND', 'INTERNAL'] as const) {
    node.asked.length = 0;
    node.intercept = () => failure(code, 'x');
    assert.equal(await codeOf(client.put('k', 'x')), code);
    assert.equal(writes().length, 1, code);
  }
});

test('the time for a call is one for all its attempts', async () => {
  node.intercept = () => failure('NO_QUORUM', 'never');
  const startMs = performance.now();
  assert.equal(await codeOf(client.get('k', { timeoutMs: 200 })), 'NO_QUORUM');
  assert.ok(performance.now() - startMs < 1_500);
  assert.equal(await codeOf(client.get('k', { timeoutMs: 0 })), 'INVALID_REQUEST');
});

test('silence at the end does not hide what a node said before', async () => {
  let at = 0;
  node.intercept = () => (at++ === 0 ? failure('NO_QUORUM', 'two of three are gone') : 'silent');
  const read = await client.get('k', { timeoutMs: 300 }).catch((why: unknown) => why);
  assert.ok(read instanceof PolityError && at > 1);
  assert.deepEqual([read.code, read.message], ['NO_QUORUM', 'two of three are gone']);
  at = 0;
  const write = await client.put('k', 'x', { timeoutMs: 300 }).catch((why: unknown) => why);
  assert.ok(write instanceof PolityError && at > 1);
  assert.deepEqual([write.code, write.message], ['OUTCOME_UNKNOWN', 'it may have happened: two of three are gone']);
});

test('a change of members is never sent twice', async () => {
  node.changeOutcome = { ok: false, failure: failure('OUTCOME_UNKNOWN', 'lost') };
  node.changes.length = 0;
  assert.equal(await codeOf(client.groups.change('kv', { type: 'remove', node: 'n2' })), 'OUTCOME_UNKNOWN');
  assert.equal(node.changes.length, 1);
  node.changeOutcome = { ok: true, value: { index: 9 } };
  assert.deepEqual(await client.groups.change('kv', { type: 'add', node: 'n4', role: 'learner' }), { index: 9 });
});

// ---------------------------------------------------------------- failover

/** A server that does `onRequest` and then cuts the connection. */
const brokenServer = async (onRequest: () => void = () => {}): Promise<{ url: string; server: Server }> => {
  const server = createServer((request) => {
    request.resume().on('end', () => {
      onRequest();
      request.socket.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
};

const closedUrl = async (): Promise<string> => {
  const { server, url } = await brokenServer();
  await new Promise((resolve) => server.close(resolve));
  return url;
};

test('a node that is gone is passed over, and the next call begins with the one that answered', async () => {
  const many = createClient({ urls: [await closedUrl(), gateway.url] });
  await many.put('failover', '1');
  await many.put('failover', '2');
  assert.equal((await many.get('failover'))?.text(), '2');
  many.close();
});

test('a connection that breaks after a write was sent: tried elsewhere, one effect', async () => {
  let sent = 0;
  const broken = await brokenServer(() => sent++);
  const many = createClient({ urls: [broken.url, gateway.url] });
  await many.put('broken', 'x');
  assert.equal(sent, 1);
  assert.equal((await many.get('broken'))?.version, 1);
  many.close();
  broken.server.close();
});

test('nobody there: UNREACHABLE and definite; broken after sending: OUTCOME_UNKNOWN', async () => {
  const gone = createClient({ urls: [await closedUrl()], roundsMax: 1 });
  const refused = await gone.put('k', 'x').catch((error: unknown) => error);
  assert.ok(refused instanceof PolityError);
  assert.deepEqual([refused.code, refused.definite], ['UNREACHABLE', true]);
  gone.close();
  const broken = await brokenServer();
  const cut = createClient({ urls: [broken.url], roundsMax: 1 });
  const lost = await cut.put('k', 'x').catch((error: unknown) => error);
  assert.ok(lost instanceof PolityError);
  assert.deepEqual([lost.code, lost.definite], ['OUTCOME_UNKNOWN', false]);
  assert.equal(await codeOf(cut.get('k')), 'UNREACHABLE');
  cut.close();
  broken.server.close();
});

test('a node that hangs is left for the next one', async () => {
  const hung = new FakeNode();
  hung.intercept = () => 'silent';
  const hungGateway = await openTestGateway(hung, { limits: { closeMs: 10 } });
  const many = createClient({ urls: [hungGateway.url, gateway.url], timeoutMs: 3_000 });
  await many.put('hung', 'x');
  assert.equal(writes(hung)[0]?.idempotencyKey, writes()[0]?.idempotencyKey);
  many.close();
  await hungGateway.close();
});

test('a cancelled read rejects with the reason, a cancelled write that was sent is unknown', async () => {
  node.intercept = () => 'silent';
  const reason = new Error('enough');
  const cancelWhenAsked = async (call: (signal: AbortSignal) => Promise<unknown>): Promise<unknown> => {
    node.asked.length = 0;
    const controller = new AbortController();
    const result = call(controller.signal).catch((error: unknown) => error);
    while (node.asked.length === 0) await new Promise((resolve) => setImmediate(resolve));
    controller.abort(reason);
    return result;
  };
  assert.equal(await cancelWhenAsked((signal) => client.get('k', { signal })), reason);
  const lost = await cancelWhenAsked((signal) => client.put('k', 'x', { signal }));
  assert.ok(lost instanceof PolityError && lost.code === 'OUTCOME_UNKNOWN' && lost.cause === reason);
  assert.equal(await client.put('k', 'x', { signal: AbortSignal.abort(reason) }).catch((error: unknown) => error), reason);
});

test('a token is presented', async () => {
  const guarded = await openTestGateway(node, { token: 'let-me-in' });
  const without = createClient({ urls: [guarded.url] });
  const withToken = createClient({ urls: [guarded.url], token: 'let-me-in' });
  assert.equal(await codeOf(without.get('k')), 'UNAUTHORIZED');
  await withToken.put('k', 'x');
  without.close();
  withToken.close();
  await guarded.close();
});

test('status, members and groups are what the node says', async () => {
  assert.equal((await client.status()).name, 'n1');
  assert.deepEqual(
    (await client.members()).map((member) => member.name),
    ['n1', 'n2', 'n3'],
  );
  assert.equal((await client.groups.list())[0]?.id, 'kv');
  let text = '';
  for await (const chunk of client.groups.backup('kv')) text += Buffer.from(chunk).toString();
  assert.match(text, /"format":"polity-backup"[\s\S]*"end":true/);
  const missing = client.groups.backup('other')[Symbol.asyncIterator]().next();
  assert.equal(await codeOf(missing), 'GROUP_NOT_FOUND');
});

test('answers of a stranger are not taken for ours', async () => {
  const server = createServer((_request, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const stranger = createClient({ urls: [`http://127.0.0.1:${(server.address() as AddressInfo).port}`] });
  assert.equal(await codeOf(stranger.get('k')), 'INTERNAL');
  assert.equal(await codeOf(stranger.put('k', 'x')), 'OUTCOME_UNKNOWN');
  stranger.close();
  server.close();
});

test('urls that are none are refused at once', () => {
  assert.throws(() => createClient({ urls: [] }), /urls is empty/);
  assert.throws(() => createClient({ urls: ['127.0.0.1:7501'] }), /is not an http\(s\) URL/);
});

test('what is no signal is refused before a request is made that nobody would hear', async () => {
  for (const signal of [5, {}, 'x'] as never[])
    for (const asked of [() => client.put('a', 'b', { signal }), () => client.call('s', 'm', null, { signal })])
      assert.equal(await codeOf(asked()), 'INVALID_REQUEST');
  assert.equal(node.asked.length, 0);
});
