// How far a feed has handled its subscription, and what of that is in the log: one commit at a time, each as far as it goes by then.
// What was lost on the way is passed over by a commit that says so, never taken for handled.
import type { Failure } from '../machines/errors.ts';

export type Commit = { from: number; next: number };

export interface Commits {
  /** The feed was given what lies below `from`, and goes on at `to`. */
  lost(from: number, to: number): void;
  /** Everything below this is handled. */
  handled(next: number): void;
  /** Nothing that was handled is missing in the log. */
  readonly isSettled: boolean;
  /** Tries again what failed. */
  retry(): void;
}

/** `send` answers once; `onFailed` decides whether and when to `retry`. */
export const createCommits = (args: {
  from: number;
  send: (commit: Commit, done: (why: Failure | null) => void) => void;
  onFailed: (why: Failure) => void;
  onSettled: () => void;
}): Commits => {
  /** Below it everything is in the log. */
  let committed = args.from;
  let handledNext = args.from;
  let isUnderWay = false;
  /** Above what is committed, in order. */
  const gaps: { from: number; to: number }[] = [];

  const following = (): Commit | null => {
    const gap = gaps[0];
    if (gap === undefined || committed < gap.from) {
      const next = Math.min(handledNext, gap?.from ?? handledNext);
      return next > committed ? { from: committed, next } : null;
    }
    if (handledNext <= gap.to) return null;
    return { from: gap.to, next: Math.min(handledNext, gaps[1]?.from ?? handledNext) };
  };

  const run = (): void => {
    const commit = following();
    if (isUnderWay || commit === null) return;
    isUnderWay = true;
    args.send(commit, (why) => {
      isUnderWay = false;
      if (why !== null) return args.onFailed(why);
      committed = commit.next;
      while (gaps[0] !== undefined && gaps[0].to <= committed) gaps.shift();
      run();
      if (!isUnderWay) args.onSettled();
    });
  };

  return {
    lost: (from, to) => void gaps.push({ from, to }),
    handled(next) {
      handledNext = Math.max(handledNext, next);
      run();
    },
    get isSettled() {
      return !isUnderWay && following() === null;
    },
    retry: run,
  };
};
