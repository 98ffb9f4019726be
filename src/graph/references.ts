// References as whoever writes a graph in TypeScript makes them: plain data (machines/graph) that carries, for the compiler alone, the type
// of what it will stand for.
import { failure } from '../../machines/errors.ts';
import type { FailureReference, Reference } from '../../machines/graph/index.ts';
import { PolityError } from '../errors.ts';

declare const standsFor: unique symbol;

/** Plain data that stands for a `Value` of an earlier step. */
export type Ref<Value> = (Reference | FailureReference) & { readonly [standsFor]?: Value };

type Data<Value> = Value extends Uint8Array | ((...given: never) => unknown)
  ? never
  : { [Name in keyof Value]: WithRefs<Value[Name]> };

/** A `Value` in which anything may be a reference to one like it. */
export type WithRefs<Value> = unknown extends Value
  ? unknown
  : Value | Ref<Value> | (Value extends object ? Data<Value> : never);

type Some<Value> = Exclude<Value, null | undefined>;
type IsOpen<Value> = unknown extends Value ? true : [Value] extends [never] ? true : false;
/** What can stand in a path next. */
export type PartOf<Value> =
  IsOpen<Value> extends true
    ? string | number
    : Some<Value> extends readonly unknown[]
      ? number
      : keyof Some<Value> & (string | number);
/** Of an unknown value no part is known either: it fits everywhere, and is checked where it is executed. */
export type ValueAt<Value, Part> =
  IsOpen<Value> extends true ? never : Part extends keyof Some<Value> ? Some<Value>[Part] : never;

/** Makes references to steps that are there already, by their name and the way into their result. */
export interface RefTo<Results> {
  <S extends keyof Results & string>(step: S): Ref<unknown extends Results[S] ? never : Results[S]>;
  <S extends keyof Results & string, A extends PartOf<Results[S]>>(step: S, a: A): Ref<ValueAt<Results[S], A>>;
  <S extends keyof Results & string, A extends PartOf<Results[S]>, B extends PartOf<ValueAt<Results[S], A>>>(
    ...path: [step: S, a: A, b: B]
  ): Ref<ValueAt<ValueAt<Results[S], A>, B>>;
  <
    S extends keyof Results & string,
    A extends PartOf<Results[S]>,
    B extends PartOf<ValueAt<Results[S], A>>,
    C extends PartOf<ValueAt<ValueAt<Results[S], A>, B>>,
  >(
    ...path: [step: S, a: A, b: B, c: C]
  ): Ref<ValueAt<ValueAt<ValueAt<Results[S], A>, B>, C>>;
}

/** The result of a step, or what lies in it there: `ref('reserve', 'items', 0)`. Whatever its type is. */
export const ref = (step: string, ...path: (string | number)[]): Ref<never> =>
  path.length === 0 ? { $from: step } : { $from: step, path };

/** Why a step failed: `{ code, message, details }`, or null if it did not. `failureOf('charge', 'code')` is a part of it. */
export const failureOf = (step: string, ...path: (string | number)[]): Ref<never> =>
  path.length === 0 ? { $failure: step } : { $failure: step, path };

/** The reference, or this plain data if there is nothing: the step was skipped or failed, or has no such part in its result. */
export const orElse = <Value, Other>(reference: Ref<Value>, other: Other): Ref<Value | Other> => {
  if (other === undefined) throw new PolityError(failure('INVALID_REQUEST', 'what stands for a reference is plain data'));
  return { ...reference, or: other };
};
