// Graphs of calls as a node offers them (row K3): checked at once, run by the node that is asked, told step by step. Plain data and
// callbacks; a promise is made at the edge. A run lives in the memory of this node and ends with it, unless it is durable.
import type { Failure } from '../machines/errors.ts';
import type { CompensationReport, GraphOutcome, StepReport } from '../machines/graph/index.ts';
import type { Outcome } from './api.ts';
import type { CallContext } from './service-api.ts';

export type GraphOptions = {
  /** In place of the graph's own; milliseconds, and steps at the same time. */
  timeoutMs?: number;
  compensateMs?: number;
  concurrency?: number;
  /** For whom all calls are made. */
  principal?: string;
  /** W3C traceparent. */
  trace?: string;
  /** The call within which it runs: it has no more time than that, and its chain and principal go on. */
  within?: CallContext;
  /** It goes on when the node that runs it, or whoever asked for it, is gone. */
  durable?: DurableOptions;
};

export type DurableOptions = {
  /** The same id and graph again join what runs, or ran. 1 to 256 characters. */
  id: string;
  /** How long it is remembered once it has ended; default ten minutes, at most a day. */
  keepMs?: number;
};

/** What becomes of a run: steps and compensations in the order in which they end, and one end. Nothing comes after it. */
export type GraphEvents = {
  /** A durable run is in the log, or was: what is told from here on goes on whatever becomes of this node. */
  begun?(): void;
  step(report: StepReport): void;
  compensated(step: string, report: CompensationReport): void;
  /**
   * Not `ok`: nothing was called at all (INVALID_REQUEST, SERVICE_NOT_FOUND, METHOD_NOT_FOUND, OVERLOADED, NOT_READY, STOPPING), or a
   * fault of ours (INTERNAL). Else the outcome, whose `failure` says whether it went well.
   */
  end(outcome: { ok: true; value: GraphOutcome } | { ok: false; failure: Failure }): void;
};

export interface GraphHandle {
  /** Nobody wants the rest: what runs is given up, and what happened is compensated. Nothing after the end. */
  cancel(): void;
  /** Nobody looks on any more. A durable run goes on; another one is cancelled. */
  leave(): void;
}

export interface GraphApi {
  /** Whether it would run now: null, or INVALID_REQUEST, SERVICE_NOT_FOUND or METHOD_NOT_FOUND with everything that is wrong. */
  check(graph: unknown, options?: GraphOptions): Failure | null;
  /** Never throws: what is wrong with the graph is its end, in a later turn or at once. */
  run(graph: unknown, options: GraphOptions, on: GraphEvents): GraphHandle;
  /** Under way now, without the durable ones. */
  running(): number;
  /**
   * Looks on at a durable run, from its first step on: NOT_FOUND if nobody began it or it was forgotten, ACTOR_NOT_FOUND if no node keeps
   * durable runs.
   */
  attach(id: string, on: GraphEvents): GraphHandle;
  /** Gives a durable run up; done when that is in the log. One that has ended stays as it is. */
  cancelDurable(id: string, done: (outcome: Outcome<null>) => void): void;
}
