// Every maximum of the replicator.
export const replicatorLimits = {
  /** Values of one register that nobody has overwritten; more concurrent writers than this are refused, not cut. */
  siblingsMax: 4_096,
  /** Lists and objects inside each other. */
  depthMax: 32,
  /** UTF-16 units of a key, which names one replicated object. */
  keyCharsMax: 512,
  /** Packed, of one value or element. */
  valueBytesMax: 1 << 20,
} as const;
