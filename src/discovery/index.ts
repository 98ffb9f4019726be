// The door of discovery: sources by their names, the lookup port over them, and what they may know of a node.
import { hkdfSync } from 'node:crypto';
import type { SinkPort } from '../../actors/ports/index.ts';
import { LookupFault, type SourceContext } from './source.ts';

export { type Asked, askSources } from './ask.ts';
export { formsOf, parseSource, sourceKinds, splitSources } from './kinds.ts';
export { createLookup, type LookupLimits, lookupLimits } from './lookup.ts';
export { LookupFault, type SourceContext, type SourcePlan, sourceLimits } from './source.ts';

const salt = 'polity discovery 1';
const keyBytes = 32;

export type ContextParts = {
  cluster: string;
  /** This node's peer id; empty for somebody who only asks. */
  self: string;
  /** Null: not known, so sources that need a key of it cannot be asked. */
  secret: Uint8Array | null;
  sink: SinkPort;
};

/** HKDF (RFC 5869) under a salt of its own: no key of discovery is one of admission or gossip. */
export const contextOf = ({ cluster, self, secret, sink }: ContextParts): SourceContext => ({
  ...{ cluster, self, sink },
  deriveKey(purpose) {
    if (secret === null) throw new LookupFault('SOURCE_UNAVAILABLE', 'it needs the cluster secret, which is not given');
    return new Uint8Array(hkdfSync('sha256', secret, salt, `${cluster}:${purpose}`, keyBytes));
  },
});
