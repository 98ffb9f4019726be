// The door of the judges: histories of clients (linearizability) and what replicas show (Raft).
export { Budget, type Limits } from './budget.ts';
export {
  type CheckAnswer,
  type CheckedOperation,
  type CheckOptions,
  checkHistory,
  createCheck,
  type HistoryModelName,
  historyModels,
} from './check.ts';
export type { Order } from './collect.ts';
export type { HistoryEvent, Json, Operation } from './history.ts';
export { HistoryFile, historyLimits, parseLine, type Unreadable } from './history-file.ts';
export { type Judged, judgeHistory, judgeObject, judgeObjects, type Verdict } from './linearizability.ts';
export type { Answer, Cell, Model, Refused } from './models/model.ts';
export { canonical, kvModel, type RegisterAction, registerModel } from './models/register.ts';
export { createRaftJudge, type RaftJudge, type RaftPromise, type RaftViolation } from './raft.ts';
