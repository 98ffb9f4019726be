// What runs now: an actor's code may ask under which token and which effect id it works. Set around each turn by whoever runs it; JavaScript
// runs one thing at a time, so one variable is enough. After an `await` it is somebody else's: who needs it asks before.
import type { ActorExecution } from './actor-api.ts';

let running: ActorExecution | null = null;

/** Null outside of an actor's code. */
export const currentExecution = (): ActorExecution | null => running;

/** Runs this as a part of that. Nested: the one outside goes on after it. */
export const executing = <Value>(execution: ActorExecution, run: () => Value): Value => {
  const before = running;
  running = execution;
  try {
    return run();
  } finally {
    running = before;
  }
};
