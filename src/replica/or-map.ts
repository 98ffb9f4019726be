// A map of replicated objects, which may be maps again. A program says in a type which object stands under which key, and reaches each
// by the method that makes one of its type, as in `node.replica`:
//
//   type Cart = { items: ReplicaSet<string>; visits: ReplicaCounter };
//   const cart = node.replica.orMap<Cart>('cart/42');
//   await cart.orSet('items').add('apple');
import type { InsideType, OrMapView } from '../../machines/replicator/or-map.ts';
import type { Sibling } from '../../machines/replicator/register.ts';
import { resolve } from '../../machines/replicator/strategies.ts';
import type { Plain } from '../../machines/replicator/types.ts';
import { frozen } from './frozen.ts';
import { ReplicaObject } from './object.ts';
import { insideOf } from './place.ts';
import {
  ReplicaCounter,
  ReplicaFlag,
  ReplicaGCounter,
  ReplicaLwwRegister,
  ReplicaRegister,
  ReplicaSet,
  type ReplicaStrategy,
} from './types.ts';

// biome-ignore lint/suspicious/noExplicitAny: whatever it holds
type Any = any;

/** What may stand under a key. */
export type ReplicaField =
  | ReplicaRegister<Any>
  | ReplicaLwwRegister<Any>
  | ReplicaCounter
  | ReplicaGCounter
  | ReplicaFlag
  | ReplicaSet<Any>
  | ReplicaOrMap<Any>;

/** To be used as `Fields extends FieldsLike<Fields>`, so that an interface will do. */
export type FieldsLike<Fields> = { readonly [Key in keyof Fields]: ReplicaField };

/** Anything under any key. */
export interface AnyFields {
  readonly [key: string]:
    | ReplicaRegister
    | ReplicaLwwRegister
    | ReplicaCounter
    | ReplicaGCounter
    | ReplicaFlag
    | ReplicaSet
    | ReplicaOrMap<AnyFields>;
}

/** The keys under which there is one of that kind. */
type KeysOf<Fields, Kind> = {
  [Key in keyof Fields & string]: Extract<Fields[Key], Kind> extends never ? never : Key;
}[keyof Fields & string];

/** What stands under the keys that there are. */
export type FieldValues<Fields> = {
  readonly [Key in keyof Fields]?: Fields[Key] extends ReplicaObject<infer Value, Any> ? Exclude<Value, undefined> : never;
};

export type OrMapChange =
  | { type: 'update'; of: InsideType; key: string; change: unknown }
  | { type: 'remove'; of: InsideType; key: string }
  | { type: 'clear' };

const shownOf = (of: InsideType, read: unknown): unknown => {
  if (of === 'or-map') return shownIn(read as OrMapView);
  if (of === 'or-set') return Object.freeze((read as { sorted(): Plain[] }).sorted().map(frozen));
  const shown = of === 'register' ? resolve(read as readonly Sibling[], 'last-writer') : (read as Plain | undefined);
  return shown === undefined ? undefined : frozen(shown);
};

/** No prototype: every key is one that somebody made. */
const shownIn = (view: OrMapView | undefined): object => {
  const values = Object.create(null) as Record<string, unknown>;
  const fields = [...(view?.sorted() ?? [])].sort(([, a], [, b]) => (a < b ? -1 : a > b ? 1 : 0));
  for (const [of, key, read] of fields) values[key] = shownOf(of, read);
  return Object.freeze(values);
};

/**
 * A key is there as long as anything is in it: an empty set or a cleared register is none. Removing a key takes away what was seen of
 * it; what others changed there meanwhile stays. One key under two types is two objects: let each key have one.
 */
export class ReplicaOrMap<Fields extends FieldsLike<Fields> = AnyFields> extends ReplicaObject<
  FieldValues<Fields>,
  OrMapChange,
  'or-map'
> {
  /** By key, of registers what the last writer set. */
  protected override view(read: unknown): FieldValues<Fields> {
    return shownIn(read as OrMapView | undefined) as FieldValues<Fields>;
  }

  get size(): number {
    return (this.place.read() as OrMapView | undefined)?.size ?? 0;
  }

  has(key: keyof Fields & string): boolean {
    return this.#typesAt(key).length > 0;
  }

  #typesAt(key: string): InsideType[] {
    const view = this.place.read() as OrMapView | undefined;
    return insideTypes.filter((of) => view?.has(of, key) === true);
  }

  register<Key extends KeysOf<Fields, ReplicaRegister<Any>>>(
    key: Key,
    options: { conflicts?: ReplicaStrategy<Any> } = {},
  ): Extract<Fields[Key], ReplicaRegister<Any>> {
    return new ReplicaRegister(insideOf(this.place, 'register', key), options.conflicts) as Any;
  }

  lwwRegister<Key extends KeysOf<Fields, ReplicaLwwRegister<Any>>>(key: Key): Extract<Fields[Key], ReplicaLwwRegister<Any>> {
    return new ReplicaLwwRegister(insideOf(this.place, 'lww-register', key)) as Any;
  }

  /** A step made while somebody removes the key brings back all that its maker counted since it last knew of a removal. */
  counter(key: KeysOf<Fields, ReplicaCounter>): ReplicaCounter {
    return new ReplicaCounter(insideOf(this.place, 'pn-counter', key));
  }

  gCounter(key: KeysOf<Fields, ReplicaGCounter>): ReplicaGCounter {
    return new ReplicaGCounter(insideOf(this.place, 'g-counter', key));
  }

  flag(key: KeysOf<Fields, ReplicaFlag>, options: { wins?: 'on' | 'off' } = {}): ReplicaFlag {
    return new ReplicaFlag(insideOf(this.place, options.wins === 'off' ? 'disable-wins-flag' : 'flag', key));
  }

  orSet<Key extends KeysOf<Fields, ReplicaSet<Any>>>(key: Key): Extract<Fields[Key], ReplicaSet<Any>> {
    return new ReplicaSet(insideOf(this.place, 'or-set', key)) as Any;
  }

  /** At most 8 maps in each other. */
  orMap<Key extends KeysOf<Fields, ReplicaOrMap<Any>>>(key: Key): Extract<Fields[Key], ReplicaOrMap<Any>> {
    return new ReplicaOrMap(insideOf(this.place, 'or-map', key)) as Any;
  }

  /** Takes away what is seen of it here, whatever its type. */
  async remove(key: keyof Fields & string): Promise<void> {
    await Promise.all(this.#typesAt(key).map((of) => this.change({ type: 'remove', of, key })));
  }

  clear(): Promise<void> {
    return this.change({ type: 'clear' });
  }
}

const insideTypes: readonly InsideType[] = [
  ...(['register', 'lww-register', 'pn-counter', 'g-counter'] as const),
  ...(['flag', 'disable-wins-flag', 'or-set', 'or-map'] as const),
];
