// The replicated types as programs use them.
import type { ReplicaApi } from '../../actors/api.ts';
import type { LwwMapView } from '../../machines/replicator/lww-map.ts';
import type { SetView } from '../../machines/replicator/or-set.ts';
import type { Sibling } from '../../machines/replicator/register.ts';
import { resolve, type Strategy } from '../../machines/replicator/strategies.ts';
import type { Plain } from '../../machines/replicator/types.ts';
import { ReplicaObject } from './object.ts';

/** A value; writes that knew nothing of each other are all kept, and `conflicts` says which of them `get` shows. */
export class ReplicaRegister<Value extends Plain> extends ReplicaObject<Value | undefined> {
  readonly #conflicts: Strategy;

  constructor(api: ReplicaApi, key: string, conflicts: Strategy) {
    super(api, 'register', key);
    this.#conflicts = conflicts;
  }

  #siblings(): readonly Sibling[] {
    return (this.read() as readonly Sibling[] | undefined) ?? [];
  }

  /** Undefined: never set, or cleared. With 'keep-all' a list of all values. */
  get(): Value | undefined {
    return resolve(this.#siblings(), this.#conflicts) as Value | undefined;
  }

  /** More than one: they were set by nodes that knew nothing of each other. The next `set` ends it. */
  siblings(): Value[] {
    return this.#siblings().map(([, , , value]) => value as Value);
  }

  set(value: Value): Promise<void> {
    return this.change({ type: 'set', value });
  }

  clear(): Promise<void> {
    return this.change({ type: 'clear' });
  }
}

/** Raised and lowered anywhere; whole numbers. */
export class ReplicaCounter extends ReplicaObject<number> {
  constructor(api: ReplicaApi, key: string) {
    super(api, 'pn-counter', key);
  }

  get(): number {
    return (this.read() as number | undefined) ?? 0;
  }

  add(by = 1): Promise<void> {
    return this.change({ type: 'add', by });
  }
}

/** On or off; of switches that knew nothing of each other the one that was chosen at its making wins, on if nothing was said. */
export class ReplicaFlag extends ReplicaObject<boolean> {
  constructor(api: ReplicaApi, key: string, wins: 'on' | 'off') {
    super(api, wins === 'on' ? 'flag' : 'disable-wins-flag', key);
  }

  get(): boolean {
    return (this.read() as boolean | undefined) ?? false;
  }

  enable(): Promise<void> {
    return this.change({ type: 'enable' });
  }

  disable(): Promise<void> {
    return this.change({ type: 'disable' });
  }
}

/** A set of plain data; whoever removes takes away what he has seen, so an add that he knew nothing of stays. */
export class ReplicaSet<Element extends Plain> extends ReplicaObject<Element[]> {
  constructor(api: ReplicaApi, key: string) {
    super(api, 'or-set', key);
  }

  #view(): SetView | undefined {
    return this.read() as SetView | undefined;
  }

  /** In the same order at every node. */
  get(): Element[] {
    return (this.#view()?.sorted() ?? []) as Element[];
  }

  get size(): number {
    return this.#view()?.size ?? 0;
  }

  has(element: Element): boolean {
    return this.#view()?.has(element) ?? false;
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

/** A text that many edit at once; places are UTF-16 units, as in JavaScript's strings. */
export class ReplicaText extends ReplicaObject<string> {
  constructor(api: ReplicaApi, key: string) {
    super(api, 'text', key);
  }

  get(): string {
    return (this.read() as string | undefined) ?? '';
  }

  insert(at: number, content: string): Promise<void> {
    return this.change({ type: 'insert', at, content });
  }

  remove(at: number, count = 1): Promise<void> {
    return this.change({ type: 'remove', at, count });
  }
}

/** A list that many edit at once. */
export class ReplicaList<Value extends Plain> extends ReplicaObject<readonly Value[]> {
  constructor(api: ReplicaApi, key: string) {
    super(api, 'list', key);
  }

  get(): readonly Value[] {
    return (this.read() as readonly Value[] | undefined) ?? [];
  }

  insert(at: number, ...content: readonly Value[]): Promise<void> {
    return this.change({ type: 'insert', at, content });
  }

  push(...content: readonly Value[]): Promise<void> {
    return this.insert(this.get().length, ...content);
  }

  remove(at: number, count = 1): Promise<void> {
    return this.change({ type: 'remove', at, count });
  }
}

/** Keys and values; for each key the last put or remove wins. */
export class ReplicaMap<Value extends Plain> extends ReplicaObject<Map<string, Value>> {
  constructor(api: ReplicaApi, key: string) {
    super(api, 'lww-map', key);
  }

  #view(): LwwMapView | undefined {
    return this.read() as LwwMapView | undefined;
  }

  /** A copy, by key. */
  get(): Map<string, Value> {
    return new Map((this.#view()?.sorted() ?? []) as [string, Value][]);
  }

  get size(): number {
    return this.#view()?.size ?? 0;
  }

  at(key: string): Value | undefined {
    return this.#view()?.get(key) as Value | undefined;
  }

  put(key: string, value: Value): Promise<void> {
    return this.change({ type: 'put', key, value });
  }

  remove(key: string): Promise<void> {
    return this.change({ type: 'remove', key });
  }
}
