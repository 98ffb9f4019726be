// The door of graphs of calls: check one, create a run of it, step it; make references.
export { type Checked, checkGraph, checkOffered, type Offered } from './check.ts';
export * from './durable.ts';
export { checkRun } from './invariants.ts';
export { graphLimits } from './limits.ts';
export { step } from './machine.ts';
export { callsOf, type Plan, type PlannedCall, type PlannedStep } from './plan.ts';
export { readRun, writeRun } from './record.ts';
export { literal } from './references.ts';
export { outcomeOf, reportsOf } from './report.ts';
export { createRun, type GraphRun, type RunInput } from './state.ts';
export * from './types.ts';
export { keep } from './values.ts';
