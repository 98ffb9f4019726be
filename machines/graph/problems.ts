// What is wrong with a graph, all of it at once and each with its place: whoever writes one does not want to be told one mistake a time.
import { type Failure, failure } from '../errors.ts';
import { graphLimits as max } from './limits.ts';
import { type Part, placeOf } from './values.ts';

export type Problems = {
  readonly list: { readonly place: string; readonly message: string }[];
  count: number;
};

export const createProblems = (): Problems => ({ list: [], count: 0 });

export const tell = (problems: Problems, path: readonly Part[], message: string): void => {
  problems.count++;
  if (problems.list.length < max.problemsMax) problems.list.push({ place: placeOf(path.map(shortened)), message });
};

const shortened = (part: Part): Part => (typeof part === 'string' ? part.slice(0, max.nameCharsMax) : part);

/** Null: there is nothing wrong. */
export const failureOf = ({ list, count }: Problems): Failure | null => {
  if (count === 0) return null;
  const more = count > list.length ? `; and ${count - list.length} more` : '';
  const text = list.map(({ place, message }) => (place === '' ? message : `${place} ${message}`)).join('; ');
  return failure('INVALID_REQUEST', `the graph cannot run: ${text}${more}`, { problems: count, place: list[0]!.place });
};
