// Chance as a port: seeds for machines, ids that nobody may guess. The simulator's is seeded.

export interface RandomPort {
  uint32(): number;
  /** `length` unpredictable bytes. */
  bytes(length: number): Uint8Array;
}
