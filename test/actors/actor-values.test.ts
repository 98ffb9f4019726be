// What a message between actors carries, what it refuses and how it says so, and that references come back as references.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { assign, createActor, createMachine } from 'xstate';
import { refMark } from '../../actors/actor-api.ts';
import { isSame, isSelection, plainError, plainOf, revive, select, shownOf, snapshotOf } from '../../actors/actor-values.ts';
import type { ActorAddress } from '../../machines/entity/address.ts';

class Ref {
  readonly [refMark]: ActorAddress;
  constructor(address: ActorAddress) {
    this[refMark] = address;
  }
}
const ref = (key: string, node: string | null = null): Ref => new Ref({ type: 'cart', key, node });
const formRef = (address: ActorAddress): Ref => new Ref(address);
const refusal = (value: unknown): string => {
  const plain = plainOf(value, 'event');
  assert.ok(!plain.ok);
  return `${plain.failure.code} ${plain.failure.message}`;
};

test('plain data is not copied; references are written wherever they are, and the rest is shared', () => {
  const bytes = Uint8Array.of(1);
  const value = { type: 'a', list: [1, 'x', null, { deep: true }], bytes };
  assert.equal((plainOf(value) as { value: unknown }).value, value);

  const with2 = { type: 'a', to: ref('1'), list: [value, ref('ä b@c', 'n1')], left: undefined };
  const plain = plainOf(with2);
  assert.ok(plain.ok);
  assert.deepEqual(plain.value, { type: 'a', to: { $ref: 'cart/1' }, list: [value, { $ref: 'cart/ä%20b%40c@n1' }] });
  assert.equal((plain.value as { list: unknown[] }).list[0], value);
  assert.deepEqual(revive(plain.value, formRef), { type: 'a', to: ref('1'), list: [value, ref('ä b@c', 'n1')] });
});

test('what no message carries is refused by its path', () => {
  const circle: Record<string, unknown> = {};
  circle.again = circle;
  const many = { list: new Array(1_000).fill(0) };
  const wide = { a: new Array(1_100).fill(many) };
  for (const [value, wanted] of [
    [{ items: [1, { when: new Date(0) }] }, 'INVALID_REQUEST event.items[1].when is a Date, which no message carries'],
    [{ run() {} }, 'INVALID_REQUEST event.run is a function, which no message carries'],
    [{ n: 1n }, 'INVALID_REQUEST event.n is a bigint, which no message carries'],
    [new Map(), 'INVALID_REQUEST event is a Map, which no message carries'],
    [[undefined], 'INVALID_REQUEST event[0] is undefined in a list, which no message carries'],
    [{ t: '\ud800' }, 'INVALID_REQUEST event.t is a text that is no Unicode (a lone surrogate), which no message carries'],
    [
      {
        get x() {
          throw new Error('no');
        },
      },
      'INVALID_REQUEST event is something that throws when it is read, which no message carries',
    ],
    [
      { to: { [refMark]: { type: 'No', key: '', node: null } } },
      'INVALID_REQUEST event.to is a reference to no actor, which no message carries',
    ],
    [
      JSON.parse('{"__proto__":1}'),
      'INVALID_REQUEST event.__proto__ is a property that no object may have, which no message carries',
    ],
  ] as const)
    assert.equal(refusal(value), wanted);
  assert.match(refusal(circle), /more than 64 levels deep, or part of itself/);
  assert.match(refusal(wide), /^TOO_LARGE .* one of more than 1048576 values/);
});

test('any plain value comes back as it went', () => {
  const address = fc.record(
    {
      type: fc.constantFrom('a', 'cart-2'),
      key: fc.constantFrom('-', 'x y', '%@/', 'ü'),
      node: fc.constantFrom(null, 'n1'),
    },
    { noNullPrototype: true },
  );
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom(null, true, 0, -1.5, 'text', ''),
      address.map(formRef),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(fc.constantFrom('a', 'b', '$ref', 'type'), tie('value'), { maxKeys: 3, noNullPrototype: true }),
    ),
  }));
  fc.assert(
    fc.property(value, (one) => {
      const plain = plainOf(one);
      assert.ok(plain.ok);
      const carried: unknown = JSON.parse(JSON.stringify(plain.value));
      assert.ok(isSame(carried, plain.value));
      assert.deepEqual(revive(carried, formRef), one);
    }),
    { numRuns: 200 },
  );
});

test('snapshots are shown as plain data, children by their id, errors without a stack', () => {
  const child = createMachine({ id: 'child' });
  const machine = createMachine({
    id: 'm',
    initial: 'on',
    context: { count: 2, kid: null as unknown, other: ref('7') },
    entry: assign({ kid: ({ spawn }) => spawn(child, { id: 'kid' }) }),
    states: { on: {} },
  });
  const actor = createActor(machine).start();
  const shown = snapshotOf(actor.getSnapshot());
  assert.deepEqual(shown, {
    ok: true,
    value: {
      ...{ status: 'active', value: 'on' },
      context: { count: 2, kid: { xstate$$type: 1, id: 'kid' }, other: { $ref: 'cart/7' } },
    },
  });
  assert.deepEqual(shownOf(actor.getSnapshot(), 'context.count'), { ok: true, value: 2 });
  assert.deepEqual(shownOf(actor.getSnapshot(), 'context.nothing.there'), { ok: true, value: undefined });
  actor.stop();

  const failed = { status: 'error', error: new TypeError('no'), output: undefined } as never;
  assert.deepEqual(snapshotOf(failed), { ok: true, value: { status: 'error', error: { name: 'TypeError', message: 'no' } } });
  const odd = { status: 'active', context: { when: new Date(0), n: 1 }, error: undefined, output: undefined } as never;
  const why = snapshotOf(odd);
  assert.ok(!why.ok && why.failure.message.startsWith('snapshot.context.when is a Date'));
  assert.deepEqual(shownOf(odd, 'context.n'), { ok: true, value: 1 });
  assert.deepEqual(
    plainError(() => {}),
    { name: 'Error', message: 'function' },
  );
});

test('a path into a snapshot begins with one of its parts and finds only what is there of its own', () => {
  for (const path of ['context', 'value', 'context.items.0.name', 'status']) assert.ok(isSelection(path), path);
  for (const path of ['', 'children', 'context.', '.context', 'context..x', 1, null, `context${'.x'.repeat(32)}`])
    assert.ok(!isSelection(path), String(path));
  assert.equal(select({ context: [{ a: 1 }] }, 'context.0.a'), 1);
  assert.equal(select({ context: {} }, 'context.constructor'), undefined);
  assert.equal(select({ context: 'text' }, 'context.length'), undefined);
});

test('who may not look on is shown neither declared fields nor those whose names say so, whole or by a path', () => {
  const context = {
    card: { number: '1234' },
    total: 3,
    passwords: ['a'],
    note: 'Bearer abcdefghijkl',
    list: [{ iban: 'x', n: 1 }],
    pair: ['token', 't'],
    bytes: new Uint8Array([1]),
  };
  const snapshot = { status: 'done', value: { token: 'on' }, context, output: { iban: 'x', ok: true }, error: undefined };
  const redact = new Set(['card', 'iban']);
  const at = (path: string | null): unknown => {
    const shown = shownOf(snapshot as never, path, redact);
    return shown.ok ? shown.value : shown.failure.code;
  };
  assert.deepEqual(at(null), {
    status: 'done',
    value: { token: 'on' },
    context: {
      ...{ card: '[redacted]', total: 3, passwords: '[redacted]', note: '[redacted]' },
      ...{ list: [{ iban: '[redacted]', n: 1 }], pair: ['token', '[redacted]'], bytes: new Uint8Array([1]) },
    },
    output: { iban: '[redacted]', ok: true },
  });
  assert.equal(at('context.card.number'), '[redacted]');
  assert.equal(at('context.card'), '[redacted]');
  assert.equal(at('context.total'), 3);
  assert.equal(at('context.nothing'), undefined);
  assert.deepEqual(at('value'), { token: 'on' });
  assert.deepEqual(at('context.list'), [{ iban: '[redacted]', n: 1 }]);
  const whole = shownOf(snapshot as never, 'context.card.number');
  assert.equal(whole.ok && whole.value, '1234');
});
