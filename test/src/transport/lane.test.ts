// The lane against a stream that says when it is full: batching and backpressure, frame by frame.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Stream } from '@libp2p/interface';
import { createFrameDecoder, decodeFrames } from '../../../machines/wire/frame.ts';
import { LaneSender } from '../../../src/transport/lane.ts';

class FakeStream extends EventTarget {
  safeDispatchEvent = (type: string): boolean => this.dispatchEvent(new Event(type));
  listenerCount = (): number => 1;
  status = 'open';
  writableNeedsDrain = false;
  writeBufferLength = 0;
  readonly frames: Uint8Array[] = [];
  /** Frames it takes before it is full. */
  room = Number.POSITIVE_INFINITY;

  send(frame: Uint8Array): boolean {
    assert.ok(!this.writableNeedsDrain, 'nothing is sent to a full stream');
    this.frames.push(frame);
    if (--this.room <= 0) this.writableNeedsDrain = true;
    return !this.writableNeedsDrain;
  }

  drain(room: number): void {
    this.room = room;
    this.writableNeedsDrain = false;
    this.dispatchEvent(new Event('drain'));
  }

  abort(): void {
    this.status = 'aborted';
    this.dispatchEvent(new Event('close'));
  }

  get messages(): number {
    const decoder = createFrameDecoder();
    return this.frames.reduce((sum, frame) => sum + decodeFrames(decoder, frame).length, 0);
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const laneOn = (stream: FakeStream, bytesMax = 1 << 20) => {
  const told = { opened: 0, drains: 0, broken: [] as string[] };
  const lane = new LaneSender({
    lane: 'control',
    bytesMax,
    batchBytesMax: 64 << 10,
    open: async () => {
      told.opened++;
      return stream as unknown as Stream;
    },
    onDrain: () => told.drains++,
    onBroken: (reason) => told.broken.push(reason),
  });
  return { lane, told };
};

describe('lane', () => {
  it('sends what one turn queued as one frame, also while the stream opens', async () => {
    const stream = new FakeStream();
    const { lane, told } = laneOn(stream);
    for (let number = 0; number < 300; number++) lane.send(new Uint8Array(100));
    await turn();
    assert.equal(stream.frames.length, 1);
    for (let number = 0; number < 300; number++) lane.send(new Uint8Array(100));
    await turn();
    assert.equal(stream.frames.length, 2);
    assert.equal(stream.messages, 600);
    assert.equal(told.opened, 1);
  });

  it('cuts frames at 64 KiB, unless one message is larger', async () => {
    const stream = new FakeStream();
    const { lane } = laneOn(stream, 16 << 20);
    for (let number = 0; number < 100; number++) lane.send(new Uint8Array(1 << 10));
    lane.send(new Uint8Array(1 << 20));
    await turn();
    assert.deepEqual(
      stream.frames.map((frame) => frame.byteLength > 64 << 10),
      [false, false, true],
    );
    assert.equal(stream.messages, 101);
  });

  it('holds back at every frame while the stream is full, not only once', async () => {
    const stream = new FakeStream();
    stream.room = 1;
    const { lane, told } = laneOn(stream);
    const chunk = new Uint8Array(32 << 10);
    let queued = 0;
    while (lane.send(chunk) === 'queued') queued++;
    assert.equal(queued, 31);
    await turn();
    while (stream.messages < queued) {
      const before = stream.frames.length;
      stream.drain(1);
      await turn();
      assert.equal(stream.frames.length, before + 1);
    }
    assert.equal(told.drains, 1);
    assert.equal(lane.waitingBytes, 0);
  });

  it('takes one message of any legal size when empty, and refuses an illegal one', () => {
    const { lane } = laneOn(new FakeStream(), 1_000);
    assert.equal(lane.send(new Uint8Array(4 << 20)), 'queued');
    assert.equal(lane.send(new Uint8Array(1)), 'full');
    assert.throws(() => lane.send(new Uint8Array((4 << 20) + 1)), /MESSAGE_TOO_LARGE/);
  });

  it('tells once when its stream breaks, and forgets what it held', async () => {
    const stream = new FakeStream();
    stream.room = 0;
    const { lane, told } = laneOn(stream);
    for (let number = 0; number < 10; number++) lane.send(new Uint8Array(40_000));
    await turn();
    stream.abort();
    stream.drain(5);
    await turn();
    assert.deepEqual(told.broken, ['control lane: stream closed']);
    assert.equal(lane.waitingBytes, 0);
    assert.equal(stream.frames.length, 1);
  });
});
