// What a node offers to whoever embeds replicated objects: versions, conflicts as they are met, and an end to all that waits.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ReplicaConflict, SyncPolicy } from '../../actors/api.ts';
import { createReplicaDoor, replicaDoorLimits } from '../../actors/replica-door.ts';
import { change as changeHere, createObjects, replicatedTypes } from '../../machines/replicator/index.ts';
import { createHandCluster, type HandNode } from './hand-cluster.ts';

const change = (node: HandNode, type: string, key: string, given: unknown): void =>
  node.api.replica.change(type, key, given, (outcome) => assert.ok(outcome.ok, JSON.stringify(outcome)));
const set = (value: unknown) => ({ type: 'set', value });

const formed = () => {
  const cluster = createHandCluster();
  const nodes = cluster.form();
  // Until they are listed nobody hears of what another changes.
  cluster.until(() => nodes.every(({ api }) => api.replica.replicas().replicas.length === nodes.length), 10_000);
  return { cluster, nodes };
};

test('a version is another one after each change, and only then', () => {
  const { cluster, nodes } = formed();
  const [n1, n2] = nodes;
  const versions = (): number[] => [n1, n2].map(({ api }) => api.replica.version('pn-counter', 'n'));
  assert.ok(versions().every((version) => version < 0));
  change(n1, 'pn-counter', 'n', { type: 'add', by: 1 });
  cluster.until(() => versions().every((version) => version >= 0), 10_000);
  const before = versions();
  change(n1, 'pn-counter', 'n', { type: 'add', by: 0 });
  change(n1, 'pn-counter', 'other', { type: 'add', by: 1 });
  cluster.pass(500);
  assert.deepEqual(versions(), before);
  change(n1, 'pn-counter', 'n', { type: 'add', by: 1 });
  cluster.until(() => versions().every((version, at) => version !== before[at]), 10_000);
});

const conflictsAt = (node: HandNode, wanted?: { type: string; key: string }): ReplicaConflict[] => {
  const told: ReplicaConflict[] = [];
  node.api.replica.onConflict((conflict) => told.push(conflict), wanted);
  return told;
};

test('a conflict is told with what is known of it: siblings, what was lost, where', () => {
  const { cluster, nodes } = formed();
  const [n1, n2] = nodes;
  const told = [n1, n2].map((node) => conflictsAt(node));
  const one = conflictsAt(n1, { type: 'lww-map', key: 'm' });
  for (const [node, value] of [
    [n1, 'left'],
    [n2, 'right'],
  ] as const) {
    change(node, 'register', 'r', set(value));
    change(node, 'lww-register', 'l', set(value));
    change(node, 'lww-map', 'm', { type: 'put', key: 'k', value });
    change(node, 'or-map', 'o', {
      type: 'update',
      of: 'or-map',
      key: 'in',
      change: { type: 'update', of: 'register', key: 'r', change: set(value) },
    });
  }
  const all = (): ReplicaConflict[] => told.flat();
  const of = (type: string): ReplicaConflict | undefined => all().find((conflict) => conflict.type === type);
  cluster.until(() => new Set(all().map(({ type }) => type)).size === 4, 20_000);
  assert.deepEqual(of('register'), { type: 'register', key: 'r', siblings: of('register')!.siblings });
  assert.deepEqual([...of('register')!.siblings!].sort(), ['left', 'right']);
  const winner = n1.api.replica.read('lww-register', 'l');
  const lost = winner === 'left' ? 'right' : 'left';
  assert.deepEqual(of('lww-register'), { type: 'lww-register', key: 'l', lost });
  assert.deepEqual(of('lww-map')!.path, ['k']);
  assert.deepEqual(of('or-map')!.path, ['in', 'r']);
  assert.ok(one.every(({ type }) => type === 'lww-map'));
});

test('who throws does not keep the others from hearing, and there is a limit to how many listen', () => {
  const { cluster, nodes } = formed();
  const [n1, n2] = nodes;
  n1.api.replica.onConflict(() => {
    throw new Error('my own fault');
  });
  const told = conflictsAt(n1);
  let followed = 0;
  n1.api.replica.follow('register', 'r', () => {
    throw new Error('my own fault');
  });
  n1.api.replica.follow('register', 'r', () => followed++);
  change(n1, 'register', 'r', set(1));
  change(n2, 'register', 'r', set(2));
  cluster.until(() => told.length > 0 && followed > 0, 20_000);
  assert.ok(n1.lines.some(({ code }) => code === 'FOLLOWER_THREW'));
  const ends: (() => void)[] = [];
  const listen = () => ends.push(n1.api.replica.onConflict(() => {}));
  while (ends.length < replicaDoorLimits.watchersMax - 2) listen();
  assert.throws(listen, { code: 'OVERLOADED' });
  ends.pop()!();
  listen();
});

test('when a node stops, all that follows ends, once, and what comes later ends at once', () => {
  const { cluster, nodes } = formed();
  const [n1] = nodes;
  const ended: string[] = [];
  n1.api.replica.follow(
    'pn-counter',
    'n',
    () => {},
    () => {
      ended.push('threw');
      throw new Error('my own fault');
    },
  );
  n1.api.replica.follow(
    'pn-counter',
    'n',
    () => {},
    () => ended.push('first'),
  );
  const end = n1.api.replica.follow(
    'pn-counter',
    'n',
    () => {},
    () => ended.push('ended before'),
  );
  end();
  n1.api.stop(() => {});
  assert.deepEqual(ended, ['threw', 'first']);
  n1.api.replica.follow(
    'pn-counter',
    'n',
    () => {},
    () => ended.push('late'),
  );
  cluster.pass(1);
  assert.deepEqual(ended, ['threw', 'first', 'late']);
});

test('what was answered before it was on the disk, and is lost, was told to nobody: its number names another change', () => {
  const { cluster, nodes } = formed();
  const [n1, n2, n3] = nodes;
  const add = (node: HandNode, element: string, sync: SyncPolicy): (() => boolean) => {
    let isDone = false;
    const done = (outcome: { ok: boolean }): void => {
      isDone = outcome.ok;
    };
    node.api.replica.change('or-set', 's', { type: 'add', element }, done, { sync });
    return () => isDone;
  };
  // So that nothing else has a reason to write.
  cluster.pass(5_000);
  const answered = add(n1, 'lost', 'never');
  assert.ok(answered());
  // A comparison would not wait for company.
  cluster.pass(50);
  const contents = cluster.kill(n1);
  const again = cluster.start('n1', { contents });
  cluster.pass(20);
  add(again, 'kept', 'write');
  const read = ({ api }: HandNode): unknown[] => [...((api.replica.read('or-set', 's') ?? []) as Iterable<unknown>)];
  cluster.until(() => [again, n2, n3].every((node) => read(node).includes('kept')), 20_000);
  cluster.pass(2_000);
  for (const node of [again, n2, n3]) assert.deepEqual(read(node), ['kept']);
  // Not killed, it comes to all within a second.
  assert.ok(add(n2, 'late', { everyMs: 200 })());
  cluster.until(() => [again, n2, n3].every((node) => read(node).includes('late')), 1_500);
});

const doorOf = (isStopping = false) =>
  createReplicaDoor({
    ...{ name: 'n1', sink: { log() {}, count() {} }, isStopping: () => isStopping },
    ...{ cell: () => null, soon: (run: () => void) => run() },
  });

test('a new incarnation of the actor makes every version another one: it may have lost what was not on the disk', () => {
  const { api, memory } = doorOf();
  const opened = (): number => {
    const objects = createObjects('a', replicatedTypes);
    assert.ok(changeHere(objects, 0, 'pn-counter', 'n', { type: 'add', by: 1 }).ok);
    memory().onOpened(objects, { logBytes: 0 } as never);
    return api.version('pn-counter', 'n');
  };
  assert.notEqual(opened(), opened());
});

test('who waits for the objects to be read is answered: read, stopping, too many, or cannot be read', () => {
  const answers: string[] = [];
  const ask = ({ api }: ReturnType<typeof doorOf>): void =>
    api.opened((outcome) => void answers.push(outcome.ok ? 'opened' : outcome.failure.code));
  const opens = doorOf();
  ask(opens);
  assert.equal(answers.length, 0);
  opens.memory().onOpened(createObjects('a', []), { logBytes: 0 } as never);
  ask(opens);
  assert.deepEqual(answers.splice(0), ['opened', 'opened']);
  const stops = doorOf();
  for (let n = 0; n <= replicaDoorLimits.waitersMax; n++) ask(stops);
  assert.deepEqual(answers.splice(0), ['OVERLOADED']);
  stops.stop();
  assert.deepEqual(new Set(answers.splice(0)), new Set(['STOPPING']));
  ask(doorOf(true));
  const fails = doorOf();
  ask(fails);
  fails.memory().onUnreadable({ code: 'STORAGE_FAILED', message: 'rot' });
  ask(fails);
  fails.api.change('pn-counter', 'n', {}, (outcome) => void answers.push(outcome.ok ? 'done' : outcome.failure.message));
  assert.deepEqual(answers, ['STOPPING', 'STORAGE_FAILED', 'STORAGE_FAILED', 'rot']);
});
