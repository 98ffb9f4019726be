import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { openPart, sealPart, sessionKey } from '../../../src/transport/seal.ts';

const pair = () => {
  const { privateKey, publicKey } = generateKeyPairSync('x25519');
  return { ownKey: privateKey, publicKey: new Uint8Array(publicKey.export({ type: 'spki', format: 'der' }).subarray(-32)) };
};
const [a, b, c] = [pair(), pair(), pair()];
const gossipKey = new Uint8Array(32).fill(1);
const session = new Uint8Array(16).fill(2);
const ab = { from: 'a', to: 'b', gossipKey, session };

describe('sealed parts', () => {
  it('gives both ends one key, and every other pair, direction, session and cluster another', () => {
    const key = sessionKey({ ...ab, ownKey: a.ownKey, otherKey: b.publicKey });
    assert.deepEqual(sessionKey({ ...ab, ownKey: b.ownKey, otherKey: a.publicKey }), key);
    const others = [
      sessionKey({ ...ab, ownKey: c.ownKey, otherKey: b.publicKey }),
      sessionKey({ ...ab, from: 'b', to: 'a', ownKey: a.ownKey, otherKey: b.publicKey }),
      sessionKey({ ...ab, session: new Uint8Array(16), ownKey: a.ownKey, otherKey: b.publicKey }),
      sessionKey({ ...ab, gossipKey: new Uint8Array(32), ownKey: a.ownKey, otherKey: b.publicKey }),
    ];
    for (const other of others) assert.notDeepEqual(other, key);
  });

  it('has no key with a point of small order', () => {
    assert.equal(sessionKey({ ...ab, ownKey: a.ownKey, otherKey: new Uint8Array(32) }), null);
  });

  it('opens what was sealed, and nothing that was changed or renumbered', () => {
    const key = sessionKey({ ...ab, ownKey: a.ownKey, otherKey: b.publicKey })!;
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.nat(),
        fc.nat(),
        fc.integer({ min: 0, max: 7 }),
        (plain, number, at, bit) => {
          const sealed = sealPart(key, number, plain);
          assert.deepEqual([...openPart(key, number, sealed)!], [...plain]);
          assert.equal(openPart(key, number + 1, sealed), null);
          const place = at % sealed.byteLength;
          sealed[place]! ^= 1 << bit;
          assert.equal(openPart(key, number, sealed), null);
          assert.equal(openPart(key, number, sealed.subarray(0, place)), null);
        },
      ),
    );
  });
});
