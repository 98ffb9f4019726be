// Envelopes that are written and read in one go: any reader of envelopes reads what is written, and no reader says anything else.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeEnvelope, encodeEnvelope, pack } from '../../../machines/wire/envelope.ts';
import { decodePosted, encodePosted } from '../../../machines/wire/plain-envelope.ts';

const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 });
const body = fc.oneof(
  fc.array(fc.oneof(fc.integer(), fc.string({ maxLength: 600 }), fc.constant(null), fc.uint8Array({ maxLength: 2_000 }))),
  fc.dictionary(
    fc.string({ maxLength: 8 }).filter((key) => key !== '__proto__'),
    fc.oneof(fc.boolean(), fc.double({ noNaN: true }), fc.string()),
  ),
);
const posted = fc.record({
  ...{ version: fc.constant(1), source: name, target: name, type: name },
  ...{ timeLeftMs: fc.nat(60_000), trace: fc.string({ maxLength: 55 }), body },
});
/** Minus zero is zero, and objects have no prototype to speak of. */
const shown = (value: unknown): string =>
  JSON.stringify(value, (_key, item: unknown) => (item instanceof Uint8Array ? `bytes ${[...item]}` : item));

test('what is written is read by either reader, and both read what the library wrote', () => {
  fc.assert(
    fc.property(posted, (message) => {
      const expected = shown({ ...message, id: 0, correlation: 0 });
      const plain = encodePosted(message);
      const ordinary = encodeEnvelope({ ...message, id: 0, correlation: 0 });
      const order = ({ version, source, target, type, timeLeftMs, trace, body, id, correlation }: Record<string, unknown>) =>
        shown({ version, source, target, type, timeLeftMs, trace, body, id, correlation });
      for (const bytes of [plain, ordinary])
        for (const decoded of [decodePosted(bytes), decodeEnvelope(bytes)])
          assert.equal(order(decoded as Record<string, unknown>), expected);
    }),
    { numRuns: 300 },
  );
});

test('messages that were written stay as they are while others are written', () => {
  const written = Array.from({ length: 400 }, (_, at) =>
    encodePosted({
      version: 1,
      source: 'a',
      target: 'b',
      type: 't',
      timeLeftMs: at,
      trace: '',
      body: 'x'.repeat((at * 37) % 9_000),
    }),
  );
  written.forEach((bytes, at) => {
    const decoded = decodePosted(bytes);
    assert.ok('body' in decoded && decoded.timeLeftMs === at && decoded.body === 'x'.repeat((at * 37) % 9_000));
  });
});

test('what is no plain data is written as the library writes it, and what is malformed is refused as ever', () => {
  const message = { version: 1, source: 'a', target: 'b', type: 't', timeLeftMs: 0, trace: '', body: [undefined, 1] };
  assert.deepEqual(encodePosted(message), encodeEnvelope({ ...message, id: 0, correlation: 0 }));
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 60 }), fc.array(fc.integer(), { maxLength: 12 }).map(pack)), (bytes) => {
      const [one, other] = [decodePosted(bytes), decodeEnvelope(bytes)];
      assert.deepEqual(one, other);
    }),
    { numRuns: 500 },
  );
});
