// Many short deadlines, one timer: a request costs a set insertion, not a timer. Fires late by at most one slot, never early; what
// was taken back in time wakes nobody.
import type { Timer } from './ports/index.ts';
import type { Scope } from './supervise.ts';

export const slotMs = 50;
const delayMsMin = 1;

export interface Deadlines<Item> {
  add(item: Item, atMs: number): void;
  delete(item: Item, atMs: number): void;
  /** Nothing expires any more. For those whose timer no scope ends: it would keep a process alive that has nothing else to do. */
  end(): void;
}

export const createDeadlines = <Item>(
  scope: Pick<Scope, 'after'>,
  nowMs: () => number,
  expire: (item: Item) => void,
): Deadlines<Item> => {
  const slots = new Map<number, Set<Item>>();
  let hasEnded = false;
  /** Rings when this slot is over: the first that had an item when it was set. */
  let alarm: { slot: number; timer: Timer } | null = null;
  // Rounded up, so that a slot is over when it is looked at.
  const slotOf = (atMs: number): number => Math.floor(atMs / slotMs) + 1;

  const sweep = (): void => {
    alarm = null;
    const current = Math.floor(nowMs() / slotMs);
    for (const [slot, items] of [...slots]) {
      if (slot > current) continue;
      slots.delete(slot);
      for (const item of items) expire(item);
    }
    let first = Number.POSITIVE_INFINITY;
    for (const slot of slots.keys()) first = Math.min(first, slot);
    if (first < Number.POSITIVE_INFINITY) arm(first);
  };
  const arm = (slot: number): void => {
    if (alarm !== null && alarm.slot <= slot) return;
    alarm?.timer.cancel();
    // Never for less than the clock can tell: a slot that is over but for a rounding error would be looked at for ever.
    alarm = { slot, timer: scope.after(Math.max(delayMsMin, slot * slotMs - nowMs()), sweep) };
  };

  return {
    add(item, atMs) {
      if (hasEnded) return;
      const slot = slotOf(atMs);
      const items = slots.get(slot);
      if (items === undefined) slots.set(slot, new Set([item]));
      else items.add(item);
      arm(slot);
    },
    delete(item, atMs) {
      const slot = slotOf(atMs);
      const items = slots.get(slot);
      if (items === undefined) return;
      items.delete(item);
      if (items.size === 0) slots.delete(slot);
    },
    end() {
      hasEnded = true;
      slots.clear();
      alarm?.timer.cancel();
      alarm = null;
    },
  };
};
