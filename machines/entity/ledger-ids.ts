// Where in its window each delivery id lies: a hash table with open addressing (Knuth, The Art of Computer Programming 3, 6.4, algorithms L
// and R) that holds numbers alone. A map of texts would be ten times as large, and most of what a delivery costs is memory that it
// touches: each is looked for, put in, and a thousand deliveries later taken out, in the window of its own actor.

/** By the hash of an id a number below 65 535; zero: nothing. Whoever has the table knows which id lies under a number. */
export type IdTable = { hashes: Int32Array; numbers: Uint16Array; count: number };

const capacityMin = 16;

export const createIdTable = (): IdTable => ({
  ...{ hashes: new Int32Array(capacityMin), numbers: new Uint16Array(capacityMin), count: 0 },
});

const put = ({ hashes, numbers }: IdTable, hash: number, held: number): void => {
  const mask = numbers.length - 1;
  let at = hash & mask;
  while (numbers[at] !== 0) at = (at + 1) & mask;
  hashes[at] = hash;
  numbers[at] = held;
};

const grow = (table: IdTable): void => {
  const { hashes, numbers } = table;
  table.hashes = new Int32Array(2 * hashes.length);
  table.numbers = new Uint16Array(2 * numbers.length);
  for (let at = 0; at < numbers.length; at++) if (numbers[at] !== 0) put(table, hashes[at]!, numbers[at]!);
};

/** No id may be there twice, and no number. */
export const addId = (table: IdTable, hash: number, number: number): void => {
  if (2 * ++table.count > table.numbers.length) grow(table);
  put(table, hash, number + 1);
};

/** Numbers of ids with this hash are shown until one is it; -1: none was. */
export const findId = ({ hashes, numbers, count }: IdTable, hash: number, isIt: (number: number) => boolean): number => {
  if (count === 0) return -1;
  const mask = numbers.length - 1;
  for (let at = hash & mask; numbers[at] !== 0; at = (at + 1) & mask)
    if (hashes[at] === hash && isIt(numbers[at]! - 1)) return numbers[at]! - 1;
  return -1;
};

/** What stood there because its own place was taken moves up. */
const close = ({ hashes, numbers }: IdTable, gap: number): void => {
  const mask = numbers.length - 1;
  let free = gap;
  for (let at = (gap + 1) & mask; numbers[at] !== 0; at = (at + 1) & mask) {
    const home = hashes[at]! & mask;
    // It may go to the gap unless its own place lies behind that.
    if (((at - home) & mask) < ((at - free) & mask)) continue;
    hashes[free] = hashes[at]!;
    numbers[free] = numbers[at]!;
    free = at;
  }
  numbers[free] = 0;
};

export const removeId = (table: IdTable, hash: number, number: number): void => {
  const { numbers } = table;
  const mask = numbers.length - 1;
  let at = hash & mask;
  while (numbers[at] !== 0 && numbers[at] !== number + 1) at = (at + 1) & mask;
  if (numbers[at] === 0) return;
  close(table, at);
  table.count--;
};
