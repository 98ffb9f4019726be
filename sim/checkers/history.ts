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
export type Operation<Action> = {
  readonly process: number;
  readonly action: Action;
  readonly callNs: number;
  /** Infinity: nobody knows whether and when it happened. */
  readonly returnNs: number;
  /** Where the call and the answer were recorded: lines of the file, or places in the list, from 1. The second is 0 for none. */
  readonly lines: readonly [call: number, answer: number];
};
