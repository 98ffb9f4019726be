// The register where it lives, between log, writer and readers: what is applied is read at once, a restart finds the same, a copy
// is of one moment, and when the actor ends whoever reads is answered and nothing stays open.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Outcome, WatchMessage } from '../../actors/api.ts';
import type { StorageView } from '../../actors/ports/index.ts';
import { createRegisterReplica, expireCommand, type RegisterReplica } from '../../actors/register.ts';
import { failure } from '../../machines/errors.ts';
import type { Entry } from '../../machines/raft/types.ts';
import { encodeCommand } from '../../machines/register/index.ts';
import type { RegisterResult, RegisterWrite } from '../../machines/register/types.ts';
import { createHandScope } from './hand-scope.ts';
import { bytes, formed, type Running, reopen, running, text } from './raft-store/world.ts';

const stopping = failure('STOPPING', 'the node stops');

/** A register over a store; `apply` does what a member does with committed entries. */
const open = (at: Running = formed()) => {
  const views = new Set<StorageView>();
  const view = (): StorageView => {
    const inner = at.writer.view();
    const outer: StorageView = {
      read: inner.read,
      close() {
        assert.ok(views.delete(outer), 'a view is closed once');
        inner.close();
      },
    };
    views.add(outer);
    return outer;
  };
  const scope = createHandScope(at.clock);
  const writer = { ...at.writer, view };
  const register: RegisterReplica = createRegisterReplica({
    ...{ scope, clock: at.clock, writer, store: at.store },
    watchEventsMax: 100,
  });
  let loaded = 0;
  register.load(at.restored.applied, () => loaded++);
  at.clock.settle();
  assert.deepEqual([loaded, views.size], [1, 0]);
  let index = at.restored.applied;

  const entryOf = (write: RegisterWrite, timeMs: number): Entry => ({
    ...{ index: ++index, term: 1, kind: 'command', timeMs, data: encodeCommand({ write }) },
  });
  /** One turn. */
  const apply = (...writes: RegisterWrite[]): void => {
    const entries = writes.map((write) => entryOf(write, 1_000 + index));
    at.write(at.store.persist({ hardState: { term: 1, vote: null }, entries, snapshot: null }));
    for (const entry of entries) register.apply(entry);
    at.write(at.store.stateOperations(register.takeWrites(), index, 1_000 + index), false);
    register.applied(index);
  };
  const ask = (request: Parameters<RegisterReplica['read']>[0]): Outcome<RegisterResult>[] => {
    const outcomes: Outcome<RegisterResult>[] = [];
    register.read(request, (outcome) => outcomes.push(outcome));
    return outcomes;
  };
  const get = (key: string): string | null => {
    const [outcome] = ask({ op: 'get', key });
    assert.ok(outcome?.ok && outcome.value.op === 'get');
    return outcome.value.found === null ? null : text(outcome.value.found.value);
  };
  const list = (prefix: string, limit = 1_000): string[] => {
    const outcomes = ask({ op: 'list', prefix, limit });
    at.clock.settle();
    const [outcome] = outcomes;
    assert.ok(outcomes.length === 1 && outcome?.ok && outcome.value.op === 'list');
    return outcome.value.items.map(({ key, value }) => `${key}=${text(value)}`);
  };
  return { ...{ at, register, views, scope, apply, ask, get, list }, index: () => index };
};

const put = (key: string, value: string): RegisterWrite => ({ op: 'put', key, value: bytes(value) });

/** Every record of a copy. */
const copyOf = ({ register, at }: ReturnType<typeof open>): string[] => {
  const pages = register.records();
  const keys: string[] = [];
  const next = (): void =>
    pages.next((why, page) => {
      assert.equal(why, null);
      keys.push(...page.map(([key, value]) => `${text(key)} ${Buffer.from(value).toString('hex')}`));
      if (page.length > 0) next();
      else pages.close();
    });
  next();
  at.clock.settle();
  return keys;
};

test('what is applied is read at once, by entries of the same turn too, and after a restart', () => {
  const world = open();
  world.apply(
    put('a', '1'),
    { op: 'put', key: 'a', value: bytes('2'), condition: { kind: 'value', value: bytes('1') } },
    put('b', '1'),
  );
  assert.deepEqual([world.get('a'), world.get('b'), world.get('c')], ['2', '1', null]);
  world.apply({ op: 'delete', key: 'b' });
  assert.deepEqual(world.list(''), ['a=2']);
  const again = open(running(reopen(world.at.storage.contents())));
  assert.deepEqual([again.list(''), again.index()], [['a=2'], 4]);
});

test('any turns of writes leave what a map would hold, before and after a restart, with every copy the same', () => {
  const write = fc.oneof(
    fc.record({
      op: fc.constant('put' as const),
      key: fc.constantFrom('a', 'ab', 'b', 'é'),
      value: fc.constantFrom('1', '2', ''),
    }),
    fc.record({ op: fc.constant('delete' as const), key: fc.constantFrom('a', 'ab', 'b', 'é') }),
  );
  fc.assert(
    fc.property(fc.array(fc.array(write, { minLength: 1, maxLength: 5 }), { maxLength: 8 }), (turns) => {
      const twin = new Map<string, string>();
      const world = open();
      for (const turn of turns) {
        world.apply(...turn.map((one) => (one.op === 'put' ? put(one.key, one.value) : one)));
        for (const one of turn)
          if (one.op === 'put') twin.set(one.key, one.value);
          else twin.delete(one.key);
      }
      const expected = [...twin].map(([key, value]) => `${key}=${value}`).toSorted();
      const again = open(running(reopen(world.at.storage.contents())));
      for (const one of [world, again]) {
        assert.deepEqual(one.list('').toSorted(), expected);
        for (const key of ['a', 'ab', 'b', 'é']) assert.equal(one.get(key), twin.get(key) ?? null);
      }
      assert.deepEqual(copyOf(world), copyOf(again));
      assert.deepEqual([world.views.size, again.views.size], [0, 0]);
    }),
    { numRuns: 60, seed: 61 },
  );
});

test('a list is of the moment it was asked for, and says whether there is more', () => {
  const world = open();
  world.apply(...['a/1', 'a/2', 'a/3', 'b/1'].map((key) => put(key, 'old')));
  const outcomes = world.ask({ op: 'list', prefix: 'a/', limit: 2 });
  const index = world.index();
  world.apply(put('a/1', 'new'), { op: 'delete', key: 'a/2' });
  const [outcome] = outcomes;
  assert.ok(outcome?.ok && outcome.value.op === 'list');
  assert.deepEqual(
    [outcome.value.items.map(({ key, value }) => `${key}=${text(value)}`), outcome.value.more, outcome.value.index],
    [['a/1=old', 'a/2=old'], true, index],
  );
});

test('a copy is of the moment it was begun, in pages, one at a time, and may be left', () => {
  const world = open();
  const many = [...Array(2_500).keys()].map((n) => `k${String(n).padStart(5, '0')}`);
  world.apply(...many.map((key) => put(key, 'old')));
  const pages = world.register.records();
  const sizes: number[] = [];
  const next = (): void => pages.next((_why, page) => void sizes.push(page.length));
  next();
  next();
  world.apply({ op: 'delete', key: many[0]! }, put('z', 'new'));
  assert.equal(sizes.length, 1, 'asked twice at once, answered once');
  for (let n = 0; n < 3; n++) {
    next();
    world.at.clock.settle();
  }
  assert.deepEqual([sizes.reduce((sum, size) => sum + size, 0), sizes.at(-1)], [2_500, 0]);
  pages.close();
  pages.close();
  const left = world.register.records();
  left.next(() => assert.fail('it was left'));
  left.close();
  left.next(() => assert.fail('it was left'));
  world.at.clock.settle();
  assert.equal(world.views.size, 0);
});

test('watchers see what is applied once its turn is over, and are told of the end', () => {
  const world = open();
  const seen: string[] = [];
  const on = (message: WatchMessage): void =>
    void seen.push(message.type === 'events' ? message.events.map(({ key }) => key).join() : message.type);
  world.register.watch('a', 0, on);
  world.apply(put('a1', ''), put('b', ''), put('a2', ''));
  world.register.stop(stopping);
  assert.deepEqual(seen, ['progress', 'a1,a2', 'failed']);
});

test("lists step over Polity's own keys, however many there are, and show them to itself", () => {
  const world = open();
  const own = Array.from({ length: 20 }, (_, at) => `\u0001polity/actors/cart/${at + 10}`);
  const put = (key: string): RegisterWrite => ({ op: 'put', key, value: bytes('1') });
  world.apply(...['\u0001a', '\u0001polit', 'a', 'b', 'c', ...own].map(put));
  const pages = (prefix: string, limit: number): string[][] => {
    const got: string[][] = [];
    for (let after: string | undefined; ; after = got.at(-1)!.at(-1)) {
      const outcomes = world.ask({ op: 'list', prefix, limit, ...(after === undefined ? {} : { after }) });
      world.at.clock.settle();
      const [outcome] = outcomes;
      assert.ok(outcome?.ok && outcome.value.op === 'list');
      got.push(outcome.value.items.map(({ key }) => key));
      if (!outcome.value.more) return got;
    }
  };
  assert.deepEqual(pages('', 2), [['\u0001a', '\u0001polit'], ['a', 'b'], ['c']]);
  assert.deepEqual(pages('', 3), [
    ['\u0001a', '\u0001polit', 'a'],
    ['b', 'c'],
  ]);
  assert.deepEqual(pages('\u0001polity/actors/', 7).flat(), own);
});

test('when the actor ends, a list under way is answered once, and nothing stays open', () => {
  const world = open();
  world.apply(put('a', '1'));
  const outcomes = world.ask({ op: 'list', prefix: '', limit: 10 });
  const pages = world.register.records();
  pages.next(() => assert.fail('nobody waits any more'));
  world.register.load(world.index(), () => assert.fail('nobody waits any more'));
  assert.equal(world.views.size, 3);
  world.register.stop(stopping);
  world.at.clock.settle();
  assert.deepEqual([outcomes, world.views.size], [[{ ok: false, failure: stopping }], 0]);
  world.scope.end();
});

test('a replica that leaves its group dismisses its readers, and goes on reading for itself', () => {
  const world = open();
  world.apply(put('a', '1'));
  const outcomes = world.ask({ op: 'list', prefix: '', limit: 10 });
  let loaded = 0;
  world.register.load(world.index(), () => loaded++);
  world.register.dismiss(stopping);
  world.at.clock.settle();
  assert.deepEqual([outcomes, loaded, world.views.size], [[{ ok: false, failure: stopping }], 1, 0]);
  assert.equal(world.get('a'), '1');
});

test('log time moves by an entry of its own: what has expired is gone then, and not before', () => {
  const world = open();
  world.apply({ op: 'put', key: 'short', value: bytes('x'), ttlMs: 500 });
  const dueMs = world.register.nextExpiryMs();
  assert.ok(Number.isFinite(dueMs));
  assert.equal(world.get('short'), 'x');
  const entry: Entry = { index: world.index() + 1, term: 1, kind: 'command', timeMs: dueMs, data: expireCommand() };
  assert.ok(world.register.apply(entry).ok);
  assert.equal(world.get('short'), null);
  assert.equal(world.register.nextExpiryMs(), Number.POSITIVE_INFINITY);
});
