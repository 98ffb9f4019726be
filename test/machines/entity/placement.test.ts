// Who is where: alike for everybody, evenly, and moving no more than must move.
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { actorGroups, keyPlacement, type LeaderCandidate, preferredLeaders } from '../../../machines/entity/placement.ts';

const names = (count: number, prefix: string): string[] => Array.from({ length: count }, (_, at) => `${prefix}${at + 1}`);
const node = (name: string, capacity = 0, zone = ''): LeaderCandidate => ({ name, capacity, zone });
const place = (groups: readonly string[], nodes: readonly LeaderCandidate[]): Map<string, string> =>
  preferredLeaders(groups.map((group) => ({ group, candidates: nodes })));
const loads = (leaders: ReadonlyMap<string, string>): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const name of leaders.values()) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
};

test('groups made for actors hold them, or else all do', () => {
  assert.deepEqual(actorGroups(['kv', 'actors-1', 'actors']), ['actors-1', 'actors']);
  assert.deepEqual(actorGroups(['kv', 'other']), ['kv', 'other']);
});

test('keys are spread evenly, and the group of each is the same whoever asks, now and after the next release', () => {
  const groups = names(8, 'actors-');
  const groupOf = keyPlacement(groups);
  const again = keyPlacement([...groups].reverse());
  const counts = new Map<string, number>();
  for (let at = 0; at < 8_000; at++) {
    const actor = { type: at % 2 === 0 ? 'cart' : 'room', key: `key-${at}` };
    const group = groupOf(actor);
    assert.equal(again(actor), group);
    counts.set(group, (counts.get(group) ?? 0) + 1);
  }
  for (const count of counts.values()) assert.ok(count > 850 && count < 1_150, `${[...counts.values()]}`);
  // What is on disks depends on it: these never change.
  const pinned = ['a', 'b', 'c', 'order-4711', 'käse'].map((key) => groupOf({ type: 'cart', key }));
  assert.deepEqual(pinned, ['actors-2', 'actors-5', 'actors-4', 'actors-6', 'actors-5']);
});

test('each node leads its share of the capacity, rounded, and each zone does', () => {
  const capacity = fc.constantFrom(0, 1, 2, 5);
  const zone = fc.constantFrom('a', 'b', 'c');
  const nodesOf = fc.array(fc.tuple(capacity, zone), { minLength: 1, maxLength: 9 });
  fc.assert(
    fc.property(nodesOf, fc.integer({ min: 1, max: 40 }), (given, count) => {
      const nodes = given.map(([amount, where], at) => node(`n${at}`, amount, where));
      const leaders = place(names(count, 'actors-'), nodes);
      assert.equal(leaders.size, count);
      const weight = (of: readonly LeaderCandidate[]): number => of.reduce((sum, one) => sum + Math.max(1, one.capacity), 0);
      const led = loads(leaders);
      for (const name of ['a', 'b', 'c']) {
        const inZone = nodes.filter((one) => one.zone === name);
        if (inZone.length === 0) continue;
        const share = (count * weight(inZone)) / weight(nodes);
        const sum = inZone.reduce((total, one) => total + (led[one.name] ?? 0), 0);
        assert.ok(Math.abs(sum - share) < 1 + 1e-6, `zone ${name} leads ${sum}, its share is ${share}`);
        for (const one of inZone) {
          const part = (sum * Math.max(1, one.capacity)) / weight(inZone);
          assert.ok(
            Math.abs((led[one.name] ?? 0) - part) < 1 + 1e-6,
            `${one.name} leads ${led[one.name]}, its part is ${part}`,
          );
        }
      }
    }),
    { numRuns: 150 },
  );
});

test('the order of groups and nodes makes no difference', () => {
  const groups = names(20, 'actors-');
  const nodes = names(7, 'n').map((name, at) => node(name, at % 3, `z${at % 2}`));
  const mixed = place([...groups].reverse(), [...nodes].reverse());
  for (const [group, leader] of place(groups, nodes)) assert.equal(mixed.get(group), leader);
});

test('when a node goes, hardly anything moves but what it led; when it is back, all is as it was', () => {
  const groups = names(64, 'actors-');
  const nodes = names(5, 'n').map((name) => node(name));
  const before = place(groups, nodes);
  for (const gone of nodes) {
    const after = place(
      groups,
      nodes.filter((one) => one !== gone),
    );
    const led = [...before.values()].filter((name) => name === gone.name).length;
    const moved = groups.filter((group) => before.get(group) !== after.get(group)).length;
    assert.ok(moved <= led * 2.2, `${moved} moved, ${gone.name} led ${led}`);
  }
  assert.deepEqual(place(groups, nodes), before);
});

test('a group that few can lead is led by one of them, and one that nobody can lead is left out', () => {
  const leaders = preferredLeaders([
    ...names(4, 'actors-').map((group) => ({ group, candidates: [node('n1')] })),
    { group: 'actors-5', candidates: [node('n1'), node('n2')] },
    { group: 'actors-6', candidates: [] },
  ]);
  assert.deepEqual(loads(leaders), { n1: 4, n2: 1 });
  assert.equal(leaders.has('actors-6'), false);
});
