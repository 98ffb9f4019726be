// What can be set about a bulkhead, every maximum, and what is refused before any call arrives.
import { failure, PolityError } from '../errors.ts';

/**
 * The most important first. Which a call has is said by the method that it is for, or by a policy; whoever calls may ask for less, not
 * for more.
 */
export const importances = ['critical', 'normal', 'background'] as const;
export type Importance = (typeof importances)[number];

export type BulkheadOptions = {
  /**
   * A call of this importance starts only while fewer than so many run, whatever they are. Not more for the less important: so what
   * takes long and matters little cannot fill the place of what matters much, which nobody could take back from it.
   */
  runningMax: Record<Importance, number>;
  /** So many wait, all importances together; 0 = nobody does. */
  queueMax: number;
  /** Nobody waits for longer, whatever his deadline. */
  queueMsMax: number;
};

export const bulkheadDefaults: BulkheadOptions = {
  ...{ runningMax: { critical: 64, normal: 64, background: 48 }, queueMax: 256, queueMsMax: 5_000 },
};

export const bulkheadLimits = {
  runningMax: 10_000,
  /** When it is full whoever leaves is looked for among all flows: microseconds at this size. */
  queueMax: 4_096,
  queueMsMax: 600_000,
} as const;

const demandWhole = (option: string, value: number, least: number, most: number): void => {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return;
  const must = `a whole number from ${least} to ${most}`;
  throw new PolityError(failure('INVALID_REQUEST', `bulkhead: ${option} must be ${must}, not ${value}`, { option }));
};

/** Throws INVALID_REQUEST, naming the option. */
export const checkBulkheadOptions = ({ runningMax, queueMax, queueMsMax }: BulkheadOptions): void => {
  let most: number = bulkheadLimits.runningMax;
  for (const importance of importances) {
    demandWhole(`runningMax.${importance}`, runningMax[importance], 1, most);
    most = runningMax[importance];
  }
  demandWhole('queueMax', queueMax, 0, bulkheadLimits.queueMax);
  demandWhole('queueMsMax', queueMsMax, 1, bulkheadLimits.queueMsMax);
};
