// Every command against a gateway over a fake node, as processes: what they print and how they exit.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { headKey, stateKey } from '../../../machines/entity/ledger-keys.ts';
import { encodeHead, newRecord } from '../../../machines/entity/ledger-records.ts';
import { failure } from '../../../machines/errors.ts';
import { readBackup } from '../../../src/cli/backup.ts';
import { createClient } from '../../../src/client/index.ts';
import type { Gateway } from '../../../src/gateway/index.ts';
import { FakeNode } from '../gateway/fake-node.ts';
import { openTestGateway } from '../gateway/open.ts';
import { launch, many, polity, type Ran, written } from './polity.ts';

const directory = mkdtempSync(join(tmpdir(), 'polity-cli-'));
let node: FakeNode;
let gateway: Gateway;
before(async () => {
  node = new FakeNode();
  gateway = await openTestGateway(node);
});
after(async () => {
  await gateway.close();
  rmSync(directory, { recursive: true });
});

const at = (words: string[], options: { input?: string } = {}) =>
  polity(words, { ...options, env: { POLITY_NODE: gateway.url } });

/** One after the other, in one process. */
const each = (...lines: string[][]) => many(lines, { POLITY_NODE: gateway.url });

test('put and get, from words, from a file and from standard input', async () => {
  const put = await at(['kv', 'put', 'a', 'one']);
  assert.deepEqual([put.code, put.stdout], [0, `put a at index ${node.index} in term 3\n`]);
  assert.equal((await at(['kv', 'get', 'a'])).stdout, 'one\n');
  const file = join(directory, 'value');
  writeFileSync(file, 'from a file');
  await Promise.all([at(['kv', 'put', 'b', '--file', file]), at(['kv', 'put', 'c', '-'], { input: 'from input' })]);
  assert.equal((await at(['kv', 'get', 'b', '--raw'])).stdout, 'from a file');
  const json = JSON.parse((await at(['kv', 'get', 'c', '--json'])).stdout) as Record<string, unknown>;
  assert.deepEqual([json.key, json.value, json.version], ['c', 'from input', 1]);
});

test('exit codes: 1 answered, 2 usage, 3 unreachable, 4 unknown', async () => {
  const [missing, usage, noValue, badUrl, badTime, unreachable] = await Promise.all([
    at(['kv', 'get', 'absent']),
    at(['kv', 'gett', 'a']),
    at(['kv', 'put', 'a']),
    polity(['kv', 'get', 'a', '--node', '127.0.0.1:1']),
    at(['kv', 'put', 'a', 'x', '--ttl', 'soon']),
    polity(['kv', 'get', 'a', '--node', 'http://127.0.0.1:1', '--json']),
  ]);
  assert.deepEqual([missing.code, usage.code, noValue.code, badUrl.code, badTime.code, unreachable.code], [1, 2, 2, 2, 2, 3]);
  assert.match(missing.stderr, /KEY_NOT_FOUND/);
  assert.match(usage.stderr, /unknown command 'gett'\n.*did you mean get\?/i);
  assert.match(badUrl.stderr, /is not an http\(s\) URL/);
  assert.equal((JSON.parse(unreachable.stderr) as { code: string }).code, 'UNREACHABLE');
  node.intercept = (asked) => (asked.type === 'write' ? failure('OUTCOME_UNKNOWN', 'lost') : null);
  const unknown = await at(['kv', 'put', 'a', 'x', '--timeout', '200ms']);
  node.intercept = () => null;
  assert.deepEqual([unknown.code, unknown.stdout], [4, '']);
  assert.match(unknown.stderr, /OUTCOME_UNKNOWN.*\n.*look before you repeat/);
});

test('conditions', async () => {
  const ran = await each(
    ['kv', 'put', 'cond', 'one', '--if-index', '0'],
    ['kv', 'put', 'cond', 'two', '--if-index', '0'],
    ['kv', 'cas', 'cond', 'zero', 'two'],
    ['kv', 'put', 'cond', 'two', '--if-index', '0', '--if-value', 'one'],
    ['kv', 'cas', 'cond', 'one', 'two'],
    ['kv', 'del', 'cond', '--if-value', 'two'],
  );
  assert.deepEqual(
    ran.map(({ code }) => code),
    [0, 1, 1, 2, 0, 0],
  );
});

test('list', async () => {
  for (const key of ['l/1', 'l/2']) node.apply({ op: 'put', key, value: Buffer.from(`value of ${key}`) });
  const ran = await each(['kv', 'list', 'l/'], ['kv', 'list', 'l/', '--keys-only'], ['kv', 'list', 'l/', '--json']);
  const [plain, keys, json] = ran as [Ran, Ran, Ran];
  assert.match(plain.stdout, /^KEY\s+INDEX\s+VALUE\nl\/1\s+\d+\s+value of l\/1\nl\/2/);
  assert.equal(keys.stdout, 'l/1\nl/2\n');
  assert.deepEqual(
    json.stdout
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { key: string }).key),
    ['l/1', 'l/2'],
  );
});

test('watch prints what happens until it is told to stop', async () => {
  const first = node.index + 1;
  const watching = launch(['kv', 'watch', 'w/', '--from', String(first), '--json'], { env: { POLITY_NODE: gateway.url } });
  node.apply({ op: 'put', key: 'w/1', value: Buffer.from('x') });
  await written(watching, /"key":"w\/1","value":"x"/);
  node.apply({ op: 'delete', key: 'w/1' });
  await written(watching, /"type":"delete"/);
  watching.child.kill('SIGINT');
  assert.equal((await watching.ended).code, 0);
});

test('status, members and groups for people and for machines', async () => {
  const ran = await each(['status'], ['status', '--json'], ['members'], ['group', 'list']);
  const [status, statusJson, members, groups] = ran as [Ran, Ran, Ran, Ran];
  assert.match(status.stdout, /^n1 of test: ready, version 0\.0\.0/);
  assert.equal((JSON.parse(statusJson.stdout) as { name: string }).name, 'n1');
  assert.match(members.stdout, /n3\s+unknown\s+-\s+no\s+kv:learner/);
  assert.match(groups.stdout, /kv\s+leader\s+3\s+n1\s+0\s+0\s+n1,n2\s+n3/);
});

test('members that change are told as they do, and one may be thrown out', async () => {
  const failed = { ...{ name: 'n7', peer: 'peer-7', status: 'alive', incarnation: 1, forMs: 0, self: false, version: '1' } };
  const profile = { ...{ region: 'here', tags: ['fast', 'new'], capabilities: [], resources: {}, capacity: 0, load: 0 } };
  const known = { ...failed, ...profile, state: 'ready', addresses: [] } as unknown as (typeof node.known)[number];
  node.known = [known];
  const watching = launch(['members', '--watch'], { env: { POLITY_NODE: gateway.url } });
  await written(watching, /n7\s+alive\s+ready\s+no\s+-\s+-\s+-\s+here\s+fast,new/);
  node.known = [{ ...known, status: 'suspect' }];
  await written(watching, /n7: suspect ready, not connected \(was alive ready, not connected\)/);
  assert.match((await at(['evict', 'peer-7'])).stdout, /peer-7 is thrown out/);
  assert.equal((await at(['evict', 'nobody'])).code, 1);
  node.known = [];
  await written(watching, /n7: forgotten/);
  watching.child.kill('SIGINT');
  assert.equal((await watching.ended).code, 0);
  assert.deepEqual(node.evicted, ['peer-7']);
});

test('changes of a group', async () => {
  node.changes.length = 0;
  const [added] = await each(
    ['group', 'add', 'kv', 'n4', '--learner', '--json'],
    ['group', 'promote', 'kv', 'n4'],
    ['group', 'remove', 'kv', 'n2'],
    ['group', 'transfer', 'kv', 'n1'],
  );
  assert.deepEqual(JSON.parse(added!.stdout), { group: 'kv', node: 'n4', change: 'add', index: 7 });
  assert.deepEqual(
    node.changes.map(({ change }) => change.type),
    ['add', 'promote', 'remove', 'transfer'],
  );
});

test('locks and leases', async () => {
  const acquired = JSON.parse((await at(['lock', 'acquire', 'job', '--owner', 'me', '--json'])).stdout) as {
    token: string;
    lease: string;
  };
  const ran = await each(
    ['lock', 'acquire', 'job'],
    ['lock', 'get', 'job'],
    ['kv', 'put', 'guarded', 'x', '--fence', `job:${acquired.token}`],
    ['lease', 'renew', acquired.lease],
    ['lock', 'release', 'job', '--token', acquired.token],
    ['lock', 'get', 'job'],
    ['lease', 'revoke', acquired.lease],
    ['lease', 'get', acquired.lease],
  );
  assert.deepEqual(
    ran.map(({ code }) => code),
    [1, 0, 0, 0, 0, 0, 0, 1],
  );
  const [, held, , renewed, , free] = ran.map(({ stdout }) => stdout);
  assert.match(held!, /^me holds job: token 3\.\d+/);
  assert.match(renewed!, /^renewed .*, until 1970-/);
  assert.match(free!, /^nobody holds job/);
});

test('lock run: the command holds the lock, and its exit code is ours', async () => {
  const script = 'process.stdout.write(process.env.POLITY_FENCE); process.exit(7)';
  const ran = await at(['lock', 'run', 'guarded', process.execPath, '-e', script]);
  assert.match(ran.stdout, /^guarded:3\.\d+$/);
  assert.equal(ran.code, 7);
  assert.match((await at(['lock', 'get', 'guarded'])).stdout, /^nobody/);
  const dashes = await at(['lock', 'run', 'guarded', '--', process.execPath, '-e', 'process.exit(7)']);
  assert.deepEqual([dashes.code, dashes.stderr], [7, '']);
  assert.equal((await at(['lock', 'run', 'guarded', '--'])).code, 2);
  const late = await at(['lock', 'run', 'guarded', '--wait', '1s', 'true']);
  assert.deepEqual([late.code, late.stderr.includes('polity lock run --wait … guarded -- COMMAND')], [2, true]);
  assert.equal((await at(['lock', 'run', 'guarded', 'no-such-command'])).code, 1);
  // What did not run holds nothing.
  assert.match((await at(['lock', 'get', 'guarded'])).stdout, /^nobody/);
});

test('a backup restores into an empty cluster, and only a whole one, and only there', async () => {
  const source = new FakeNode();
  const value = Buffer.from([0xff, 0, 1]);
  source.apply({ op: 'lease-grant', lease: 'l1', ttlMs: 60_000 });
  source.apply({ op: 'put', key: 'plain', value: Buffer.from('x') });
  source.apply({ op: 'put', key: 'bytes', value });
  source.apply({ op: 'put', key: 'leased', value, lease: 'l1' });
  source.apply({ op: 'put', key: 'brief', value, ttlMs: 5_000 });
  source.apply({ op: 'lock-acquire', lock: 'job', lease: 'l1', owner: 'me' });
  source.apply({ op: 'queue-configure', queue: 'jobs', options: { maxDeliveries: 7 } });
  source.apply({ op: 'queue-send', queue: 'jobs', body: Buffer.from('first'), ordering: 'o', dedup: 'd' });
  source.apply({ op: 'queue-receive', queue: 'jobs', max: 1, waitMs: 0 });
  source.apply({ op: 'queue-send', queue: 'jobs', body: Buffer.from('second'), ordering: 'o' });
  source.apply({ op: 'queue-send', queue: 'jobs', body: Buffer.from('later'), delayMs: 5_000 });
  const from = await openTestGateway(source);
  const target = new FakeNode();
  const to = await openTestGateway(target);
  const file = join(directory, 'backup.jsonl');
  const saved = await polity(['backup', file, '--node', from.url]);
  assert.deepEqual([saved.code, saved.stderr], [0, '']);
  const whole = readFileSync(file, 'utf8');

  const damages: [string, RegExp][] = [
    [whole.slice(0, -20), /not a JSON object|cut off/],
    [whole.split('\n').slice(0, -2).join('\n'), /cut off/],
    [whole.replace('"v":"', '"v":"AAAA'), /damaged/],
    [`${whole}{}\n`, /after the end/],
    ['{"format":"polity-backup","version":9}\n', /format 9/],
    ['{}\n', /not a backup of Polity/],
    ['', /cut off/],
  ];
  const damaged = join(directory, 'damaged.jsonl');
  for (const [text, reason] of damages) {
    writeFileSync(damaged, text);
    await assert.rejects(
      readBackup(damaged, () => {}),
      reason,
    );
  }
  // Checked as a whole before the first key is written.
  writeFileSync(damaged, whole.replace('"v":"', '"v":"AAAA'));
  const refused = await polity(['restore', damaged, '--node', to.url]);
  assert.deepEqual([refused.code, /damaged/.test(refused.stderr)], [1, true]);
  assert.equal(target.index, 0);

  const restored = await polity(['restore', file, '--node', to.url, '--json']);
  assert.equal(restored.code, 0, restored.stderr);
  const { keys, leases, left, queues, messages } = JSON.parse(restored.stdout) as Record<string, number>;
  assert.deepEqual([keys, leases, left, queues, messages], [4, 1, 1, 1, 3]);
  using client = createClient({ urls: [to.url] });
  const jobs = client.queue('jobs', { raw: true });
  const { ready, delayed, options } = await jobs.stats();
  assert.deepEqual([ready, delayed, options.maxDeliveries], [2, 1, 7]);
  assert.equal((await jobs.send(Buffer.from('first'), { dedup: 'd' })).duplicate, true);
  const [first] = await jobs.receive({ max: 5 });
  assert.deepEqual([Buffer.from(first!.value).toString(), first!.deliveries], ['first', 1]);
  const held = await many(
    ['plain', 'bytes', 'leased', 'brief'].map((key) => ['kv', 'get', key, '--node', to.url, '--json']),
    {},
  );
  const [plain, bytes, leased, brief] = held.map(({ stdout }) => JSON.parse(stdout) as Record<string, unknown>);
  assert.deepEqual([plain!.value, bytes!.value, leased!.lease], ['x', '/wAB', 'l1']);
  assert.equal(brief!.expiresAtMs, target.nowMs + 5_000);
  const again = await polity(['restore', file, '--node', to.url]);
  assert.deepEqual([again.code, /is not empty/.test(again.stderr)], [1, true]);
  const nowhere = await polity(['backup', join(directory, 'none', 'b'), '--node', from.url]);
  assert.equal(nowhere.code, 1);
  await Promise.all([from.close(), to.close()]);
});

test('a backup with replicated actors is not restored without them by mistake', async () => {
  const line = (key: Uint8Array, value: Uint8Array): string =>
    JSON.stringify({ k: Buffer.from(key).toString('base64'), v: Buffer.from(value).toString('base64') });
  const head = (name: string, presence: 'live' | 'gone'): string =>
    line(headKey(name), encodeHead({ ...newRecord(name), presence }));
  const records = [head('cart/a', 'live'), line(stateKey('cart/a'), Buffer.from('x')), head('cart/b', 'gone')];
  const header = { format: 'polity-backup', version: 1, cluster: 'c1', group: 'kv', index: 9, term: 1, timeMs: 1 };
  const body = [JSON.stringify(header), ...records].map((one) => `${one}\n`).join('');
  const sha256 = createHash('sha256').update(body).digest('hex');
  const file = join(directory, 'actors.jsonl');
  writeFileSync(file, `${body}${JSON.stringify({ end: true, records: records.length, sha256 })}\n`);
  const target = await openTestGateway(new FakeNode());
  const [refused, left] = await many(
    [[], ['--leave-actors']].map((more) => ['restore', file, '--node', target.url, ...more]),
    {},
  );
  assert.deepEqual([refused!.code, refused!.stdout], [1, '']);
  assert.match(refused!.stderr, /has 1 replicated actors, which cannot be put back: --leave-actors/);
  assert.equal(left!.code, 0, left!.stderr);
  assert.match(left!.stdout, /0 keys[\s\S]*left behind: 1 actors, receipts, 0 locks/);
  await target.close();
});

test('help and version are no mistakes, nothing at all is', async () => {
  const [help, version, nothing] = await Promise.all([polity(['--help']), polity(['--version']), polity([])]);
  assert.deepEqual([help.code, version.code, nothing.code], [0, 0, 2]);
  assert.match(help.stdout, /Exit codes:/);
  assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/);
});
