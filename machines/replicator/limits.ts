// Every maximum of the replicator.
export const replicatorLimits = {
  /** Values of one register that nobody has overwritten; more concurrent writers than this are refused, not cut. */
  siblingsMax: 4_096,
  /** Lists and objects inside each other. */
  depthMax: 32,
  /** Objects of one node. */
  objectsMax: 1 << 20,
  /** Of one object's form, packed; changes that could make it larger are refused. What others added at the same time is joined none the less. */
  objectBytesMax: 4 << 20,
  /** UTF-8, of a key, which names one replicated object; it is part of a key on the disk. */
  keyBytesMax: 1_024,
  /** UTF-16 units of a key inside of a map. */
  keyCharsMax: 512,
  /** Packed, of one value or element. */
  valueBytesMax: 1 << 20,
  /** Elements of one set, keys of one map; changes beyond it are refused. What others added at the same time is joined none the less. */
  elementsMax: 1 << 20,
  /** Characters of one element, as text. */
  elementCharsMax: 1 << 16,
  /** Maps inside each other. */
  mapsDepthMax: 8,
} as const;
