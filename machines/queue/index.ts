// The door of work queues: operations of the register service that hand each message to one receiver at a time until it is done.
export { executeQueue, stillGiven, sweepQueues } from './apply.ts';
export { inkQueueWrite, isQueueWrite, readQueueWrite } from './command.ts';
export { dumpQueues } from './dump.ts';
export { formQueueResult, inkQueueResult, isQueueOp, parseQueueResult, readQueueResult } from './forms.ts';
export { type QueueBounds, queueDefaults, queueLimits } from './limits.ts';
export { isQueueReadOp, isQueueWriteOp, queueReadOf, queueWriteOf } from './parse.ts';
export { freeIn, queryQueues } from './read.ts';
export { queueKind } from './records.ts';
export { restoreQueue } from './restore.ts';
export { createQueues, type Queues } from './state.ts';
export type * from './types.ts';
export { receiptOf, receiptText } from './words.ts';
