// The door of the workloads.
export { drawnWorks, type Work, Workload, type WorkloadOptions, works } from './workload.ts';
