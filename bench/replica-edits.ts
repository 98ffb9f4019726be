// The same edits for every library of replicated data: three replicas that edit at the same time, hear each other after every round,
// and end with a round that they have not heard. Edits that meet are made so that every library must come to the same result; only
// `contested` ones may end differently, and then the same at all replicas of one library.
import { nextBetween, type RandomState, randomFrom } from '../machines/random.ts';

export const replicas = 3;

export type Edit =
  | { type: 'insert'; at: number; content: string }
  | { type: 'remove'; at: number; count: number }
  | { type: 'put'; key: string; value: string }
  | { type: 'count'; key: string; by: number }
  | { type: 'add' | 'discard'; element: string };

/** What one replica does at once: one change, transaction or update where the library has such a thing. */
export type Step = readonly Edit[];

export type Workload = {
  name: WorkloadName;
  /** What everybody begins with. */
  first: Step;
  /** All counters that are counted. */
  counters: readonly string[];
  /** By round and replica. */
  rounds: readonly (readonly (readonly Step[])[])[];
  edits: number;
};

export type WorkloadName = 'text' | 'map' | 'map by 100' | 'counters' | 'set';

/** What is read of a replica: the text, or entries by their keys. */
export type Read = { text: string; entries: readonly (readonly [string, string | number])[] };

/** In an order that is the same for all. */
export const byKey = <Value>(entries: Iterable<readonly [string, Value]>): (readonly [string, Value])[] =>
  [...entries].sort(([a], [b]) => (a < b ? -1 : 1));

/** The part of what is read that every library must agree on. */
export const agreedPart = (read: Read): unknown => {
  const end = read.text.lastIndexOf(separator);
  const contested = [...read.text.slice(end + 1)].sort().join('');
  // Not every library knows a counter before it counts.
  const entries = read.entries.filter(([key, value]) => !key.startsWith(contestedPrefix) && value !== 0);
  return [read.text.slice(0, end + 1), contested, entries];
};

const separator = '\n';
const contestedPrefix = 'all-';

type Sequence = { random: RandomState; next: number };

const below = ({ random }: Sequence, end: number): number => nextBetween(random, 0, end);
const times = <One>(count: number, make: (at: number) => One): One[] => Array.from({ length: count }, (_, at) => make(at));
const letter = (of: Sequence): string => 'etaoin shrdlu'[below(of, 13)]!;
const word = (of: Sequence, length: number): string => times(length, () => letter(of)).join('');

// ---------------------------------------------------------------- text

/**
 * A text is one paragraph for each replica, in which nobody else writes, and one at the end in which all write at the same time and
 * nobody removes. Lengths of paragraphs as one replica knows them.
 */
class Paragraphs {
  readonly lengths: number[];

  constructor(lengths: readonly number[]) {
    this.lengths = [...lengths];
  }

  /** Where in the text this place in the paragraph is. */
  placeOf(paragraph: number, at: number): number {
    return this.lengths.slice(0, paragraph).reduce((sum, length) => sum + length + separator.length, at);
  }
}

/** A burst of typing as editors tell it: letter by letter, a slip taken back now and then; or a paste; or a run removed. */
const burst = (of: Sequence, known: Paragraphs, replica: number): Step[] => {
  const paragraph = below(of, 10) === 0 ? replicas : replica;
  const isOwn = paragraph === replica;
  const length = known.lengths[paragraph]!;
  let at = below(of, length + 1);
  const insert = (content: string): Step => {
    const place = known.placeOf(paragraph, at);
    at += content.length;
    known.lengths[paragraph]! += content.length;
    return [{ type: 'insert', at: place, content }];
  };
  const remove = (count: number): Step => {
    known.lengths[paragraph]! -= count;
    return [{ type: 'remove', at: known.placeOf(paragraph, at), count }];
  };
  const kind = below(of, 20);
  if (kind === 0) return [insert(word(of, 20 + below(of, 180)))];
  if (kind <= 5 && isOwn && length > 0) return [remove(Math.min(length - at, 1 + below(of, 40)))].filter(removesAny);
  return times(5 + below(of, 56), () => {
    if (!isOwn || at === 0 || below(of, 12) > 0) return insert(letter(of));
    at--;
    return remove(1);
  });
};

const removesAny = ([edit]: Step): boolean => edit?.type !== 'remove' || edit.count > 0;

const textRounds = (of: Sequence, edits: number, rounds: number): Step[][][] => {
  let lengths: readonly number[] = times(replicas + 1, () => 0);
  return times(rounds, () => {
    const known = times(replicas, () => new Paragraphs(lengths));
    const steps = known.map((paragraphs, replica) => {
      const made: Step[] = [];
      while (made.length < edits / rounds / replicas) made.push(...burst(of, paragraphs, replica));
      return made;
    });
    const grown = known.reduce((sum, each) => sum + each.lengths[replicas]! - lengths[replicas]!, lengths[replicas]!);
    lengths = [...times(replicas, (replica) => known[replica]!.lengths[replica]!), grown];
    return steps;
  });
};

// ---------------------------------------------------------------- keys and values

type MakeEdit = (of: Sequence, replica: number, round: number) => Edit;

/** In one round a key belongs to one replica, in the next to another. */
const keyOf = (of: Sequence, keys: number, replica: number, round: number): string =>
  `key-${below(of, Math.floor(keys / replicas)) * replicas + ((replica + round) % replicas)}`;

const put: MakeEdit = (of, replica, round) => ({
  type: 'put',
  key: below(of, 20) === 0 ? `${contestedPrefix}${below(of, 10)}` : keyOf(of, 3_000, replica, round),
  value: word(of, 8 + below(of, 24)),
});

const counterKeys = times(300, (at) => `counter-${at}`);

const count: MakeEdit = (of) => ({ type: 'count', key: counterKeys[below(of, counterKeys.length)]!, by: below(of, 201) - 100 });

/** Removes only what it has seen. */
const addTo =
  (mine: string[][]): MakeEdit =>
  (of, replica) => {
    const own = mine[replica]!;
    if (own.length > 0 && below(of, 5) === 0) return { type: 'discard', element: own.splice(below(of, own.length), 1)[0]! };
    const element = `${word(of, 6)}-${of.next++}`;
    own.push(element);
    return { type: 'add', element };
  };

const roundsOf = (of: Sequence, make: MakeEdit, edits: number, rounds: number, stepEdits: number): Step[][][] =>
  times(rounds, (round) =>
    times(replicas, (replica) =>
      times(Math.ceil(edits / rounds / replicas / stepEdits), () => times(stepEdits, () => make(of, replica, round))),
    ),
  );

const rounds = 20;

export const workloadOf = (name: WorkloadName, edits: number, seed: number): Workload => {
  const of: Sequence = { random: randomFrom(seed), next: 0 };
  const first: Step = name === 'text' ? [{ type: 'insert', at: 0, content: separator.repeat(replicas) }] : [];
  const made = {
    text: () => textRounds(of, edits, rounds),
    map: () => roundsOf(of, put, edits, rounds, 1),
    'map by 100': () => roundsOf(of, put, edits, rounds, 100),
    counters: () => roundsOf(of, count, edits, rounds, 1),
    set: () => roundsOf(of, addTo(times(replicas, () => [])), edits, rounds, 1),
  }[name]();
  return {
    ...{ name, first, counters: name === 'counters' ? counterKeys : [], rounds: made },
    edits: made.flat(2).reduce((sum, step) => sum + step.length, 0),
  };
};
