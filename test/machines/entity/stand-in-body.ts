// A body as the ledger sees one, small enough to be looked through: a list of what it was told, timers and children by name.

import type { FindDefinition, FoldBody, FoldEffect, FoldTimer, Wanted } from '../../../machines/entity/ledger-types.ts';
import { pack } from '../../../machines/wire/envelope.ts';

type State = { status: string; told: string[]; sum: number; children: string[]; spare?: unknown };
type Change = { type: 'set'; timer: FoldTimer } | { type: 'cleared'; id: string };
type Event = { type: string; by?: number; name?: string; size?: number };

export type StandIn = { find: FindDefinition; opened: number; stopped: number; has: boolean; chance: (() => number) | null };

const bodyOf = (standIn: StandIn, from: State, timersBefore: Iterable<string>): FoldBody => {
  let state = from;
  const effects: FoldEffect[] = [];
  const changes: Change[] = [];
  const timers = new Set(timersBefore);
  const tell = (what: string, more: Partial<State> = {}): void => {
    state = { ...state, ...more, told: [...state.told, what].slice(-5) };
  };
  const handle = (event: Event): void => {
    const { name = 'x' } = event;
    switch (event.type) {
      case 'add':
        return tell('add', { sum: state.sum + (event.by ?? 1) + (standIn.chance?.() ?? 0) });
      case 'fail':
        throw new Error(`cannot take ${name}`);
      case 'fill':
        return tell('fill', { spare: 'x'.repeat(event.size ?? 0) });
      case 'keep':
        return tell('keep', { spare: new Uint8Array(8).fill(event.by ?? 0) });
      case 'act':
        effects.push({ kind: 'action', path: '', type: name, event, context: state.sum } as FoldEffect);
        return tell('act');
      case 'later':
        timers.add(name);
        changes.push({ type: 'set', timer: { id: name, delayMs: event.by ?? 100 } });
        return tell('later');
      case 'never':
        if (timers.delete(name)) changes.push({ type: 'cleared', id: name });
        return;
      case 'invoke':
        if (state.children.includes(name)) return;
        effects.push({ kind: 'invoke', path: name, src: 'work', input: { name } });
        return tell('invoke', { children: [...state.children, name] });
      case 'cancel':
        if (!state.children.includes(name)) return;
        effects.push({ kind: 'uninvoke', path: name });
        return tell('cancel', { children: state.children.filter((child) => child !== name) });
      case 'end':
        return tell('end', { status: 'done' });
      default:
        return tell(event.type);
    }
  };
  return {
    deliver: handle,
    fire(id) {
      if (!timers.delete(id)) return false;
      tell(`fired ${id}`);
      return true;
    },
    answer(path, answer: { type: string }) {
      if (!state.children.includes(path)) return false;
      const isOver = answer.type === 'done' || answer.type === 'error';
      tell(`${answer.type} ${path}`, isOver ? { children: state.children.filter((child) => child !== path) } : {});
      return true;
    },
    takeEffects: () => effects.splice(0).map((effect): Wanted => ({ effect, data: { ...effect } })),
    takeTimerChanges: () => changes.splice(0),
    snapshot: () => state,
    persist: () => state,
    outline: () => state,
    stop: () => void standIn.stopped++,
  };
};

/** Hosts type 'cart' in versions 1 and 2 while `has` is true. Fails more than three times in a second: it ends. */
export const createStandIn = (has = true): StandIn => {
  const standIn: StandIn = { find: () => null, opened: 0, stopped: 0, has, chance: null };
  standIn.find = (type, version) =>
    standIn.has && type === 'cart' && version <= 2
      ? {
          failuresMax: 3,
          windowMs: 1_000,
          answer: (snapshot, { size }: Event) => {
            const { sum, told } = snapshot as State;
            return told.at(-1) === 'act' ? null : pack(size === undefined ? sum : 'x'.repeat(size)).slice();
          },
          open(_name, from) {
            standIn.opened++;
            if ('persisted' in from) return bodyOf(standIn, from.persisted as State, from.timers);
            if (from.input === 'bad') throw new Error('bad input');
            return bodyOf(standIn, { status: 'active', told: [], sum: 0, children: [] }, []);
          },
        }
      : null;
  return standIn;
};
