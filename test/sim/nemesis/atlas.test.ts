// The budget of damage: never more than the voters that are left can do without.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GroupStatus } from '../../../actors/api.ts';
import { Atlas } from '../../../sim/nemesis/atlas.ts';
import type { SimulatedNode } from '../../../sim/node.ts';

type Shown = Partial<Pick<GroupStatus, 'voters' | 'joint' | 'appliedIndex' | 'lastIndex' | 'role'>>;

const names = ['n1', 'n2', 'n3', 'n4', 'n5'];

/** A cluster as its nodes show it; null: down. */
const clusterOf = (count: number, shown: (Shown | null)[] = [], groups = ['kv']) => {
  const voters = names.slice(0, count);
  const nodes = voters.map((name, at) => {
    const status = {
      voters,
      joint: false,
      appliedIndex: 10,
      lastIndex: 10,
      role: 'follower',
      replica: `r-${name}`,
      ...shown[at],
    };
    const api = { status: () => ({ state: 'ready', groups: groups.map((id) => ({ id, ...status })) }) };
    return { name, api: shown[at] === null ? null : api } as unknown as SimulatedNode;
  });
  const damaged: string[] = [];
  return { nodes, damaged, atlas: new Atlas(nodes, groups, (replica) => damaged.push(replica)) };
};

test('a minority may be lost, one after the other, and again when it is whole', () => {
  for (const [count, most] of [
    [1, 0],
    [2, 0],
    [3, 1],
    [4, 1],
    [5, 2],
  ] as const) {
    const { nodes, atlas } = clusterOf(count);
    let lost = 0;
    for (const node of nodes) {
      if (!atlas.mayLose(node)) continue;
      atlas.replaced(node);
      lost++;
    }
    assert.equal(lost, most, `${count} nodes`);
    if (most === 0) continue;
    assert.ok(!atlas.isWhole);
    for (const node of nodes) atlas.whole(node);
    assert.ok(atlas.isWhole && atlas.mayLose(nodes[0]!));
  }
});

test('whoever thinks that the fewest vote counts, and nobody is lost while that changes or is not known', () => {
  assert.ok(!clusterOf(5, [{}, { voters: ['n1', 'n2'] }]).atlas.mayLose(clusterOf(5).nodes[0]!));
  assert.equal(clusterOf(5, [{}, { voters: ['n1', 'n2', 'n3'] }]).atlas.spare, 1);
  assert.equal(clusterOf(5, [{}, { joint: true }]).atlas.spare, 0);
  assert.equal(clusterOf(5, [{}, null]).atlas.spare, 0);
});

test('a damaged disk is lost until it is replaced and votes again', () => {
  const { nodes, atlas, damaged } = clusterOf(3);
  const [first, second] = nodes as [SimulatedNode, SimulatedNode];
  atlas.damaged(first, atlas.replicasOf(first), 'a bit of g/kv/hard', 'kv');
  assert.deepEqual(damaged, ['r-n1']);
  assert.equal(atlas.overlookedBy('r-n1'), 'a bit of g/kv/hard');
  assert.equal(atlas.overlookedBy('r-n2'), null);
  atlas.whole(first);
  assert.ok(!atlas.mayLose(second), 'it was not replaced');
  atlas.replaced(first);
  atlas.whole(first);
  assert.ok(atlas.mayLose(second));
  assert.ok(atlas.excuses('n1', 'LOG_CORRUPT', 'whatever'));
  assert.ok(!atlas.excuses('n2', 'LOG_CORRUPT', 'whatever'));
  assert.ok(!atlas.excuses('n1', 'TWO_LEADERS', 'whatever'));
});

test('the end of a log may be forgotten only if a majority besides has all of it', () => {
  const may = (...shown: Shown[]): boolean => {
    const { nodes, atlas } = clusterOf(shown.length, shown);
    return atlas.mayForget(nodes[0]!);
  };
  assert.ok(may({}, {}, {}));
  assert.ok(!may({ lastIndex: 11 }, {}, {}), 'nobody has entry 11 applied');
  assert.ok(!may({ lastIndex: 11 }, { appliedIndex: 11 }, {}), 'one of three has');
  assert.ok(may({ lastIndex: 11 }, { appliedIndex: 11 }, { appliedIndex: 12 }));
  assert.ok(!may({}, {}, { role: 'none' }));
  assert.ok(may({ lastIndex: 11 }, { appliedIndex: 11 }, { appliedIndex: 11 }, { appliedIndex: 11 }, {}));
  assert.ok(!may({ lastIndex: 11 }, { appliedIndex: 11 }, { appliedIndex: 11 }, {}, {}));
});

test('who forgot in silence is excused when a leader says so, and nothing more may be lost meanwhile', () => {
  const { nodes, atlas } = clusterOf(5);
  atlas.damaged(nodes[2]!, atlas.replicasOf(nodes[2]!), '3 batches', null);
  assert.equal(atlas.spare, 0);
  assert.ok(atlas.excuses('n1', 'LOG_REGRESSED', 'n3 acknowledged 30 and now holds 19'));
  assert.ok(!atlas.excuses('n1', 'LOG_REGRESSED', 'n2 acknowledged 30 and now holds 19'));
  atlas.replaced(nodes[2]!);
  assert.equal(atlas.spare, 1);
});

test('nobody is lost while members may change', () => {
  const { atlas } = clusterOf(5);
  const [first, second] = [atlas.changing(), atlas.changing()];
  assert.equal(atlas.spare, 0);
  first();
  first();
  assert.equal(atlas.spare, 0);
  second();
  assert.equal(atlas.spare, 2);
});
