// What the clients of a simulated cluster do to one type of replicated data, and what they see of it: an object is told as a list of
// tokens, each of which one change puts there and nobody else ever can, so that whoever reads says exactly which changes have
// reached him. So the judges need no copy of the types to know what must be true.
import type { Chance } from '../world.ts';

/** Begins with `~`: several changes may put it there, and so only who knows all of them can say whether it must be there. */
export type Token = string;

/** In the order in which they are read; for what has no order, sorted. */
export type View = readonly Token[];

/**
 * `kept`: a token stays until somebody takes it who sees it. `last`: of the tokens of one place, what stands before `=`, one stays.
 * `on`, `off`: a flag, of which that side wins where switches knew nothing of each other.
 */
export type Rule = 'kept' | 'last' | 'on' | 'off';

export type Drawn = {
  readonly change: unknown;
  readonly adds: readonly Token[];
  readonly takes: readonly Token[];
  /** What is read right after it, if nothing else happens. */
  readonly after: View;
};

export interface Kind {
  readonly type: string;
  readonly rule: Rule;
  readonly isOrdered: boolean;
  /** Changes of one object; then there is another. */
  readonly changesMax: number;
  viewOf(read: unknown): View;
  /** A change that whoever sees this may make. `fresh` answers numbers that this object has not had. */
  draw(chance: Chance, view: View, fresh: () => number): Drawn;
  /** What an object may take once all is quiet, besides what it holds for each replica and token: bytes a replica, bytes a token. */
  readonly bytes: readonly [number, number];
}

export const isShared = (token: Token): boolean => token.startsWith('~');

export const placeOf = (token: Token): string => token.slice(0, token.lastIndexOf('=') + 1);

export const sortedView = (tokens: Iterable<Token>): View => [...tokens].sort();

export const without = (view: View, tokens: Iterable<Token>): View => {
  const gone = new Set(tokens);
  return view.filter((token) => !gone.has(token));
};
