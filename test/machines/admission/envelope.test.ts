import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  AdmissionFault,
  createSeen,
  deriveKeys,
  openPublished,
  type PublishedMessage,
  type PublishedRefusal,
  publishedOverheadBytesMax,
  sealPublished,
  seenDefaults,
} from '../../../machines/admission/index.ts';
import { limits } from '../../../machines/wire/limits.ts';

const secret = new Uint8Array(32).fill(5);
const context = { gossipKey: deriveKeys(secret, 'c1').gossipKey, topic: 'topic/load' };
const nowMs = 1_700_000_000_000;

const message = (change: Partial<PublishedMessage> = {}): PublishedMessage => ({
  ...{ source: 'peer-a', target: '*', epoch: 3, sequence: 0, expiresAtMs: nowMs + 10_000 },
  body: Uint8Array.of(1, 2, 3),
  ...change,
});

const codeOf = (opened: PublishedMessage | PublishedRefusal): string => ('refused' in opened ? opened.refused : 'OPENED');
const open = (sealed: Uint8Array, seen = createSeen(), wallMs = nowMs): string =>
  codeOf(openPublished(context, sealed, wallMs, seen));

describe('published envelope', () => {
  it('opens what a member sealed, once', () => {
    const seen = createSeen();
    const sealed = sealPublished(context, message());
    assert.deepEqual(openPublished(context, sealed, nowMs, seen), message());
    assert.equal(open(sealed, seen), 'REPEATED');
  });

  it('takes any HMAC-SHA256 and stays within its overhead', () => {
    const mac = (key: Uint8Array, bytes: Uint8Array): Uint8Array => createHmac('sha256', key).update(bytes).digest();
    const largest = message({ source: 's'.repeat(128), target: 't'.repeat(128), epoch: 2 ** 53 - 1, sequence: 2 ** 53 - 1 });
    const sealed = sealPublished({ ...context, mac }, largest);
    assert.equal(open(sealed), 'OPENED');
    assert.deepEqual(sealPublished(context, largest), sealed);
    assert.ok(sealed.byteLength <= publishedOverheadBytesMax + largest.body.byteLength);
  });

  it('refuses another secret, cluster or topic', () => {
    const others = [
      { ...context, gossipKey: deriveKeys(secret, 'c2').gossipKey },
      { ...context, gossipKey: deriveKeys(new Uint8Array(32).fill(6), 'c1').gossipKey },
      { ...context, topic: 'topic/other' },
    ];
    for (const other of others) assert.equal(open(sealPublished(other, message())), 'BAD_PROOF');
  });

  it('refuses every flipped bit and every cut, and remembers nothing of them', () => {
    const sealed = sealPublished(context, message());
    const seen = createSeen();
    for (let bit = 0; bit < sealed.byteLength * 8; bit++) {
      const changed = sealed.slice();
      changed[bit >> 3]! ^= 1 << (bit & 7);
      assert.match(open(changed, seen), /^(BAD_PROOF|MALFORMED)$/, `bit ${bit}`);
    }
    for (let length = 0; length < sealed.byteLength; length++)
      assert.match(open(sealed.subarray(0, length), seen), /^(BAD_PROOF|MALFORMED)$/, `cut to ${length}`);
    assert.equal(seen.windows.size, 0);
    assert.equal(open(sealed, seen), 'OPENED');
  });

  it('never throws on a stranger’s bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        assert.match(open(bytes), /^(BAD_PROOF|MALFORMED)$/);
      }),
      { numRuns: 500, seed: 1 },
    );
  });

  it('refuses what has expired and what would live too long, allowing for the clocks', () => {
    const { skewMsMax, lifetimeMsMax } = seenDefaults;
    const at = (expiresAtMs: number): string => open(sealPublished(context, message({ expiresAtMs })));
    assert.equal(at(nowMs - skewMsMax), 'OPENED');
    assert.equal(at(nowMs - skewMsMax - 1), 'EXPIRED');
    assert.equal(at(nowMs + lifetimeMsMax + skewMsMax), 'OPENED');
    assert.equal(at(nowMs + lifetimeMsMax + skewMsMax + 1), 'FROM_FUTURE');
  });

  it('refuses the oversized, sealing and opening', () => {
    assert.equal(open(new Uint8Array(limits.gossipMessageBytesMax + 1)), 'TOO_LARGE');
    const body = new Uint8Array(limits.gossipMessageBytesMax - publishedOverheadBytesMax);
    assert.equal(open(sealPublished(context, message({ body }))), 'OPENED');
    const faults: Partial<PublishedMessage>[] = [
      { body: new Uint8Array(limits.gossipMessageBytesMax) },
      { source: '' },
      { target: 'x'.repeat(129) },
      { sequence: -1 },
      { expiresAtMs: 0.5 },
    ];
    for (const fault of faults) assert.throws(() => sealPublished(context, message(fault)), AdmissionFault);
  });

  it('an earlier start of a publisher is over once a later one is heard', () => {
    const seen = createSeen();
    assert.equal(open(sealPublished(context, message({ epoch: 3, sequence: 9 })), seen), 'OPENED');
    assert.equal(open(sealPublished(context, message({ epoch: 4, sequence: 0 })), seen), 'OPENED');
    assert.equal(open(sealPublished(context, message({ epoch: 3, sequence: 10 })), seen), 'REPEATED');
    assert.equal(open(sealPublished(context, message({ source: 'peer-b', epoch: 3 })), seen), 'OPENED');
  });

  it('tells repeats as a set of all numbers would, as far as the window reaches', () => {
    const windowNumbers = 64;
    const steps = fc.oneof(
      { arbitrary: fc.integer({ min: -66, max: 3 }), weight: 8 },
      { arbitrary: fc.constantFrom(-64, -63, 0, 64), weight: 2 },
      { arbitrary: fc.integer({ min: 4, max: 200 }), weight: 1 },
    );
    fc.assert(
      fc.property(fc.array(steps, { maxLength: 150, size: 'max' }), (jumps) => {
        const seen = createSeen({ ...seenDefaults, windowNumbers });
        const all = new Set<number>();
        let highest = -1;
        for (const jump of jumps) {
          const sequence = Math.max(0, highest + jump);
          const expected = all.has(sequence) || sequence <= highest - windowNumbers ? 'REPEATED' : 'OPENED';
          assert.equal(open(sealPublished(context, message({ sequence })), seen), expected);
          if (expected === 'OPENED') all.add(sequence);
          highest = Math.max(highest, sequence);
        }
      }),
      { numRuns: 60, seed: 2 },
    );
  });

  it('keeps a bounded number of publishers apart, and forgets only whose messages have all expired', () => {
    const seen = createSeen({ ...seenDefaults, sourcesMax: 2 });
    const from = (source: string, wallMs: number): string =>
      open(sealPublished(context, message({ source, expiresAtMs: wallMs + 1_000 })), seen, wallMs);
    assert.equal(from('a', nowMs), 'OPENED');
    assert.equal(from('b', nowMs + 1), 'OPENED');
    assert.equal(from('c', nowMs + 2), 'TOO_MANY_SOURCES');
    const laterMs = nowMs + 1_000 + seenDefaults.skewMsMax;
    assert.equal(from('c', laterMs), 'TOO_MANY_SOURCES');
    assert.equal(from('c', laterMs + 1), 'OPENED');
    assert.equal(seen.windows.size, 2);
    assert.equal(seen.windows.has('a'), false);
    assert.throws(() => createSeen({ ...seenDefaults, windowNumbers: 33 }), AdmissionFault);
  });
});
