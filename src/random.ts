// The random port over the operating system's generator.
import { randomBytes } from 'node:crypto';
import type { RandomPort } from '../actors/ports/index.ts';

export const realRandom: RandomPort = {
  uint32: () => randomBytes(4).readUInt32LE(),
  bytes: (length) => new Uint8Array(randomBytes(length)),
};
