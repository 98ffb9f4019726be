// Registers and counters as they are inside a map, where they have no vector and no sums of their own: each replica's value is under a
// dot, so that removing the key takes away what was seen.

import { isStamp } from '../versions/hybrid-clock.ts';
import type { Unfit } from './crdt.ts';
import { type DotValues, dotValues, type Written } from './dot-values.ts';
import type { DotStore } from './dots.ts';
import { type GCounterChange, parseStepUp } from './g-counter.ts';
import { isValue } from './plain.ts';
import { type PnCounterChange, pnCounter } from './pn-counter.ts';
import { type RegisterChange, register, type Sibling } from './register.ts';
import { resolve } from './strategies.ts';
import type { Plain, Stamp } from './types.ts';

type Valued = readonly [Stamp, Plain];

const isValued = (value: unknown): value is Valued =>
  Array.isArray(value) && value.length === 2 && isStamp(value[0]) && isValue(value[1]);

const siblingsOf = (values: readonly Written<Valued>[]): Sibling[] =>
  values.map(([replica, count, [stamp, value]]) => [replica, count, stamp, value]);

const registerDots = <Read>(
  type: string,
  read: (values: readonly Written<Valued>[]) => Read,
): DotStore<DotValues<Valued>, RegisterChange, Read> =>
  dotValues<Valued, RegisterChange, Read>({
    type,
    replaces: 'all',
    write: (change, _own, event) => (change.type === 'clear' ? undefined : [event.stamp(), change.value]),
    isValue: isValued,
    parseChange: register.parseChange,
    read,
    stampOf: ([stamp]) => stamp,
  });

/** Its reader chooses a strategy. */
export const registerInside = registerDots<readonly Sibling[]>('register', siblingsOf);

/** Its reader sees the last of the writes that knew nothing of each other; they are counted all the same. */
export const lwwRegisterInside = registerDots<Plain | undefined>('lww-register', (values) =>
  resolve(siblingsOf(values), 'last-writer'),
);

/** `[raised, lowered]` of one replica. */
type Sums = readonly [number, number];

const isSum = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;

const isSums = (value: unknown): value is Sums =>
  Array.isArray(value) && value.length === 2 && isSum(value[0]) && isSum(value[1]);

/**
 * A step replaces its maker's sums by higher ones under a new dot. Known limit (as in Almeida et al.): a step made at the same time as
 * a removal of the key brings back all that its maker had counted, and nothing of the others.
 */
const counterDots = <Change extends { readonly by: number }>(
  type: string,
  parseChange: (value: unknown) => Change | Unfit,
  isValue: (value: unknown) => value is Sums,
): DotStore<DotValues<Sums>, Change, number> =>
  dotValues<Sums, Change, number>({
    type,
    replaces: 'own',
    write({ by }, own) {
      if (by === 0) return null;
      const [raised, lowered] = own ?? [0, 0];
      const sums: Sums = by > 0 ? [raised + by, lowered] : [raised, lowered - by];
      return isSums(sums) ? sums : { unfit: 'would raise a sum beyond 2^53' };
    },
    isValue,
    parseChange,
    read: (values) => values.reduce((sum, [, , [raised, lowered]]) => sum + raised - lowered, 0),
    stampOf: () => 0,
  });

export const pnCounterInside = counterDots<PnCounterChange>('pn-counter', pnCounter.parseChange, isSums);

export const gCounterInside = counterDots<GCounterChange>(
  'g-counter',
  parseStepUp,
  (value): value is Sums => isSums(value) && value[1] === 0,
);
