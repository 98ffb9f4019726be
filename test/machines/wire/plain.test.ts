// Plain data in one piece of bytes: read as it was written, the same as the library reads and writes, and nothing else is read.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { pack, unpack } from '../../../machines/wire/envelope.ts';
import { createInk, cursorOf, dry } from '../../../machines/wire/octets.ts';
import { inkBare, inkPlain, readPlain } from '../../../machines/wire/plain.ts';

const { value: plain } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(
      null,
      true,
      false,
      0,
      -1,
      -32,
      -33,
      127,
      128,
      255,
      256,
      65_535,
      65_536,
      2 ** 32 - 1,
      2 ** 32,
      -(2 ** 31),
      2 ** 53 - 1,
    ),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.string({ unit: 'grapheme', maxLength: 40 }),
    fc.string({ maxLength: 300 }),
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie('value'), { maxLength: 20 }),
    fc.dictionary(
      fc.string({ maxLength: 8 }).filter((key) => key !== '__proto__'),
      tie('value'),
      { maxKeys: 20 },
    ),
  ),
}));

const inked = (...values: unknown[]): Uint8Array => {
  const ink = createInk();
  for (const value of values) inkPlain(ink, value);
  return dry(ink);
};
const read = (bytes: Uint8Array): unknown => {
  const from = cursorOf(bytes);
  const value = readPlain(from);
  assert.ok(!from.failed);
  assert.equal(from.at, bytes.byteLength);
  return value;
};
/** Minus zero is zero, and objects have no prototype to speak of. */
const shown = (value: unknown): string =>
  JSON.stringify(value, (_key, item: unknown) => (item instanceof Uint8Array ? `bytes ${[...item]}` : item));

test('what is written is read, by us and by the library, and what the library writes is read', () => {
  fc.assert(
    fc.property(plain, (value) => {
      assert.equal(shown(read(inked(value))), shown(value));
      assert.equal(shown(unpack(inked(value))), shown(value));
      assert.equal(shown(read(pack(value))), shown(value));
    }),
    { numRuns: 500 },
  );
});

test('many stand one behind the other', () => {
  fc.assert(
    fc.property(fc.array(plain, { maxLength: 10 }), (values) => {
      const from = cursorOf(inked(...values));
      for (const value of values) assert.equal(shown(readPlain(from)), shown(value));
      assert.ok(!from.failed && from.at === from.bytes.byteLength);
    }),
    { numRuns: 100 },
  );
});

test('long lists, texts and bytes', () => {
  for (const length of [15, 16, 31, 32, 255, 256, 65_535, 65_536]) {
    for (const value of [
      'x'.repeat(length),
      'ü'.repeat(length),
      '\ufffd'.repeat(length),
      new Uint8Array(length).fill(7),
      Array(length).fill(1),
    ])
      assert.equal(shown(read(inked(value))), shown(value));
    const record = Object.fromEntries(Array.from({ length }, (_, n) => [`k${n}`, n]));
    if (length < 300) assert.equal(shown(read(inked(record))), shown(record));
  }
});

test('what is cut short, changed or longer than it says is refused or read as something else, and nothing is thrown', () => {
  fc.assert(
    fc.property(plain, fc.nat(), fc.nat(255), (value, at, byte) => {
      const bytes = inked(value);
      const cut = cursorOf(bytes.subarray(0, at % bytes.byteLength));
      readPlain(cut);
      assert.ok(cut.failed);
      const changed = bytes.slice();
      changed[at % bytes.byteLength] = byte;
      readPlain(cursorOf(changed));
    }),
    { numRuns: 300 },
  );
});

test('lists without end, extensions, half characters, prototypes and what is no number are refused', () => {
  const deep = new Uint8Array(10_000).fill(0x91);
  for (const bytes of [
    deep,
    [0xdd, 0xff, 0xff, 0xff, 0xff, 0x00],
    [0xdf, 0xff, 0xff, 0xff, 0xff, 0x00],
    [0xd4, 0x00, 0x00],
    [0xc7, 0x01, 0xff, 0x00],
    [0xc1],
    [0xa2, 0xed, 0xa0],
    [0xa1, 0xff],
    [0xda, 0x04, 0x00, ...new Uint8Array(1_023).fill(0x61), 0xff],
    [0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    [0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0],
    [0x81, 0x01, 0x01],
    [...inked('__proto__')].length === 10 ? [0x81, ...inked('__proto__'), 0x01] : [],
  ]) {
    const from = cursorOf(Uint8Array.from(bytes));
    readPlain(from);
    assert.ok(from.failed, [...bytes].slice(0, 10).join(' '));
  }
});

test('lists inside each other that each promise more than there is take no memory for it', () => {
  const bytes = new Uint8Array(1 << 20).fill(0xc1);
  for (let depth = 0; depth < 99; depth++) {
    const left = bytes.byteLength - depth * 5 - 5;
    bytes.set([0xdd, left >>> 24, left >>> 16, left >>> 8, left], depth * 5);
  }
  const from = cursorOf(bytes);
  const before = process.memoryUsage().heapUsed;
  readPlain(from);
  assert.ok(from.failed);
  const taken = process.memoryUsage().heapUsed - before;
  assert.ok(taken < 64 << 20, `${taken} bytes`);
});

test('what is no plain data is not written', () => {
  const circle: unknown[] = [];
  circle.push(circle);
  for (const value of [undefined, () => {}, 1n, Symbol('s'), [undefined], circle])
    assert.throws(() => inkPlain(createInk(), value), TypeError);
});

test('what is found plain in one go is written the same as when it was looked at before', () => {
  fc.assert(
    fc.property(plain, (value) => {
      const ink = createInk();
      assert.ok(inkBare(ink, value, 1 << 20));
      assert.deepEqual(dry(ink), inked(value));
    }),
    { numRuns: 300 },
  );
});

test('what may be no plain data, and what is too much, has to be looked at closely', () => {
  const circle: unknown[] = [];
  circle.push(circle);
  const odd = [undefined, () => 1, 1n, new Map(), new Date(), { a: undefined }, [undefined], '\ud800', { '\udc00': 1 }, circle];
  for (const value of [...odd, JSON.parse('{"__proto__":1}'), `\ud800${'x'.repeat(600)}`])
    assert.equal(inkBare(createInk(), value, 1 << 20), false);
  for (const value of ['x'.repeat(2_000), new Uint8Array(2_000), Array.from({ length: 3_000 }, () => 1)])
    assert.equal(inkBare(createInk(), value, 1_000), false);
});
