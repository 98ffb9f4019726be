// Handlers that do what handlers do: throw, promise, never end, end late, give streams and stop half-way; and callers who leave.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { defineService, type ServiceContext, ServiceError, unchecked } from '../../../src/service/index.ts';
import { alone, failureIn, later, settled } from './alone.ts';

const plain = (name: string, more: Record<string, unknown> = {}) =>
  defineService({ name, version: '1.0.0', methods: { do: {} }, ...more });
const streaming = defineService({
  ...{ name: 'numbers', version: '1.0.0' },
  methods: { from: { input: unchecked<number>(), output: z.number(), stream: true } },
});

/** Counts from a number, and says what becomes of it. */
const counting = (told: string[]) =>
  async function* (from: number) {
    try {
      for (let n = from; ; n++) {
        told.push(`made ${n}`);
        yield n;
      }
    } finally {
      told.push('closed');
    }
  };

test('a promise of a result; nothing is null', async () => {
  const node = alone();
  const result = later<unknown>();
  const client = node.serve(plain('s'), { do: () => result.promise });
  const asked = client.do();
  assert.equal(node.host.view()[0]?.bulkhead.running, 1);
  result.resolve({ a: 1 });
  assert.deepEqual(await asked, { a: 1 });
  assert.equal(node.host.view()[0]?.bulkhead.running, 0);
  node.host.remove({ kind: 'service', name: 's', version: '1.0.0' });
  assert.equal(await node.serve(plain('s'), { do: () => undefined }).do(), null);
});

test('nothing travels as null, and a schema of nothing takes it', async () => {
  const node = alone();
  const none = defineService({
    ...{ name: 'none', version: '1.0.0' },
    methods: { do: { input: z.undefined(), output: z.void() }, maybe: { input: z.object({ a: z.number() }).optional() } },
  });
  const seen: unknown[] = [];
  const client = node.serve(none, {
    do: (input) => void seen.push(input),
    maybe: (input) => input?.a ?? 'none',
  });
  await client.do();
  assert.equal(node.execute({ service: 'none', method: 'do', input: null }).ends[0], 'ok');
  assert.equal(node.execute({ service: 'none', method: 'do', input: 1 }).ends[0], 'INVALID_REQUEST');
  assert.deepEqual(seen, [undefined, undefined]);
  assert.deepEqual([await client.maybe(), await client.maybe({ a: 2 })], ['none', 2]);
});

test('a caller who leaves is told so at once; the handler hears it, and keeps its place until it has ended', async () => {
  const node = alone();
  const result = later<void>();
  let context: ServiceContext | undefined;
  node.serve(plain('s', { concurrency: 1, queue: 1 }), {
    do(_input, given) {
      context = given;
      return result.promise;
    },
  });
  const controller = new AbortController();
  const asked = node.call('s', 'do', null, { signal: controller.signal });
  const aborted: unknown[] = [];
  context?.signal.addEventListener('abort', () => aborted.push(context?.signal.reason.code));
  controller.abort('enough');
  const failed = await asked.then(
    () => null,
    (error: { code: string; cause: unknown }) => [error.code, error.cause],
  );
  assert.deepEqual([failed, aborted], [['CANCELLED', 'enough'], ['CANCELLED']]);
  assert.equal(node.host.view()[0]?.bulkhead.running, 1);

  const waiting = node.execute({ service: 's', method: 'do' });
  const third = node.execute({ service: 's', method: 'do' });
  assert.deepEqual([waiting.ends, third.ends], [[], ['OVERLOADED']]);
  waiting.handle.cancel();
  waiting.handle.cancel();
  assert.deepEqual(waiting.ends, ['CANCELLED']);
  result.resolve();
  await settled();
  const { running, counts } = node.host.view()[0]!.bulkhead;
  assert.deepEqual([running, counts.abandoned, counts.ended], [0, 1, 1]);
  assert.equal((await failureIn(node.call('s', 'do', null, { signal: controller.signal }))).code, 'CANCELLED');
});

test('whatever a handler throws, at once or later, has an end and breaks nothing else', async () => {
  const noText = Object.create(null) as object;
  const noMessage = Object.assign(new Error('x'), { message: 5 });
  const getter = Object.defineProperty(new Error('x'), 'message', {
    get() {
      throw new Error('never');
    },
  });
  const proxy = new Proxy(
    {},
    {
      getPrototypeOf() {
        throw new Error('never');
      },
    },
  );
  for (const checked of [false, true]) {
    const node = alone();
    const methods = { do: checked ? { input: z.number(), output: z.number() } : {} };
    let make: (() => unknown) | null = null;
    const client = node.serve(defineService({ name: 's', version: '1.0.0', methods }), { do: () => make!() as number });
    for (const thrown of [undefined, null, 0, '', Symbol('x'), noText, noMessage, getter, proxy]) {
      const throws = (): never => {
        throw thrown;
      };
      for (const way of [throws, () => Promise.reject(thrown), async () => throws()]) {
        make = way;
        assert.equal((await failureIn(client.do(1))).code, 'SERVICE_FAILED');
      }
    }
    make = () =>
      Object.defineProperty({}, 'then', {
        get() {
          throw new Error('no promise');
        },
      });
    assert.match((await failureIn(client.do(1))).message, /no promise/);
    const settle = (resolve: (value: number) => void): never => {
      resolve(1);
      resolve(2);
      throw new Error('late');
    };
    make = () => Object.defineProperty({}, 'then', { value: settle });
    assert.equal(await client.do(1), 1);
    assert.equal(node.host.view()[0]?.bulkhead.running, 0);
  }
});

test('an iterator that gives no results ends the stream', async () => {
  const node = alone();
  let next: () => unknown = () => undefined;
  const client = node.serve(streaming, { from: () => ({ [Symbol.asyncIterator]: () => ({ next }) }) as AsyncIterable<number> });
  for (const given of [undefined, null, 5, Promise.resolve(undefined), Promise.reject(Object.create(null))]) {
    next = () => given;
    assert.equal((await failureIn(client.from(1).next())).code, 'SERVICE_FAILED');
  }
  assert.equal(node.host.view()[0]?.bulkhead.running, 0);
});

test('what a handler throws after it was told to stop is no fault of its own', async () => {
  const node = alone();
  const told = later<void>();
  node.serve(plain('s'), {
    async do(_input, { signal }) {
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      told.resolve();
      signal.throwIfAborted();
    },
  });
  const one = node.execute({ service: 's', method: 'do' });
  one.handle.cancel();
  await told.promise;
  await settled();
  assert.deepEqual([one.ends, node.lines], [['CANCELLED'], []]);
  assert.deepEqual([...node.host.counts()[0]!.ended], [['CANCELLED', 1]]);
});

test('a handler that ends twice has ended once', async () => {
  const node = alone();
  const twice = plain('s');
  node.host.add({
    ...{ offer: twice.offer, bulkhead: twice.bulkhead },
    methods: {
      do: {
        ...{ idempotent: false, isStream: false, importance: 'normal', cost: 1 },
        invoke(_input, _context, on) {
          on.end({ ok: true, value: 1 });
          on.item('late');
          on.end({ ok: true, value: 2 });
          throw new Error('and throws');
        },
      },
    },
  });
  const one = node.execute({ service: 's', method: 'do' });
  assert.deepEqual([one.ends, one.value, one.items], [['ok'], 1, []]);
  assert.equal(node.host.view()[0]?.bulkhead.running, 0);
});

test('the signal of a call that is late aborts; one that ended never does', async () => {
  const node = alone();
  const states: boolean[] = [];
  let kept: AbortSignal | undefined;
  node.serve(plain('s'), {
    do(_input, { signal, remainingMs }) {
      states.push(signal.aborted, remainingMs > 0);
      kept = signal;
    },
  });
  // The clock of contexts is the world's, the host's is moved by hand.
  node.execute({ service: 's', method: 'do', deadlineMs: 1 });
  node.execute({ service: 's', method: 'do', deadlineMs: performance.now() + 60_000 });
  assert.deepEqual(states, [true, false, false, true]);
  await settled();
  assert.equal(kept?.aborted, false);
});

test('a stream gives as many items as are asked for, and ends after them', async () => {
  const node = alone();
  const told: string[] = [];
  node.serve(streaming, { from: counting(told) });
  const one = node.execute({ service: 'numbers', method: 'from', input: 3 });
  await settled();
  assert.deepEqual([one.items, told], [[], []]);
  one.handle.more(2);
  await settled();
  assert.deepEqual(one.items, [3, 4]);
  one.handle.more(1);
  await settled();
  assert.deepEqual(
    [one.items, told],
    [
      [3, 4, 5],
      ['made 3', 'made 4', 'made 5'],
    ],
  );
  one.handle.cancel();
  one.handle.more(5);
  await settled();
  assert.deepEqual([one.ends, told.at(-1), one.items.length], [['CANCELLED'], 'closed', 3]);
  assert.equal(node.host.view()[0]?.bulkhead.running, 0);
});

test('whoever stops taking items ends the stream, and its place is free when the generator has cleaned up', async () => {
  const node = alone();
  const told: string[] = [];
  const client = node.serve(streaming, { from: counting(told) });
  const taken: number[] = [];
  for await (const n of client.from(1)) {
    taken.push(n);
    if (n === 40) break;
  }
  await settled();
  assert.deepEqual([taken.length, told.at(-1)], [40, 'closed']);
  assert.ok(told.length <= 40 + 17, `${told.length} for 40 taken`);
  assert.equal(node.host.view()[0]?.bulkhead.running, 0);
});

test('a generator that throws midway: all items, then the error; one that refuses says so', async () => {
  const node = alone();
  const client = node.serve(streaming, {
    *from(input) {
      yield 1;
      yield 2;
      if (input === 0) throw new Error('broken');
      throw new ServiceError('NO_MORE', 'there are no more');
    },
  });
  const taken: number[] = [];
  const take = async (input: number): Promise<void> => {
    for await (const n of client.from(input)) taken.push(n);
  };
  assert.equal((await failureIn(take(0))).code, 'SERVICE_FAILED');
  assert.equal((await failureIn(take(1))).details?.reason, 'NO_MORE');
  assert.deepEqual(taken, [1, 2, 1, 2]);
});

test('an item that is not what was promised ends the stream at both ends', async () => {
  const node = alone();
  let isClosed = false;
  const client = node.serve(streaming, {
    *from() {
      try {
        yield 1;
        yield 'two' as never;
        yield 3;
      } finally {
        isClosed = true;
      }
    },
  });
  const items = client.from(0);
  assert.deepEqual(await items.next(), { done: false, value: 1 });
  assert.equal((await failureIn(items.next())).code, 'SERVICE_FAILED');
  assert.deepEqual([await items.next(), isClosed], [{ done: true, value: undefined }, true]);
});

test('lists are streams, texts are none; an empty one ends', async () => {
  const node = alone();
  const any = defineService({ name: 'any', version: '1.0.0', methods: { all: { stream: true }, one: {} } });
  node.serve(any, { all: (input) => input as Iterable<unknown>, one: () => 7 });
  const all = async (input: unknown): Promise<unknown[]> => {
    const items: unknown[] = [];
    for await (const item of node.stream('any', 'all', input)) items.push(item);
    return items;
  };
  assert.deepEqual([await all([1, 2]), await all([]), await all([undefined])], [[1, 2], [], [null]]);
  assert.deepEqual(await all([Promise.resolve(1), 2]), [1, 2]);
  assert.equal((await failureIn(all([1, Promise.reject(new ServiceError('NO', 'no'))]))).code, 'SERVICE_REFUSED');
  assert.equal((await all(Array.from({ length: 5_000 }, (_, n) => n))).length, 5_000);
  assert.equal((await failureIn(all('text'))).code, 'SERVICE_FAILED');
  const one: unknown[] = [];
  for await (const item of node.stream('any', 'one')) one.push(item);
  assert.deepEqual(one, [7]);
  const asked = await failureIn(node.call('any', 'all', [1]));
  assert.deepEqual([asked.code, asked.message], ['INVALID_REQUEST', 'any.all gives a stream, and is called for one result']);
});

test('what gives items is closed once, where it was not at its end', async () => {
  const node = alone();
  const told: string[] = [];
  const items = (input: unknown): AsyncIterable<unknown> => ({
    [Symbol.asyncIterator]: () => {
      let n = 0;
      return {
        async next() {
          if (n === 1 && input === 'throws') throw new Error('broken');
          return n++ < 2 ? { done: false, value: n } : { done: true, value: undefined };
        },
        async return() {
          told.push(`closed ${String(input)}`);
          return { done: true, value: undefined };
        },
      };
    },
  });
  const any = defineService({ name: 'any', version: '1.0.0', methods: { all: { stream: true } } });
  node.serve(any, { all: items });
  for await (const _ of node.stream('any', 'all', 'whole'));
  for await (const _ of node.stream('any', 'all', 'left')) break;
  await node.stream('any', 'all', 'throws').next();
  await assert.rejects(async () => {
    for await (const _ of node.stream('any', 'all', 'throws'));
  });
  await settled();
  assert.deepEqual(told, ['closed left']);
  assert.equal(node.host.view()[0]?.bulkhead.running, 0);
});

test('a stream whose handler never begins is left all the same', async () => {
  const node = alone();
  const begun = later<Iterable<number>>();
  const client = node.serve(streaming, { from: () => begun.promise });
  const items = client.from(0);
  const first = items.next();
  assert.deepEqual(await items.return(), { done: true, value: undefined });
  assert.deepEqual(await first, { done: true, value: undefined });
  assert.equal(node.host.view()[0]?.bulkhead.running, 1);
  begun.resolve([1]);
  await settled();
  assert.equal(node.host.view()[0]?.bulkhead.running, 0);
});

test('validation that takes its time', async () => {
  const node = alone();
  const slow = z.number().refine(async (n) => n > 0, 'must be above nought');
  const later = defineService({
    ...{ name: 'later', version: '1.0.0' },
    methods: { double: { input: slow, output: slow }, count: { input: slow, output: slow, stream: true } },
  });
  const client = node.serve(later, {
    double: (n) => 2 * n,
    *count(n) {
      for (let at = n; at >= 0; at--) yield at;
    },
  });
  assert.equal(await client.double(2), 4);
  assert.match((await failureIn(client.double(-2))).message, /input: must be above nought/);
  const items = client.count(2);
  assert.deepEqual([(await items.next()).value, (await items.next()).value], [2, 1]);
  assert.equal((await failureIn(items.next())).code, 'SERVICE_FAILED');
});

test('checked before it leaves, where that is asked for', async () => {
  const node = alone();
  const checked = defineService({ name: 'c', version: '1.0.0', methods: { do: { input: z.object({ a: z.number() }) } } });
  let asked = 0;
  const client = node.serve(checked, { do: () => ++asked });
  const wrong = await failureIn(client.do({ a: 'no' } as never, { checkInput: true }));
  assert.deepEqual([wrong.code, node.host.counts()[0]?.ended.size], ['INVALID_REQUEST', 0]);
  assert.equal(await client.do({ a: 1 }, { checkInput: true }), 1);
  const typo = await failureIn(client.do({ a: 1 }, { timoutMs: 5 } as never));
  assert.match(typo.message, /no option 'timoutMs'/);
});
