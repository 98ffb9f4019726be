// When sleeping actors are to be woken: a heap of instants on the wall clock, one timer for all of them. What was taken back stays in the
// heap until its time comes.
import type { ClockPort, Timer } from './ports/index.ts';

export interface DueIndex<Item> {
  /** In place of what was set for it before. */
  set(item: Item, atMs: number): void;
  delete(item: Item): void;
  readonly size: number;
  stop(): void;
}

/** A timer for longer would not be one: the clock of the world counts milliseconds in 31 bits. */
const farMs = 1 << 30;

export const createDueIndex = <Item>(clock: ClockPort, ring: (item: Item) => void): DueIndex<Item> => {
  const dues = new Map<Item, number>();
  const heap: { item: Item; atMs: number }[] = [];
  let alarm: { atMs: number; timer: Timer } | null = null;

  const up = (from: number): void => {
    for (let at = from; at > 0; ) {
      const above = (at - 1) >> 1;
      if (heap[above]!.atMs <= heap[at]!.atMs) return;
      [heap[above], heap[at]] = [heap[at]!, heap[above]!];
      at = above;
    }
  };
  const down = (): void => {
    for (let at = 0; ; ) {
      let least = at;
      for (const below of [2 * at + 1, 2 * at + 2])
        if (below < heap.length && heap[below]!.atMs < heap[least]!.atMs) least = below;
      if (least === at) return;
      [heap[least], heap[at]] = [heap[at]!, heap[least]!];
      at = least;
    }
  };
  const pop = (): void => {
    const last = heap.pop()!;
    if (heap.length === 0) return;
    heap[0] = last;
    down();
  };

  const arm = (): void => {
    // What was taken back, or set anew, is passed over.
    while (heap.length > 0 && dues.get(heap[0]!.item) !== heap[0]!.atMs) pop();
    const first = heap[0];
    if (first === undefined || (alarm !== null && alarm.atMs === first.atMs)) return;
    alarm?.timer.cancel();
    const delayMs = Math.min(farMs, Math.max(0, first.atMs - clock.wallMs()));
    alarm = { atMs: first.atMs, timer: clock.after(delayMs, wake) };
  };
  const wake = (): void => {
    alarm = null;
    const nowMs = clock.wallMs();
    const due: Item[] = [];
    for (let first = heap[0]; first !== undefined && first.atMs <= nowMs; first = heap[0]) {
      if (dues.get(first.item) === first.atMs) {
        dues.delete(first.item);
        due.push(first.item);
      }
      pop();
    }
    arm();
    for (const item of due) ring(item);
  };

  return {
    set(item, atMs) {
      if (dues.get(item) === atMs) return;
      dues.set(item, atMs);
      heap.push({ item, atMs });
      up(heap.length - 1);
      arm();
    },
    delete: (item) => void dues.delete(item),
    get size() {
      return dues.size;
    },
    stop() {
      alarm?.timer.cancel();
      alarm = null;
      dues.clear();
      heap.length = 0;
    },
  };
};
