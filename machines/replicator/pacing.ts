// When a node compares its objects with those of another: soon after anything is missed, more and more seldom while nothing is found,
// and never for more than a small share of the time. Where objects change all the time there is always a difference, on its way
// already, and whoever compares without end passes all that changed and sends whole states of it for nothing.
import type { Outcome, PeerId } from './repair-state.ts';

export const pacingLimits = {
  /** Between two comparisons: doubling from the first to the second while nothing is found. */
  everyMsMin: 1_000,
  everyMsMax: 30_000,
  /** After a connection is there, drawn, so that both sides seldom begin. */
  openedMsMin: 50,
  openedMsMax: 250,
  /** After a comparison, so many times as long as it took; but what is lost meanwhile must not wait for ever. */
  restTimes: 25,
  restMsMax: 10_000,
} as const;

export type Pacing = {
  everyMs: number;
  /** When the next is wanted, and before when none begins. */
  dueMs: number;
  restUntilMs: number;
  /** Comparisons that go on, by peer: since when. */
  readonly begun: Map<PeerId, number>;
};

export const createPacing = (nowMs: number): Pacing => ({
  ...{ everyMs: pacingLimits.everyMsMin, dueMs: nowMs + pacingLimits.everyMsMin, restUntilMs: nowMs, begun: new Map() },
});

export const pacingDueMs = ({ dueMs, restUntilMs }: Pacing): number => Math.max(dueMs, restUntilMs);

/** Something is not where it should be, one does not know where. */
export const paceSoon = (pacing: Pacing, nowMs: number): void => {
  pacing.everyMs = pacingLimits.everyMsMin;
  pacing.dueMs = Math.min(pacing.dueMs, nowMs + pacing.everyMs);
};

/** Somebody is there who was not: what it has, or lacks, is wanted before anybody waits for it. */
export const paceOpened = (pacing: Pacing, nowMs: number, afterMs: number): void => {
  pacing.everyMs = pacingLimits.everyMsMin;
  pacing.dueMs = Math.min(pacing.dueMs, nowMs + afterMs);
};

/** It is time for one; `earlierMs` of at most a quarter of `everyMs`, drawn, so that nodes do not go in step. */
export const paceNext = (pacing: Pacing, nowMs: number, earlierMs: number): void => {
  pacing.dueMs = nowMs + pacing.everyMs - earlierMs;
};

export const paceBegun = ({ begun }: Pacing, nowMs: number, peer: PeerId): void => void begun.set(peer, nowMs);

/** After what was not done no rest is due: it was cut because there is more than one exchange takes, or did not begin. */
export const paceEnded = (pacing: Pacing, nowMs: number, peer: PeerId, outcome: Outcome): void => {
  const { everyMsMin, everyMsMax, restTimes, restMsMax } = pacingLimits;
  const sinceMs = pacing.begun.get(peer);
  pacing.begun.delete(peer);
  if (outcome === 'same') pacing.everyMs = Math.min(everyMsMax, pacing.everyMs * 2);
  else if (outcome === 'repaired' || outcome === 'cut') pacing.everyMs = everyMsMin;
  // What was asked for did not come, perhaps; another peer may have it.
  const isUndone = outcome === 'busy' || outcome === 'silent' || outcome === 'cut';
  if (isUndone) pacing.dueMs = Math.min(pacing.dueMs, nowMs + everyMsMin);
  if (sinceMs === undefined || isUndone) return;
  pacing.restUntilMs = Math.max(pacing.restUntilMs, nowMs + Math.min(restMsMax, restTimes * (nowMs - sinceMs)));
};
