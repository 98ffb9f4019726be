// What one subscriber at another node is shown: never more than one thing under way to him, and when he has that, the latest. What lies
// between is left out, so that a slow reader costs one value, whatever the actor does.

export type Feed<Value> = {
  /** Number of the last one shown, from 1; he says what he has by it. */
  at: number;
  /** He has not said yet that he has it. */
  isUnderWay: boolean;
  waiting: { readonly value: Value } | null;
};

export const createFeed = <Value>(): Feed<Value> => ({ at: 0, isUnderWay: false, waiting: null });

/** Something new; true: it is to be shown now, as `at`. */
export const offer = <Value>(feed: Feed<Value>, value: Value): boolean => {
  if (feed.isUnderWay) {
    feed.waiting = { value };
    return false;
  }
  feed.isUnderWay = true;
  feed.at++;
  return true;
};

/** It is not shown after all: it looks like what he has. */
export const withdraw = <Value>(feed: Feed<Value>): void => {
  feed.isUnderWay = false;
  feed.at--;
};

/** It cannot leave now: it, or what is newer, is to be shown when it is said to have been heard. */
export const putOff = <Value>(feed: Feed<Value>, value: Value): void => {
  feed.waiting ??= { value };
};

/** He has what was shown as this; what is to be shown next, as `at`, or null. */
export const heard = <Value>(feed: Feed<Value>, at: number): { readonly value: Value } | null => {
  if (!feed.isUnderWay || at !== feed.at) return null;
  feed.isUnderWay = false;
  const { waiting } = feed;
  feed.waiting = null;
  if (waiting === null) return null;
  feed.isUnderWay = true;
  feed.at++;
  return waiting;
};
