// "Did you mean": the known word that is nearest to a misspelt one, if it is near enough that a person meant it.

/** Edits (insert, delete, replace, swap neighbours) from one word to the other: optimal string alignment. */
export const editDistance = (a: string, b: string): number => {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let row = 1; row <= a.length; row++) {
    const next = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1] ? 0 : 1;
      let edits = Math.min(last[column]! + 1, next[column - 1]! + 1, last[column - 1]! + same);
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1])
        edits = Math.min(edits, before[column - 2]! + 1);
      next.push(edits);
    }
    before = last;
    last = next;
  }
  return last[b.length]!;
};

const charactersMax = 64;

export const suggestion = (word: string, known: readonly string[]): string | null => {
  if (word.length > charactersMax) return null;
  const near = known
    .map((one) => ({ one, edits: editDistance(word.toLowerCase(), one.toLowerCase()) }))
    .filter(({ one, edits }) => edits <= Math.max(1, Math.floor(one.length / 4)))
    .sort((a, b) => a.edits - b.edits);
  return near[0]?.one ?? null;
};

export const didYouMean = (word: string, known: readonly string[]): string => {
  const meant = suggestion(word, known);
  return meant === null ? '' : `; did you mean '${meant}'?`;
};
