// Registers and flags: each value is written once.
import type { Drawn, Kind, Rule, View } from './kind.ts';
import { sortedView } from './kind.ts';

const clearsOnceIn = 7;

const register = (type: string, rule: Rule, valuesOf: (read: unknown) => readonly unknown[]): Kind => ({
  ...{ type, rule, isOrdered: false, changesMax: 60, bytes: [40, 80] },
  viewOf: (read) => sortedView(valuesOf(read).map((value) => `=${String(value)}`)),
  draw(chance, view, fresh): Drawn {
    if (view.length > 0 && chance.between(0, clearsOnceIn) === 0)
      return { change: { type: 'clear' }, adds: [], takes: view, after: [] };
    const value = fresh();
    return { change: { type: 'set', value }, adds: [`=${value}`], takes: view, after: [`=${value}`] };
  },
});

const siblingValues = (read: unknown): readonly unknown[] =>
  ((read ?? []) as readonly (readonly unknown[])[]).map((sibling) => sibling[3]);

const onlyValue = (read: unknown): readonly unknown[] => (read === undefined ? [] : [read]);

const flag = (type: string, rule: Rule): Kind => ({
  ...{ type, rule, isOrdered: false, changesMax: 60, bytes: [80, 0] },
  viewOf: (read): View => (read === true ? ['~on'] : []),
  draw(chance): Drawn {
    const isOn = chance.happens(0.5);
    return { change: { type: isOn ? 'enable' : 'disable' }, adds: [], takes: [], after: isOn ? ['~on'] : [] };
  },
});

export const registers: readonly Kind[] = [
  register('register', 'kept', siblingValues),
  register('lww-register', 'last', onlyValue),
  flag('flag', 'on'),
  flag('disable-wins-flag', 'off'),
];
