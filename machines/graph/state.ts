// What one run of a graph remembers. Every field says what is always true of it.
import type { Failure } from '../errors.ts';
import { graphLimits } from './limits.ts';
import type { Plan, PlannedCall, PlannedStep } from './plan.ts';
import type { Because, CompensationReport, GraphEffect, Happened } from './types.ts';

export type Status =
  /** Waits for others. */
  | 'pending'
  /** All that it waits for has settled; has no place yet. */
  | 'ready'
  | 'running'
  /** Has failed, and is tried once more at `retryAtMs`. */
  | 'waiting'
  | 'done'
  | 'failed'
  | 'skipped';

/** Tries of one call. */
export type Tries = {
  /** How often it was called, each time under its number. */
  attempt: number;
  /** What those came to in messages and local calls. */
  attempts: number;
  /** The node that answered last. */
  node: string | null;
  /** When it was first called. */
  startedMs: number | null;
  /** Why the last one failed. */
  failure: Failure | null;
  retryAtMs: number;
};

export type Progress = {
  readonly planned: PlannedStep;
  status: Status;
  /** Of the steps that it waits for, those that have not settled. */
  unmet: number;
  readonly tries: Tries;
  settledMs: number | null;
  /** Of all tries together: 'unknown' stays so until one of them succeeds. */
  happened: Happened;
  result: unknown;
  because: Because | null;
  compensation: CompensationReport | null;
};

/** The compensation under way. */
export type Undoing = { readonly progress: Progress; readonly call: PlannedCall; isRunning: boolean; readonly tries: Tries };

export type Root = { readonly step: string | null; readonly failure: Failure };

export type GraphRun = {
  readonly plan: Plan;
  /** Calls that may be made once more although nobody knows what became of the last one. */
  readonly idempotent: ReadonlySet<PlannedCall>;
  readonly beganMs: number;
  /** Until then steps run; what runs then is given up. */
  readonly deadlineMs: number;
  /** The latest moment that it was told of: time never goes back. */
  nowMs: number;
  /** When `wake` is wanted; Infinity = never. */
  wakeMs: number;
  /** 'failing': only error steps begin. 'compensating': no step runs, and none will. */
  phase: 'new' | 'running' | 'failing' | 'compensating' | 'over';
  /** By place. */
  readonly steps: readonly Progress[];
  readonly runningMax: number;
  running: number;
  /** Places whose last need has settled, and that are not decided. */
  readonly undecided: number[];
  /** Places that may start, the first first; some of them have been skipped meanwhile. */
  readonly ready: number[];
  /** Places in the order in which they settled. */
  readonly settled: number[];
  /** Why the run fails: what came first. Null while it does not. */
  root: Root | null;
  /** Places that are still to be compensated, in their order. */
  toUndo: number[];
  undoing: Undoing | null;
  undoDeadlineMs: number;
  /** All results together; ≤ resultsBytesMax. */
  resultsBytes: number;
  readonly resultsBytesMax: number;
};

export const createTries = (): Tries => ({
  ...{ attempt: 0, attempts: 0, node: null, startedMs: null, failure: null, retryAtMs: Number.POSITIVE_INFINITY },
});

export type RunInput = {
  plan: Plan;
  idempotent: ReadonlySet<PlannedCall>;
  nowMs: number;
  /** When whoever runs it must be done; the plan's own time may be over earlier. */
  deadlineMs?: number;
  /** Whoever keeps them has less room than usual. */
  resultsBytesMax?: number;
};

export const createRun = (input: RunInput): GraphRun => ({
  ...{ plan: input.plan, idempotent: input.idempotent, nowMs: input.nowMs, beganMs: input.nowMs },
  deadlineMs: Math.min(input.deadlineMs ?? Number.POSITIVE_INFINITY, input.nowMs + input.plan.timeoutMs),
  resultsBytesMax: input.resultsBytesMax ?? graphLimits.resultsBytesMax,
  ...{ wakeMs: input.nowMs, phase: 'new', runningMax: input.plan.concurrency, running: 0, root: null, resultsBytes: 0 },
  ...{ undecided: [], ready: [], settled: [], toUndo: [], undoing: null, undoDeadlineMs: Number.POSITIVE_INFINITY },
  steps: input.plan.steps.map((planned) => ({
    ...{ planned, status: 'pending', unmet: planned.waitsFor, tries: createTries(), settledMs: null },
    ...{ happened: 'no', result: null, because: null, compensation: null },
  })),
});

export type Turn = { readonly effects: GraphEffect[] };

export const isSettled = ({ status }: Progress): boolean => status === 'done' || status === 'failed' || status === 'skipped';
