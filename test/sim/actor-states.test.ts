// Replicas are compared byte by byte where they have applied as much: a difference is named, and what cannot be the same yet is let pass.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { groupKeys, keyText } from '../../actors/keyspace.ts';
import { sealRecord } from '../../actors/log-batch.ts';
import { effectRecordKey, headKey, stateKey, stepKey } from '../../machines/entity/ledger-keys.ts';
import { ReplicaStates } from '../../sim/actors/states.ts';
import type { SimulatedNode } from '../../sim/node.ts';

const keys = groupKeys('kv');

type Records = readonly (readonly [Uint8Array, string])[];

const nodeWith = (name: string, applied: number, generation: number, records: Records): SimulatedNode => {
  const contents = new Map<string, readonly [Uint8Array, Uint8Array]>();
  const put = (key: Uint8Array, value: Uint8Array): void => void contents.set(keyText(key), [key, value]);
  put(keys.state, sealRecord(keys.state, [generation, applied, 0]));
  for (const [own, value] of records) put(Buffer.concat([keys.generation(generation), own]), Buffer.from(value));
  // Of a generation before it nothing counts.
  put(Buffer.concat([keys.generation(generation + 1), headKey('book/old')]), Buffer.from(name));
  const disk = {
    identity: `peer-${name}`,
    keys: (fits: (key: Uint8Array) => boolean) => [...contents.values()].map(([key]) => key).filter(fits),
    valueAt: (key: Uint8Array) => contents.get(keyText(key))?.[1],
  };
  return { name, disk } as unknown as SimulatedNode;
};

const blamedFor = (...nodes: SimulatedNode[]): { blamed: string[]; compared: number } => {
  const blamed: string[] = [];
  const states = new ReplicaStates(nodes, ['kv'], (rule, what) => blamed.push(`${rule}: ${what}`));
  states.look();
  states.look();
  return { blamed, compared: states.compared };
};

const [head, state] = [headKey('book/a'), stateKey('book/a')];
const same: Records = [
  [head, 'h'],
  [state, 's'],
];

test('the same bytes under other generations are the same; each pair is compared once', () => {
  const three = [nodeWith('n1', 9, 1, same), nodeWith('n2', 9, 4, same), nodeWith('n3', 8, 1, [[head, 'other']])];
  assert.deepEqual(blamedFor(...three), { blamed: [], compared: 1 });
});

test('another byte, a record more and an actor more are named', () => {
  const others: Records[] = [
    [
      [head, 'h'],
      [state, 'x'],
    ],
    [...same, [effectRecordKey('book/a', { index: 7, n: 0 }), 'e']],
    [...same, [headKey('book/b'), 'h']],
  ];
  for (const [at, records] of others.entries()) {
    const { blamed } = blamedFor(nodeWith('n1', 9, 1, same), nodeWith('n2', 9, 1, records));
    assert.equal(blamed[0], `replicas hold the same bytes: book/${at === 2 ? 'b' : 'a'} in kv at 9: n1 and n2 differ`);
  }
});

test('an actor with steps that somebody has not folded is let pass', () => {
  const unfolded: Records = [[head, 'x'], [stepKey('book/a', 3), 'b'], ...same.slice(1)];
  assert.deepEqual(blamedFor(nodeWith('n1', 9, 1, same), nodeWith('n2', 9, 1, unfolded)).blamed, []);
});
