// References: how a step says that its input is, in part, what an earlier one came to. They are values of their own, `{ $from: 'step',
// path: ['a', 0] }`, not texts with a syntax in them: no text that a user sends becomes one. A record of the user's that looks like one
// is written with one `$` more, which is taken off again.
import { graphLimits as max } from './limits.ts';
import type { FailureReference, Reference } from './types.ts';
import { copy, copyPart, type Fields, isRecord, type Part, placeOf, stop, type Walk, walkOf } from './values.ts';

/** A reference as it was read. */
export type Referred = {
  readonly of: 'result' | 'failure';
  readonly step: string;
  readonly path: readonly Part[];
  /** What stands for it if there is nothing; null: there must be something. */
  readonly or: { readonly value: unknown } | null;
};

const marks = { $from: 'result', $failure: 'failure' } as const;
const looksLike = /^\$+(?:from|failure)$/;

/** `$from` or `$failure`, if this record is a reference. */
const markOf = (record: Fields): keyof typeof marks | null =>
  Object.hasOwn(record, '$from') ? '$from' : Object.hasOwn(record, '$failure') ? '$failure' : null;

const isPath = (path: unknown): path is readonly Part[] =>
  Array.isArray(path) &&
  path.length <= max.pathPartsMax &&
  path.every((part) => typeof part === 'string' || (Number.isSafeInteger(part) && part >= 0));

/** What is wrong with it, or the reference. Null: the record is none. */
export const readReference = (record: Fields): Referred | string | null => {
  const mark = markOf(record);
  if (mark === null) return null;
  const { [mark]: step, path = [], or, ...rest } = record;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined)
    return `is a reference and has the field '${unknown.slice(0, 40)}'; a record that is none has $${mark}`;
  if (typeof step !== 'string') return `${mark} names a step`;
  if (!isPath(path)) return `its path is a list of at most ${max.pathPartsMax} names and places`;
  return { of: marks[mark], step, path: [...path], or: or === undefined ? null : { value: or } };
};

export const referenceText = ({ step, path }: Referred): string => placeOf([step, ...path]);

// ---------------------------------------------------------------- reading and filling an input

/** A copy of data in which nothing is a reference, whatever it looks like: results, and what was given as `or`. */
const copyLiteral = (walk: Walk, value: unknown): unknown => {
  const inner = walkOf({ bytesMax: walk.bytesLeft, depthMax: literalDepthMax, path: walk.path });
  const copied = copy(inner, value === undefined ? null : value);
  walk.bytesLeft = inner.bytesLeft;
  walk.wrong ??= inner.wrong;
  return copied;
};

/** What comes from a call is as deep as a message can be. */
const literalDepthMax = 100;

/** A copy of an input as it was written; `on` is told of its references. What is wrong is in the walk. */
export const readInput = (
  { bytesMax, path }: { bytesMax: number; path: readonly Part[] },
  input: unknown,
  on: (referred: Referred, at: readonly Part[]) => void,
): { input: unknown; walk: Walk } => {
  const walk = walkOf({ bytesMax, depthMax: max.depthMax, path }, (record, within) => {
    const referred = readReference(record);
    if (referred === null) return null;
    if (typeof referred === 'string') return { value: stop(within, referred) };
    const or = referred.or === null ? null : { value: copyLiteral(within, referred.or.value) };
    on({ ...referred, or }, within.path);
    return { value: formReference({ ...referred, or }) };
  });
  return { input: copy(walk, input === undefined ? null : input), walk };
};

/** What stands for a reference, or why there is nothing. */
export type LookUp = (referred: Referred) => { found: true; value: unknown } | { found: false; why: string };

/** An input with what its references stand for. What is wrong is in the walk. */
export const fillInput = (input: unknown, lookUp: LookUp, called = 'input'): { input: unknown; walk: Walk } => {
  const limits = { bytesMax: max.inputBytesMax, depthMax: max.depthMax, path: [called] };
  const walk = walkOf(limits, (record, within) => {
    const referred = readReference(record);
    if (referred === null) return unescaped(within, record);
    // What was not refused when it was read is none of these.
    if (typeof referred === 'string') return null;
    const looked = lookUp(referred);
    return { value: looked.found ? copyLiteral(within, looked.value) : stop(within, looked.why) };
  });
  return { input: copy(walk, input), walk };
};

/** A record of the user's that looks like a reference, without its one `$` more. */
const unescaped = (walk: Walk, record: Fields): { value: unknown } | null => {
  const names = Object.keys(record);
  if (!names.some((name) => looksLike.test(name))) return null;
  const copied: Record<string, unknown> = {};
  for (const name of names) copied[looksLike.test(name) ? name.slice(1) : name] = copyPart(walk, name, record[name]);
  return { value: copied };
};

const formReference = ({ of, step, path, or }: Referred): Reference | FailureReference => {
  const rest = { ...(path.length === 0 ? {} : { path }), ...(or === null ? {} : { or: or.value }) };
  return of === 'result' ? { $from: step, ...rest } : { $failure: step, ...rest };
};

/** Data as an input in which nothing is a reference, whatever it looks like. */
export const literal = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(literal);
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => [looksLike.test(name) ? `$${name}` : name, literal(one)]),
  );
};
