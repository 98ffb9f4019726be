// Every address can be written and read again, and whatever can be read is one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { addressText, isActorAddress, parseAddress } from '../../../machines/entity/address.ts';

test('every address comes back from its text, the longest and strangest too', () => {
  const key = fc.oneof(
    fc.string({ unit: fc.constantFrom('a', '/', '@', '%', ' ', '\u3000', '%40', 'ü', '😀'), minLength: 1, maxLength: 256 }),
    fc.constantFrom('\u3000'.repeat(256), '%'.repeat(256), '@', '-', '//'),
  );
  fc.assert(
    fc.property(
      fc.constantFrom('a', `a${'-'.repeat(62)}`),
      key,
      fc.constantFrom(null, 'n1', 'n'.repeat(63)),
      (type, name, node) => {
        const address = { type, key: name, node };
        fc.pre(isActorAddress(address));
        assert.deepEqual(parseAddress(addressText(address)), address);
      },
    ),
    { numRuns: 300 },
  );
});
