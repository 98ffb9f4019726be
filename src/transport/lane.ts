// One lane to one peer: a bounded queue before one long-lived libp2p stream. What one turn queues leaves in one frame, what many
// turns of a busy event loop queue leaves in few. What the peer does not read stays here and ends in 'full', never in the stream's
// unbounded buffer (stack.md §2, pitfalls 1 to 6).
import type { Stream } from '@libp2p/interface';
import type { Lane } from '../../actors/ports/index.ts';
import { createFrameDecoder, decodeFrames, encodeFrame, messageHeaderBytes, takeBatch } from '../../machines/wire/frame.ts';
import { limits as wireLimits } from '../../machines/wire/limits.ts';
import { sparingEvents } from './admission.ts';

export type LaneOptions = {
  lane: Lane;
  bytesMax: number;
  batchBytesMax: number;
  /** Opens the stream, once, when the first message is queued. */
  open(): Promise<Stream>;
  /** The lane answered 'full' and takes messages again. */
  onDrain(): void;
  /** The stream is gone: what was queued or in flight is lost, so the connection must end too (at most once, in order). */
  onBroken(reason: string): void;
};

export const assertMessageSize = (message: Uint8Array): void => {
  if (message.byteLength > wireLimits.messageBytesMax)
    throw new RangeError(`MESSAGE_TOO_LARGE: ${message.byteLength} bytes, at most ${wireLimits.messageBytesMax}`);
};

export class LaneSender {
  readonly #options: LaneOptions;
  #queue: Uint8Array[] = [];
  #head = 0;
  #queuedBytes = 0;
  #wasFull = false;
  /** Something is queued that a flush to come will take. */
  #flushing = false;
  /**
   * A frame has left while the event loop goes round. Further turns of this round share the next frame: sockets deliver one turn
   * each, and a frame costs both sides far more than a message.
   */
  #resting = false;
  #state: 'new' | 'opening' | 'open' | 'closed' = 'new';
  #stream: Stream | null = null;

  constructor(options: LaneOptions) {
    this.#options = options;
  }

  /** Bytes that wait here or in the stream. */
  get waitingBytes(): number {
    return this.#queuedBytes + (this.#stream?.writeBufferLength ?? 0);
  }

  send(message: Uint8Array): 'queued' | 'full' {
    assertMessageSize(message);
    const bytes = messageHeaderBytes + message.byteLength;
    // An empty lane takes any legal message, so that a small limit cannot block a large message for ever.
    if (this.#queuedBytes > 0 && this.#queuedBytes + bytes > this.#options.bytesMax) {
      this.#wasFull = true;
      return 'full';
    }
    this.#queue.push(message);
    this.#queuedBytes += bytes;
    if (!this.#flushing && !this.#resting) queueMicrotask(this.#flush);
    this.#flushing = true;
    return 'queued';
  }

  open(): void {
    if (this.#state !== 'new') return;
    this.#state = 'opening';
    this.#options.open().then(this.#opened, (error: Error) => this.#broken(`could not open: ${error.message}`));
  }

  close(): void {
    this.#state = 'closed';
    this.#queue = [];
    this.#head = 0;
    this.#queuedBytes = 0;
  }

  readonly #opened = (stream: Stream): void => {
    if (this.#state !== 'opening') {
      stream.abort(new Error('the lane was closed meanwhile'));
      return;
    }
    this.#state = 'open';
    this.#stream = stream;
    sparingEvents(stream);
    stream.addEventListener('drain', this.#flush);
    stream.addEventListener('close', () => this.#broken('stream closed'));
    if (stream.status !== 'open') this.#broken('stream closed');
    else this.#flush();
  };

  readonly #broken = (reason: string): void => {
    if (this.#state === 'closed') return;
    this.close();
    this.#options.onBroken(`${this.#options.lane} lane: ${reason}`);
  };

  readonly #rested = (): void => {
    this.#resting = false;
    if (this.#flushing) this.#flush();
  };

  readonly #flush = (): void => {
    this.#flushing = false;
    if (this.#state === 'new') this.open();
    if (!this.#resting) setImmediate(this.#rested);
    this.#resting = true;
    const stream = this.#stream;
    if (this.#state !== 'open' || stream === null) return;
    try {
      // `writableNeedsDrain` is asked before every frame: `onDrain()` holds back once only, and what is sent while the
      // stream is full goes to a buffer without limit. Every stream of the connection turns full when the socket does, so
      // bulk never has more than the socket's own buffer and one frame ahead of a heartbeat.
      while (this.#head < this.#queue.length && !stream.writableNeedsDrain) {
        const to = takeBatch(this.#queue, this.#head, this.#options.batchBytesMax);
        const frame = encodeFrame(this.#queue, this.#head, to);
        for (let index = this.#head; index < to; index++)
          this.#queuedBytes -= messageHeaderBytes + this.#queue[index]!.byteLength;
        this.#forget(to);
        stream.send(frame);
      }
    } catch (error) {
      this.#broken(error instanceof Error ? error.message : 'send failed');
      return;
    }
    if (this.#wasFull && this.#queuedBytes <= this.#options.bytesMax / 2) {
      this.#wasFull = false;
      this.#options.onDrain();
    }
  };

  /** Drops what has left; keeps the array from growing at its front. */
  #forget(to: number): void {
    if (to === this.#queue.length) {
      this.#queue = [];
      this.#head = 0;
      return;
    }
    if (to > 1024 && to > this.#queue.length / 2) {
      this.#queue = this.#queue.slice(to);
      this.#head = 0;
      return;
    }
    this.#queue.fill(EMPTY, this.#head, to);
    this.#head = to;
  }
}

const EMPTY = new Uint8Array(0);

export type LaneReader = {
  onMessage(message: Uint8Array): void;
  onRefused(code: string, message: string): void;
  onEnd(reason: string): void;
};

/** What a Yamux stream of @libp2p/yamux 8 counts, in bytes; the version is pinned and test/src/transport/window.test.ts looks. */
type Window = { recvWindow: number; recvWindowCapacity: number; sendWindowUpdate(): void };

const windowOf = (stream: Stream): Window | null => {
  const { recvWindow, recvWindowCapacity, sendWindowUpdate } = stream as Partial<Window>;
  const known = typeof recvWindow === 'number' && typeof recvWindowCapacity === 'number';
  return known && typeof sendWindowUpdate === 'function' ? (stream as unknown as Window) : null;
};

/**
 * The muxer answers every frame of data with a window update: a packet, a system call and a wake-up on both sides for each message
 * of a quiet lane. Half a window is soon enough, as in hashicorp/yamux. A stream whose window is untouched was paused or is being
 * opened or resumed: then the muxer knows better.
 */
const sparingWindow = (stream: Stream): void => {
  const window = windowOf(stream);
  if (window === null) return;
  const send = window.sendWindowUpdate.bind(window);
  window.sendWindowUpdate = () => {
    const { recvWindow, recvWindowCapacity } = window;
    if (recvWindowCapacity === recvWindow || recvWindowCapacity < recvWindow / 2) send();
  };
};

/** Reads frames in the turn that brings them, so nothing waits unread here and the window opens as fast as we work. */
export const readLane = (stream: Stream, reader: LaneReader): void => {
  sparingWindow(stream);
  const decoder = createFrameDecoder();
  const take = (chunk: Uint8Array): void => {
    for (const message of decodeFrames(decoder, chunk)) reader.onMessage(message);
  };
  stream.addEventListener('message', (event) => {
    if (decoder.refusal !== null) return;
    if (event.data instanceof Uint8Array) take(event.data);
    else for (const chunk of event.data) take(chunk);
    const refusal = decoder.refusal as { refused: string; message: string } | null;
    if (refusal !== null) reader.onRefused(refusal.refused, refusal.message);
  });
  stream.addEventListener('remoteCloseWrite', () => reader.onEnd('stream ended by the sender'));
  stream.addEventListener('close', () => reader.onEnd('stream closed'));
};
