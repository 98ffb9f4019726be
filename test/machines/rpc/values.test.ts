// What a call carries: the same there and back, or refused by its path, never something else.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isUnfit, packValue, rpcLimits, unpackValue } from '../../../machines/rpc/index.ts';

const packed = (value: unknown): Uint8Array => {
  const bytes = packValue(value);
  assert.ok(!isUnfit(bytes), JSON.stringify(bytes));
  return bytes;
};
const again = (value: unknown): unknown => unpackValue(packed(value))!.value;

const plain = fc.letrec((tie) => ({
  any: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constant(null),
    fc.boolean(),
    fc.double({ noNaN: true }).map((number) => (Object.is(number, -0) ? 0 : number)),
    fc.string({ unit: 'grapheme' }),
    fc.uint8Array({ maxLength: 40 }),
    fc.array(tie('any'), { maxLength: 5 }),
    fc.dictionary(
      fc.string().filter((key) => key !== '__proto__'),
      tie('any'),
      { maxKeys: 5, noNullPrototype: true },
    ),
  ),
})).any;

test('plain data comes back as it was', () => {
  fc.assert(
    fc.property(plain, (value) => assert.deepEqual(again(value), value)),
    { numRuns: 300 },
  );
  assert.equal(again(undefined), undefined);
  assert.deepEqual(again({ a: undefined, b: [{ c: undefined, d: 1 }] }), { b: [{ d: 1 }] });
});

test('what no message carries is refused by its path', () => {
  class Image {}
  const loop: Record<string, unknown> = {};
  loop.self = loop;
  for (const [value, path, word] of [
    [() => {}, '', /function/],
    [{ a: [1, 2n] }, '.a[1]', /bigint/],
    [{ at: new Date(0) }, '.at', /Date/],
    [[new Map()], '[0]', /Map/],
    [{ image: new Image() }, '.image', /Image/],
    [{ list: [1, undefined] }, '.list[1]', /undefined in a list/],
    [{ mark: Symbol('x') }, '.mark', /symbol/],
    [{ text: '\ud800' }, '.text', /Unicode/],
    [{ floats: new Float64Array(1) }, '.floats', /Float64Array/],
  ] as const) {
    const why = packValue(value);
    assert.ok(isUnfit(why));
    assert.deepEqual([why.code, why.path], ['INVALID_REQUEST', path]);
    assert.match(why.message, word);
  }
  const thrower = {
    get a() {
      throw new Error('no');
    },
  };
  assert.match((packValue([thrower]) as { message: string }).message, /throws when it is read/);
  const why = packValue(loop);
  assert.ok(isUnfit(why) && /part of itself/.test(why.message));
});

test('what is too large is refused without being walked for ever', () => {
  for (const value of ['x'.repeat(rpcLimits.valueBytesMax + 1), new Uint8Array(rpcLimits.valueBytesMax + 1)]) {
    const why = packValue(value);
    assert.ok(isUnfit(why) && why.code === 'TOO_LARGE');
  }
  // Each level holds the one below twice: 2^60 values in all.
  let wide: unknown = 'x';
  for (let level = 0; level < 60; level++) wide = [wide, wide];
  const why = packValue(wide);
  assert.ok(isUnfit(why) && why.code === 'TOO_LARGE');
  assert.ok(!isUnfit(packValue('x'.repeat(rpcLimits.valueBytesMax - 8))));
});

test('bytes that are no value are null, never an exception', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 60 }), (bytes) => {
      const read = unpackValue(bytes);
      assert.ok(read === null || 'value' in read);
    }),
    { numRuns: 500 },
  );
  assert.equal(unpackValue(Uint8Array.from([...packed(1), 0])), null, 'nothing comes behind it');
});
