// References: how a step says that its input is, in part, what an earlier one came to. They are values of their own, `{ $from: 'step',
// path: ['a', 0] }`, not texts with a syntax in them: no text that a user sends becomes one. A record of the user's that looks like one
// is written with one `$` more, which is taken off again.
import { graphLimits as max } from './limits.ts';
import type { FailureReference, Reference } from './types.ts';
import { copy, type Fields, isRecord, type Part, placeOf, type Walk, walkOf } from './values.ts';

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
const copyLiteral = (walk: Walk, value: unknown, path: readonly Part[]): unknown => {
  const inner = walkOf(walk.bytesLeft, literalDepthMax);
  const copied = copy(inner, value === undefined ? null : value);
  walk.bytesLeft = inner.bytesLeft;
  if (inner.wrong !== null) walk.wrong ??= { ...inner.wrong, path: [...path, ...inner.wrong.path] };
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
  const walk = walkOf(bytesMax, max.depthMax, (record, within, at) => {
    const referred = readReference(record);
    if (referred === null) return null;
    if (typeof referred === 'string') {
      within.wrong ??= { path: at, message: referred, code: 'INVALID_REQUEST' };
      return { value: null };
    }
    const or = referred.or === null ? null : { value: copyLiteral(within, referred.or.value, [...at, 'or']) };
    on({ ...referred, or }, at);
    return { value: formReference({ ...referred, or }) };
  });
  return { input: copy(walk, input === undefined ? null : input, path), walk };
};

/** What stands for a reference, or why there is nothing. */
export type LookUp = (referred: Referred) => { found: true; value: unknown } | { found: false; why: string };

/** An input with what its references stand for. What is wrong is in the walk. */
export const fillInput = (input: unknown, lookUp: LookUp, called = 'input'): { input: unknown; walk: Walk } => {
  const walk = walkOf(max.inputBytesMax, max.depthMax, (record, within, at) => {
    const referred = readReference(record);
    if (referred === null) return unescaped(within, record, at);
    // What was not refused when it was read is none of these.
    if (typeof referred === 'string') return null;
    const looked = lookUp(referred);
    if (looked.found) return { value: copyLiteral(within, looked.value, at) };
    within.wrong ??= { path: at, message: looked.why, code: 'INVALID_REQUEST' };
    return { value: null };
  });
  return { input: copy(walk, input, [called]), walk };
};

/** A record of the user's that looks like a reference, without its one `$` more. */
const unescaped = (walk: Walk, record: Fields, at: readonly Part[]): { value: unknown } | null => {
  const names = Object.keys(record);
  if (!names.some((name) => looksLike.test(name))) return null;
  const copied: Record<string, unknown> = {};
  for (const name of names)
    copied[looksLike.test(name) ? name.slice(1) : name] = copy(walk, record[name], [...at, name], at.length);
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
