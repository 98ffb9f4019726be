// The door of calls under fire.
export { Calls, type CallsOptions } from './calls.ts';
