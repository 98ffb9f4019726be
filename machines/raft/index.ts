// The door of the Raft machine: create a replica, step it, read it; parse and form what it says.
export { describe, describeConfiguration, describeEffect, describeMessage } from './describe.ts';
export { InvariantBroken } from './invariants.ts';
export { step } from './machine.ts';
export {
  decodeConfiguration,
  encodeConfiguration,
  formMeta,
  formRaftMessage,
  parseConfiguration,
  parseMeta,
  parseRaftMessage,
} from './messages.ts';
export { leaseUntilMs } from './reads.ts';
export { createRaft, type Progress, type RaftState } from './state.ts';
export { successorOf } from './transfer.ts';
