// Rounds between whole nodes: what was removed is forgotten everywhere once everybody has it, and only then; replicas are listed, retired,
// and begin anew.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { roundsAt } from '../../actors/replica-registrar.ts';
import type { RegisterResult } from '../../machines/register/index.ts';
import { pack } from '../../machines/wire/envelope.ts';
import { collector, createHandCluster, type HandNode } from './hand-cluster.ts';

const rounds = roundsAt(100);

const formed = () => {
  const cluster = createHandCluster({ rounds });
  const nodes = cluster.form();
  cluster.until(() => nodes.every((node) => listed(node).length === 3), 10_000);
  return { cluster, nodes };
};
const listed = ({ api }: HandNode) => api.replica.replicas().replicas.filter(({ standing }) => standing === 'member');
const change = (node: HandNode, type: string, key: string, given: unknown): void => {
  node.api.replica.change(type, key, given, (outcome) => assert.ok(outcome.ok, JSON.stringify(outcome)));
};
const put = (node: HandNode, key: string, value: unknown): void => change(node, 'lww-map', 'm', { type: 'put', key, value });
const remove = (node: HandNode, key: string): void => change(node, 'lww-map', 'm', { type: 'remove', key });
const valueAt = ({ api }: HandNode, key: string): unknown =>
  (api.replica.read('lww-map', 'm') as Map<string, unknown> | undefined)?.get(key);
const bytesAt = ({ api }: HandNode, type: string, key: string): number => api.replica.form(type, key)?.byteLength ?? 0;
const isSame = (nodes: readonly HandNode[], type: string, key: string): boolean =>
  nodes.every(
    ({ api }) =>
      Buffer.compare(api.replica.form(type, key) ?? pack(null), nodes[0]!.api.replica.form(type, key) ?? pack(null)) === 0,
  );

test('what was removed is forgotten everywhere, and then nothing is written to the ledger any more', () => {
  const { cluster, nodes } = formed();
  const [n1, n2] = nodes;
  for (let n = 0; n < 20; n++) put(n1, `k${n}`, n);
  change(n1, 'text', 't', { type: 'insert', at: 0, content: 'hello world' });
  cluster.until(() => nodes.every((node) => valueAt(node, 'k19') === 19), 10_000);
  for (let n = 0; n < 19; n++) remove(n2, `k${n}`);
  change(n2, 'text', 't', { type: 'remove', at: 0, count: 6 });
  cluster.until(() => nodes.every((node) => bytesAt(node, 'lww-map', 'm') < 60), 30_000);
  cluster.until(() => isSame(nodes, 'lww-map', 'm') && isSame(nodes, 'text', 't'), 10_000);
  assert.deepEqual([valueAt(n1, 'k0'), valueAt(n1, 'k19'), n1.api.replica.read('text', 't')], [undefined, 19, 'world']);
  remove(n1, 'k19');
  cluster.until(() => nodes.every(({ api }) => api.replica.summary().objects === 1), 30_000);
  cluster.pass(3_000);
  const { stable, round } = n1.api.replica.replicas();
  const written = n1.api.status().groups[0]!.commitIndex;
  cluster.pass(10_000);
  assert.deepEqual([n1.api.replica.replicas().stable, n1.api.replica.replicas().round], [stable, round]);
  assert.equal(n1.api.status().groups[0]!.commitIndex, written);
  assert.ok([...n1.counts].some(([name, count]) => name === 'replica_collected_total' && count > 0));
});

test('who is away holds it up, whatever time passes; retired, it does not, and comes back under a new id', () => {
  const { cluster, nodes } = formed();
  const [n1, n2, n3] = nodes;
  put(n1, 'a', 1);
  put(n3, 'b', 2);
  cluster.until(() => nodes.every((node) => valueAt(node, 'a') === 1 && valueAt(node, 'b') === 2), 10_000);
  const former = n3.api.replica.summary().replica!;
  const contents = cluster.kill(n3);
  remove(n2, 'a');
  cluster.pass(15_000);
  assert.ok(bytesAt(n1, 'lww-map', 'm') > 40, 'the tombstone is still there');
  const retired = collector<{ replica: string; name: string }>();
  n1.api.replica.retire('n3', retired.done());
  cluster.until(() => retired.outcomes.length === 1, 10_000);
  assert.deepEqual(retired.outcomes, [{ ok: true, value: { replica: former, name: 'n3' } }]);
  const left = (node: HandNode): number => bytesAt(node, 'lww-map', 'm');
  const before = left(n1);
  cluster.until(() => left(n1) < before && left(n2) < before, 30_000);
  const again = cluster.start('n3', { contents });
  cluster.pass(20);
  cluster.until(() => again.lines.some(({ code }) => code === 'REPLICA_RETIRED'), 10_000);
  cluster.until(() => listed(again).some(({ name }) => name === 'n3'), 10_000);
  assert.notEqual(again.api.replica.summary().replica, former);
  cluster.until(() => isSame([n1, n2, again], 'lww-map', 'm'), 20_000);
  assert.deepEqual([valueAt(again, 'a'), valueAt(again, 'b')], [undefined, 2]);
  put(again, 'c', 3);
  cluster.until(() => valueAt(n1, 'c') === 3 && valueAt(n2, 'c') === 3, 10_000);
});

test('a new node begins: what it made alone is told, what others forgot is not', () => {
  const { cluster, nodes } = formed();
  const [n1, n2] = nodes;
  put(n1, 'a', 1);
  cluster.until(() => nodes.every((node) => valueAt(node, 'a') === 1), 10_000);
  remove(n2, 'a');
  cluster.until(
    () => nodes.every(({ api }) => api.replica.replicas().stable >= 2 && api.replica.summary().objects === 0),
    60_000,
  );
  put(n2, 'b', 2);
  const n4 = cluster.start('n4', { bootstrap: [] });
  cluster.until(() => n4.api.replica.summary().replica !== null);
  put(n4, 'own', 4);
  put(n4, 'a', 'alone');
  const all = [...nodes, n4];
  cluster.until(() => all.every((node) => listed(node).length === 4), 30_000);
  cluster.until(
    () => all.every((node) => valueAt(node, 'own') === 4 && valueAt(node, 'b') === 2 && valueAt(node, 'a') === 'alone'),
    20_000,
  );
  assert.ok(isSame(all, 'lww-map', 'm'));
  const contents = cluster.kill(n4);
  const again = cluster.start('n4', { bootstrap: [], contents });
  cluster.until(() => valueAt(again, 'own') === 4, 5_000);
  remove(again, 'own');
  cluster.until(
    () => [...nodes, again].every((node) => valueAt(node, 'own') === undefined && isSame([n1, node], 'lww-map', 'm')),
    30_000,
  );
});

test('who was alone for long before it met a cluster keeps what it wrote; those of no cluster exchange', () => {
  const { cluster, nodes } = formed();
  const [n1] = nodes;
  for (let turn = 0; n1.api.replica.replicas().round < 4; turn++) {
    put(n1, 'a', turn);
    remove(n1, 'a');
    cluster.pass(200);
    assert.ok(turn < 200);
  }
  const n4 = cluster.start('n4', { bootstrap: [] });
  for (const { peer } of nodes) cluster.network.disconnect(n4.peer, peer);
  put(n4, 'alone', 1);
  cluster.pass(20_000);
  assert.equal(valueAt(n1, 'alone'), undefined);
  for (const node of nodes) cluster.connect(n4, node);
  cluster.until(() => [...nodes, n4].every((node) => valueAt(node, 'alone') === 1), 30_000);

  const apart = createHandCluster({ rounds });
  const [x, y] = [apart.start('x', { bootstrap: [] }), apart.start('y', { bootstrap: [] })];
  put(x, 'k', 1);
  put(y, 'l', 2);
  apart.until(() => [x, y].every((node) => valueAt(node, 'k') === 1 && valueAt(node, 'l') === 2), 20_000);
});

test('retire: what there is not is NOT_FOUND; a replica that is evicted is retired too', () => {
  const { cluster, nodes } = formed();
  const [n1, , n3] = nodes;
  const retired = collector<{ replica: string; name: string }>();
  n1.api.replica.retire('nobody', retired.done());
  cluster.until(() => retired.outcomes.length === 1, 10_000);
  assert.deepEqual(retired.codes(), ['NOT_FOUND']);
  assert.ok(n1.api.evict(n3.peer));
  cluster.until(() => listed(n1).length === 2, 10_000);
});

test('the ledger is neither written, read, listed nor watched from outside', () => {
  const { cluster, nodes } = formed();
  const [n1] = nodes;
  const key = '\u0001polity/replicas';
  const seen: unknown[] = [];
  n1.api.watch({ prefix: '', from: 1 }, (message) => seen.push(message));
  const written = collector<RegisterResult>();
  n1.api.write({ op: 'put', key, value: new Uint8Array(1) }, {}, written.done());
  n1.api.write({ op: 'delete', key }, {}, written.done());
  n1.api.read({ op: 'get', key }, {}, written.done());
  const list = collector<RegisterResult>();
  n1.api.read({ op: 'list', prefix: '', limit: 1 }, {}, list.done());
  cluster.until(() => list.outcomes.length === 1, 5_000);
  assert.deepEqual(written.codes(), ['INVALID_REQUEST', 'INVALID_REQUEST', 'INVALID_REQUEST']);
  const [listing] = list.outcomes;
  assert.ok(listing?.ok && listing.value.op === 'list');
  assert.deepEqual([listing.value.items, listing.value.more], [[], false]);
  assert.ok(!JSON.stringify(seen).includes('polity'));
});
