// The door of the workload that changes replicated objects, and of its judges.
export { Replicas, type ReplicasOptions } from './replicas.ts';
export { assertCommutes, type OwnStrategy } from './strategies.ts';
