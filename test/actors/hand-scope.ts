// A scope without a cell: everything runs at once on the caller's stack, and nothing after `end`.
import type { ClockPort } from '../../actors/ports/index.ts';
import type { Scope } from '../../actors/supervise.ts';

export const createHandScope = (clock: ClockPort, address = 'test'): Scope & { end(): void } => {
  let live = true;
  const guard =
    <Arguments extends unknown[]>(run: (...given: Arguments) => void) =>
    (...given: Arguments): void => {
      if (live) run(...given);
    };
  return {
    ...{ address, guard },
    after: (delayMs, run) => clock.after(delayMs, guard(run)),
    soon: (run) => clock.soon(guard(run)),
    end() {
      live = false;
    },
  };
};
