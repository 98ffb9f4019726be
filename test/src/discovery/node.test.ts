// Real nodes that know no address of each other: they find each other by what their sources are told, say what --announce says, and
// stop in their time whatever a source does.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { NodeApi } from '../../../actors/api.ts';
import { resolveConfig, settingsOf } from '../../../src/config/index.ts';
import type { SourcePlan } from '../../../src/discovery/index.ts';
import { startTree } from '../../../src/node.ts';
import { countingSink, until } from '../transport/world.ts';
import { Registry } from './scripted.ts';

const directory = mkdtempSync(join(tmpdir(), 'polity-found-'));
const running = new Set<() => Promise<void>>();
after(async () => {
  await Promise.all([...running].map((stop) => stop()));
  rmSync(directory, { recursive: true });
});

type Started = { api: NodeApi; stop: () => Promise<void> };

const start = async (name: string, plans: readonly SourcePlan[], changes: Record<string, unknown> = {}): Promise<Started> => {
  const resolution = resolveConfig({
    code: {
      ...{ name, data: join(directory, name), secret: 'a secret of the tests', listen: ['/ip4/127.0.0.1/tcp/0'] },
      ...changes,
    },
  });
  assert.ok(resolution.ok, resolution.ok ? '' : resolution.problems.join());
  const { config } = resolution;
  const settings = settingsOf(config, '0.0.0', null);
  const api = await startTree({ ...config, settings, discover: plans, sink: countingSink() });
  const stop = (): Promise<void> => {
    running.delete(stop);
    return new Promise((resolve) => api.stop(resolve));
  };
  running.add(stop);
  return { api, stop };
};

const names = ['n1', 'n2', 'n3'];

test('three nodes form a cluster through a registry alone, and again when all of them have other ports', async () => {
  const registry = new Registry();
  const plan = registry.plan('registry', true);
  const startAll = async (): Promise<Started[]> => {
    const nodes = await Promise.all(names.map((name) => start(name, [plan], { bootstrap: names })));
    await until(() => nodes.every(({ api }) => api.status().state === 'ready'), 'all are ready', 30_000);
    return nodes;
  };
  const nodes = await startAll();
  const { peers, sources } = nodes[0]!.api.discovery();
  assert.equal(peers.filter(({ state }) => state === 'confirmed').length, 2);
  assert.deepEqual([sources[0]!.source, sources[0]!.state], ['registry', 'answered']);
  assert.equal(registry.answer.findings.length, 3);
  const ports = nodes.flatMap(({ api }) => api.status().listen);
  await Promise.all(nodes.map(({ stop }) => stop()));
  assert.equal(registry.answer.findings.length, 0, 'all that was told is taken back');
  const again = await startAll();
  // Port 0 is any free one: at most by chance is it one of before.
  assert.notDeepEqual(
    again.flatMap(({ api }) => api.status().listen),
    ports,
  );
  await Promise.all(again.map(({ stop }) => stop()));
});

test('others are told what --announce says; a source that never ends holds up no stop for long', async () => {
  const registry = new Registry();
  const announce = ['/ip4/192.0.2.7/tcp/7400', '/dns4/n7.example/tcp/7400'];
  const hangs: SourcePlan = {
    name: 'hangs',
    open: async () => {
      const never = (): Promise<never> => new Promise(() => {});
      return { query: never, follow: never, announce: never };
    },
  };
  const plans = [registry.plan('registry', false), hangs];
  const { api, stop } = await start('n7', plans, { announce, bootstrap: ['n7'] });
  await until(() => registry.answer.findings.length === 1, 'it is told of');
  const { peerId } = api.status();
  const told = announce.map((address) => `${address}/p2p/${peerId}`);
  assert.deepEqual(registry.answer.findings[0]!.addresses, told);
  await until(() => api.status().listen.join() === told.join(), 'the status says the same');
  await until(() => api.status().state === 'ready', 'it is ready', 30_000);
  const beganMs = performance.now();
  await stop();
  // `polity start` ends at once after 4.5 s.
  assert.ok(performance.now() - beganMs < 4_400, `${performance.now() - beganMs} ms`);
  assert.equal(registry.answer.findings.length, 0);
});
