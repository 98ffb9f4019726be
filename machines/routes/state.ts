// What a node remembers of ways. Every field says what is always true of it.
import { type RandomState, randomFrom } from '../random.ts';
import { checkRoutesOptions, type PeerId, type RoutesEffect, type RoutesOptions, type Way } from './types.ts';

/** A peer that this node is not connected to. */
export type Target = {
  /** Best first; each over another neighbour. */
  ways: Way[];
  /** Nobody reached it; not asked for again before then. */
  noneUntilMs: number;
  /** When a way to it was last wanted. */
  usedMs: number;
  /** Over whom it was not reached: until then their word is not taken. */
  readonly broken: Map<PeerId, number>;
};

export type Question = {
  readonly number: number;
  readonly target: PeerId;
  /** Over whom it came; empty: this node's own. */
  readonly travelled: readonly PeerId[];
  readonly flood: number;
  /** From whom this node asks to the target. */
  readonly linksMax: number;
  isWide: boolean;
  /** Have not answered yet. */
  readonly asked: Set<PeerId>;
  /** Were asked what they know themselves. */
  readonly told: Set<PeerId>;
  ringEndsMs: number;
  readonly endsMs: number;
  /** Own: numbers of those who wait for it. */
  waiters: number[];
  /** Another's: the number under which it is answered; null: this node's own. */
  readonly served: { readonly asked: number; readonly from: PeerId } | null;
};

export type RouteCounts = {
  /** Look-ups that had to ask, by how they ended. */
  found: number;
  none: number;
  /** Too many at once. */
  refused: number;
  /** Look-ups that needed nobody. */
  cached: number;
  refreshed: number;
  broken: number;
  /** Questions of others. */
  answered: number;
};

export type RoutesState = {
  readonly self: PeerId;
  readonly options: RoutesOptions;
  readonly random: RandomState;
  /** Connected; each with the way that this is. */
  readonly near: Map<PeerId, Way>;
  /** Not connected; who was learned of last is last. */
  readonly targets: Map<PeerId, Target>;
  readonly questions: Map<number, Question>;
  /** Of this node's own, by target: at most one each. */
  readonly own: Map<PeerId, Question>;
  /** Others were asked because of these; the farthest that they might go. Oldest first. */
  readonly floods: Map<string, number>;
  readonly counts: RouteCounts;
  lastQuestion: number;
  /** When `wake` is wanted; Infinity = never. */
  deadlineMs: number;
  /** When ways that end soon are looked for next. */
  sweepMs: number;
  readonly checkAll: boolean;
};

export const createRoutes = (args: { self: PeerId; options: RoutesOptions; seed: number; checkAll?: boolean }): RoutesState => {
  checkRoutesOptions(args.options);
  return {
    ...{ self: args.self, options: args.options, random: randomFrom(args.seed), checkAll: args.checkAll ?? false },
    ...{ near: new Map(), targets: new Map(), questions: new Map(), own: new Map(), floods: new Map() },
    counts: { found: 0, none: 0, refused: 0, cached: 0, refreshed: 0, broken: 0, answered: 0 },
    ...{ lastQuestion: 0, deadlineMs: Number.POSITIVE_INFINITY, sweepMs: Number.POSITIVE_INFINITY },
  };
};

export type Turn = { readonly nowMs: number; readonly effects: RoutesEffect[] };

export const wakeBy = (state: RoutesState, atMs: number): void => {
  if (atMs < state.deadlineMs) state.deadlineMs = atMs;
};
