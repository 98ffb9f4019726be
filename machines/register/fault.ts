// A replica that finds its own state impossible stops by this.

/** A broken invariant of the register, by name: the replica's disk or this program is wrong, so it must stop, not guess. */
export class RegisterFault extends Error {
  readonly invariant: string;
  constructor(invariant: string, message: string) {
    super(`${invariant}: ${message}`);
    this.name = 'RegisterFault';
    this.invariant = invariant;
  }
}

export function requireRegister(holds: boolean, invariant: string, message: string): asserts holds {
  if (!holds) throw new RegisterFault(invariant, message);
}
