// Where members may live, as the outside world knows it: DNS, mDNS, Consul, a file … (row D1). Each source answers for itself, so one
// that fails hides nothing of the others (D2). Nothing that is found here is proved: admission alone does that (D4).

import type { Finding } from '../../machines/discovery/index.ts';
import type { PeerId } from './network.ts';

export type { Finding } from '../../machines/discovery/index.ts';

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

/** Where there is nobody to ask. */
export const noLookup: LookupPort = {
  sources: [],
  start() {},
  query() {},
  announce() {},
  stop(done) {
    done();
  },
};
