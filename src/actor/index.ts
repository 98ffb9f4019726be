// The door of actors for programs.
export { currentExecution as execution } from '../../actors/actor-execution.ts';
export { type ActorOptions, defineActor, isDefinedActor } from './define.ts';
export { ActorHosting, type RefOptions, type SpawnOptions } from './hosting.ts';
export { definitionsIn } from './module.ts';
export { type DeliveringOptions, Ref, type RefPort, refPortOf, type StopOptions, type WaitingOptions } from './ref.ts';
export type { AnyDefinedActor, AskedEvent, DefinedActor, EventTo, PlainSnapshot, ReplyTo, SnapshotOf } from './types.ts';
