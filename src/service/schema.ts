// Schemas of whatever library speaks Standard Schema (https://standardschema.dev): zod, valibot, arktype and others. Polity knows none of
// them; it checks values by them and asks those that can for a description.
import type { StandardJSONSchemaV1, StandardSchemaV1 } from '@standard-schema/spec';
import type { Json } from '../../machines/catalog/index.ts';
import { failure, PolityError } from '../../machines/errors.ts';

export type Schema = StandardSchemaV1;
/** What is put in: a caller's input, a handler's result. */
export type Given<S> = S extends StandardSchemaV1 ? StandardSchemaV1.InferInput<S> : unknown;
/** What comes out: a handler's input, a caller's result. */
export type Taken<S> = S extends StandardSchemaV1 ? StandardSchemaV1.InferOutput<S> : unknown;

export type Checked = StandardSchemaV1.Result<unknown>;
/** Null: everything is taken as it is. */
export type Check = ((value: unknown) => Checked | Promise<Checked>) | null;

const uncheckedVendor = 'polity';

/**
 * A type that is believed, not checked: for values that come from this program alone, or where every microsecond counts. Whatever the
 * other side sends is taken as it is.
 */
export const unchecked = <Type>(): StandardSchemaV1<Type, Type> => ({
  '~standard': { version: 1, vendor: uncheckedVendor, validate: (value) => ({ value: value as Type }) },
});

export const isSchema = (value: unknown): value is Schema => {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  const standard = (value as Partial<Schema>)['~standard'];
  return standard?.version === 1 && typeof standard.validate === 'function';
};

/**
 * Nothing travels as null. So what is null and fits no schema as null may be nothing.
 */
export const checkOf = (schema: Schema | undefined): Check => {
  if (schema === undefined || schema['~standard'].vendor === uncheckedVendor) return null;
  const standard = schema['~standard'];
  const orNothing = (checked: Checked): Checked | Promise<Checked> => {
    if (checked.issues === undefined) return checked;
    const again = standard.validate(undefined);
    const better = (one: Checked): Checked => (one.issues === undefined ? one : checked);
    return again instanceof Promise ? again.then(better) : better(again);
  };
  return (value) => {
    const checked = standard.validate(value);
    if (value !== null) return checked;
    return checked instanceof Promise ? checked.then(orNothing) : orNothing(checked);
  };
};

// ---------------------------------------------------------------- issues

const issuesMax = 16;
const pathCharsMax = 128;
const messageCharsMax = 256;

const pathOf = (root: string, { path = [] }: StandardSchemaV1.Issue): string =>
  [root, ...path.map((part) => String(typeof part === 'object' ? part.key : part))].join('.').slice(0, pathCharsMax);

/** What is wrong, for a person, and the same by paths: `{ 'input.width': 'expected number' }`. */
export const issuesOf = (
  root: 'input' | 'output' | 'event',
  issues: readonly StandardSchemaV1.Issue[],
): { message: string; details: Record<string, string> } => {
  const details = new Map<string, string>();
  for (const issue of issues.slice(0, issuesMax)) {
    const path = pathOf(root, issue);
    if (!details.has(path)) details.set(path, String(issue.message).slice(0, messageCharsMax));
  }
  const shown = [...details].map(([path, message]) => `${path}: ${message}`).slice(0, 4);
  const more = issues.length > shown.length ? ` (and ${issues.length - shown.length} more)` : '';
  return { message: `${shown.join('; ')}${more}`, details: Object.fromEntries(details) };
};

/** For whoever checks before it leaves. Throws INVALID_REQUEST. */
export const demandFits = async (check: Check, value: unknown, what: string): Promise<unknown> => {
  if (check === null) return value;
  const checked = await check(value);
  if (checked.issues === undefined) return checked.value;
  const { message, details } = issuesOf('input', checked.issues);
  throw new PolityError(failure('INVALID_REQUEST', `${what}: ${message}`, details));
};

// ---------------------------------------------------------------- descriptions

/** Of one schema in the catalog, as JSON: an offer has room for several. */
const describedCharsMax = 4_096;

type Describing = Partial<StandardJSONSchemaV1.Props>;

/** JSON Schema as the library gives it; null where it gives none, none that is plain, or too large a one. */
export const describeSchema = (schema: Schema | undefined, side: 'input' | 'output'): Json => {
  const { jsonSchema } = (schema?.['~standard'] ?? {}) as Describing;
  if (jsonSchema === undefined) return null;
  try {
    const { $schema: _draft, ...described } = jsonSchema[side]({ target: 'draft-2020-12' });
    const text = JSON.stringify(described);
    return text.length > describedCharsMax ? null : (JSON.parse(text) as Json);
  } catch {
    // The standard allows libraries to throw at what JSON Schema cannot say; the schema checks all the same.
    return null;
  }
};
