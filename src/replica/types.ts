// The replicated types as programs use them. What wins where changes meet that knew nothing of each other is in
// docs/internals/replicator-types.md.
import type { LwwMapView } from '../../machines/replicator/lww-map.ts';
import type { SetView } from '../../machines/replicator/or-set.ts';
import type { Sibling } from '../../machines/replicator/register.ts';
import { resolve, type Strategy } from '../../machines/replicator/strategies.ts';
import type { Plain } from '../../machines/replicator/types.ts';
import { frozen } from './frozen.ts';
import { ReplicaObject } from './object.ts';
import type { Place } from './place.ts';

/**
 * Which of a register's siblings `get` shows: 'last-writer' (default), 'highest-node', 'union' (of lists every element once; of objects
 * every key, the last writer's where several have it), 'keep-all' (a list of them all), or a function of yours, which must be pure and
 * answer the same for any order of the same values.
 */
export type ReplicaStrategy<Value> =
  | Exclude<Strategy, (...given: never[]) => unknown>
  | ((siblings: readonly Value[]) => Value);

export type RegisterChange<Value> = { type: 'set'; value: Value } | { type: 'clear' };

/** A value; writes that knew nothing of each other are all kept, and `conflicts` says which of them `get` shows. */
export class ReplicaRegister<Value = Plain, Shown = Value | undefined> extends ReplicaObject<
  Shown,
  RegisterChange<Value>,
  'register'
> {
  readonly #conflicts: Strategy;

  constructor(place: Place, conflicts: ReplicaStrategy<Value> = 'last-writer') {
    super(place);
    this.#conflicts = conflicts as Strategy;
  }

  /** Undefined: never set, or cleared; with 'keep-all' a list without values. */
  protected override view(read: unknown): Shown {
    const siblings = ((read ?? []) as readonly Sibling[]).map(
      ([replica, count, stamp, value]): Sibling => [replica, count, stamp, frozen(value)],
    );
    const shown = resolve(siblings, this.#conflicts);
    if (this.#conflicts === 'keep-all') return Object.freeze(shown ?? []) as Shown;
    return (this.#conflicts === 'union' && shown !== undefined ? frozen(shown) : shown) as Shown;
  }

  /** More than one: they were set by nodes that knew nothing of each other. The next `set` ends it. By replica. */
  siblings(): readonly Value[] {
    return Object.freeze(((this.place.read() ?? []) as readonly Sibling[]).map(([, , , value]) => frozen(value) as Value));
  }

  /** Plain data of at most 1 MiB, packed. */
  set(value: Value): Promise<void> {
    return this.change({ type: 'set', value });
  }

  clear(): Promise<void> {
    return this.change({ type: 'clear' });
  }
}

/** A value of which only the last write is kept: less memory than a register, and no siblings. A conflict tells what it `lost`. */
export class ReplicaLwwRegister<Value = Plain> extends ReplicaObject<Value | undefined, RegisterChange<Value>, 'lww-register'> {
  /** Undefined: never set, or cleared. */
  protected override view(read: unknown): Value | undefined {
    return read === undefined ? undefined : (frozen(read as Plain) as Value);
  }

  /** Plain data of at most 1 MiB, packed. */
  set(value: Value): Promise<void> {
    return this.change({ type: 'set', value });
  }

  clear(): Promise<void> {
    return this.change({ type: 'clear' });
  }
}

export type CounterChange = { type: 'add'; by: number };

/** Raised and lowered anywhere; whole numbers. */
export class ReplicaCounter extends ReplicaObject<number, CounterChange, 'pn-counter'> {
  protected override view(read: unknown): number {
    return (read as number | undefined) ?? 0;
  }

  add(by = 1): Promise<void> {
    return this.change({ type: 'add', by });
  }
}

/** Raised anywhere and never lowered; whole numbers. */
export class ReplicaGCounter extends ReplicaObject<number, CounterChange, 'g-counter'> {
  protected override view(read: unknown): number {
    return (read as number | undefined) ?? 0;
  }

  /** From 0 on. */
  add(by = 1): Promise<void> {
    return this.change({ type: 'add', by });
  }
}

export type FlagChange = { type: 'enable' | 'disable' };

/** On or off; of switches that knew nothing of each other the one wins that was chosen when it was made, on if nothing was said. */
export class ReplicaFlag extends ReplicaObject<boolean, FlagChange, 'flag' | 'disable-wins-flag'> {
  protected override view(read: unknown): boolean {
    return (read as boolean | undefined) ?? false;
  }

  enable(): Promise<void> {
    return this.change({ type: 'enable' });
  }

  disable(): Promise<void> {
    return this.change({ type: 'disable' });
  }
}

export type SetChange<Element> = { type: 'add' | 'remove'; element: Element } | { type: 'clear' };

/** A set of plain data; whoever removes takes away what he has seen, so an add that he knew nothing of stays. */
export class ReplicaSet<Element = Plain> extends ReplicaObject<readonly Element[], SetChange<Element>, 'or-set'> {
  /** In the same order at every node. */
  protected override view(read: unknown): readonly Element[] {
    return Object.freeze(((read as SetView | undefined)?.sorted() ?? []).map(frozen)) as readonly Element[];
  }

  get size(): number {
    return (this.place.read() as SetView | undefined)?.size ?? 0;
  }

  has(element: Element): boolean {
    return (this.place.read() as SetView | undefined)?.has(element as Plain) ?? false;
  }

  add(element: Element): Promise<void> {
    return this.change({ type: 'add', element });
  }

  remove(element: Element): Promise<void> {
    return this.change({ type: 'remove', element });
  }

  clear(): Promise<void> {
    return this.change({ type: 'clear' });
  }
}

export type SequenceChange<Content> =
  | { type: 'insert'; at: number | 'end'; content: Content }
  | { type: 'remove'; at: number; count: number };

/** A text that many edit at once; places are UTF-16 units, as in JavaScript's strings. */
export class ReplicaText extends ReplicaObject<string, SequenceChange<string>, 'text'> {
  protected override view(read: unknown): string {
    return (read as string | undefined) ?? '';
  }

  /** Behind `at` units, or at the end as it is here now. */
  insert(at: number | 'end', content: string): Promise<void> {
    return this.change({ type: 'insert', at, content });
  }

  remove(at: number, count = 1): Promise<void> {
    return this.change({ type: 'remove', at, count });
  }
}

/** A list that many edit at once. */
export class ReplicaList<Value = Plain> extends ReplicaObject<readonly Value[], SequenceChange<readonly Value[]>, 'list'> {
  protected override view(read: unknown): readonly Value[] {
    return Object.freeze(((read ?? []) as readonly Plain[]).map(frozen)) as readonly Value[];
  }

  /** Behind `at` values, or at the end as it is here now. */
  insert(at: number | 'end', ...content: readonly Value[]): Promise<void> {
    return this.change({ type: 'insert', at, content });
  }

  push(...content: readonly Value[]): Promise<void> {
    return this.insert('end', ...content);
  }

  remove(at: number, count = 1): Promise<void> {
    return this.change({ type: 'remove', at, count });
  }
}

export type MapChange<Value> = { type: 'put'; key: string; value: Value } | { type: 'remove'; key: string };

/** Keys and values; for each key the last put or remove wins. */
export class ReplicaMap<Value = Plain> extends ReplicaObject<ReadonlyMap<string, Value>, MapChange<Value>, 'lww-map'> {
  /** By key. */
  protected override view(read: unknown): ReadonlyMap<string, Value> {
    const entries = (read as LwwMapView | undefined)?.sorted() ?? [];
    return new Map(entries.map(([key, value]) => [key, frozen(value) as Value]));
  }

  get size(): number {
    return (this.place.read() as LwwMapView | undefined)?.size ?? 0;
  }

  at(key: string): Value | undefined {
    const value = (this.place.read() as LwwMapView | undefined)?.get(key);
    return value === undefined ? undefined : (frozen(value) as Value);
  }

  put(key: string, value: Value): Promise<void> {
    return this.change({ type: 'put', key, value });
  }

  remove(key: string): Promise<void> {
    return this.change({ type: 'remove', key });
  }
}
