// The door of the workloads.
export { type Work, Workload, type WorkloadOptions, works } from './workload.ts';
