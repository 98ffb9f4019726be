// How messages share a stream: a frame is a u32 length and, within it, messages of u32 length + bytes (all big-endian). One
// turn's messages leave in one frame, since every send costs a header, a cipher call and two system calls (stack.md §2).
// The decoder is incremental and bounded: bytes from a peer become messages or one named refusal, after which it stays refused.
import type { Refusal } from './envelope.ts';
import { limits } from './limits.ts';

export type FrameLimits = { frameBytesMax: number; frameMessagesMax: number; messageBytesMax: number };

export const frameHeaderBytes = 4;
export const messageHeaderBytes = 4;

const writeUint32 = (bytes: Uint8Array, at: number, value: number): void => {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
};

const readUint32 = (bytes: Uint8Array, at: number): number =>
  ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;

/** Bytes that these messages take as one frame. */
export const frameBytes = (messages: readonly Uint8Array[], from = 0, to = messages.length): number => {
  let bytes = frameHeaderBytes;
  for (let index = from; index < to; index++) bytes += messageHeaderBytes + messages[index]!.byteLength;
  return bytes;
};

/** One frame of `messages[from..to)`. Whether it is within the limits is the caller's to know (`takeBatch`). */
export const encodeFrame = (messages: readonly Uint8Array[], from = 0, to = messages.length): Uint8Array => {
  const bytes = new Uint8Array(frameBytes(messages, from, to));
  writeUint32(bytes, 0, bytes.byteLength - frameHeaderBytes);
  let at = frameHeaderBytes;
  for (let index = from; index < to; index++) {
    const message = messages[index]!;
    writeUint32(bytes, at, message.byteLength);
    bytes.set(message, at + messageHeaderBytes);
    at += messageHeaderBytes + message.byteLength;
  }
  return bytes;
};

/** Where the batch that starts at `from` ends: at most `batchBytesMax`, unless its first message alone is larger. */
export const takeBatch = (
  messages: readonly Uint8Array[],
  from: number,
  batchBytesMax: number,
  messagesMax: number = limits.frameMessagesMax,
): number => {
  let to = from;
  let bytes = frameHeaderBytes;
  while (to < messages.length && to - from < messagesMax) {
    bytes += messageHeaderBytes + messages[to]!.byteLength;
    if (to > from && bytes > batchBytesMax) break;
    to++;
  }
  return to;
};

/** What the decoder remembers between chunks: the bytes of a frame that is not yet whole. */
export type FrameDecoder = {
  limits: FrameLimits;
  parts: Uint8Array[];
  partsBytes: number;
  /** Bytes of header and frame that must be there before anything can be read. */
  neededBytes: number;
  refusal: Refusal | null;
};

export const createFrameDecoder = (frameLimits: FrameLimits = limits): FrameDecoder => ({
  limits: frameLimits,
  parts: [],
  partsBytes: 0,
  neededBytes: frameHeaderBytes,
  refusal: null,
});

const refuse = (decoder: FrameDecoder, refused: string, message: string): void => {
  decoder.refusal = { refused, message };
  decoder.parts = [];
  decoder.partsBytes = 0;
};

const joinParts = (parts: readonly Uint8Array[], totalBytes: number): Uint8Array => {
  if (parts.length === 1) return parts[0]!;
  const joined = new Uint8Array(totalBytes);
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.byteLength;
  }
  return joined;
};

/** Messages of one whole frame into `messages`; false when its inner lengths do not add up. */
const splitFrame = (decoder: FrameDecoder, bytes: Uint8Array, from: number, to: number, messages: Uint8Array[]): boolean => {
  let at = from;
  for (let count = 0; at < to; count++) {
    if (count === decoder.limits.frameMessagesMax) {
      refuse(decoder, 'FRAME_TOO_LARGE', `more than ${decoder.limits.frameMessagesMax} messages in one frame`);
      return false;
    }
    const length = to - at < messageHeaderBytes ? -1 : readUint32(bytes, at);
    if (length > decoder.limits.messageBytesMax) {
      refuse(decoder, 'MESSAGE_TOO_LARGE', `a message of ${length} bytes, at most ${decoder.limits.messageBytesMax}`);
      return false;
    }
    const end = at + messageHeaderBytes + length;
    if (length < 0 || end > to) {
      refuse(decoder, 'FRAME_MALFORMED', 'a message reaches over the end of its frame');
      return false;
    }
    messages.push(bytes.subarray(at + messageHeaderBytes, end));
    at = end;
  }
  return true;
};

/**
 * Takes the next chunk of the stream; returns the messages that became whole, in order, as views of the chunk where possible.
 * After a refusal (`decoder.refusal`) it returns nothing more; what came whole before the refusal is returned.
 */
export const decodeFrames = (decoder: FrameDecoder, chunk: Uint8Array): Uint8Array[] => {
  const messages: Uint8Array[] = [];
  if (decoder.refusal !== null || chunk.byteLength === 0) return messages;
  decoder.parts.push(chunk);
  decoder.partsBytes += chunk.byteLength;
  if (decoder.partsBytes < decoder.neededBytes) return messages;
  const bytes = joinParts(decoder.parts, decoder.partsBytes);
  let at = 0;
  decoder.neededBytes = frameHeaderBytes;
  while (bytes.byteLength - at >= frameHeaderBytes) {
    const length = readUint32(bytes, at);
    if (length > decoder.limits.frameBytesMax) {
      refuse(decoder, 'FRAME_TOO_LARGE', `a frame of ${length} bytes, at most ${decoder.limits.frameBytesMax}`);
      return messages;
    }
    const end = at + frameHeaderBytes + length;
    if (end > bytes.byteLength) {
      decoder.neededBytes = frameHeaderBytes + length;
      break;
    }
    if (!splitFrame(decoder, bytes, at + frameHeaderBytes, end, messages)) return messages;
    at = end;
  }
  decoder.partsBytes = bytes.byteLength - at;
  decoder.parts = decoder.partsBytes === 0 ? [] : [bytes.subarray(at)];
  return messages;
};
