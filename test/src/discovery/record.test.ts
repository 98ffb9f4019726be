// What is read from outside: addresses that no program could dial or that would draw on a terminal are not taken.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { usable } from '../../../src/discovery/record.ts';

test('a host of a multiaddr may not hold spaces, control characters or what is not ASCII', () => {
  const fine = '/dns/n1.example.org/tcp/7400';
  assert.deepEqual(usable(['/dns/a b/tcp/1', '/dns/\x1b[31m/tcp/1', '/dns4/ä/tcp/1', '/dns/a\n/tcp/1', fine], null), [fine]);
});
