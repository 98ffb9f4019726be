// The breakers of a node: one for each peer, or for each service of a peer. There is no end to names, so there is one to breakers: a
// new one takes the place of one that remembers nothing, or else of the one that was used least recently. What a person has
// forced is never given up for it.
import { failure, PolityError } from '../errors.ts';
import { type RandomState, randomFrom } from '../random.ts';
import { type BreakerOptions, breakerLimits, checkBreakerOptions } from './options.ts';
import { type Breaker, createBreaker, type Ticket } from './state.ts';
import { failuresWithin } from './window.ts';

export type Breakers = {
  readonly options: BreakerOptions;
  readonly random: RandomState;
  readonly breakersMax: number;
  /** At most `breakersMax`. */
  readonly of: Map<string, Breaker>;
  /** No breaker that was given up gave a higher ticket, and none made after it a lower one: what those admitted is late to these. */
  serial: Ticket;
};

/** Throws INVALID_REQUEST for options that make no sense. */
export const createBreakers = (args: { options: BreakerOptions; seed: number; breakersMax: number }): Breakers => {
  const { options, breakersMax } = args;
  checkBreakerOptions(options);
  if (!(Number.isSafeInteger(breakersMax) && breakersMax >= 1 && breakersMax <= breakerLimits.breakersMax)) {
    const must = `a whole number from 1 to ${breakerLimits.breakersMax}`;
    throw new PolityError(failure('INVALID_REQUEST', `breaker: breakersMax must be ${must}, not ${breakersMax}`));
  }
  return { options, breakersMax, random: randomFrom(args.seed), of: new Map(), serial: 0 };
};

/** The breaker of this name, made if there is none. Throws OVERLOADED if all there may be are forced. */
export const breakerOf = (breakers: Breakers, name: string, nowMs: number): Breaker => {
  const known = breakers.of.get(name);
  if (known !== undefined) return known;
  if (breakers.of.size >= breakers.breakersMax) giveUpOne(breakers, nowMs);
  const { options, random, serial } = breakers;
  const made = createBreaker({ options, random, nowMs, serial });
  breakers.of.set(name, made);
  return made;
};

/** There is no breaker of this name any more. */
export const giveUp = (breakers: Breakers, name: string): void => {
  breakers.serial = Math.max(breakers.serial, breakers.of.get(name)?.serial ?? 0);
  breakers.of.delete(name);
};

/** Among so many of those that were looked at least recently one is chosen. */
const looksMax = 64;

/** Lower goes first; null = never. */
const worth = (breaker: Breaker, nowMs: number): number | null => {
  const { status, openings, window } = breaker;
  if (status === 'forced-open' || status === 'forced-closed') return null;
  if (status !== 'closed') return 3;
  return openings > 0 ? 2 : failuresWithin(window, nowMs) > 0 ? 1 : 0;
};

const giveUpOne = (breakers: Breakers, nowMs: number): void => {
  let least: { name: string; worth: number; usedMs: number } | null = null;
  let looks = 0;
  const looked: [string, Breaker][] = [];
  for (const entry of breakers.of) {
    if (looks++ >= looksMax && least !== null) break;
    const [name, breaker] = entry;
    looked.push(entry);
    const its = worth(breaker, nowMs);
    if (its === null) continue;
    const isLess = least === null || its < least.worth || (its === least.worth && breaker.nowMs < least.usedMs);
    if (isLess) least = { name, worth: its, usedMs: breaker.nowMs };
  }
  if (least === null)
    throw new PolityError(
      failure('OVERLOADED', `breaker: all ${breakers.breakersMax} are forced, there is no room for another`),
    );
  // Others are looked at next time.
  for (const [name, breaker] of looked) {
    if (name === least.name) {
      giveUp(breakers, name);
      continue;
    }
    breakers.of.delete(name);
    breakers.of.set(name, breaker);
  }
};
