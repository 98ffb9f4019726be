// The door of gossip: create what a node remembers, step it, read it; parse and form what it says.
export { describeAnnouncement, describeGossipEffect, describeGossipMessage } from './describe.ts';
export { gossipLimits } from './limits.ts';
export { step } from './machine.ts';
export { formAnnouncement, formGossipMessage, parseAnnouncement, parseGossipMessage } from './messages.ts';
export { createGossip, type GossipInput, type GossipState } from './state.ts';
export * from './types.ts';
export { type GossipSummary, gossipDigest, gossipSummary, stillTrue } from './view.ts';
