// `polity start` and `polity dev` with real nodes, real LevelDB and real libp2p over the loopback.
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createClient } from '../../../src/client/index.ts';
import { launch, polity, type Running, written } from './polity.ts';

const directory = mkdtempSync(join(tmpdir(), 'polity-start-'));
const started: Running[] = [];
after(async () => {
  for (const running of started) running.child.kill('SIGKILL');
  await Promise.all(started.map((running) => running.ended));
  rmSync(directory, { recursive: true, force: true });
});

const begin = (words: string[]): Running => {
  const running = launch(words);
  started.push(running);
  return running;
};

const secretFile = join(directory, 'secret');
writeFileSync(secretFile, 'a secret for tests, long enough\n');
chmodSync(secretFile, 0o600);

const wordsOf = (name: string): string[] => [
  ...['start', '--name', name, '--cluster', 'test', '--data', join(directory, name), '--listen', '/ip4/127.0.0.1/tcp/0'],
  ...['--http', '127.0.0.1:0', '--secret-file', secretFile, '--bootstrap', name],
];

test('--check prints the configuration without its secrets and starts nothing', async () => {
  const checked = await polity([...wordsOf('c1'), '--check']);
  assert.equal(checked.code, 0);
  const config = JSON.parse(checked.stdout) as Record<string, unknown>;
  assert.deepEqual([config.name, config.secret], ['c1', '31 bytes, hidden']);
  assert.equal((config.setBy as Record<string, string>).secretFile, '--secret-file');
  const wrong = await polity(['start', '--check', '--name', 'N1', '--data', 'x', '--listen', 'here']);
  assert.deepEqual([wrong.code, wrong.stdout], [2, '']);
  assert.match(wrong.stderr, /--name: 'N1' is not[\s\S]*--listen: 'here' is not a multiaddr[\s\S]*secret: is missing/);
});

test('a node of one: ready line, a write, a second process on its data, a clean end, the write after a restart', async () => {
  const node = begin(wordsOf('n1'));
  const [line] = await written(node, /^\{.*\}\n/);
  const ready = JSON.parse(line) as {
    ready: boolean;
    name: string;
    listen: string[];
    http: string;
    state: string;
    pid: number;
  };
  assert.deepEqual([ready.ready, ready.name, ready.state, ready.pid], [true, 'n1', 'ready', node.child.pid]);
  assert.match(ready.listen[0]!, /^\/ip4\/127\.0\.0\.1\/tcp\/[1-9]\d*\/p2p\//);
  const client = createClient({ urls: [ready.http] });
  await client.put('kept', 'yes');
  assert.equal((await client.status()).http, new URL(ready.http).host);
  client.close();

  const second = await polity(wordsOf('n1'));
  assert.equal(second.code, 1);
  assert.match(second.stderr, /n1 cannot start: LOCKED: .*another process has it open/);

  const startMs = performance.now();
  node.child.kill('SIGTERM');
  const { code, stdout } = await node.ended;
  assert.equal(code, 0);
  assert.ok(performance.now() - startMs < 5_000);
  assert.equal(stdout.split('\n').length, 2);

  const again = begin(wordsOf('n1'));
  const [line2] = await written(again, /^\{.*\}\n/);
  const client2 = createClient({ urls: [(JSON.parse(line2) as typeof ready).http] });
  assert.equal((await client2.get('kept'))?.text(), 'yes');
  client2.close();
  again.child.kill('SIGINT');
  assert.equal((await again.ended).code, 0);
});

test('a taken HTTP port ends the start with its name', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const words = wordsOf('n2').map((word) => (word === '127.0.0.1:0' ? `127.0.0.1:${port}` : word));
  const ended = await polity(words);
  assert.equal(ended.code, 1);
  assert.match(
    ended.stderr,
    new RegExp(`n2 cannot start: HTTP cannot listen on 127\\.0\\.0\\.1:${port}: another process listens there`),
  );
  server.close();
});

/** `base + 1 … base + count` and the same + 100 are free now. */
const freeBase = async (count: number): Promise<number> => {
  const isFree = (port: number): Promise<boolean> =>
    new Promise((resolve) => {
      const server = createServer();
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
  for (let base = 20_000 + (process.pid % 500) * 20; base < 32_000; base += 200) {
    const ports = Array.from({ length: count }, (_, at) => [base + at + 1, base + 100 + at + 1]).flat();
    if ((await Promise.all(ports.map(isFree))).every(Boolean)) return base;
  }
  throw new Error('no free ports');
};

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

const gone = async (pids: readonly number[]): Promise<void> => {
  while (pids.some(isAlive)) await new Promise((resolve) => setTimeout(resolve, 20));
};

const pidsOf = (text: string): number[] => [...text.matchAll(/^n\d .* (\d+)\s+http/gm)].map((match) => Number(match[1]));

test('dev: three nodes, a killed leader, its return, a clean end; then recovery of one from the loss of two', {
  timeout: 90_000,
}, async () => {
  const base = await freeBase(3);
  const words = ['dev', '--nodes', '3', '--dir', join(directory, 'dev'), '--base-port', String(base)];
  const dev = begin(words);
  await written(dev, /All 3 nodes are ready/);
  const [, pid, leader] = await written(dev, /kill -9 (\d+) +# (n\d), the leader/);
  const pids = pidsOf(dev.stdout());
  assert.equal(pids.length, 3);
  const urls = [1, 2, 3].map((n) => `http://127.0.0.1:${base + 100 + n}`);
  const client = createClient({ urls, timeoutMs: 10_000 });
  await client.put('kept', 'yes');
  process.kill(Number(pid), 'SIGKILL');
  await client.put('after', 'the kill');
  await written(dev, new RegExp(`${leader} died \\(SIGKILL\\); it comes back in 3 s`));
  const [, back] = await written(dev, new RegExp(`${leader} was started again \\(pid (\\d+)\\)`));
  pids.push(Number(back));
  dev.child.kill('SIGINT');
  assert.equal((await dev.ended).code, 0);
  assert.match(dev.stdout(), /All nodes are stopped/);
  assert.deepEqual(pids.filter(isAlive), []);
  client.close();

  const data = join(directory, 'dev', leader === 'n1' ? 'n2' : 'n1');
  assert.equal((await polity(['recover', '--data', directory])).code, 1);
  const shown = await polity(['recover', '--data', data]);
  assert.equal(shown.code, 2, shown.stderr);
  assert.match(shown.stderr, /nothing was changed; say --accept-data-loss/);
  assert.match(shown.stdout, /is gone, and nobody can list them/);
  const recovered = await polity(['recover', '--data', data, '--accept-data-loss', '--json']);
  assert.deepEqual([recovered.code, (JSON.parse(recovered.stdout) as { done: boolean }).done], [0, true], recovered.stderr);
  const name = data.slice(-2);
  const alone = begin([
    ...[
      'start',
      '--name',
      name,
      '--cluster',
      'dev',
      '--data',
      data,
      '--listen',
      '/ip4/127.0.0.1/tcp/0',
      '--http',
      '127.0.0.1:0',
    ],
    ...['--secret-file', join(directory, 'dev', 'secret')],
  ]);
  const [line] = await written(alone, /^\{.*\}\n/);
  const survivor = createClient({ urls: [(JSON.parse(line) as { http: string }).http] });
  assert.equal((await survivor.get('after'))?.text(), 'the kill');
  await survivor.put('alone', 'again');
  survivor.close();
  alone.child.kill('SIGTERM');
  await alone.ended;
});

test('dev: its own kill -9 leaves no orphan', { timeout: 60_000 }, async () => {
  const base = await freeBase(1);
  const dev = begin(['dev', '--nodes', '1', '--dir', join(directory, 'orphan'), '--base-port', String(base)]);
  await written(dev, /All 1 nodes are ready/);
  const pids = pidsOf(dev.stdout());
  dev.child.kill('SIGKILL');
  await gone(pids);
});

test('dev: a taken port and a bad number are named', async () => {
  const base = await freeBase(1);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(base + 101, '127.0.0.1', resolve));
  const taken = await polity(['dev', '--nodes', '1', '--dir', join(directory, 'taken'), '--base-port', String(base)]);
  assert.deepEqual(
    [taken.code, taken.stderr.includes(`port ${base + 101} cannot be used: another process listens there`)],
    [1, true],
  );
  server.close();
  assert.equal((await polity(['dev', '--nodes', '100'])).code, 2);
});
