// The door of the workload that changes replicated objects, and of its judges.
export { Replicas, type ReplicasOptions } from './replicas.ts';
export { type OwnStrategy, whyNotCommuting } from './strategies.ts';
