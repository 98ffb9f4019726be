// What the words of `polity replica set|add|remove` mean for each type: one change, or a usage error that says what was expected.
import type { Plain, ReplicaType, ReplicaTypes } from '../client/index.ts';
import { PolityError } from '../errors.ts';
import { parseJson } from '../json.ts';
import { plainOf } from '../replica-json.ts';
import { UsageError } from './exit.ts';

export type Verb = 'set' | 'add' | 'remove';

/** The type that a verb means if none is named. */
export const usualType: Readonly<Record<Verb, ReplicaType>> = { set: 'register', add: 'set', remove: 'set' };

export type Reading = {
  /** text, json or base64. */
  as: string;
  /** Where in a list or text. */
  index: number | undefined;
};

export type AnyChange = ReplicaTypes[ReplicaType]['change'];

/** Deeper than a value may be, so that what is wrong is said of the value. */
const jsonDepthMax = 64;

export const plainOfWord = (word: string, as: string): Plain => {
  try {
    if (as === 'json') return plainOf(parseJson(word, jsonDepthMax, 'the value'));
    if (as === 'base64') return plainOf({ $base64: word });
  } catch (error) {
    if (error instanceof PolityError) throw new UsageError(error.message);
    throw error;
  }
  if (as !== 'text') throw new UsageError(`--as must be text, json or base64, not '${as}'`);
  return word;
};

const wholeOf = (word: string, what: string): number => {
  if (!/^-?\d{1,16}$/.test(word) || !Number.isSafeInteger(Number(word)))
    throw new UsageError(`${what} must be a whole number, not '${word}'`);
  return Number(word);
};

const countOf = (word: string, what: string): number => {
  const count = wholeOf(word, what);
  if (count < 0) throw new UsageError(`${what} must not be negative`);
  return count;
};

/** Exactly these words. */
const taking = (words: readonly string[], names: readonly string[], optional = 0): readonly string[] => {
  if (words.length <= names.length && words.length >= names.length - optional) return words;
  const shown = names.map((name, at) => (at >= names.length - optional ? `[${name}]` : name));
  throw new UsageError(shown.length === 0 ? 'nothing comes after the key' : `after the key comes ${shown.join(' ')}`);
};

const switched = (word: string): AnyChange => {
  if (word === 'on' || word === 'off') return { type: word === 'on' ? 'enable' : 'disable' };
  throw new UsageError(`a flag is set on or off, not '${word}'`);
};

type Meaning = (words: readonly string[], reading: Reading) => AnyChange;

const setValue: Meaning = (words, { as }) => ({ type: 'set', value: plainOfWord(taking(words, ['VALUE'])[0]!, as) });
const setFlag: Meaning = (words) => switched(taking(words, ['on|off'])[0]!);
const count: Meaning = (words) => ({ type: 'add', by: wholeOf(taking(words, ['N'], 1)[0] ?? '1', 'N') });
const at = ({ index }: Reading) => (index === undefined ? {} : { at: index });
const clear: Meaning = (words) => {
  taking(words, []);
  return { type: 'clear' };
};
const removeAt: Meaning = (words) => {
  const [place, many = '1'] = taking(words, ['INDEX', 'COUNT'], 1);
  return { type: 'remove', at: countOf(place!, 'INDEX'), count: countOf(many, 'COUNT') };
};

const meanings: Readonly<Record<Verb, Partial<Record<ReplicaType, Meaning>>>> = {
  set: {
    ...{ register: setValue, latest: setValue, flag: setFlag, 'off-flag': setFlag },
    map(words, { as }) {
      const [key, value] = taking(words, ['ENTRY', 'VALUE']);
      return { type: 'put', key: key!, value: plainOfWord(value!, as) };
    },
  },
  add: {
    ...{ counter: count, tally: count },
    set: (words, { as }) => ({ type: 'add', element: plainOfWord(taking(words, ['ELEMENT'])[0]!, as) }),
    list: (words, reading) => ({
      ...{ type: 'insert', content: [plainOfWord(taking(words, ['VALUE'])[0]!, reading.as)], ...at(reading) },
    }),
    text: (words, reading) => ({ type: 'insert', content: taking(words, ['TEXT'])[0]!, ...at(reading) }),
  },
  remove: {
    ...{ register: clear, latest: clear, list: removeAt, text: removeAt },
    set: (words, { as }) => ({ type: 'remove', element: plainOfWord(taking(words, ['ELEMENT'])[0]!, as) }),
    map: (words) => ({ type: 'remove', key: taking(words, ['ENTRY'])[0]! }),
  },
};

const otherVerbs = (type: ReplicaType): string =>
  (['set', 'add', 'remove'] as const).filter((verb) => meanings[verb][type] !== undefined).join(' and ');

/** The change that the words mean. */
export const changeOfWords = (verb: Verb, type: ReplicaType, words: readonly string[], reading: Reading): AnyChange => {
  const meaning = meanings[verb][type];
  if (meaning !== undefined) {
    if (reading.index !== undefined && !(verb === 'add' && (type === 'list' || type === 'text')))
      throw new UsageError('--index is for adding to a list or text');
    return meaning(words, reading);
  }
  if (type === 'tree') throw new UsageError('a tree is changed by what is in it: --type TYPE --at KEY/KEY');
  throw new UsageError(`a ${type} takes ${otherVerbs(type)}, not ${verb}`);
};
