// Which types of a program are plain data. A type that the compiler knows to be some is taken as it is; an interface, which has no index
// signature, is looked through field by field. What only looks like plain data is refused when it is handed in (INVALID_REQUEST).
import type { Plain } from '../../machines/replicator/types.ts';

type PlainField<Value> = Value extends Plain
  ? Value
  : Value extends bigint | symbol | undefined | ((...given: never[]) => unknown)
    ? never
    : { readonly [Key in keyof Value]: PlainField<Value[Key]> };

/** To be used as `Value extends PlainLike<Value>`. */
export type PlainLike<Value> = Plain | ({ readonly [Key in keyof Value]: PlainField<Value[Key]> } & object);
