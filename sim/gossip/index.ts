// Gossip alone, in a world of its own: many nodes that announce to each other and do nothing else.
export { Crowd, type CrowdOptions, crowdDefaults, type GossipCost } from './crowd.ts';
export type { GossipNode } from './node.ts';
export { type GossipRun, type GossipRunOptions, gossipRunDefaults, runGossipSeed } from './swarm.ts';
export * from './trials.ts';
