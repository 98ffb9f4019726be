// The door of breakers (rows B1–B3): whether a call to a peer, or to a service of it, is made at all. `admit` and `settle` around a
// call, `command` for a person, `wake` for the time; what changes is told as effects.
export { type BreakerMove, type BreakerStatus, breakerChart, metricOf } from './chart.ts';
export { checkBreaker } from './invariants.ts';
export { admit, command, refused, settle, wake } from './machine.ts';
export {
  type BreakerOptions,
  breakerDefaults,
  breakerLimits,
  checkBreakerOptions,
  type SlowOptions,
  type WindowSize,
} from './options.ts';
export { outcomeOf, patienceMs } from './outcomes.ts';
export {
  type Breaker,
  type BreakerCounts,
  type BreakerEffect,
  createBreaker,
  type Outcome,
  type Ticket,
} from './state.ts';
export { type Breakers, breakerOf, createBreakers, giveUp } from './table.ts';
export { type BreakerRefusal, type BreakerView, refusalAt, statusAt, viewOf } from './view.ts';
