// The door of bulkheads: how many calls of a service run, how many wait, and who is sent away. An event and the time in, effects out.
export { checkBulkhead } from './invariants.ts';
export { endAtOnce, startAtOnce, step } from './machine.ts';
export {
  type BulkheadOptions,
  bulkheadDefaults,
  bulkheadLimits,
  type Importance,
  importances,
} from './options.ts';
export {
  type Bulkhead,
  type BulkheadEffect,
  type BulkheadEvent,
  type CallId,
  createBulkhead,
  type Shed,
} from './state.ts';
export { type BulkheadView, viewOf } from './view.ts';
