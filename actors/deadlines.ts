// Many short deadlines, one timer: a request costs a set insertion, not a timer. Fires late by at most one slot, never early.
import type { Scope } from './supervise.ts';

export const slotMs = 50;

export interface Deadlines<Item> {
  add(item: Item, atMs: number): void;
  delete(item: Item, atMs: number): void;
}

export const createDeadlines = <Item>(scope: Scope, nowMs: () => number, expire: (item: Item) => void): Deadlines<Item> => {
  const slots = new Map<number, Set<Item>>();
  let armed = false;
  // Rounded up, so that a slot is over when it is looked at.
  const slotOf = (atMs: number): number => Math.floor(atMs / slotMs) + 1;

  const sweep = (): void => {
    armed = false;
    const current = Math.floor(nowMs() / slotMs);
    for (const [slot, items] of [...slots]) {
      if (slot > current) continue;
      slots.delete(slot);
      for (const item of items) expire(item);
    }
    arm();
  };
  const arm = (): void => {
    if (armed || slots.size === 0) return;
    armed = true;
    scope.after(slotMs - (nowMs() % slotMs), sweep);
  };

  return {
    add(item, atMs) {
      const slot = slotOf(atMs);
      const items = slots.get(slot);
      if (items === undefined) slots.set(slot, new Set([item]));
      else items.add(item);
      arm();
    },
    delete(item, atMs) {
      const slot = slotOf(atMs);
      const items = slots.get(slot);
      if (items === undefined) return;
      items.delete(item);
      if (items.size === 0) slots.delete(slot);
    },
  };
};
