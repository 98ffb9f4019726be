// The random port over the operating system's generator.
import { randomBytes } from 'node:crypto';
import type { RandomPort } from '../actors/ports/index.ts';

/** Chance is asked for with every request, and asking the system costs the same for four bytes as for many. */
const poolBytes = 4_096;
let pool = Buffer.alloc(0);
let used = 0;

const uint32 = (): number => {
  if (used + 4 > pool.byteLength) [pool, used] = [randomBytes(poolBytes), 0];
  const drawn = pool.readUInt32LE(used);
  // Nobody finds in memory what was drawn before.
  pool.fill(0, used, (used += 4));
  return drawn;
};

export const realRandom: RandomPort = {
  uint32,
  bytes: (length) => new Uint8Array(randomBytes(length)),
};
