// The door of the limiter (row R6): `take` where a call is executed, `drain` for what was spent elsewhere under the same limit.
export { checkLimiter } from './invariants.ts';
export { createLimiter, drain, type Kind, type Limiter, type LimiterRefusal, remaining, take } from './machine.ts';
export { type LimiterOptions, limiterDefaults, limiterLimits, type Rate } from './options.ts';
