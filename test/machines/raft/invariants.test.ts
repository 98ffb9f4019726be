// The invariants of the whole log are looked at where it changed, and now and then everywhere: neither way misses what is wrong.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeConfiguration } from '../../../machines/raft/configuration.ts';
import { createRaft, type RaftState, step } from '../../../machines/raft/index.ts';
import { type Entry, raftDefaults } from '../../../machines/raft/types.ts';
import { configurationOf } from './cluster.ts';

const configuration = configurationOf(['a', 'b', 'c']);
const command = (index: number): Entry => ({ index, term: 1, kind: 'command', timeMs: 0, data: new Uint8Array(1) });
const change = (index: number): Entry => ({
  ...command(index),
  kind: 'configuration',
  data: encodeConfiguration(configuration),
});

const replica = (entries: Entry[]): RaftState =>
  createRaft({
    ...{ replica: 'a', options: raftDefaults, seed: 1, nowMs: 0, checkAll: true },
    restored: {
      ...{ hardState: { term: 1, vote: null }, snapshot: { index: 0, term: 0, timeMs: 0, configuration } },
      ...{ entries, applied: 0, restarted: false },
    },
  });

/** A step that does nothing, for its checks. */
const look = (state: RaftState): void => void step(state, 0, { type: 'applied', index: 0 });
const named = { name: 'InvariantBroken', invariant: 'configurations-of-log' };

test('a configuration that is in the log and not remembered is noticed at the next step', () => {
  const state = replica([command(1), change(2), command(3)]);
  look(state);
  state.log.append([change(4)]);
  state.durable = 4;
  assert.throws(() => look(state), named);
});

test('one that is remembered and was cut off or replaced is noticed at the next step', () => {
  const cut = replica([command(1), change(2)]);
  look(cut);
  cut.log.truncateFrom(2);
  cut.durable = 1;
  assert.throws(() => look(cut), named);

  const replaced = replica([command(1), change(2), command(3)]);
  look(replaced);
  replaced.log.truncateFrom(2);
  replaced.log.append([command(2), change(3)]);
  assert.throws(() => look(replaced), named);
});

test('an entry that changed where nobody said so is noticed when all of the log is looked at', () => {
  const state = replica([command(1), command(2), command(3)]);
  look(state);
  state.log.entryAt(2)!.kind = 'configuration';
  assert.throws(() => {
    for (let steps = 0; steps < 1_024; steps++) look(state);
  }, named);
});
