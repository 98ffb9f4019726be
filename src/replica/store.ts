// A replicated object as a store of @xstate/store: what selects from, subscribes to or computes from stores does so from this one, and
// its events are the object's changes. (What only reads needs no store: an object is a `Readable` itself.)
import { createStore, type EventObject, type Store, type StoreSnapshot } from '@xstate/store';
import type { ReplicaObject } from './object.ts';
import type { FollowOptions } from './watch.ts';

/** What a transition asks for: something to run, or an event to emit. */
type Effect = EventObject | (() => void);
type Typed = { type: string };
/** A change by its type, without it: as `store.trigger` takes it. */
type Payloads<Change extends Typed> = { [One in Change as One['type']]: Omit<One, 'type'> };
type Context<Value> = { value: Value };
type Failed<Change> = { type: 'failed'; change: Change; error: unknown };

/**
 * `getSnapshot().context.value` is what the object's `get` answers. Its events are the object's changes: `store.trigger.add({ by: 1 })`,
 * `store.send({ type: 'add', by: 1 })`; the value is the new one at once. A change that is refused is emitted as 'failed', with what
 * `change` would have rejected with. It ends with its node, its signal, or as `using` ends it.
 */
export type ReplicaStore<Value, Change extends Typed> = Omit<
  Store<Context<Value>, Payloads<Change>, Failed<Change>>,
  'with' | 'schemas'
> &
  Disposable;

/** No change of any object has this type. */
const hasChanged = '@polity.changed';

/** Throws a PolityError: OVERLOADED at more than 16 384 followers of a node. */
export const replicaStore = <Value, Change extends Typed>(
  object: ReplicaObject<Value, Change>,
  { signal }: FollowOptions = {},
): ReplicaStore<Value, Change> => {
  type Snapshot = StoreSnapshot<Context<Value>>;

  const made = (change: EventObject) => (): void => {
    object.change(change as Change).catch((error: unknown) => tell({ type: 'failed', change, error }));
    tell({ type: hasChanged });
  };
  const store = createStore<Context<Value>, EventObject, EventObject>({
    getInitialSnapshot: (): Snapshot => ({
      ...{ status: 'active', output: undefined, error: undefined },
      context: { value: object.get() },
    }),
    transition(snapshot: Snapshot, event: EventObject): [Snapshot, Effect[]] {
      if (event.type === 'failed') return [snapshot, [event]];
      if (event.type !== hasChanged) return [snapshot, [made(event)]];
      const value = object.get();
      return [Object.is(value, snapshot.context.value) ? snapshot : { ...snapshot, context: { value } }, []];
    },
  });
  const tell = (event: EventObject & { change?: EventObject; error?: unknown }): void => store.send(event);
  const end = object.subscribe(() => tell({ type: hasChanged }), signal === undefined ? {} : { signal });
  return Object.assign(store, { [Symbol.dispose]: end }) as unknown as ReplicaStore<Value, Change>;
};
