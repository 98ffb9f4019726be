// Graphs over HTTP, by the client and on the command line: services that really run, steps told as they end, and runs that nobody listens
// to any more, which are undone.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Graph } from '../../../machines/graph/index.ts';
import { createClient, PolityError, RunError } from '../../../src/client/index.ts';
import type { Gateway } from '../../../src/gateway/index.ts';
import { fieldGivenTwice } from '../../../src/json.ts';
import { defineService, ServiceError, serve } from '../../../src/service/index.ts';
import { many, polity } from '../cli/polity.ts';
import { FakeNode } from './fake-node.ts';
import { openTestGateway } from './open.ts';
import { ask } from './request.ts';

const node = new FakeNode();
const directory = mkdtempSync(join(tmpdir(), 'polity-run-'));
const said: string[] = [];
/** Those who wait for `hang` to end. */
const hanging: (() => void)[] = [];
let gateway: Gateway;

const shop = defineService({
  name: 'shop',
  version: '1.0.0',
  methods: { reserve: {}, release: { idempotent: true }, refuse: {}, hang: {}, bytes: {} },
});

before(async () => {
  gateway = await openTestGateway(node);
  await serve(node, { log: () => {}, count: () => {} }, shop, {
    reserve(input, { principal }) {
      said.push(`reserve for ${principal}`);
      return { got: input };
    },
    release: (input) => void said.push(`release ${JSON.stringify(input)}`),
    refuse() {
      throw new ServiceError('SOLD_OUT', 'nothing is left');
    },
    hang: () => new Promise<void>((resolve) => void hanging.push(resolve)),
    bytes: () => Uint8Array.of(0, 255),
  });
});
after(async () => {
  for (const end of hanging) end();
  await gateway.close();
  rmSync(directory, { recursive: true, force: true });
});

const step = (method: string, more: object = {}) => ({ service: 'shop', method, ...more });
const undone: Graph = {
  steps: {
    a: step('reserve', { input: 1, compensate: step('release', { input: { $from: 'a', path: ['got'] } }) }),
    b: step('refuse', { after: ['a'] }),
    c: step('reserve', { input: { $from: 'b' } }),
  },
};
const post = (graph: unknown, path = '/v1/run', headers: Record<string, string> = {}) =>
  ask(gateway, 'POST', path, { body: typeof graph === 'string' ? graph : JSON.stringify(graph), headers });
const linesOf = ({ bytes }: { bytes: Buffer }): Record<string, unknown>[] =>
  bytes
    .toString('utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
const until = async (isSo: () => boolean): Promise<void> => {
  for (let tries = 0; !isSo(); tries++) {
    assert.ok(tries < 500, 'it does not come');
    await sleep(10);
  }
};

test('a principal that no step could be called for is refused before anything begins', async () => {
  const { status, json } = await post({ steps: { a: { service: 'x', method: 'y' } } }, '/v1/run', {
    'polity-principal': 'e'.repeat(257),
  });
  assert.deepEqual([status, json.code], [400, 'INVALID_REQUEST']);
  assert.match(String(json.detail), /Polity-Principal has 1 to 256 characters/);
});

test('a line for each step, and one for the end', async () => {
  const graph = { steps: { a: step('reserve', { input: { $base64: 'AP8=' } }), b: step('bytes', { input: { $from: 'a' } }) } };
  const answer = await post(graph, '/v1/run', { 'polity-principal': 'anna' });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers['content-type'], 'application/x-ndjson');
  const [a, b, end] = linesOf(answer);
  assert.deepEqual([a!.step, a!.status, a!.result], ['a', 'done', { got: { $base64: 'AP8=' } }]);
  assert.deepEqual([b!.step, b!.result], ['b', { $base64: 'AP8=' }]);
  assert.deepEqual({ ...end, tookMs: 0 }, { end: true, failedStep: null, notUndone: [], tookMs: 0 });
  assert.deepEqual(said.splice(0), ['reserve for anna']);
});

test('a failure: what was skipped, what was undone, and why', async () => {
  const lines = linesOf(await post(undone));
  assert.deepEqual(
    lines.map(({ step: name, status, compensation }) => [name, status, (compensation as { status: string } | null)?.status]),
    [
      ['a', 'done', undefined],
      ['b', 'failed', undefined],
      ['c', 'skipped', undefined],
      ['a', 'done', 'done'],
      [undefined, undefined, undefined],
    ],
  );
  const { failed, failedStep, notUndone } = lines.at(-1) as {
    failed: Record<string, unknown>;
    failedStep: string;
    notUndone: [];
  };
  assert.deepEqual(
    [failed.code, failed.definite, (failed.details as { cause: string }).cause, failedStep, notUndone],
    ['GRAPH_FAILED', false, 'SERVICE_REFUSED', 'b', []],
  );
  assert.deepEqual(said.splice(0), ['reserve for null', 'release 1']);
});

test('what is wrong is a problem, before anything is called', async () => {
  for (const [graph, status, code, detail] of [
    ['{', 400, 'INVALID_REQUEST', /the graph is not JSON/],
    ['{"steps":{"a":{},"a":{}}}', 400, 'INVALID_REQUEST', /the graph has 'a' twice in one object/],
    [{ steps: { a: step('reserve', { after: ['a'] }) } }, 400, 'INVALID_REQUEST', /steps\.a\.after refers to the step itself/],
    [{ steps: { a: { service: 'none', method: 'm' } } }, 404, 'SERVICE_NOT_FOUND', /steps\.a: nobody offers none/],
    [{ steps: { a: step('none') } }, 404, 'METHOD_NOT_FOUND', /steps\.a: shop has no method 'none'/],
    ['', 400, 'INVALID_REQUEST', /not JSON/],
  ] as const)
    for (const path of ['/v1/run', '/v1/run?check']) {
      const answer = await post(graph, path);
      assert.deepEqual([answer.status, answer.json.code], [status, code]);
      assert.match(String(answer.json.detail), detail);
    }
  assert.equal((await ask(gateway, 'POST', '/v1/run', { body: Uint8Array.of(0xff) })).status, 400);
  assert.equal((await post(undone, '/v1/run', { 'polity-principal': 'x'.repeat(513) })).json.code, 'INVALID_REQUEST');
  assert.equal((await post(undone, '/v1/run?chek')).json.code, 'INVALID_REQUEST');
  assert.equal((await ask(gateway, 'GET', '/v1/run')).status, 405);
  assert.deepEqual((await post(undone, '/v1/run?check')).json, { ok: true });
  assert.deepEqual(said, []);
});

test('an input may be as deep over HTTP as otherwise', async () => {
  const deep = (depth: number): unknown => (depth === 0 ? 'x' : [deep(depth - 1)]);
  const graph = { steps: { a: step('refuse', { compensate: step('release', { input: deep(32) }) }) } };
  assert.deepEqual((await post(graph, '/v1/run?check')).json, { ok: true });
});

const leaving: Graph = {
  steps: { a: step('reserve', { compensate: step('release', { input: 'gone' }) }), b: step('hang', { after: ['a'] }) },
};

test('whoever goes away gives the run up', async () => {
  const { hostname, port } = new URL(gateway.url);
  const request = http.request({ hostname, port, method: 'POST', path: '/v1/run', agent: false });
  request.on('error', () => {});
  const response = await new Promise<http.IncomingMessage>((resolve) => {
    request.once('response', resolve);
    request.end(JSON.stringify(leaving));
  });
  response.on('error', () => {});
  await until(() => hanging.length === 1);
  request.destroy();
  await until(() => said.includes('release "gone"'));
  await until(() => node.graph.running() === 0);
  said.length = 0;
});

test('not more runs are told than a gateway bears; one that closes says so, and gives them up', async () => {
  const small = await openTestGateway(node, { limits: { runsMax: 1 } });
  const client = createClient({ urls: [small.url] });
  const steps = client.runs.run(leaving);
  const { value: first } = await steps.next();
  assert.ok(first !== undefined && 'step' in first && first.step === 'a');
  await assert.rejects(client.runs.run(undone).next(), { code: 'OVERLOADED' });
  const rest = steps.next();
  await Promise.all([small.close(), assert.rejects(rest, { name: 'RunError', code: 'STOPPING' })]);
  await until(() => said.includes('release "gone"'));
  said.length = 0;
  client.close();
});

test('the client: steps one after the other, then the end; who stops looking gives it up', async () => {
  using client = createClient({ urls: ['http://127.0.0.1:1', gateway.url] });
  const told: string[] = [];
  for await (const { step: name, result } of client.runs.run({ steps: { a: step('bytes') } }, { principal: 'ben' })) {
    assert.deepEqual(result, Uint8Array.of(0, 255));
    told.push(name);
  }
  assert.deepEqual(told, ['a']);
  await assert.rejects(
    async () => {
      for await (const { step: name } of client.runs.run(undone)) told.push(name);
    },
    (error: unknown) => {
      assert.ok(error instanceof RunError && error instanceof PolityError);
      assert.deepEqual([error.code, error.failedStep, error.notUndone], ['GRAPH_FAILED', 'b', []]);
      return true;
    },
  );
  assert.deepEqual(told, ['a', 'a', 'b', 'c', 'a']);
  said.length = 0;
  for await (const { step: name } of client.runs.run(leaving)) if (name === 'a') break;
  await until(() => said.includes('release "gone"'));
  said.length = 0;
  await client.runs.checkRun(undone);
  await assert.rejects(client.runs.checkRun({ steps: {} }), { code: 'INVALID_REQUEST' });
  await assert.rejects(client.runs.run(undone, { signal: AbortSignal.abort(new Error('enough')) }).next(), /enough/);
  await assert.rejects(client.runs.run({ steps: { a: step('m', { input: 1n }) } } as never).next(), {
    code: 'INVALID_REQUEST',
  });
  using nowhere = createClient({ urls: ['http://127.0.0.1:1'] });
  await assert.rejects(nowhere.runs.run(undone).next(), { code: 'UNREACHABLE' });
});

test('the command line', async () => {
  const file = (name: string, graph: unknown): string => {
    const path = join(directory, name);
    writeFileSync(path, typeof graph === 'string' ? graph : JSON.stringify(graph));
    return path;
  };
  const well = file('well.json', {
    steps: { a: step('reserve', { input: '\u001b[2J' }), b: step('hang', { when: { value: false } }) },
  });
  const env = { POLITY_NODE: gateway.url };
  const [run, check, json, failed, wrong, twice] = await many(
    [
      ...[
        ['run', well],
        ['run', '--check', well],
        ['run', '--json', well],
        ['run', file('undone.json', undone)],
      ],
      ...[
        ['run', '--check', file('wrong.json', {})],
        ['run', file('twice.json', '{"a":1,"a":2}')],
      ],
    ],
    env,
  );
  const ms = (text: string): string => text.replaceAll(/\d+(\.\d+)? ms/g, 'N ms');
  // Calls at home alone say nothing of where they were; what comes of them is shown as it can be shown.
  assert.match(
    ms(run!.stdout),
    /^b: skipped {2}its condition does not hold\na: done(, N ms| at n1, N ms)? {2}\{.*\\u001b\[2J.*\}\ndone in N ms\n$/,
  );
  assert.deepEqual([run!.code, check!.code, check!.stdout], [0, 0, 'it would run now\n']);
  assert.deepEqual(
    json!.stdout
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { step?: string }).step),
    ['b', 'a', undefined],
  );
  assert.equal(failed!.code, 1);
  assert.match(ms(failed!.stdout), /\nb: failed.* {2}SERVICE_REFUSED: .*\nc: skipped {2}because of b\na: undone.*\n$/);
  assert.match(failed!.stderr, /^polity: GRAPH_FAILED: step 'b' failed/);
  assert.deepEqual([wrong!.code, twice!.code], [1, 1]);
  assert.match(wrong!.stderr, /INVALID_REQUEST: the graph cannot run: steps are a record/);
  assert.match(twice!.stderr, /has 'a' twice/);
  const piped = await polity(['run', '-'], { env, input: JSON.stringify({ steps: { a: step('bytes') } }) });
  assert.equal(piped.code, 0, piped.stderr);
});

test('a field that is there twice is found, and nothing else is taken for one', () => {
  for (const [text, twice] of [
    ['{"a":1,"a":2}', 'a'],
    ['{"a":{"b":1 ,"\\u0062" : 2}}', 'b'],
    ['[{"a":1},{"a":1}]', null],
    ['{"a":["a","a:","a"],"b":{"a":"{\\"a\\":1,\\"a\\":1}"}}', null],
    ['{"__proto__":1,"__proto__":2}', '__proto__'],
    ['"a"', null],
    ['{"\\"a":1,"a":["x",{"a":[]}],"\\"a":0}', '"a'],
  ] as const)
    assert.equal(fieldGivenTwice(text), twice, text);
});
