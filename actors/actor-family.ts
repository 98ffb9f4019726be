// Actors that stand and fall together, because their strategy is not `one-for-one`: a failure of one of them counts for all, and if there are
// too many all of them are given up, as a supervisor of OTP ends all its children and itself.
import { type FailureRecord, neverFailed } from '../machines/supervisor/index.ts';

export class Family<Actor> {
  /** In the order in which they were made. */
  readonly members = new Set<Actor>();
  record: FailureRecord = neverFailed;

  /** Those that begin anew with this one; it is among them. */
  herdOf(actor: Actor, strategy: 'rest-for-one' | 'all'): readonly Actor[] {
    const all = [...this.members];
    return strategy === 'all' ? all : all.slice(all.indexOf(actor));
  }

  /** All but this one, the youngest first; what was counted is over. */
  fall(actor: Actor): readonly Actor[] {
    this.record = neverFailed;
    return [...this.members].reverse().filter((one) => one !== actor);
  }
}
