// What is known of damaged actors: what must be refused, until when what they were told may be lost, and that another one is another one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runSeed } from '../../sim/index.ts';
import { Wounds } from '../../sim/nemesis/wounds.ts';

test('a wound that must be seen is refused until its actor is removed, and what it was told until then may be lost', () => {
  const wounds = new Wounds();
  wounds.began('disk', 'diary/d@n1', true, 100);
  assert.deepEqual([wounds.refusedSinceMs('disk', 'diary/d@n1'), wounds.lostUntilMs('disk', 'diary/d@n1')], [100, 100]);
  assert.equal(wounds.refusedSinceMs('other disk', 'diary/d@n1'), null);
  wounds.removed('disk', 'diary/d@n1', 700);
  assert.deepEqual([wounds.refusedSinceMs('disk', 'diary/d@n1'), wounds.lostUntilMs('disk', 'diary/d@n1')], [null, 700]);
  assert.deepEqual([wounds.removals('disk', 'diary/d@n1'), wounds.isOpen('disk', 'diary/d@n1')], [1, false]);
});

test('one that need not be seen loses nothing', () => {
  const wounds = new Wounds();
  wounds.began('disk', 'kettle/k@n1', false, 100);
  assert.equal(wounds.refusedSinceMs('disk', 'kettle/k@n1'), null);
  assert.equal(wounds.lostUntilMs('disk', 'kettle/k@n1'), Number.NEGATIVE_INFINITY);
  assert.ok(wounds.isLate('disk', 'kettle/k@n1'));
});

test('local actors are damaged in a cluster, who asks them is told, and all is well in the end', () => {
  const { verdict, reason, actors, done } = runSeed(2, {
    scenario: 'actors',
    nodes: 3,
    timeMs: 8_000,
    faults: ['actor-rot', 'kill'],
  });
  assert.equal(verdict, 'held', reason);
  assert.ok((done['actor-rot'] ?? 0) > 2 && (actors.STORAGE_FAILED ?? 0) > 0, JSON.stringify({ actors, done }));
});
