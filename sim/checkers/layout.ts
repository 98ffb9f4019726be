// A part as flat arrays: operations in order of their calls, and for each a bit of the mask that names a set of operations under way.
// Two operations that are ever under way together have different bits; a bit is used again once its operation is over, so that
// fifty clients need fifty bits, however long the history.
import type { Part } from './part.ts';
import { returnOf } from './part.ts';
import type { Space } from './space.ts';

export type Layout = {
  readonly count: number;
  readonly callAt: Float64Array;
  /** Infinity for what is free. */
  readonly returnAt: Float64Array;
  readonly kind: Int32Array;
  readonly isRequired: Uint8Array;
  /** Of a cell: the state it needs and the one it puts, -1 for none. */
  readonly needs: Int32Array;
  readonly puts: Int32Array;
  /** Bit numbers; those of free operations are counted for themselves. */
  readonly bit: Int32Array;
  readonly dueWords: number;
  readonly freeWords: number;
};

const wordsFor = (bits: number): number => Math.ceil(bits / 32);

/** The smallest numbers not in use, of which few are in use at a time. */
class Bits {
  readonly #free: number[] = [];
  count = 0;
  take(): number {
    return this.#free.pop() ?? this.count++;
  }
  giveBack(bit: number): void {
    this.#free.push(bit);
  }
}

export const layOut = (part: Part<unknown>, space: Space<unknown, unknown>): Layout => {
  const { items } = part;
  const count = items.length;
  const layout = {
    ...{ count, callAt: new Float64Array(count), returnAt: new Float64Array(count), kind: new Int32Array(count) },
    ...{ isRequired: new Uint8Array(count), bit: new Int32Array(count) },
    ...{ needs: new Int32Array(count), puts: new Int32Array(count) },
  };
  for (const [at, item] of items.entries()) {
    layout.callAt[at] = item.operation.callAt;
    layout.returnAt[at] = returnOf(item);
    layout.kind[at] = item.kind;
    layout.needs[at] = space.needs[item.kind]!;
    layout.puts[at] = space.puts[item.kind]!;
    layout.isRequired[at] = item.standing === 'required' ? 1 : 0;
  }
  const returns = [...items.keys()].sort((a, b) => layout.returnAt[a]! - layout.returnAt[b]!);
  const due = new Bits();
  let free = 0;
  let over = 0;
  for (let at = 0; at < count; at++) {
    while (layout.returnAt[returns[over]!]! < layout.callAt[at]!) due.giveBack(layout.bit[returns[over++]!]!);
    layout.bit[at] = layout.returnAt[at] === Number.POSITIVE_INFINITY ? free++ : due.take();
  }
  return { ...layout, dueWords: wordsFor(due.count), freeWords: wordsFor(free) };
};
