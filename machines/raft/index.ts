// The door of the Raft machine: create a replica, step it, read it; parse and form what it says.
export { type FactEvent, type RoleEvent, raftChart } from './chart.ts';
export { decodeConfiguration, encodeConfiguration, isVoter, parseConfiguration } from './configuration.ts';
export { describe, describeConfiguration, describeEffect, describeMessage, describeProgress } from './describe.ts';
export { InvariantBroken } from './invariants.ts';
export { leaderToken, tokenUntilMs } from './lease.ts';
export { step } from './machine.ts';
export { formMeta, formRaftMessage, type ParsedRaftMessage, parseMeta, parseRaftMessage } from './messages.ts';
export type { Progress, ProgressMode } from './progress.ts';
export { leaseUntilMs } from './reads.ts';
export { createRaft, type RaftState, type Standing, standingOf } from './state.ts';
export { successorOf } from './transfer.ts';
