// To hear what an actor emits goes the way of a subscription, under a selection that no snapshot has. Each event is told once at most: what
// is emitted while nobody hears it is gone, and who takes too long misses what comes meanwhile, which is counted.
import { postLimits } from './post-limits.ts';

const word = 'emitted';

/** Events on their way to somebody at another node who has not said that he has them. */
export const hearingWindow = 256;

/** `type` null: all that it emits. */
export const hearingOf = (type: string | null): string => (type === null ? word : `${word}.${type}`);

/** Undefined: it is no such selection. */
export const heardTypeOf = (select: string | null): string | null | undefined => {
  if (select === word) return null;
  const type = select?.startsWith(`${word}.`) === true ? select.slice(word.length + 1) : '';
  return type.length > 0 && type.length <= postLimits.selectCharsMax - word.length - 1 ? type : undefined;
};

export type Hearing = { sent: number; heard: number };

export const createHearing = (): Hearing => ({ sent: 0, heard: 0 });

/** The number that it goes under; null: too much is on its way already. */
export const tell = (hearing: Hearing): number | null => {
  if (hearing.sent - hearing.heard >= hearingWindow) return null;
  return ++hearing.sent;
};

/** It went nowhere: who never gets it never says that he has it. */
export const untell = (hearing: Hearing): void => {
  hearing.sent--;
};

/** He has all up to this one. */
export const has = (hearing: Hearing, at: number): void => {
  if (at <= hearing.sent) hearing.heard = Math.max(hearing.heard, at);
};
