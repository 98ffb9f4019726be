// Membership as nodes have it: who is there, what each says of itself, who failed, left, was thrown out, and what outlives a start.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { metaKeys } from '../../actors/keyspace.ts';
import type { MemberStatus } from '../../machines/membership/index.ts';
import { createHandCluster, type HandNode } from './hand-cluster.ts';

const statuses = ({ api }: HandNode): Record<string, MemberStatus> =>
  Object.fromEntries(api.members().map(({ name, status }) => [name, status]));

const incarnationOf = ({ api }: HandNode, name: string): number =>
  api.members().find((member) => member.name === name)!.incarnation;

const formed = (settings: Parameters<typeof createHandCluster>[0] = {}) => {
  const cluster = createHandCluster(settings);
  const nodes = cluster.form();
  const all = { n1: 'alive', n2: 'alive', n3: 'alive' };
  cluster.until(() => nodes.every((node) => JSON.stringify(statuses(node), Object.keys(all)) === JSON.stringify(all)), 3_000);
  return { cluster, nodes };
};

test('everybody sees everybody, itself first, with what each says of itself', () => {
  const { cluster, nodes } = formed({ region: 'here', tags: ['fast'] });
  const [n1] = nodes;
  cluster.until(() => n1.api.members().every(({ state }) => state === 'ready'));
  const [own, ...others] = n1.api.members();
  assert.deepEqual({ name: own!.name, self: own!.self, forMs: own!.forMs }, { name: 'n1', self: true, forMs: null });
  assert.deepEqual(
    others.map(({ name, version, region, tags, self }) => ({ name, version, region, tags, self })),
    ['n2', 'n3'].map((name) => ({ name, version: '0', region: 'here', tags: ['fast'], self: false })),
  );
});

test('loads are told where they make a difference, with all that a node says of itself', () => {
  const { cluster, nodes } = formed({ capabilities: ['gpu'], resources: { cpus: 8, disk: 'ssd' }, capacity: 7 });
  const [n1, n2] = nodes;
  const seen = () => n2.api.members().find(({ name }) => name === 'n1')!;
  assert.deepEqual([seen().capabilities, seen().resources, seen().capacity], [['gpu'], { cpus: 8, disk: 'ssd' }, 7]);
  n1.api.tellLoad(0.5);
  cluster.until(() => seen().load === 0.5, 2_000);
  n1.api.tellLoad(0.55);
  cluster.pass(3_000);
  assert.equal(seen().load, 0.5);
  n1.api.tellLoad(0.41);
  n1.api.tellLoad(0.3);
  cluster.pass(3_000);
  assert.equal(seen().load, 0.3);
});

test('who was heard a moment ago is not asked whether it is there', () => {
  const { cluster } = formed();
  cluster.pass(3_000);
  let [asked, all] = [0, 0];
  cluster.lose((_letter, { target }) => {
    all++;
    if (target === 'membership') asked++;
    return false;
  });
  cluster.pass(20_000);
  assert.ok(asked < 100, `${asked} of ${all} messages in 20 s of rest`);
});

test('who dies is suspect, then failed, within ten seconds; who comes back outbids what was said', () => {
  const { cluster, nodes } = formed();
  const [n1, n2, n3] = nodes;
  const before = incarnationOf(n1, 'n3');
  const contents = cluster.kill(n3);
  cluster.until(() => statuses(n1).n3 === 'suspect' || statuses(n2).n3 === 'suspect', 5_000);
  cluster.until(() => statuses(n1).n3 === 'failed' && statuses(n2).n3 === 'failed', 10_000);
  assert.equal(statuses(n1).n2, 'alive');
  const again = cluster.start('n3', { contents });
  cluster.until(() => statuses(n1).n3 === 'alive' && statuses(n2).n3 === 'alive', 3_000);
  cluster.until(() => statuses(again).n1 === 'alive' && statuses(again).n2 === 'alive', 3_000);
  assert.ok(incarnationOf(n1, 'n3') > before, 'the disk kept what was said');
});

test('who stops says so, and nobody has to find out', () => {
  const { cluster, nodes } = formed();
  const [n1, n2, n3] = nodes;
  let stopped = false;
  n3.api.stop(() => {
    stopped = true;
  });
  cluster.until(() => stopped, 2_000);
  assert.equal(n3.api.status().state, 'left');
  cluster.pass(500);
  assert.deepEqual([statuses(n1).n3, statuses(n2).n3], ['left', 'left']);
});

test('who is thrown out is told, and is not taken in again', () => {
  const { cluster, nodes } = formed();
  const [n1, n2, n3] = nodes;
  assert.equal(n1.api.evict('p-nobody'), false);
  assert.equal(n1.api.evict(n1.peer), false, 'not itself');
  assert.equal(n1.api.evict(n3.peer), true);
  cluster.until(() => statuses(n2).n3 === 'evicted', 3_000);
  assert.ok(n3.lines.some(({ code }) => code === 'EVICTED'));
  const contents = cluster.kill(n3);
  cluster.start('n3', { contents });
  cluster.pass(5_000);
  assert.deepEqual([statuses(n1).n3, statuses(n2).n3], ['evicted', 'evicted']);
});

test('who was thrown out stays out when every member has restarted; a damaged record of it is heard anew', () => {
  const { cluster, nodes } = formed();
  const [n1, n2, n3] = nodes;
  assert.equal(n1.api.evict(n3.peer), true);
  cluster.until(() => statuses(n2).n3 === 'evicted', 3_000);
  cluster.pass(100);
  const disks = nodes.map((node) => cluster.kill(node));
  const rotten = new Map(disks[1]!).set('m/evicted', [metaKeys.evicted, new Uint8Array([1, 2, 3])]);
  const again = cluster.start('n2', { contents: rotten });
  cluster.pass(10);
  assert.ok(again.lines.some(({ code }) => code === 'EVICTIONS_DAMAGED'));
  const first = cluster.start('n1', { contents: disks[0]! });
  cluster.pass(10);
  assert.equal(statuses(first).n3, 'evicted', 'at once, and by its name');
  const third = cluster.start('n3', { contents: disks[2]! });
  cluster.until(() => third.lines.some(({ code }) => code === 'EVICTED'), 5_000);
  // Perhaps without its name: whoever tells it may not remember what the evicted one said of itself.
  cluster.until(() => again.api.members().some(({ peer, status }) => peer === third.peer && status === 'evicted'), 5_000);
});

test('a disk that refuses leaves a node what it was: it is there, and says no more than it may', () => {
  const { cluster, nodes } = formed();
  const [n1, , n3] = nodes;
  n3.storage.failWith({ code: 'DISK_FULL', message: 'no space' });
  cluster.pass(5_000);
  assert.equal(statuses(n1).n3, 'alive');
});
