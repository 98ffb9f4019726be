// What one bulkhead remembers, and the words of a step. Every field says what is always true of it.

import { type BulkheadOptions, checkBulkheadOptions, type Importance } from './options.ts';
import { createPace, type Pace } from './pace.ts';
import { createQueue, type Queue } from './queue.ts';
import { Running } from './running.ts';

/** Given by whoever drives the bulkhead; no two calls that are here at the same time have the same. */
export type CallId = number;

export type BulkheadEvent =
  /** `principal` in whose name; '' = nobody's. `deadlineMs`: after that nobody wants the answer; null = no such moment. */
  | { type: 'arrived'; id: CallId; importance: Importance; principal: string; deadlineMs: number | null }
  /** One that was started has ended, however. */
  | { type: 'ended'; id: CallId }
  /** Nobody wants the answer any more. Whoever waits, leaves; what runs, runs until it has ended. */
  | { type: 'abandoned'; id: CallId }
  /** Time has passed. */
  | { type: 'wake' }
  /** Nothing is started any more. */
  | { type: 'stop' };

export type Shed =
  /** There is no room, and nobody waits whom it would be fairer to send away. */
  | 'full'
  /** It had to make room for a more important one, or for one of somebody who has fewer waiting. */
  | 'displaced'
  | 'deadline-passed'
  /** It could not be done in time: those before it, and it itself, take longer than it has. */
  | 'deadline-unreachable'
  | 'waited-too-long'
  | 'stopping';

export type BulkheadEffect =
  | { type: 'start'; id: CallId }
  /** It was not executed. `retryAfterMs`: null = not here, or not like this. */
  | { type: 'refuse'; id: CallId; why: Shed; retryAfterMs: number | null };

export type Bulkhead = {
  readonly options: BulkheadOptions;
  /** The latest moment that it was told of: time never goes back. */
  nowMs: number;
  /** When `wake` is wanted; Infinity = never. */
  deadlineMs: number;
  isStopped: boolean;
  /** When each was started; in that order. */
  readonly running: Running;
  readonly queue: Queue;
  readonly pace: Pace;
  /** Since it was made. */
  readonly counts: { arrived: number; started: number; ended: number; abandoned: number; shed: Record<Shed, number> };
};

/** Throws INVALID_REQUEST for options that make no sense. */
export const createBulkhead = ({ options, nowMs }: { options: BulkheadOptions; nowMs: number }): Bulkhead => {
  checkBulkheadOptions(options);
  const shed = { full: 0, displaced: 0, 'deadline-passed': 0, 'deadline-unreachable': 0, 'waited-too-long': 0, stopping: 0 };
  return {
    ...{ options, nowMs, deadlineMs: Number.POSITIVE_INFINITY, isStopped: false },
    ...{ running: new Running(), queue: createQueue(), pace: createPace() },
    counts: { arrived: 0, started: 0, ended: 0, abandoned: 0, shed },
  };
};

export type Turn = { readonly nowMs: number; readonly effects: BulkheadEffect[] };
