// The door of the limiter (row R6): `take` where a call is executed, `drain` for what was spent elsewhere under the same limit,
// and what nodes tell each other of it.
export { checkLimiter } from './invariants.ts';
export { createLimiter, drain, type Kind, type Limiter, type LimiterRefusal, remaining, take } from './machine.ts';
export { type LimiterOptions, limiterDefaults, limiterLimits, type Rate } from './options.ts';
export {
  createTeller,
  formTelling,
  gather,
  isIdle,
  newsOf,
  parseTelling,
  restMs,
  type Spent,
  sharedLimits,
  type Teller,
  type Telling,
} from './shared.ts';
