// Who offers what, as nodes know it: offers spread to all, whatever is lost, whoever comes late, starts again, leaves or is thrown out.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { offerOf } from '../machines/catalog/stage.ts';
import { collector, createHandCluster, type HandNode } from './hand-cluster.ts';

const formed = () => {
  const cluster = createHandCluster();
  const nodes = cluster.form();
  cluster.pass(2_000);
  return { cluster, nodes };
};

const offer = ({ api }: HandNode, ...given: Parameters<typeof offerOf>): string[] => {
  const asked = collector<null>();
  api.catalog.offer(offerOf(...given), asked.done());
  return asked.codes();
};

const withdraw = ({ api }: HandNode, name: string): string[] => {
  const asked = collector<null>();
  api.catalog.withdraw({ kind: 'service', name, version: '1.0.0' }, asked.done());
  return asked.codes();
};

/** Who offers it, as this node knows it. */
const ownersAt = ({ api }: HandNode, name: string): string[] => {
  const found = api.catalog.find({ name });
  assert.ok(found.ok);
  return found.entries.map(({ owner }) => owner).sort();
};

const knows = (nodes: readonly HandNode[], name: string, owners: string[]): boolean =>
  nodes.every((node) => ownersAt(node, name).join() === owners.join());

test('what one offers all find, the same list as long as nothing changes; what it withdraws nobody finds', () => {
  const { cluster, nodes } = formed();
  const [n1, n2, n3] = nodes;
  assert.deepEqual(offer(n1, 'resize'), ['ok']);
  assert.deepEqual(ownersAt(n1, 'resize'), ['p-n1'], 'at once where it is offered');
  cluster.until(() => knows(nodes, 'resize', ['p-n1']), 1_000);
  const list = n2.api.catalog.find({ name: 'resize' });
  assert.equal(n2.api.catalog.find({ name: 'resize' }), list);
  offer(n3, 'resize');
  cluster.until(() => knows(nodes, 'resize', ['p-n1', 'p-n3']), 1_000);
  cluster.pass(200_000);
  assert.ok(knows(nodes, 'resize', ['p-n1', 'p-n3']), 'it is renewed');
  assert.deepEqual(withdraw(n1, 'resize'), ['ok']);
  assert.deepEqual(withdraw(n1, 'resize'), ['NOT_FOUND']);
  cluster.until(() => knows(nodes, 'resize', ['p-n3']), 1_000);
});
