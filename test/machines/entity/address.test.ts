import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { type ActorAddress, addressText, isActorKey, parseAddress } from '../../../machines/entity/address.ts';

test('an address is read as it was written, whatever its key is', () => {
  const key = fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }).filter(isActorKey);
  fc.assert(
    fc.property(key, fc.constantFrom(null, 'n1', 'a-b'), (text, node) => {
      const address: ActorAddress = { type: 'cart', key: text, node };
      assert.deepEqual(parseAddress(addressText(address)), address);
    }),
    {
      examples: [
        ['a@n1', null],
        ['%40', 'n1'],
        ['a/b c', null],
        ['@', 'n1'],
      ],
    },
  );
});

test('what is no address is none', () => {
  for (const text of [
    '',
    'cart',
    '/x',
    'cart/',
    'Cart/x',
    'cart/x@',
    'cart/x@N',
    'cart/%',
    'cart/%0a',
    7,
    null,
    `c/${'x'.repeat(300)}`,
  ])
    assert.equal(parseAddress(text), null, String(text));
});
