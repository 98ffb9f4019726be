// What spawned actors are started with is kept as long as they may begin anew, and not longer.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromTransition } from 'xstate';
import type { ActorAddress } from '../../../machines/entity/address.ts';
import { defineActor } from '../../../src/actor/index.ts';
import { SpawnedInputs } from '../../../src/actor/spawned.ts';

const logic = fromTransition(
  (state: number) => state,
  ({ input }: { input: number | undefined }) => input ?? 0,
);
const addressOf = (key: number): ActorAddress => ({ type: 'a', key: String(key), node: 'n1' });

const spawning = (options: object) => {
  const inputs = new SpawnedInputs(defineActor('a', { logic, input: () => -1, ...options }));
  const lives = new Set<string>();
  const find = ({ key }: ActorAddress) => (lives.has(key) ? ({} as never) : null);
  const spawn = (key: number): void => {
    inputs.keep(addressOf(key), key, { find });
    lives.add(String(key));
    inputs.begun(String(key), true);
  };
  return { inputs, lives, spawn, find };
};

test('while it lives, and swept away some time after', () => {
  const { inputs, lives, spawn } = spawning({});
  for (let key = 0; key < 10_000; key++) {
    spawn(key);
    if (key >= 10) lives.delete(String(key - 10));
  }
  assert.equal(inputs.of('9999'), 9_999);
  assert.ok(inputs.size <= 1_024 + 10, `${inputs.size}`);
  assert.equal(inputs.of('5'), -1);
});

test('not of what has not begun, nor of what only left the memory', () => {
  const { inputs, find } = spawning({});
  for (let key = 0; key < 2_000; key++) inputs.keep(addressOf(key), key, { find });
  assert.equal(inputs.size, 2_000);
  inputs.begun('7', false);
  assert.deepEqual([inputs.has('7'), inputs.of('7')], [false, -1]);
  const resting = spawning({ passivateAfter: '1m' });
  for (let key = 0; key < 2_000; key++) resting.spawn(key);
  resting.lives.clear();
  resting.spawn(2_000);
  assert.equal(resting.inputs.of('3'), 3);
});

test('of what is durable only until it has begun', () => {
  const { inputs, spawn } = spawning({ durability: 'local' });
  spawn(1);
  assert.deepEqual([inputs.size, inputs.of('1')], [0, -1]);
});
