// A state is formed in one walk: the same number and the same data as the long way (plain data, packed, hashed), or nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { plainOf } from '../../../actors/actor-values.ts';
import { refMark } from '../../../machines/entity/address.ts';
import { valueHash } from '../../../machines/entity/ledger-digest.ts';
import { form, formedInto, formedLength } from '../../../machines/entity/ledger-form.ts';
import { pack, unpack } from '../../../machines/wire/envelope.ts';

const someKey = fc.oneof(fc.string({ maxLength: 5 }), fc.string({ unit: 'grapheme', maxLength: 40 }));
const someLeaf = fc.oneof(
  ...[fc.string({ maxLength: 300 }), fc.string({ unit: 'grapheme' }), fc.integer(), fc.double(), fc.boolean()],
  fc.constantFrom(
    null,
    undefined,
    -0,
    127,
    128,
    255,
    256,
    65_535,
    65_536,
    -32,
    -33,
    -128,
    -129,
    -32_768,
    -32_769,
    2 ** 31,
    2 ** 53,
  ),
  fc.uint8Array({ maxLength: 300 }),
);
const someOddity = fc.constantFrom<unknown>(
  ...[new Date(0), new Map(), 1n, Symbol('s'), () => {}, '\ud800', [undefined], { '\udfff': 1 }],
  ...[{ [refMark]: { type: 'a', key: 'b', node: null } }, Object.create({ inherited: 1 }), JSON.parse('{"__proto__":1}')],
  Object.defineProperty({}, 'x', {
    enumerable: true,
    get() {
      throw new Error('not to be read');
    },
  }),
);
const { value: someValue } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    { weight: 6, arbitrary: someLeaf },
    { weight: 1, arbitrary: someOddity },
    { weight: 4, arbitrary: fc.array(tie('value'), { maxLength: 20 }) },
    { weight: 6, arbitrary: fc.dictionary(someKey, tie('value'), { maxKeys: 6 }) },
  ),
}));

/** The long way; null where a value is other than plain data as it stands. */
const longWay = (value: unknown): { plain: unknown; hash: number } | null => {
  const plain = plainOf(value);
  return plain.ok ? { plain: plain.value, hash: valueHash(plain.value) } : null;
};

const hasReference = (value: unknown): boolean => {
  if (typeof value !== 'object' || value === null) return false;
  return refMark in value || Object.values(value).some(hasReference);
};

test('what is formed is what the long way makes of it', () => {
  fc.assert(
    fc.property(someValue, (value) => {
      const hash = form(value);
      const long = value === undefined ? null : longWay(value);
      if (long === null) return assert.equal(hash, null);
      if (hasReference(value)) return assert.equal(hash, null);
      assert.equal(hash, long.hash);
      const bytes = formedInto(null);
      assert.equal(bytes.byteLength, formedLength());
      assert.deepEqual(unpack(bytes), unpack(pack(long.plain)));
      assert.equal(valueHash(unpack(bytes)), hash);
    }),
    { numRuns: 2_000 },
  );
});

test('what is deep, long or part of itself is not formed; what comes next is', () => {
  const round: Record<string, unknown> = {};
  round.itself = round;
  let deep: unknown = 1;
  for (let level = 0; level < 65; level++) deep = [deep];
  for (const value of [round, deep, 'x'.repeat(3 << 20), new Uint8Array(3 << 20), Array(40).fill('x'.repeat(1 << 16))]) {
    assert.equal(form({ value }), null);
    assert.equal(form({ a: 1 }), valueHash({ a: 1 }));
  }
  const [wide, long] = [{ x: 'ü'.repeat(70_000) }, Array.from({ length: 70_000 }, (_, at) => at)];
  for (const value of [wide, long]) {
    assert.equal(form(value), valueHash(value));
    assert.deepEqual(unpack(formedInto(null)), value);
  }
});

test('bytes go where the ones before were, if they fit there', () => {
  form({ a: 1 });
  const first = formedInto(null);
  form({ a: 2 });
  assert.equal(formedInto(first), first);
  assert.deepEqual(unpack(first), { a: 2 });
  form({ a: 200 });
  assert.notEqual(formedInto(first), first);
  assert.deepEqual(unpack(first), { a: 2 });
});
