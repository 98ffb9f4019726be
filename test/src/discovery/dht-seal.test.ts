// A board as strangers keep it: what they can check, what they cannot read, and what nobody but a member can make.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Note } from '../../../machines/rendezvous/index.ts';
import {
  boardValueBytes,
  boardValueProblem,
  deriveBoard,
  isLater,
  openNotes,
  sealNotes,
  versionMsOf,
} from '../../../src/discovery/dht-seal.ts';

const secret = new Uint8Array(32).fill(7);
const nowMs = 1_800_000_000_000;
const board = deriveBoard(secret, { hour: 500_000, index: 1 });
const notes: Note[] = [{ peer: 'a', atMs: nowMs, record: { name: 'unreadable' } }];

/** With one byte changed. */
const spoiled = (value: Uint8Array, at: number): Uint8Array => {
  const copy = Uint8Array.from(value);
  copy[at]! ^= 1;
  return copy;
};

describe('a board', () => {
  test('has other names and keys each hour, for each index and each secret, and always the same ones', () => {
    const others = [
      deriveBoard(secret, { hour: 500_001, index: 1 }),
      deriveBoard(secret, { hour: 500_000, index: 2 }),
      deriveBoard(new Uint8Array(32).fill(8), { hour: 500_000, index: 1 }),
    ];
    const named = [board, ...others].map(({ key, signing, sealing }) =>
      [key, signing, sealing].map((one) => Buffer.from(one).toString('hex')),
    );
    for (const part of [0, 1, 2]) assert.equal(new Set(named.map((one) => one[part])).size, 4);
    assert.deepEqual(deriveBoard(secret, { hour: 500_000, index: 1 }), board);
    assert.match(Buffer.from(board.key).toString(), /^\/polity\/[0-9a-f]{64}$/);
  });
});

describe('a value', () => {
  test('is read by members, and has one length whatever it says', () => {
    for (const said of [[], notes, [...notes, { peer: 'b', atMs: 1, record: { text: 'x'.repeat(900) } }]]) {
      const value = sealNotes(board, nowMs, said);
      assert.equal(value.byteLength, boardValueBytes);
      assert.deepEqual(openNotes(board, value), said);
      assert.equal(boardValueProblem(board.key, value, nowMs), null);
      assert.equal(Buffer.from(value).includes('unreadable'), false);
    }
  });

  test('is never the same twice, and in order by the time it says', () => {
    const [one, other, later] = [
      sealNotes(board, nowMs, notes),
      sealNotes(board, nowMs, notes),
      sealNotes(board, nowMs + 1, notes),
    ];
    assert.notDeepEqual(one, other);
    assert.notEqual(isLater(one, other), isLater(other, one));
    assert.ok(isLater(later, one) && isLater(later, other) && !isLater(one, later) && !isLater(one, one));
    assert.equal(versionMsOf(later), nowMs + 1);
  });

  test('with any byte changed is refused by strangers and members', () => {
    const value = sealNotes(board, nowMs, notes);
    for (let at = 0; at < value.byteLength; at += 97) {
      assert.notEqual(boardValueProblem(board.key, spoiled(value, at), nowMs), null, `byte ${at}`);
      // The signature is the strangers' matter.
      if (at < value.byteLength - 64) assert.equal(openNotes(board, spoiled(value, at)), null, `byte ${at}`);
    }
    assert.equal(boardValueProblem(board.key, spoiled(value, value.byteLength - 1), nowMs)?.includes('not signed'), true);
  });

  test('cannot be carried to another board, nor be signed by who knows the name alone', () => {
    const other = deriveBoard(secret, { hour: 500_000, index: 3 });
    const value = sealNotes(board, nowMs, notes);
    assert.match(boardValueProblem(other.key, value, nowMs)!, /not signed/);
    assert.equal(openNotes(other, value), null);
    const stranger = sealNotes({ ...deriveBoard(new Uint8Array(32), { hour: 1, index: 1 }), key: board.key }, nowMs, notes);
    assert.match(boardValueProblem(board.key, stranger, nowMs)!, /not signed/);
    assert.equal(openNotes(board, stranger), null);
  });

  test('of another time is refused', () => {
    const value = sealNotes(board, nowMs, notes);
    for (const apartMs of [-1_800_000, 0, 5_400_000]) assert.equal(boardValueProblem(board.key, value, nowMs + apartMs), null);
    for (const apartMs of [-1_800_001, 5_400_001])
      assert.match(boardValueProblem(board.key, value, nowMs + apartMs)!, /another time/);
  });

  test('may be any bytes under any key: a problem, never an exception', () => {
    const valid = sealNotes(board, nowMs, notes);
    const anyKey = fc.oneof(
      fc.uint8Array({ maxLength: 80 }),
      fc.constant(board.key),
      fc.constant(Buffer.from(`/polity/${'f'.repeat(64)}`)),
    );
    const anyValue = fc.oneof(
      fc.uint8Array({ maxLength: 100 }),
      fc.uint8Array({ minLength: boardValueBytes, maxLength: boardValueBytes }),
      fc.nat({ max: boardValueBytes - 1 }).map((at) => spoiled(valid, at)),
    );
    fc.assert(
      fc.property(anyKey, anyValue, (key, value) => {
        assert.equal(typeof boardValueProblem(key, value, nowMs), 'string');
        openNotes(board, value);
      }),
    );
  });
});
