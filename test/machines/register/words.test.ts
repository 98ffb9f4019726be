// The register in the words of programs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Entry } from '../../../machines/register/entry.ts';
import { deleteOf, onlyIf, putOf, writtenOf } from '../../../machines/register/words.ts';
import { showUtf8, utf8 } from '../../../machines/wire/octets.ts';

test('a put carries what was said and nothing else', () => {
  assert.deepEqual(putOf('k', 'v', {}), { op: 'put', key: 'k', value: utf8('v') });
  assert.deepEqual(putOf('k', 'v', { ifValue: 'o', ttlMs: 5, lease: 'l' }), {
    ...{ op: 'put', key: 'k', value: utf8('v'), condition: { kind: 'value', value: utf8('o') }, ttlMs: 5, lease: 'l' },
  });
  const fence = { lock: 'l', token: { term: 1, index: 2 } };
  assert.deepEqual(deleteOf('k', { ifIndex: 3, fence }), {
    op: 'delete',
    key: 'k',
    condition: { kind: 'index', index: 3 },
    fence,
  });
  assert.deepEqual([onlyIf(null), onlyIf('')], [{ ifIndex: 0 }, { ifValue: '' }]);
  assert.deepEqual(writtenOf('k', { op: 'put', key: 'k', index: 7, term: 2 }), { key: 'k', index: 7, term: 2 });
});

test('text becomes the bytes that TextEncoder makes of it, and bytes the text that TextDecoder makes of them', () => {
  const encoder = new TextEncoder();
  const decoder = new TextDecoder();
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const write = putOf('k', text, {});
      assert.deepEqual(write.op === 'put' && [...write.value], [...encoder.encode(text)]);
    }),
  );
  const byte = fc.oneof(fc.nat(255), fc.constantFrom(0xe0, 0xed, 0xf0, 0xf4, 0xef, 0xbb, 0xbf, 0x80, 0x9f, 0xa0, 0xc2));
  fc.assert(
    fc.property(fc.array(byte, { maxLength: 12 }), (octets) => {
      const bytes = Uint8Array.from(octets);
      assert.equal(showUtf8(bytes), decoder.decode(bytes));
    }),
    { numRuns: 2_000 },
  );
});

test('an entry is a value of bytes, text or JSON', () => {
  const fields = { key: 'k', index: 3, term: 1, createIndex: 2, version: 2, expiresAtMs: null, lease: null };
  const entry = new Entry({ ...fields, value: utf8('{"a":[1]}') });
  assert.equal(entry.text(), '{"a":[1]}');
  assert.deepEqual(entry.json(), { a: [1] });
  assert.equal(entry.index, 3);
});
