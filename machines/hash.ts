// Hashes that every node of a cluster computes alike, and for ever: what they decide must not move when Polity is upgraded.

/** FNV-1a over UTF-16 units; from another `basis`, another hash. */
export const textHash = (text: string, basis = 0x811c_9dc5): number => {
  let hash = basis;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x0100_0193);
  return hash >>> 0;
};

/** Two hashes become one of which every bit depends on all of theirs (the finaliser of MurmurHash3). */
export const mixHashes = (a: number, b: number): number => {
  let hash = Math.imul(a, 0x9e37_79b1) ^ b;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
};
