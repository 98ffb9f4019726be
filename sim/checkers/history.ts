// What clients saw: when they asked, what they were told, and what they were not told. One event is one line of a history file
// (docs/reference/cli.md, `polity check`); a simulator or a test hands over the same events without a file.

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

export type HistoryEvent = {
  /** A client. It has one operation open at a time; after an `info` it may call again, or another may call in its stead. */
  readonly process: number;
  /**
   * `ok`: it happened, between its call and now. `fail`: it surely did not and will not happen. `info`: nobody knows; it may take
   * effect at any time after its call, even long after this event, or never.
   */
  readonly type: 'invoke' | 'ok' | 'fail' | 'info';
  readonly f: string;
  /** The object; objects are judged one by one (Herlihy and Wing 1990, theorem 1: linearizability is local). */
  readonly key?: string;
  readonly value?: Json;
  /** Nanoseconds; any origin, one for all processes. */
  readonly time: number;
};

/** One call with its outcome, as a model understands it. Operations that failed, and reads without an answer, say nothing. */
export type Operation<Action = unknown> = {
  readonly process: number;
  readonly action: Action;
  /**
   * Where call and answer stand in the order of time: one operation comes before another if its answer is smaller than the
   * other's call; equal numbers overlap. Infinity: nobody knows whether and when it happened.
   */
  readonly callAt: number;
  readonly returnAt: number;
  readonly callNs: number;
  readonly returnNs: number;
  /** Where call and answer were recorded: lines of the file, or places in the list, from 1; 0 for no answer. */
  readonly callLine: number;
  readonly returnLine: number;
};
