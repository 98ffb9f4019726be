// How what user code threw is told of.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reasonOf } from '../../machines/errors.ts';

test('whatever was thrown is a line for people, written down before or not', () => {
  const hostile = {
    get message() {
      throw new Error('no');
    },
  };
  const thrown = [new TypeError('a'), { name: 'TypeError', message: 'a' }, { message: 'a' }, 'text', null, 3, hostile];
  assert.deepEqual(
    thrown.map((one) => reasonOf(one)),
    ['TypeError: a', 'TypeError: a', 'Error: a', 'text', 'null', '3', 'what was thrown cannot be read'],
  );
  assert.equal(reasonOf('x'.repeat(5_000)).length, 1_000);
});
