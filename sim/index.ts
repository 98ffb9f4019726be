// The simulator: the node's own tree on virtual time, with seeded faults and judges. A seed is a bug report.
export type { ActorCallOptions, SimulatedActor } from './application/actors.ts';
export type { Application, Context, SeedResult, SimulatedSettings, View } from './application/application.ts';
export type { CallOptions } from './application/calls.ts';
export type {
  DeleteOptions,
  ListOptions,
  LockOptions,
  PutOptions,
  ReadOptions,
  SimulatedClient,
  WriteOptions,
} from './application/client.ts';
export type { Lease, Lock } from './application/leases.ts';
export type { WatchOptions } from './application/watch.ts';
export type { Knobs } from './knobs.ts';
export {
  faultsOfMesh,
  type MeshEvent,
  type MeshResult,
  meshTimeMsDefault,
  runMeshSeed,
  runMeshTwice,
  type Spread,
} from './mesh/index.ts';
export { type Fault, type FaultDone, faults } from './nemesis/index.ts';
export type { Verdict } from './phases.ts';
export type { Listen, RunEvent } from './record.ts';
export { assertCommutes, type OwnStrategy } from './replica/index.ts';
export {
  type ExamineOptions,
  examine,
  htmlReport,
  type ReportData,
  type TraceLine,
  textReport,
  traceLine,
  visible,
} from './report/index.ts';
export { type Scenario, scenarios } from './scenarios/index.ts';
export {
  failureKind,
  isSameFailure,
  type ShrinkLimits,
  type ShrinkStep,
  type Shrunk,
  type Size,
  shrink,
  sizeOf,
} from './shrink.ts';
export {
  assertHolds,
  describeFailure,
  type SeedSummary,
  type SimulateOptions,
  type SimulateResult,
  type SimulateVerdict,
  SimulationFailed,
  simulate,
} from './simulate.ts';
export { type RunOptions, type RunResult, runSeed } from './swarm.ts';
export { TlaTrace } from './tla.ts';
export { runTwice, type Twice } from './twice.ts';
export { type Work, works } from './workloads/index.ts';
