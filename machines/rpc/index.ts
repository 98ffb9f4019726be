// The door of calls between nodes: what they carry, their messages, when they are tried again, and what is remembered of them.
export { type Budget, type BudgetOptions, budgetDefaults, createBudget, noteCall, takeRetry } from './budget.ts';
export { rpcLimits } from './limits.ts';
export {
  type CallMemory,
  type CallResult,
  conclude,
  createMemory,
  forget,
  forgetNumbered,
  inputHash,
  type Remembered,
  recall,
  remember,
} from './memory.ts';
export * from './messages.ts';
export { type AttemptEnd, endOf, mayBeAskedAgain, pauseMs, retryAfterOf, type Verdict, verdictOf } from './retry.ts';
export { isUnfit, packValue, type Unfit, unpackValue } from './values.ts';
