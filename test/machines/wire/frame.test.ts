import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  createFrameDecoder,
  decodeFrames,
  encodeFrame,
  type FrameLimits,
  frameBytes,
  takeBatch,
} from '../../../machines/wire/frame.ts';

const small: FrameLimits = { frameBytesMax: 256, frameMessagesMax: 8, messageBytesMax: 128 };
const message = fc.uint8Array({ maxLength: 64 });
const plain = (messages: readonly Uint8Array[]): number[][] => messages.map((bytes) => [...bytes]);

/** The bytes cut where the numbers say. */
const cut = (bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] => {
  const places = [0, ...cuts.map((place) => place % (bytes.byteLength + 1)).sort((a, b) => a - b), bytes.byteLength];
  return places.slice(1).map((to, index) => bytes.subarray(places[index], to));
};

describe('frames', () => {
  it('gives back the messages, wherever the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.array(message, { maxLength: 5 }), { maxLength: 6 }), fc.array(fc.nat()), (frames, cuts) => {
        const bytes = Buffer.concat(frames.map((messages) => encodeFrame(messages)));
        const decoder = createFrameDecoder();
        const got = cut(bytes, cuts).flatMap((chunk) => decodeFrames(decoder, chunk));
        assert.equal(decoder.refusal, null);
        assert.deepEqual(plain(got), plain(frames.flat()));
        assert.equal(decoder.partsBytes, 0, 'nothing is left over');
      }),
    );
  });

  it('gives what came whole before a refusal, and nothing after', () => {
    const decoder = createFrameDecoder(small);
    const good = encodeFrame([Uint8Array.of(1), Uint8Array.of(2)]);
    const bad = Buffer.from([0xff, 0xff, 0xff, 0xff]);
    assert.deepEqual(plain(decodeFrames(decoder, Buffer.concat([good, bad, good]))), [[1], [2]]);
    assert.equal(decoder.refusal?.refused, 'FRAME_TOO_LARGE');
    assert.deepEqual(decodeFrames(decoder, good), []);
  });

  it('refuses each limit by name', () => {
    const refusalOf = (bytes: Uint8Array): string | undefined => {
      const decoder = createFrameDecoder(small);
      decodeFrames(decoder, bytes);
      return decoder.refusal?.refused;
    };
    const empties = Array.from({ length: 9 }, () => new Uint8Array(0));
    assert.equal(refusalOf(encodeFrame([new Uint8Array(253)])), 'FRAME_TOO_LARGE');
    assert.equal(refusalOf(encodeFrame([new Uint8Array(129)])), 'MESSAGE_TOO_LARGE');
    assert.equal(refusalOf(encodeFrame(empties)), 'FRAME_TOO_LARGE');
    assert.equal(refusalOf(encodeFrame(empties.slice(1))), undefined);
    assert.equal(refusalOf(Buffer.from([0, 0, 0, 3, 0, 0, 0])), 'FRAME_MALFORMED');
    assert.equal(refusalOf(Buffer.from([0, 0, 0, 5, 0, 0, 0, 2, 9])), 'FRAME_MALFORMED');
  });

  it('never throws and never keeps more than one frame of arbitrary bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 }), (chunks) => {
        const decoder = createFrameDecoder(small);
        for (const chunk of chunks) {
          decodeFrames(decoder, chunk);
          assert.ok(decoder.partsBytes <= small.frameBytesMax + 4);
        }
      }),
    );
  });

  it('cuts batches at the limit, but never to nothing', () => {
    fc.assert(
      fc.property(
        fc.array(message, { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 1, max: 400 }),
        (messages, bytesMax) => {
          for (let from = 0; from < messages.length; ) {
            const to = takeBatch(messages, from, bytesMax, 10);
            assert.ok(to > from && to - from <= 10);
            assert.ok(to - from === 1 || frameBytes(messages, from, to) <= bytesMax);
            const isLast = to === messages.length || to - from === 10;
            assert.ok(isLast || frameBytes(messages, from, to + 1) > bytesMax, 'one more would not fit');
            from = to;
          }
        },
      ),
    );
  });
});
