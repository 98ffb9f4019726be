// What names a published message.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { messageId, messageName } from '../../../src/transport/message-id.ts';

test('a message is named by all of it: another one with the same end has another name', () => {
  const message = { data: new Uint8Array(100).fill(1) };
  const other = { data: message.data.with(0, 2) };
  assert.notEqual(messageName(message), messageName(other));
  assert.equal(messageName(message), messageName({ data: message.data.slice() }));
  assert.equal(Buffer.from(messageId(message)).toString('latin1'), messageName(message));
  assert.equal(messageId({}).byteLength, 20);
});
