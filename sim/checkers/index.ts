// The door of the judges: histories of clients (linearizability) and what replicas show (Raft).
export type { HistoryEvent, Json, Operation } from './history.ts';
export type { Cell, Model } from './models/model.ts';
export type { RaftJudge, RaftPromise, RaftViolation } from './raft.ts';
