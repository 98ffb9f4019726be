// What a machine says when a promise of its own is broken; whoever runs it stops it rather than let it spread.

/** A promise of our own code is broken. Never thrown for what a peer sends. */
export class InvariantBroken extends Error {
  readonly invariant: string;
  constructor(invariant: string, message: string) {
    super(`${invariant}: ${message}`);
    this.name = 'InvariantBroken';
    this.invariant = invariant;
  }
}
