// Every maximum and delay of the boards, in one place. They depend on each other: a note must outlive the longest pause between two
// looks of its writer by more than two clocks may differ, and no board may be needed longer than an hour and a note's life.
import { InvariantBroken } from '../invariant.ts';

export const rendezvousLimits = {
  /** A cluster has so many boards, each hour others. */
  boardsMax: 4,
  /** Notes on one board, withdrawn ones not counted. */
  notesMax: 8,
  /** One written note, as JSON. */
  noteBytesMax: 1_000,
  /** All notes of a board, as JSON. */
  boardBytesMax: 2_046,
  hourMs: 3_600_000,
  /** A note is believed so long after it was written. */
  lifeMs: 1_800_000,
  /** A writer renews his note, and who found no room looks again, after between 4/5 of this and this. */
  renewMs: 600_000,
  /** Who has just written looks whether it stood, after between half of this and this; twice as long after each time it did not. */
  settleMs: 4_000,
  /** At the beginning of an hour the new board is looked at within so long. */
  turnMs: 30_000,
  /** How far two members' clocks may be apart. */
  skewMs: 900_000,
} as const;

const { lifeMs, renewMs, skewMs, hourMs, notesMax, noteBytesMax, boardBytesMax } = rendezvousLimits;
if (lifeMs <= renewMs + skewMs || lifeMs + skewMs > hourMs || noteBytesMax * 2 > boardBytesMax || notesMax < 2)
  throw new InvariantBroken('RENDEZVOUS_LIMITS', 'notes die before they are renewed, outlive two boards, or do not fit');
