import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isPlain, textOf } from '../../../machines/replicator/plain.ts';
import { pack, unpack } from '../../../machines/wire/envelope.ts';

test('what does not come out of the wire as it went in is no plain data', () => {
  const changed = ['\ud800', 'x\udc00', { '\ud800': 1 }, JSON.parse('{"__proto__":1}'), new Array(2), [[undefined]]];
  for (const value of changed) assert.equal(isPlain(value), false, JSON.stringify(value));
  for (const value of ['\ud83d\ude00', '', { '': { constructor: [] } }, [-0, 2 ** 53, 5e-324, -(2 ** 40)], new Uint8Array(2)]) {
    assert.ok(isPlain(value));
    assert.equal(textOf(unpack(pack(value).slice()) as never), textOf(value));
  }
});
