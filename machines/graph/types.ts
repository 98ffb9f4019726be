// The words of a graph of calls (row K3): what somebody asks for, what is told of it, and the words of a step of its machine. A graph is
// plain data, so that it can be written down, sent and looked at; whatever is not plain data is refused with its place.
import type { StrategyName } from '../balancer/index.ts';
import type { Failure } from '../errors.ts';

// ---------------------------------------------------------------- what is asked for

/** Inside of an input: the result of that step, or what lies there at `path`. `or` instead, if there is none. */
export type Reference = {
  readonly $from: string;
  readonly path?: readonly (string | number)[];
  readonly or?: unknown;
};

/** Inside of an input: why that step failed, as `{ code, message, details }`; `or` (null) if it did not fail. */
export type FailureReference = {
  readonly $failure: string;
  readonly path?: readonly (string | number)[];
  readonly or?: unknown;
};

/** Of `is`, `not`, `above` and `below` at most one; none of them: `value` is true. */
export type Condition =
  | { readonly step: string; readonly ended: 'done' | 'failed' | 'skipped' }
  | {
      readonly value: unknown;
      readonly is?: unknown;
      readonly not?: unknown;
      readonly above?: number;
      readonly below?: number;
    };

export type GraphCall = {
  readonly service: string;
  readonly method: string;
  /** Plain data with references in it. Absent: null. */
  readonly input?: unknown;
  /** A semver range; absent: the newest release. */
  readonly version?: string;
  /** Milliseconds of each attempt, 1 to 60 000; never longer than what the graph has left. */
  readonly timeoutMs?: number;
  readonly strategy?: StrategyName;
  /** What `sticky` keeps together. */
  readonly key?: string;
  /** Only this node, by name. */
  readonly node?: string;
  /** Once more after a failure that surely did nothing, or of an idempotent method: so often, first after `delayMs` (200). */
  readonly retry?: { readonly times: number; readonly delayMs?: number };
};

export type GraphStep = GraphCall & {
  /** Starts when these have settled, too. A reference to a step says so by itself. */
  readonly after?: readonly string[];
  /** All of them hold, or it is skipped. */
  readonly when?: Condition | readonly Condition[];
  /**
   * What its failure comes to: 'fail' (default), the run fails; 'continue', it goes on; the name of a step, the run fails and that step,
   * which runs at no other time, is called.
   */
  readonly onError?: string;
  /** Called if the run fails though this step happened, or may have. Must be idempotent, and bear that nothing had happened. */
  readonly compensate?: GraphCall;
};

export type Graph = {
  readonly steps: Readonly<Record<string, GraphStep>>;
  /** Milliseconds for all steps together; 1 to 600 000, default 30 000. */
  readonly timeoutMs?: number;
  /** Milliseconds for all compensations together, from when they begin; default 30 000. */
  readonly compensateMs?: number;
  /** Steps at the same time; 1 to 64, default 16. */
  readonly concurrency?: number;
};

// ---------------------------------------------------------------- what is told of it

/** 'unknown': its call ended in a way that does not tell. */
export type Happened = 'yes' | 'no' | 'unknown';

export type Because =
  /** `when` did not hold. */
  | { readonly why: 'condition' }
  /** It needs `step`, which was skipped or failed without failing the run. */
  | { readonly why: 'needs'; readonly step: string }
  /** An error step that no failure called for. */
  | { readonly why: 'no-error' }
  /** The run failed at `step`, first of all; null: its time was over, or it was cancelled. `through`: which of its own needs fell for it. */
  | { readonly why: 'failed'; readonly step: string | null; readonly through: string | null };

type Timed = {
  /** Milliseconds from the beginning of the run until it was first called; null: it was not. */
  readonly startedMs: number | null;
  readonly tookMs: number;
  /** The node that answered last; null: nobody did. */
  readonly node: string | null;
  /** Messages and local calls, all tries together. */
  readonly attempts: number;
};

export type CompensationReport = Timed & {
  readonly status: 'done' | 'failed';
  readonly failure: Failure | null;
};

export type StepReport = Timed & {
  readonly step: string;
  readonly status: 'done' | 'failed' | 'skipped';
  readonly happened: Happened;
  /** Null unless it is done. */
  readonly result: unknown;
  readonly failure: Failure | null;
  readonly because: Because | null;
  /** Null: there was none to be called. */
  readonly compensation: CompensationReport | null;
};

export type GraphOutcome = {
  /** Null: it went well. */
  readonly failure: Failure | null;
  /** Where it failed first; null: nowhere, or because time was over or it was cancelled. */
  readonly failedStep: string | null;
  /** All of them, in the order of the graph. */
  readonly steps: Readonly<Record<string, StepReport>>;
  /** Steps that were to be compensated and could not be: what they did may still stand. */
  readonly notUndone: readonly string[];
  readonly tookMs: number;
};

// ---------------------------------------------------------------- events and effects

export type CallKind = 'step' | 'compensation';

/** Which call of a run: its tries have numbers from 1. */
export type CallOf = { readonly kind: CallKind; readonly step: string; readonly attempt: number };

export type GraphEvent =
  | { type: 'begin' }
  | (CallOf & {
      type: 'ended';
      outcome: { ok: true; value: unknown } | { ok: false; failure: Failure };
      node: string | null;
      attempts: number;
      /** It may have done something although its failure says that it surely did not. */
      isInDoubt?: boolean;
    })
  /** Nobody wants it any more. Compensations run all the same, and cannot be cancelled. */
  | { type: 'cancel' }
  /** The node stops: everything ends at once, and nothing is compensated. */
  | { type: 'stop' }
  /** Time has passed: wanted at `state.wakeMs`, harmless at any other time. */
  | { type: 'wake' };

/** A call as it is to be made, references filled in. */
export type ReadyCall = Omit<GraphCall, 'retry' | 'timeoutMs'> & { readonly input: unknown; readonly timeoutMs: number };

export type GraphEffect =
  | (CallOf & { type: 'call'; call: ReadyCall })
  /** Its answer is not waited for. */
  | (CallOf & { type: 'cancel-call' })
  /** In the order in which they came to their end. */
  | { type: 'settled'; report: StepReport }
  | { type: 'compensated'; step: string; report: CompensationReport }
  /** The last one. */
  | { type: 'over'; outcome: GraphOutcome };
