// A flag that two may switch at once. Of an enable and a disable that knew nothing of each other the one wins in an enable-wins flag,
// the other in its sibling; whoever knows of a switch overrules it. Both begin disabled.
import { type Crdt, isUnfit, type Unfit } from './crdt.ts';
import { type DotValues, dotValues, type Written } from './dot-values.ts';
import { type Causal, causal, type DotStore } from './dots.ts';

/** The switches that nobody has overruled. */
export type FlagStore = DotValues<boolean>;

export type FlagChange = { type: 'enable' | 'disable' };

const isBoolean = (value: unknown): value is boolean => typeof value === 'boolean';

const parseChange = (value: unknown): FlagChange | Unfit => {
  const type = typeof value === 'object' && value !== null ? (value as { type?: unknown }).type : undefined;
  return type === 'enable' || type === 'disable' ? { type } : { unfit: 'is neither enable nor disable' };
};

const flagDots = (
  type: string,
  read: (switches: readonly Written<boolean>[]) => boolean,
): DotStore<FlagStore, FlagChange, boolean> =>
  dotValues<boolean, FlagChange, boolean>({
    type,
    replaces: 'all',
    write: (change) => change.type === 'enable',
    isValue: isBoolean,
    parseChange,
    read,
    stampOf: () => 0,
  });

export const enableWinsDots = flagDots('flag', (switches) => switches.some(([, , on]) => on));

export const disableWinsDots = flagDots(
  'disable-wins-flag',
  (switches) => switches.length > 0 && switches.every(([, , on]) => on),
);

/** Its deltas are whole states: they are small, and nothing is a gap to them. */
const whole = (dots: DotStore<FlagStore, FlagChange, boolean>): Crdt<Causal<FlagStore>, FlagChange, boolean> => {
  const flag = causal(dots);
  return {
    ...flag,
    saysAll: true,
    change(state, change, author) {
      const delta = flag.change(state, change, author);
      return delta === null || isUnfit(delta) ? delta : flag.form(state);
    },
    apply: (state, delta) => flag.join(state, delta as Causal<FlagStore>),
    parseDelta: flag.parse,
    latest: () => 0,
  };
};

export const enableWinsFlag = whole(enableWinsDots);

export const disableWinsFlag = whole(disableWinsDots);
