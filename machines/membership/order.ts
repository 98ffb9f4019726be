// Which of two statements about a member stands (SWIM §4.2). Status and profile are two lattices beside each other: the higher
// incarnation wins, at one incarnation the worse status; the profile said in the higher incarnation wins. So what is known depends
// on what was heard and not on the order in which it came, nor on how often.
import { membershipLimits } from './limits.ts';
import type { MemberStatus, Profile } from './types.ts';

const ranks: Record<MemberStatus, number> = { alive: 0, suspect: 1, failed: 2, left: 3, evicted: 4 };

export const rankOf = (status: MemberStatus): number => ranks[status];

export const isGone = (status: MemberStatus): boolean => ranks[status] >= ranks.failed;

export type Standing = { incarnation: number; status: MemberStatus };

/** `a` is news to whoever knows `b`. */
export const outranks = (a: Standing, b: Standing): boolean => {
  if (b.status === 'evicted') return a.status === 'evicted' && a.incarnation > b.incarnation;
  if (a.status === 'evicted') return true;
  return a.incarnation !== b.incarnation ? a.incarnation > b.incarnation : ranks[a.status] > ranks[b.status];
};

export type Known = Standing & { profileAt: number; profile: Profile };

/** What is known after both. */
export const join = (a: Known, b: Known): Known => {
  const standing = outranks(b, a) ? b : a;
  const told = b.profileAt > a.profileAt ? b : a;
  return { incarnation: standing.incarnation, status: standing.status, profileAt: told.profileAt, profile: told.profile };
};

/**
 * Hearsay that raises an incarnation so far that no honest life explains it would leave the member nothing to outbid it with.
 * The member's own word is believed at any height, and also where it is so far below what others said that only they can be wrong.
 */
export const isPoison = (said: number, known: number): boolean => said > known + membershipLimits.incarnationJumpMax;
