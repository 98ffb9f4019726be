// Nodes in tiers, of which the first is preferred and yet not overrun. A tier takes all calls while most of it works and has room; as
// that shrinks, a growing share goes on to the next. In steps from all to nothing, load that is told late would swing
// from one tier to the other and back.
import { fraction, type Seat } from './state.ts';
import { isLessLoaded } from './strategies/least-loaded.ts';
import { betterOfTwo, type Question } from './strategy.ts';

/** 1 up to the roomy load, 0 at full load. Where it is not known it is what the others of its tier have. */
const roomOf = (usable: readonly Seat[], roomyLoad: number): number => {
  let room = 0;
  let known = 0;
  for (const { candidate } of usable) {
    if (candidate.load === null) continue;
    known++;
    room += Math.min(1, (1 - candidate.load) / (1 - roomyLoad));
  }
  return known === 0 ? usable.length : (room / known) * usable.length;
};

type Tier = { rank: number; usable: Seat[]; count: number };

const tiersOf = (usable: readonly Seat[], all: readonly Seat[], rankOf: (seat: Seat) => number): Tier[] => {
  const tiers = new Map<number, Tier>();
  const tierOf = (seat: Seat): Tier => {
    const rank = rankOf(seat);
    const known = tiers.get(rank);
    if (known !== undefined) return known;
    const tier: Tier = { rank, usable: [], count: 0 };
    tiers.set(rank, tier);
    return tier;
  };
  for (const seat of all) tierOf(seat).count++;
  for (const seat of usable) tierOf(seat).usable.push(seat);
  return [...tiers.values()].filter((tier) => tier.usable.length > 0).sort((a, b) => a.rank - b.rank);
};

/** In the first tier or, by chance, in a later one; there, the less loaded of two. */
export const pickFromTiers = (usable: readonly Seat[], question: Question, rankOf: (seat: Seat) => number): Seat => {
  const { options, random } = question.state;
  const tiers = tiersOf(usable, question.all, rankOf);
  let left = 1;
  const shares = tiers.map((tier) => {
    const share = Math.min(left, (options.overprovision * roomOf(tier.usable, options.roomyLoad)) / tier.count);
    left -= share;
    return share;
  });
  // Of what nobody has room for, each tier takes as much as of the rest.
  let drawn = fraction(random) * (1 - left);
  let chosen = tiers[0]!;
  for (const [at, tier] of tiers.entries()) {
    if (shares[at]! <= 0) continue;
    chosen = tier;
    drawn -= shares[at]!;
    if (drawn < 0) break;
  }
  return betterOfTwo(chosen.usable, question, isLessLoaded);
};
