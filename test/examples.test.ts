// The examples run as they are printed, against the build of the package (they know its name only), and do what they say.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createClient } from '../src/client/index.ts';

const examples = fileURLToPath(new URL('../examples/', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'polity-examples-'));

type Example = { child: ChildProcess; out: () => string; ended: Promise<number | null> };
const started: Example[] = [];
let url = '';

const run = (name: string, ...words: string[]): Example => {
  const env = {
    ...process.env,
    ...{ POLITY_NODE: url, TODO_DATA: directory, NODE_COMPILE_CACHE: join(tmpdir(), 'polity-compile-cache') },
  };
  const child = spawn(process.execPath, [join(examples, `${name}.ts`), ...words], { env, stdio: ['pipe', 'pipe', 'pipe'] });
  let out = '';
  const take = (chunk: Buffer): void => void (out += chunk.toString());
  child.stdin.on('error', () => {});
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const example = { child, out: () => out, ended };
  started.push(example);
  return example;
};

/** Resolves once the example has printed what matches; rejects with what it did print when it ends before. */
const printed = (example: Example, pattern: RegExp): Promise<RegExpExecArray> =>
  new Promise((resolve, reject) => {
    const look = (): void => {
      const match = pattern.exec(example.out());
      if (match !== null) resolve(match);
    };
    example.child.stdout!.on('data', look);
    void example.ended.then(() => reject(new Error(`ended without ${pattern}:\n${example.out()}`)));
    look();
  });

before(async () => {
  const embedded = run('embedded', join(directory, 'data'), '127.0.0.1:0');
  url = (await printed(embedded, /HTTP on (\S+)/))[1]!;
});
after(async () => {
  for (const { child } of started) child.kill('SIGKILL');
  await Promise.all(started.map(({ ended }) => ended));
  rmSync(directory, { recursive: true, force: true });
});

test('they import the package by its name only, and a library of schemas', () => {
  const files = readdirSync(examples).filter((file) => file.endsWith('.ts'));
  assert.ok(files.length >= 5);
  for (const file of files) {
    const imported = [...readFileSync(join(examples, file), 'utf8').matchAll(/from '([^']+)'/g)].map((match) => match[1]!);
    assert.ok(imported.length > 0, file);
    for (const name of imported)
      assert.match(name, /^(polity|polity\/client|polity\/sim|node:[a-z_/]+|zod|xstate|\.\/(actors|cluster|nodes)\.ts)$/, file);
  }
});

test('counter: three programs at once, and no addition is lost', { timeout: 30_000 }, async () => {
  const counters = [1, 2, 3].map(() => run('counter', 'sum', '20'));
  assert.deepEqual(await Promise.all(counters.map(({ ended }) => ended)), [0, 0, 0], counters.map(({ out }) => out()).join(''));
  using client = createClient({ urls: [url] });
  assert.equal((await client.get('sum'))?.text(), '60');
});

test('prices: what is published is booked by one; another goes on where it was killed', { timeout: 30_000 }, async () => {
  assert.equal(await run('prices', 'publish', 'ACME', '100').ended, 0);
  const first = run('prices', 'book');
  await printed(first, /booked 1: ACME at 100/);
  const second = run('prices', 'book', '1');
  await printed(second, /standing by/);
  // What was printed is in the log a moment later.
  using client = createClient({ urls: [url] });
  while ((await client.topic('prices').describe())?.subscriptions[0]?.next !== 2) await sleep(20);
  first.child.kill('SIGKILL');
  assert.equal(await run('prices', 'publish', 'ACME', '101').ended, 0);
  await printed(second, /booked 2: ACME at 101/);
  assert.equal(await second.ended, 0);
});

test('leader-job: one leads at a time; after its kill -9 another goes on where it was', { timeout: 30_000 }, async () => {
  const first = run('leader-job', 'first', '5');
  await printed(first, /first leads under/);
  const second = run('leader-job', 'second', '5');
  await printed(first, /first did step 2/);
  first.child.kill('SIGKILL');
  assert.equal(await second.ended, 0, second.out());
  const steps = (example: Example): number[] => [...example.out().matchAll(/did step (\d+)/g)].map((match) => Number(match[1]));
  const last = steps(second)[0]! - 1;
  // The step under way when it was killed may be done without having been told.
  assert.ok(last - steps(first).length <= 1, `${first.out()}${second.out()}`);
  assert.deepEqual(
    steps(second),
    Array.from({ length: 5 - last }, (_, at) => last + 1 + at),
  );
});

test('jobs: two workers do all of them, also what one had when it was killed', { timeout: 30_000 }, async () => {
  const [first, second] = [run('jobs', 'work', 'first'), run('jobs', 'work', 'second')];
  assert.equal(await run('jobs', 'send', '12').ended, 0);
  await printed(first, /first did job/);
  first.child.kill('SIGKILL');
  assert.equal(await second.ended, 0, second.out());
  const done = [first, second].flatMap((worker) =>
    [...worker.out().matchAll(/did job (\d+)/g)].map((match) => Number(match[1])),
  );
  assert.deepEqual(
    [...new Set(done)].sort((a, b) => a - b),
    Array.from({ length: 12 }, (_, at) => at + 1),
  );
});

test('cache: knows what was there, follows what changes, and survives a restart of the node', { timeout: 30_000 }, async () => {
  using client = createClient({ urls: [url], timeoutMs: 10_000 });
  await client.put('config/a', '1');
  await client.put('other', 'x');
  const cache = run('cache', 'config/');
  await printed(cache, /1 keys as of index \d+/);
  await client.put('config/b', '2');
  await printed(cache, /put config\/b: 2 \(2 keys\)/);
  const [embedded] = started;
  embedded!.child.kill('SIGTERM');
  assert.equal(await embedded!.ended, 0, embedded!.out());
  const again = run('embedded', join(directory, 'data'), new URL(url).host);
  await printed(again, /start 2, HTTP on/);
  await client.delete('config/a');
  await printed(cache, /delete config\/a: gone \(1 keys\)/);
  cache.child.kill('SIGINT');
  assert.equal(await cache.ended, 0, cache.out());
});

/** Of two, so that each can be told where the other will be. */
const freePorts = async (): Promise<[string, string]> => {
  const servers = [createServer(), createServer()];
  await Promise.all(servers.map((server) => once(server.listen(0, '127.0.0.1'), 'listening')));
  const ports = servers.map((server) => String((server.address() as AddressInfo).port));
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports as [string, string];
};

test('todo: two change one list, also while one of them is away, and both have everything', { timeout: 60_000 }, async () => {
  const [here, there] = await freePorts();
  const anna = run('todo', 'anna', here, there);
  await printed(anna, /anna has 0/);
  anna.child.stdin!.write('add milk\n');
  await printed(anna, /1 \[ \] milk/);
  const ben = run('todo', 'ben', there, here);
  await printed(ben, /1 \[ \] milk/);
  ben.child.stdin!.write('done 1\n');
  await printed(anna, /1 \[x\] milk/);
  ben.child.kill('SIGKILL');
  await ben.ended;
  anna.child.stdin!.write('add bread\n');
  await printed(anna, /anna has 2/);
  anna.child.stdin!.end();
  assert.equal(await anna.ended, 0, anna.out());
  // Now he is alone, and has never heard of bread.
  const again = run('todo', 'ben', there, here);
  await printed(again, /ben has 1\n1 \[x\] milk/);
  again.child.stdin!.write('rename 1 oat milk\n');
  await printed(again, /oat milk/);
  const back = run('todo', 'anna', here, there);
  await printed(back, /anna has 2(\n\d \[.\] (bread|oat milk)){2}/);
  await printed(again, /ben has 2/);
  for (const { child, ended, out } of [again, back]) {
    child.kill('SIGTERM');
    assert.equal(await ended, 0, out());
  }
});

test('order: four services as one, and what had happened is undone', { timeout: 60_000 }, async () => {
  const well = run('order');
  assert.equal(await well.ended, 0, well.out());
  assert.match(well.out(), /ship done\non its way: a chair to 1 Long Lane, 120 for A-17\n1 reserved/);
  const poor = run('order', 'poor');
  assert.equal(await poor.ended, 0, poor.out());
  assert.match(
    poor.out(),
    /charge failed\nship skipped\nreserve compensated: done\nGRAPH_FAILED: step 'charge' failed: there are no 120 on this card\n0 reserved/,
  );
});

test('seats: the simulator finds that one is sold twice, and that the careful way holds', { timeout: 60_000 }, async () => {
  const careless = run('seats');
  assert.equal(await careless.ended, 1, careless.out());
  assert.match(
    careless.out(),
    /seat\/\d was sold by client \d and by client \d[\s\S]*Repeat it with: simulate\(\{ …, seeds: \d+/,
  );
  const careful = run('seats', 'careful');
  assert.equal(await careful.ended, 0, careful.out());
  assert.match(careful.out(), /50 seeds held/);
});

test('cart-simulated: a seed shows who pays twice, and that the careful cart holds', { timeout: 120_000 }, async () => {
  const careless = run('cart-simulated');
  assert.equal(await careless.ended, 1, careless.out());
  assert.match(careless.out(), /cart \d-\d has paid \d times[\s\S]*Repeat it with: simulate\(\{ …, seeds: \d+/);
  const careful = run('cart-simulated', 'careful');
  assert.equal(await careful.ended, 0, careful.out());
  assert.match(careful.out(), /20 seeds held/);
});

test('thumbnails: one process serves what another calls, with a stream and a refusal', { timeout: 90_000 }, async () => {
  const maker = run('thumbnails', 'serve');
  const [, address] = await printed(maker, /serves at (\S+)/);
  const asker = run('thumbnails', 'call', address!);
  assert.equal(await asker.ended, 0, `${asker.out()}${maker.out()}`);
  assert.match(asker.out(), /one: \{ name: '160-cat\.png', width: 160, madeBy: 'maker' \}/);
  assert.match(asker.out(), /of a stream: 160-a\.png\nof a stream: 160-b\.png\nSERVICE_REFUSED NOT_AN_IMAGE/);
  assert.match(maker.out(), /made cat\.png for asker/);
  maker.child.kill('SIGTERM');
  assert.equal(await maker.ended, 0, maker.out());
});

test('visits: an actor of one node, asked and looked at from another', { timeout: 60_000 }, async () => {
  const visits = run('visits');
  assert.equal(await visits.ended, 0, visits.out());
  assert.match(
    visits.out(),
    /visitor 1 makes it 2\n[\s\S]*visitor 3 makes it 7\n[\s\S]*INVALID_REQUEST, and it surely did not happen\nit is done: 17 visits/,
  );
});

test('chat: people at three nodes hear each other, and that one is gone', { timeout: 60_000 }, async () => {
  const chat = run('chat');
  assert.equal(await chat.ended, 0, chat.out());
  for (const line of ['[cleo] anna: is there coffee?', '[ben] cleo: there is', '[anna] room: ben is gone (stopped)'])
    assert.ok(chat.out().includes(line), chat.out());
  assert.doesNotMatch(chat.out(), /undefined/);
});

test('lights: ten thousand of them, and a green wave', { timeout: 60_000 }, async () => {
  const lights = run('lights');
  assert.equal(await lights.ended, 0, lights.out());
  assert.match(lights.out(), /10000 lights are on[\s\S]*G[\s\S]*the first street told of [1-9]\d+ turns/);
});

test('trip: a saga gives back what it booked, the last first', { timeout: 60_000 }, async () => {
  const trip = run('trip', 'poor');
  assert.equal(await trip.ended, 0, trip.out());
  assert.match(
    trip.out(),
    /flight: booked, 999 left\nhotel: booked, 998 left\nhotel: given back, 1000 left\nflight: given back, 1000 left\nthe trip to lisbon is failed: .*there are no 800 left/,
  );
});

test('cart: the machine under it is killed in mid-checkout, and one payment is made', { timeout: 90_000 }, async () => {
  const cart = run('cart');
  assert.equal(await cart.ended, 0, cart.out());
  assert.match(cart.out(), /killed n\d, which leads/);
  assert.match(
    cart.out(),
    /the cart is paid: \{"chair":12000,"lamp":3500\}\n[\s\S]*the bank has 1 payment, asked for [2-9] times/,
  );
});
