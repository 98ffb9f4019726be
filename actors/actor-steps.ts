// How far one event goes inside of an actor. Transitions that lead to each other for ever (`always`, `raise`, children that answer each
// other) would keep everybody else of the node waiting, and in a replicated actor each replica that meets the event in its log, again
// after every start. So they are counted, and the actor fails over the event instead: by the number alone, so that all replicas agree.
import { actorLimits } from './actor-api.ts';

const { stepsMax } = actorLimits;

export class Steps {
  #left: number = stepsMax;

  /** Another event. */
  begin(): void {
    this.#left = stepsMax;
  }

  /** A transition, or a message from one inside to another. */
  count(): void {
    if (--this.#left >= 0) return;
    throw new RangeError(
      `one event led to more than ${stepsMax} transitions: some lead to each other for ever (always, raise, sendTo); let one of them have a guard or a delay`,
    );
  }
}
