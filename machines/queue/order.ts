// Numbers in ascending order, whatever the order in which they come: a binary heap. Whoever uses it leaves in it what has lost its
// meaning and drops that when it comes to the top.

export const peek = (heap: readonly number[]): number | undefined => heap[0];

export const push = (heap: number[], value: number): void => {
  let place = heap.length;
  heap.push(value);
  while (place > 0) {
    const parent = (place - 1) >> 1;
    if (heap[parent]! <= value) break;
    heap[place] = heap[parent]!;
    place = parent;
  }
  heap[place] = value;
};

export const pop = (heap: number[]): number | undefined => {
  const least = heap[0];
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return least;
  let place = 0;
  for (;;) {
    const left = 2 * place + 1;
    if (left >= heap.length) break;
    const child = left + 1 < heap.length && heap[left + 1]! < heap[left]! ? left + 1 : left;
    if (heap[child]! >= last) break;
    heap[place] = heap[child]!;
    place = child;
  }
  heap[place] = last;
  return least;
};
