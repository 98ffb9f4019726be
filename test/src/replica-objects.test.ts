// Replicated objects as a program holds them, on nodes whose clock and network are moved by hand.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAtom } from '@xstate/store';
import type { ReplicaApi } from '../../actors/api.ts';
import {
  Replica,
  type ReplicaConflict,
  type ReplicaCounter,
  type ReplicaOrMap,
  type ReplicaRegister,
  type ReplicaSet,
  replicaStore,
} from '../../src/index.ts';
import { createHandCluster, type HandNode } from '../actors/hand-cluster.ts';

const formed = () => {
  const cluster = createHandCluster();
  const nodes = cluster.form();
  // Until they are listed nobody hears of what another changes.
  cluster.until(() => nodes.every(({ api }) => api.replica.replicas().replicas.length === nodes.length), 10_000);
  const replicas = nodes.map(({ api }) => new Replica(api.replica)) as [Replica, Replica, Replica];
  /** Lets the disk and the network have their turns until it is settled. */
  const done = async <Value>(promise: Promise<Value>): Promise<Value> => {
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
    };
    promise.then(settle, settle);
    for (let turn = 0; !isSettled && turn < 1_000; turn++) {
      cluster.pass(1);
      await new Promise(setImmediate);
    }
    return promise;
  };
  return { cluster, nodes, replicas, done };
};

const alone = () => {
  const { cluster, nodes, replicas, done } = formed();
  return { cluster, node: nodes[0], replica: replicas[0], done };
};

type Profile = {
  visits: ReplicaCounter;
  tags: ReplicaSet<string>;
  name: ReplicaRegister<string>;
  home: ReplicaOrMap<{ rooms: ReplicaCounter }>;
};

test('a map of anything: changed, read and followed by key, and what goes is gone', async () => {
  const { cluster, replicas, done } = formed();
  const [mine, theirs] = replicas.map((replica) => replica.orMap<Profile>('anna')) as [
    ReplicaOrMap<Profile>,
    ReplicaOrMap<Profile>,
  ];
  assert.deepEqual({ ...mine.get() }, {});
  const told: number[] = [];
  const visits = theirs.counter('visits');
  visits.subscribe((value) => told.push(value));
  await done(Promise.all([mine.counter('visits').add(2), mine.orSet('tags').add('new'), mine.register('name').set('Anna')]));
  await done(mine.orMap('home').counter('rooms').add(3));
  cluster.until(() => theirs.size === 4, 10_000);
  assert.deepEqual(JSON.parse(JSON.stringify(theirs.get())), { visits: 2, tags: ['new'], name: 'Anna', home: { rooms: 3 } });
  assert.equal(theirs.register('name').get(), 'Anna');
  assert.equal(theirs.orMap('home').counter('rooms').get(), 3);
  assert.deepEqual(told, [2]);
  // What is elsewhere in the map is nothing new here.
  const tags = theirs.orSet('tags').get.bind(theirs.orSet('tags'));
  const before = tags();
  await done(mine.counter('visits').add(1));
  cluster.until(() => visits.get() === 3, 10_000);
  assert.deepEqual([told, tags() === before], [[2, 3], true]);
  await done(mine.remove('visits'));
  await done(mine.remove('home'));
  cluster.until(() => theirs.size === 2, 10_000);
  assert.deepEqual([theirs.has('visits'), visits.get(), Object.keys(theirs.get())], [false, 0, ['name', 'tags']]);
  await done(mine.clear());
  await done(mine.remove('tags'));
  cluster.until(() => theirs.size === 0, 10_000);
});

test('a map without a schema takes any type under any key, also such as objects have', async () => {
  const { replica, done } = alone();
  const map = replica.orMap('any');
  for (const key of ['constructor', 'toString', '']) await done(map.counter(key).add());
  await done(map.flag('f').enable());
  await done(map.flag('g', { wins: 'off' }).enable());
  await done(map.gCounter('up').add(2));
  await done(map.lwwRegister('last').set({ a: [1] }));
  assert.equal((map.get() as { valueOf?: unknown }).valueOf, undefined);
  assert.deepEqual(JSON.parse(JSON.stringify(map.get())), {
    ...{ constructor: 1, toString: 1, '': 1, f: true, g: true, up: 2, last: { a: [1] } },
  });
  let deep = map;
  for (let depth = 1; depth < 9; depth++) deep = deep.orMap('in') as never;
  await assert.rejects(done(deep.counter('n').add()), { code: 'INVALID_REQUEST', message: /8 maps deep/ });
});

test('what only rises, and what only the last writer decides', async () => {
  const { cluster, replicas, done } = formed();
  const [a, b] = replicas;
  await done(Promise.all([a.gCounter('up').add(3), b.gCounter('up').add()]));
  await assert.rejects(done(a.gCounter('up').add(-1)), { code: 'INVALID_REQUEST', message: /from 0/ });
  await done(Promise.all([a.lwwRegister<string>('r').set('left'), b.lwwRegister<string>('r').set('right')]));
  const read = (replica: Replica): string => `${replica.gCounter('up').get()} ${replica.lwwRegister('r').get()}`;
  cluster.until(() => read(a) === read(b) && read(a).startsWith('4 '), 10_000);
  await done(a.lwwRegister('r').clear());
  assert.equal(a.lwwRegister('r').get(), undefined);
  assert.equal(a.counter('up').get(), 0);
});

test('strategies show one of what nobody overwrote, or all, and siblings are there whatever is shown', async () => {
  const { cluster, replicas, done } = formed();
  const [a, b] = replicas;
  const wants = { conflicts: (values: readonly number[]): number => Math.max(...values) };
  assert.deepEqual(a.register<number>('r', { conflicts: 'keep-all' }).get(), []);
  await done(Promise.all([a.register<number>('r').set(7), b.register<number>('r').set(5)]));
  await done(Promise.all([a.register<string[]>('l').set(['x', 'y']), b.register<string[]>('l').set(['y', 'z'])]));
  cluster.until(
    () => replicas.every((one) => one.register('r').siblings().length === 2 && one.register('l').siblings().length === 2),
    10_000,
  );
  for (const one of replicas) {
    assert.equal(one.register<number>('r', wants).get(), 7);
    assert.deepEqual([...one.register<number>('r', { conflicts: 'keep-all' }).get()].sort(), [5, 7]);
    assert.deepEqual(one.register<string[]>('l', { conflicts: 'union' }).get(), ['x', 'y', 'z']);
    assert.ok([5, 7].includes(one.register<number>('r', { conflicts: 'highest-node' }).get()!));
  }
  await done(a.register<number>('r').set(1));
  assert.deepEqual(a.register('r').siblings(), [1]);
});

test('conflicts are told of all objects, of one, and of what is inside a map', async () => {
  const { cluster, replicas, done } = formed();
  const [a, b] = replicas;
  const told: Record<string, ReplicaConflict[]> = { all: [], one: [], other: [], inside: [], elsewhere: [] };
  const on = (name: string) => (conflict: ReplicaConflict) => void told[name]!.push(conflict);
  const stop = new AbortController();
  for (const replica of [a, b]) {
    replica.onConflict(on('all'), { signal: stop.signal });
    replica.register('r').onConflict(on('one'));
    replica.register('other').onConflict(on('other'));
    replica.orMap('m').orMap('in').register('r').onConflict(on('inside'));
    replica.orMap('m').orMap('in').register('s').onConflict(on('elsewhere'));
  }
  for (const [replica, value] of [
    [a, 1],
    [b, 2],
  ] as const) {
    void replica.register<number>('r').set(value);
    void replica.orMap('m').orMap('in').register('r').set(value);
  }
  cluster.until(() => told.one!.length > 0 && told.inside!.length > 0, 10_000);
  assert.deepEqual([...told.one![0]!.siblings!].sort(), [1, 2]);
  assert.deepEqual([told.other, told.elsewhere], [[], []]);
  const before = told.all!.length;
  assert.ok(before >= 2);
  stop.abort();
  void a.register<number>('r').set(3);
  void b.register<number>('r').set(4);
  cluster.pass(500);
  assert.equal(told.all!.length, before);
  await done(Promise.resolve());
});

test('what is read is frozen, stays the same until it changes, and is not what was handed in', async () => {
  const { replica, done } = alone();
  const bytes = Uint8Array.of(1, 2);
  const given = { name: 'x', list: [1, { deep: true }], bytes };
  const register = replica.register<typeof given>('r');
  await done(register.set(given));
  given.list.push(2);
  bytes[0] = 9;
  const read = register.get()!;
  assert.deepEqual(read, { name: 'x', list: [1, { deep: true }], bytes: Uint8Array.of(1, 2) });
  assert.equal(register.get(), read);
  assert.throws(() => read.list.push(3), TypeError);
  read.bytes[0] = 7;
  assert.deepEqual(replica.register<typeof given>('r').get()!.bytes, Uint8Array.of(1, 2));
  const set = replica.orSet<number[]>('s');
  await done(set.add([1]));
  const before = set.get();
  assert.ok(Object.isFrozen(before) && Object.isFrozen(before[0]));
  await done(replica.orSet('other').add(1));
  await done(set.add([1]));
  await done(replica.counter('s').add());
  assert.equal(set.get().length, 1);
  const map = replica.map<{ n: number }>('m');
  await done(map.put('k', { n: 1 }));
  assert.equal(map.get(), map.get());
  assert.ok(Object.isFrozen(map.at('k')));
  await done(map.put('k', { n: 2 }));
  assert.deepEqual(map.get().get('k'), { n: 2 });
});

test('what cannot be is refused with words, whatever it is', async () => {
  const { replica, done } = alone();
  const loop: unknown[] = [];
  loop.push(loop);
  let wide: unknown = [];
  for (let n = 0; n < 30; n++) wide = [wide, wide];
  const thrower = {
    get x(): number {
      throw new Error('my own fault');
    },
  };
  const set = (value: unknown): Promise<void> => replica.register('r').set(value as never);
  const refused: [() => Promise<void>, RegExp][] = [
    [() => set(Number.NaN), /plain data/],
    [() => set(() => {}), /plain data/],
    [() => set(new Date()), /plain data/],
    [() => set({ a: undefined }), /plain data/],
    [() => set(undefined), /plain data/],
    [() => set(loop), /plain data/],
    [() => set(wide), /cannot be read/],
    [() => set(thrower), /my own fault/],
    [() => set('x'.repeat(2 << 20)), /bytes/],
    [() => replica.counter('').add(), /key/],
    [() => replica.counter('x'.repeat(2_000)).add(), /key/],
    [() => replica.counter(7 as never).add(), /key/],
    [() => replica.counter('n').add(0.5), /whole number/],
    [() => replica.counter('n').add(Number.POSITIVE_INFINITY), /whole number/],
    [() => replica.text('t').insert(-1, 'x'), /whole number/],
    [() => replica.text('t').insert(1, 'x'), /at 1 of 0|beyond|ends/],
    [() => replica.text('t').insert(0, ''), /nothing/],
    [() => replica.text('t').remove(0, 1), /ends at 1 of 0/],
    [() => replica.list('l').insert(Number.NaN, 1), /whole number/],
    [() => replica.list('l').push(), /nothing/],
    [() => replica.map('m').put('k'.repeat(600), 1), /key/],
    [() => replica.orSet('s').add('x'.repeat(1 << 17)), /characters/],
    [() => replica.counter('n').change({ type: 'take' } as never), /./],
    [() => replica.counter('n', { sync: { everyMs: 0 } }).add(), /sync/],
  ];
  for (const [make, words] of refused)
    await assert.rejects(done(make()), (error: { code: string; definite: boolean; message: string }) => {
      assert.match(error.message, words);
      return error.code === 'INVALID_REQUEST' && error.definite;
    });
  assert.deepEqual(replica.objects(), []);
});

test('followers: by callback, observer, signal or using; told once, and only of what is different', async () => {
  const { cluster, replica, done } = alone();
  const counter = replica.counter('n');
  const seen: string[] = [];
  const stop = new AbortController();
  counter.subscribe((value) => seen.push(`signal ${value}`), { signal: stop.signal });
  const { unsubscribe } = counter.subscribe({ next: (value) => seen.push(`observer ${value}`) });
  const end = counter.subscribe(
    (value) => seen.push(`called ${value}`),
    undefined,
    () => seen.push('complete'),
  );
  const turn = async (): Promise<string[]> => {
    await done(counter.add());
    cluster.pass(1);
    return seen.splice(0).sort() as string[];
  };
  assert.deepEqual(await turn(), ['called 1', 'observer 1', 'signal 1']);
  void counter.add(0);
  cluster.pass(1);
  assert.equal(seen.length, 0);
  // To and fro: somebody may have read what was between.
  void counter.add(1);
  void counter.add(-1);
  cluster.pass(1);
  assert.deepEqual(seen.splice(0).sort(), ['called 1', 'observer 1', 'signal 1']);
  stop.abort();
  assert.deepEqual(await turn(), ['called 2', 'observer 2']);
  unsubscribe();
  {
    using _one = counter.subscribe((value) => seen.push(`using ${value}`));
    assert.deepEqual(await turn(), ['called 3', 'using 3']);
  }
  end();
  end();
  assert.deepEqual(await turn(), []);
  counter.subscribe(() => seen.push('never'), { signal: AbortSignal.abort() });
  assert.deepEqual(await turn(), []);
});

test('loops: the value now and the last of each turn; they end by return, by their signal and with their node', async () => {
  const { cluster, node, replica, done } = alone();
  const counter = replica.counter('n');
  const loop = counter.watch();
  assert.deepEqual(await loop.next(), { done: false, value: 0 });
  const [next, after] = [loop.next(), loop.next()];
  for (let n = 0; n < 3; n++) void counter.add();
  assert.deepEqual(await done(next), { done: false, value: 3 });
  await done(counter.add());
  assert.deepEqual(await done(after), { done: false, value: 4 });
  const never = loop.next();
  await loop.return!();
  assert.deepEqual(
    [await never, await loop.next()],
    [
      { done: true, value: undefined },
      { done: true, value: undefined },
    ],
  );
  const stop = new AbortController();
  const aborted = counter.watch({ signal: stop.signal });
  await aborted.next();
  const waiting = aborted.next();
  stop.abort(new Error('enough'));
  await assert.rejects(waiting, /enough/);
  await assert.rejects(aborted.next(), /enough/);
  await assert.rejects(counter.watch({ signal: AbortSignal.abort(new Error('before')) }).next(), /before/);
  const seen: number[] = [];
  const reader = (async () => {
    for await (const value of counter) seen.push(value);
  })();
  const forever = counter.waitFor((value) => value > 99);
  await done(counter.add());
  node.api.stop(() => {});
  cluster.pass(1);
  await reader;
  assert.deepEqual([seen.at(0), seen.at(-1)], [4, 5]);
  await assert.rejects(forever, { code: 'STOPPING' });
  // A node that has stopped is read all the same, and nothing waits for it.
  await assert.rejects(done(counter.add()), { code: 'STOPPING' });
  await assert.rejects(done(counter.waitFor((value) => value > 99)), { code: 'STOPPING' });
  assert.equal(await counter.waitFor((value) => value === 5), 5);
  const late: number[] = [];
  await done(
    (async () => {
      for await (const value of counter) late.push(value);
    })(),
  );
  assert.deepEqual(late, [5]);
});

test('waiting: a time that is none, and a wish that throws', async () => {
  const { replica, done } = alone();
  const counter = replica.counter('n');
  for (const timeoutMs of [0, -1, Number.NaN, 1e12])
    await assert.rejects(
      counter.waitFor(() => false, { timeoutMs }),
      { code: 'INVALID_REQUEST' },
    );
  const throws = counter.waitFor((value) => {
    if (value > 0) throw new Error('my own fault');
    return false;
  });
  void counter.add();
  await assert.rejects(done(throws), /my own fault/);
});

test('a replica as a store: read, selected, computed from, changed by events', async () => {
  const { cluster, replica, done } = alone();
  const set = replica.orSet<string>('s');
  const stop = new AbortController();
  const store = replicaStore(set, { signal: stop.signal });
  const first = store.getSnapshot();
  assert.equal(store.getSnapshot(), first);
  const sizes: number[] = [];
  const size = store.select(({ value }) => value.length);
  size.subscribe((value) => sizes.push(value));
  const shout = createAtom(() => store.get().context.value.join().toUpperCase());
  store.trigger.add({ element: 'a' });
  // At once, as an interface wants it; and by whomever it is changed.
  assert.deepEqual(store.getSnapshot().context.value, ['a']);
  await done(set.add('b'));
  cluster.pass(1);
  assert.deepEqual([store.getSnapshot().context.value, shout.get(), sizes], [['a', 'b'], 'A,B', [1, 2]]);
  const failed: unknown[] = [];
  store.on('failed', ({ error, change }) => failed.push([(error as { code: string }).code, change.type]));
  store.send({ type: 'add', element: (() => {}) as never });
  await new Promise(setImmediate);
  assert.deepEqual(failed, [['INVALID_REQUEST', 'add']]);
  stop.abort();
  await done(set.add('c'));
  cluster.pass(1);
  assert.equal(store.getSnapshot().context.value.length, 2);
  {
    using other = replicaStore(replica.counter('n'));
    other.trigger.add({ by: 2 });
    assert.equal(other.get().context.value, 2);
  }
});

test('a policy of a handle is that of its changes', async () => {
  const asked: unknown[] = [];
  const api = {
    change: (...given: unknown[]) => {
      asked.push(given[4]);
      (given[3] as (outcome: unknown) => void)({ ok: true, value: null });
    },
  } as unknown as ReplicaApi;
  const replica = new Replica(api);
  await replica.counter('n').add();
  await replica.counter('n', { sync: 'never' }).add();
  await replica
    .orMap('m', { sync: { everyMs: 5 } })
    .counter('n')
    .add();
  assert.deepEqual(asked, [{ sync: 'write' }, { sync: 'never' }, { sync: { everyMs: 5 } }]);
});

test('two handles of one key are the same data, each with the node as it is', async () => {
  const { node, replica, done } = alone() as ReturnType<typeof alone> & { node: HandNode };
  const [one, other] = [replica.counter('n'), new Replica(node.api.replica).counter('n')];
  assert.deepEqual([one.get(), other.get()], [0, 0]);
  await done(one.add(2));
  assert.deepEqual([one.get(), other.get()], [2, 2]);
  assert.deepEqual(replica.objects({ prefix: 'n' }), [{ type: 'pn-counter', key: 'n' }]);
});
