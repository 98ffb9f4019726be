// Where members may live, as the outside world knows it: DNS, mDNS, Consul, a file … (row D1). Each source answers for itself, so one
// that fails hides nothing of the others (D2). Nothing that is found here is proved: admission alone does that (D4).

import type { PeerId } from './network.ts';

/** One place where a member may live. */
export type Finding = {
  /** Its libp2p peer id, where the source says one. */
  peer: PeerId | null;
  /** Its name, where the source says one; for people. */
  name: string | null;
  /** Multiaddrs to dial, at least one; those with a peer id have this one. */
  addresses: string[];
  /** RFC 2782: the lowest priority first, and among equals in proportion to weight (0 to 65535 each). 0 where a source knows none. */
  priority: number;
  weight: number;
  /** False: the source's own check says that it does not work now. */
  healthy: boolean;
  /** How long this may be believed, in milliseconds. */
  ttlMs: number;
};

export type LookupEvent =
  /**
   * All that this source knows now: what it does not name any more is gone. Empty: there is nobody, which holds for `emptyTtlMs`.
   * Also without a question, from sources that are told of changes.
   */
  | { type: 'answered'; source: string; findings: Finding[]; emptyTtlMs: number }
  /** It could not be asked, or what it said was nonsense: what it said before is neither confirmed nor taken back. */
  | { type: 'failed'; source: string; code: string; message: string };

/** What is told of this node where it can be told. */
export type Announcement = {
  name: string;
  peer: PeerId;
  cluster: string;
  version: string;
  /** Multiaddrs with the peer id. */
  addresses: string[];
};

export interface LookupPort {
  /** The sources by name, as in the configuration but without secrets. */
  readonly sources: readonly string[];
  /** Begins to follow the sources that tell of changes; events come in later turns. */
  start(emit: (event: LookupEvent) => void): void;
  /** Asks once; answered by one 'answered' or 'failed', after `timeoutMs` at the latest. Asking while a question runs is the same question. */
  query(source: string, timeoutMs: number): void;
  /** Tells every source that can be told, and keeps it told (leases, time-outs) until `stop`; again replaces what was said. */
  announce(self: Announcement): void;
  /** Takes back what was announced, within a limit of its own; no events after it. */
  stop(done: () => void): void;
}
