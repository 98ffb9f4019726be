// A clock that a test moves by hand, and a queue that runs what was put off until nothing is left: the order of everything is
// the test's, nothing depends on how fast the machine is.
import type { ClockPort, SinkPort } from '../../actors/ports/index.ts';

export type HandClock = ClockPort & {
  /** For a storage that answers in a later turn. */
  later(run: () => void): void;
  /** Runs one thing that was put off; false when there is none. */
  turn(): boolean;
  /** Runs everything that was put off, and what that puts off. */
  settle(): void;
  /** Lets time pass, with everything that falls due, until nothing is left to do at that time. */
  pass(ms: number): void;
};

const turnsMax = 1_000_000;

export const createHandClock = (): HandClock => {
  let nowMs = 0;
  let timers: { atMs: number; wake: () => void }[] = [];
  const queue: (() => void)[] = [];
  const turn = (): boolean => {
    const run = queue.shift();
    run?.();
    return run !== undefined;
  };
  const settle = (): void => {
    for (let turns = 0; turn(); turns++) if (turns > turnsMax) throw new Error('there is no end to it');
  };
  return {
    nowMs: () => nowMs,
    wallMs: () => nowMs,
    after(delayMs, wake) {
      const timer = { atMs: nowMs + delayMs, wake };
      timers.push(timer);
      return {
        cancel() {
          timers = timers.filter((one) => one !== timer);
        },
      };
    },
    soon: (run) => void queue.push(run),
    later: (run) => void queue.push(run),
    turn,
    settle,
    pass(ms) {
      const untilMs = nowMs + ms;
      settle();
      for (;;) {
        const due = timers.filter((timer) => timer.atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
        if (due === undefined) break;
        timers = timers.filter((timer) => timer !== due);
        nowMs = due.atMs;
        due.wake();
        settle();
      }
      nowMs = untilMs;
    },
  };
};

export const quietSink = (): SinkPort & { lines: string[] } => {
  const lines: string[] = [];
  return { lines, log: (level, code) => void lines.push(`${level} ${code}`), count: () => {} };
};
