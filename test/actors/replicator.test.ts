// Replicated objects between whole nodes: what is changed at one is the same at all, told or repaired, and outlives them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { replicaKeys } from '../../actors/keyspace.ts';
import { sealRecord } from '../../actors/log-batch.ts';
import { encodeEnvelope, pack, wireVersion } from '../../machines/wire/envelope.ts';
import { createHandCluster, type HandNode } from './hand-cluster.ts';

const changed = (node: HandNode, type: string, key: string, change: unknown): (() => string) => {
  let outcome = 'waiting';
  node.api.replica.change(type, key, change, (done) => {
    outcome = done.ok ? 'done' : done.failure.code;
  });
  return () => outcome;
};
const countAt = ({ api }: HandNode, key = 'n'): unknown => api.replica.read('pn-counter', key);
const setAt = ({ api }: HandNode, key = 's'): string[] =>
  [...((api.replica.read('or-set', key) ?? []) as Iterable<string>)].sort();
const add = (by: number) => ({ type: 'add', by });
const put = (element: string) => ({ type: 'add', element });

const formed = () => {
  const cluster = createHandCluster();
  const nodes = cluster.form();
  // Until they are listed nobody hears of what another changes.
  cluster.until(() => nodes.every(({ api }) => api.replica.replicas().replicas.length === nodes.length), 10_000);
  return { cluster, nodes };
};

test('a change is seen at once where it is made, answered when it is on the disk, and the same everywhere soon after', () => {
  const { cluster, nodes } = formed();
  const [n1, n2, n3] = nodes;
  const answers = [
    changed(n1, 'pn-counter', 'n', add(2)),
    changed(n2, 'pn-counter', 'n', add(3)),
    changed(n3, 'pn-counter', 'n', add(-1)),
  ];
  assert.equal(countAt(n1), 2);
  assert.equal(answers[0]!(), 'waiting');
  cluster.until(() => answers.every((answer) => answer() === 'done'), 1_000);
  cluster.until(() => nodes.every((node) => countAt(node) === 4), 10_000);
});

test('alone, before any cluster is there, and over a restart', () => {
  const cluster = createHandCluster();
  const n1 = cluster.start('n1');
  cluster.pass(20);
  const answer = changed(n1, 'or-set', 's', put('x'));
  cluster.until(() => answer() === 'done', 1_000);
  const contents = cluster.kill(n1);
  const again = cluster.start('n1', { contents });
  cluster.until(() => setAt(again).length === 1, 1_000);
  assert.equal(again.api.replica.summary().replica, n1.api.replica.summary().replica);
  const [n2, n3] = [cluster.start('n2'), cluster.start('n3')];
  cluster.until(() => [n2, n3].every((node) => setAt(node)[0] === 'x'), 20_000);
});

test('who missed everything has it after one comparison, in both directions', () => {
  const { cluster, nodes } = formed();
  const [n1, n2, n3] = nodes;
  const contents = cluster.kill(n3);
  for (let n = 0; n < 300; n++) {
    changed(n1, 'or-set', `s${n % 40}`, put(`a${n}`));
    changed(n2, 'register', `r${n}`, { type: 'set', value: n });
  }
  cluster.pass(200);
  const again = cluster.start('n3', { contents });
  cluster.pass(20);
  changed(again, 'pn-counter', 'n', add(7));
  const isSame = (): boolean =>
    [n1, n2, again].every(({ api }) => {
      const { objects } = api.replica.summary();
      return objects === 341 && countAt({ api } as HandNode) === 7 && setAt({ api } as HandNode, 's0').length === 8;
    });
  cluster.until(isSame, 20_000);
});

test('followers are told once for all changes of a turn, by whomever they were made, until they stop following', () => {
  const { cluster, nodes } = formed();
  const [n1, n2] = nodes;
  let told = 0;
  const end = n2.api.replica.follow('pn-counter', 'n', () => told++);
  changed(n1, 'pn-counter', 'n', add(1));
  cluster.until(() => told > 0, 10_000);
  assert.equal(countAt(n2), 1);
  const before = told;
  changed(n2, 'pn-counter', 'n', add(1));
  changed(n2, 'pn-counter', 'n', add(1));
  cluster.pass(1);
  assert.equal(told, before + 1);
  end();
  end();
  changed(n2, 'pn-counter', 'n', add(1));
  cluster.pass(100);
  assert.equal(told, before + 1);
});

test('what is no change of its type is refused with words, and changes nothing', () => {
  const { cluster, nodes } = formed();
  const [n1] = nodes;
  const answers = [
    changed(n1, 'no-type', 'k', {}),
    changed(n1, 'pn-counter', '', add(1)),
    changed(n1, 'pn-counter', 'k', add(0.5)),
    changed(n1, 'register', 'k', { type: 'set', value: () => {} }),
    changed(n1, 'pn-counter', 'x'.repeat(2_000), add(1)),
  ];
  cluster.pass(50);
  assert.deepEqual(
    answers.map((answer) => answer()),
    answers.map(() => 'INVALID_REQUEST'),
  );
  assert.equal(n1.api.replica.summary().objects, 0);
});

test('writes that knew nothing of each other are siblings at every node, and counted as a conflict', () => {
  const { cluster, nodes } = formed();
  const [n1, n2] = nodes;
  changed(n1, 'register', 'r', { type: 'set', value: 'left' });
  changed(n2, 'register', 'r', { type: 'set', value: 'right' });
  const valuesAt = ({ api }: HandNode): unknown[] =>
    ((api.replica.read('register', 'r') ?? []) as unknown[][]).map((sibling) => sibling[3]).sort();
  cluster.until(() => nodes.every((node) => valuesAt(node).length === 2), 20_000);
  assert.deepEqual(valuesAt(n1), ['left', 'right']);
  assert.ok(nodes.some(({ api }) => api.replica.summary().conflicts > 0));
});

test('a disk that refuses: nothing is answered as done', () => {
  const { cluster, nodes } = formed();
  const [n1] = nodes;
  n1.storage.failWith({ code: 'DISK_FULL', message: 'no space' });
  const answer = changed(n1, 'pn-counter', 'n', add(1));
  cluster.pass(200);
  assert.equal(answer(), 'STORAGE_FAILED');
  const before = countAt(n1);
  const later = changed(n1, 'pn-counter', 'n', add(1));
  assert.equal(later(), 'STORAGE_FAILED');
  assert.equal(countAt(n1), before, 'what can never be on the disk is not seen either');
});

test('a change that changes nothing is answered no earlier than the one that it relies on', () => {
  const { cluster, nodes } = formed();
  const [n1] = nodes;
  const [first, second] = [
    { type: 'put', key: 'k', value: 1 },
    { type: 'remove', key: 'k' },
  ].map((change) => changed(n1, 'lww-map', 'm', change));
  const again = changed(n1, 'lww-map', 'm', { type: 'remove', key: 'k' });
  assert.deepEqual([first!(), second!(), again()], ['waiting', 'waiting', 'waiting']);
  cluster.until(() => again() === 'done', 1_000);
  assert.deepEqual([first!(), second!()], ['done', 'done']);
  n1.storage.failWith({ code: 'DISK_FULL', message: 'no space' });
  const lost = changed(n1, 'lww-map', 'm', { type: 'put', key: 'k', value: 2 });
  changed(n1, 'lww-map', 'm', { type: 'remove', key: 'k' });
  const relies = changed(n1, 'lww-map', 'm', { type: 'remove', key: 'k' });
  cluster.pass(200);
  const late = changed(n1, 'lww-map', 'm', { type: 'remove', key: 'k' });
  cluster.pass(200);
  assert.deepEqual([lost(), relies(), late()], ['STORAGE_FAILED', 'STORAGE_FAILED', 'STORAGE_FAILED']);
});

test('a node that stops answers every change: done, surely not done, or unknown', () => {
  const { cluster, nodes } = formed();
  const [n1] = nodes;
  const answers = [changed(n1, 'pn-counter', 'n', add(1))];
  cluster.clock.pass(1);
  for (let n = 0; n < 3; n++) answers.push(changed(n1, 'pn-counter', 'n', add(1)));
  let closed = false;
  n1.api.stop(() => {
    closed = true;
  });
  answers.push(changed(n1, 'pn-counter', 'n', add(1)));
  cluster.until(() => closed, 5_000);
  const codes = answers.map((answer) => answer());
  assert.ok(!codes.includes('waiting'), codes.join());
  assert.equal(codes.at(-1), 'STOPPING');
});

test('what is no batch of deltas is counted, and the rest of what a member says is heard', () => {
  const { cluster, nodes } = formed();
  const [n1, n2] = nodes;
  const mark = [n2.api.replica.summary().replica, 0];
  const publish = (deltas: unknown, type = 'deltas', by: unknown = mark): void => {
    const body = [by, deltas];
    const bytes = encodeEnvelope({
      ...{ version: wireVersion, source: 'replicator', target: 'replicator', type },
      ...{ id: 0, correlation: 0, timeLeftMs: 0, trace: '', body },
    });
    cluster.network.letters.push({ from: n2.peer, to: n1.peer, lane: 'topic', topic: 'deltas', bytes });
    cluster.pass(1);
  };
  cluster.until(() => n1.api.replica.replicas().replicas.length === 3);
  const delta = (record: unknown): Uint8Array => pack(record).slice();
  const ahead = delta(['register', 'k', [['x', 1], [['x', 1, 2 ** 52, 'from the future']]]]);
  const noKey = delta(['pn-counter', '', ['x', 1, 0]]);
  for (const body of [null, [1], [delta(['no-type', 'k', 1])], [noKey], [new Uint8Array([0xc1])], [ahead]]) publish(body);
  publish([], 'other');
  publish([ahead], 'deltas', ['nobody', 0]);
  publish([ahead], 'deltas', [n2.api.replica.summary().replica, 99]);
  publish([ahead], 'deltas', 'n2');
  publish([ahead, delta(['pn-counter', 'n', ['x', 4, 0]])]);
  assert.equal(countAt(n1), 4);
  assert.equal(n1.api.replica.read('register', 'k'), undefined);
  const refused = [...n1.counts.keys()]
    .filter((name) => name.startsWith('replica_refused_total'))
    .map((name) => name.split(' ')[1]);
  assert.deepEqual(refused.sort(), [
    'CLOCK_AHEAD',
    'DELTA_MALFORMED',
    'KEY_INVALID',
    'LEDGER_BEHIND',
    'MESSAGE_MALFORMED',
    'REPLICA_UNLISTED',
    'TYPE_UNKNOWN',
  ]);
  assert.equal(n1.lines.filter(({ code }) => code === 'CLOCK_AHEAD').length, 1);
});

test('what is no key is refused also where somebody is told of conflicts', () => {
  const { cluster, nodes } = formed();
  const [n1, n2] = nodes;
  n1.api.replica.onConflict(() => {});
  const noKey = pack(['lww-register', { toString: 1, valueOf: 1 }, [0, '', 1, 'x', 1]]).slice();
  const bytes = encodeEnvelope({
    ...{ version: wireVersion, source: 'replicator', target: 'replicator', type: 'deltas' },
    ...{ id: 0, correlation: 0, timeLeftMs: 0, trace: '', body: [[n2.api.replica.summary().replica, 0], [noKey]] },
  });
  cluster.network.letters.push({ from: n2.peer, to: n1.peer, lane: 'topic', topic: 'deltas', bytes });
  cluster.pass(1);
  assert.deepEqual(
    n1.lines.filter(({ code }) => code === 'ACTOR_FAILED'),
    [],
  );
  assert.equal(n1.counts.get('replica_refused_total KEY_INVALID'), 1);
});

test('what is not on the disk is told to nobody, by repair neither: its number would be given again after a crash', () => {
  const { cluster, nodes } = formed();
  const [n1, n2, n3] = nodes;
  n1.storage.failWith({ code: 'DISK_FULL', message: 'no space' });
  const answer = changed(n1, 'or-set', 's', put('never durable'));
  cluster.pass(20_000);
  assert.equal(answer(), 'STORAGE_FAILED');
  for (const node of [n2, n3]) assert.deepEqual(setAt(node), []);
});

test('what others do not take is not offered to them every second', () => {
  const { cluster, nodes } = formed();
  const [n1, n2, n3] = nodes;
  changed(n3, 'lww-register', 'k', { type: 'set', value: 0 });
  cluster.until(() => nodes.every(({ api }) => api.replica.summary().objects === 1));
  const contents = new Map(cluster.kill(n3));
  const key = replicaKeys.state('lww-register/ahead');
  const ahead = sealRecord(key, ['lww-register', 'ahead', [2 ** 52, 'x', 'from the future']]);
  const base = sealRecord(replicaKeys.base, [0, 1]);
  for (const [at, value] of [[key, ahead] as const, [replicaKeys.base, base] as const])
    contents.set(Buffer.from(at).toString('latin1'), [at, value]);
  const again = cluster.start('n3', { contents });
  cluster.until(() => again.api.replica.summary().objects === 2);
  cluster.pass(60_000);
  assert.deepEqual(
    [n1, n2].map(({ api }) => api.replica.summary().objects),
    [1, 1],
  );
  const exchanges = [n1, n2, again].map(({ counts }) => counts.get('replica_exchanges_total repaired') ?? 0);
  assert.ok(
    exchanges.every((count) => count < 25),
    exchanges.join(),
  );
});

test('an object grows no further than a limit, but what is made of it by several at once travels all the same', () => {
  const { cluster, nodes } = formed();
  const element = (node: number, n: number): string => `${node} ${n} `.padEnd(60_000, 'x');
  cluster.lose(() => true);
  const answers = nodes.flatMap((node, at) =>
    Array.from({ length: 80 }, (_, n) => changed(node, 'or-set', 's', put(element(at, n)))),
  );
  cluster.until(() => answers.every((answer) => answer() !== 'waiting'), 5_000);
  const refused = answers.filter((answer) => answer() === 'TOO_LARGE').length;
  assert.ok(refused > 0 && refused < 120, `${refused} of ${answers.length}`);
  assert.ok(answers.every((answer) => ['done', 'TOO_LARGE'].includes(answer())));
  const [n1] = nodes;
  const taken = changed(n1, 'or-set', 's', { type: 'remove', element: element(0, 0) });
  cluster.until(() => taken() === 'done', 1_000);
  cluster.lose(() => false);
  cluster.until(() => nodes.every((node) => setAt(node).length === answers.length - refused - 1), 60_000);
});

test('a value of a mebibyte is told to everybody, a larger one to nobody', () => {
  const { cluster, nodes } = formed();
  const [n1] = nodes;
  const text = 'x'.repeat((1 << 20) - 1);
  assert.equal(changed(n1, 'register', 'r', { type: 'set', value: `${text}yz` })(), 'INVALID_REQUEST');
  changed(n1, 'register', 'r', { type: 'set', value: text });
  const valueAt = ({ api }: HandNode): unknown => (api.replica.read('register', 'r') as unknown[][] | undefined)?.[0]?.[3];
  cluster.until(() => nodes.every((node) => valueAt(node) === text), 30_000);
});

test('who comes back has what it missed well within a second of the connection, from one exchange', () => {
  const { cluster, nodes } = formed();
  const [n1, n2, n3] = nodes;
  cluster.pass(2_000);
  const missed = (): boolean => countAt(n3) === 1 && countAt(n1, 'm') === 1;
  cluster.network.disconnect(n1.peer, n3.peer);
  cluster.network.disconnect(n2.peer, n3.peer);
  changed(n1, 'pn-counter', 'n', add(1));
  changed(n3, 'pn-counter', 'm', add(1));
  cluster.pass(300);
  assert.ok(!missed());
  cluster.network.connect(n1.peer, n3.peer);
  cluster.until(missed, 400);
});
