// The explicit recovery from a lost majority: what remains is a working group that has everything this replica knew.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forceConfiguration } from '../../../actors/recovery.ts';
import { createRaft, encodeConfiguration, step } from '../../../machines/raft/index.ts';
import { raftDefaults } from '../../../machines/raft/types.ts';
import { bytes, configurationOf, entry, formed, keyspaceOf, reopen, running, text } from './world.ts';

/** Eight entries, applied up to 5; entry 7 removes this very replica, as a lost leader may have wanted. */
const survivor = () => {
  const at = formed();
  const entries = [1, 2, 3, 4, 5, 6, 7, 8].map((index) => entry(index, 3));
  entries[6] = { ...entries[6]!, kind: 'configuration', data: encodeConfiguration(configurationOf('a', 'b', 'c', 'd')) };
  at.write(at.store.persist({ hardState: { term: 3, vote: 'b' }, entries, snapshot: null }));
  at.write(at.store.stateOperations([{ key: bytes('k'), value: bytes('v5') }], 5, 1_005), false);
  return running(reopen(at.storage.contents()));
};

test('the survivor alone leads, keeps its state and commits what it had beyond', () => {
  const at = survivor();
  const recovery = forceConfiguration(at.store, at.restored, 'a', ['a']);
  assert.ok(recovery.ok);
  at.write(recovery.operations);
  const { report } = recovery;
  assert.deepEqual([report.appliedIndex, report.lastIndex, report.adopted, report.term], [5, 8, 3, 1_003]);
  assert.deepEqual(
    report.removed.map(({ replica }) => replica),
    ['b', 'c', 'd'],
  );
  assert.match(report.givenUp.join('\n'), /after index 8 is gone[\s\S]*6 to 8[\s\S]*wiped/);

  const again = running(reopen(at.storage.contents()));
  assert.deepEqual(keyspaceOf(again, again.store), [['k', 'v5']]);
  assert.deepEqual(again.restored.snapshot?.configuration.voters, ['a']);
  assert.deepEqual(
    again.restored.entries.map(({ index, term, kind }) => [index, term, kind]),
    [
      [6, 3, 'command'],
      [7, 3, 'noop'],
      [8, 3, 'command'],
    ],
  );
  const state = createRaft({ replica: 'a', options: raftDefaults, restored: again.restored, seed: 1, nowMs: 0 });
  const applied: string[] = [];
  for (let nowMs = 0; nowMs < 5_000 && applied.length < 4; nowMs += 50) {
    const queue = step(state, nowMs, { type: 'wake' });
    for (let effect = queue.shift(); effect !== undefined; effect = queue.shift()) {
      if (effect.type === 'persist') queue.push(...step(state, nowMs, { type: 'persisted', token: effect.token }));
      if (effect.type === 'apply') for (const { index, data } of effect.entries) applied.push(`${index} ${text(data)}`);
    }
  }
  assert.equal(state.role, 'leader');
  assert.deepEqual(applied, ['6 d6', '7 ', '8 d8', '9 ']);
});

test('it refuses what makes no sense', () => {
  const at = survivor();
  const refused = (self: string, voters: string[]): string => {
    const recovery = forceConfiguration(at.store, at.restored, self, voters);
    return recovery.ok ? 'accepted' : recovery.message;
  };
  assert.match(refused('a', ['b']), /must be one of the voters/);
  assert.match(refused('a', ['a', 'z']), /not members.*z/);
  assert.match(refused('a', ['a', 'a']), /twice/);
  const empty = formed(null);
  const none = forceConfiguration(empty.store, empty.restored, 'a', ['a']);
  assert.equal(none.ok, false);
});
