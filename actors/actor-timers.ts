// Delayed events of a body as data: XState's scheduler without its clock. XState forgets timers when an actor is restored, names them at
// random and looks at all of them when any actor stops; here they have names that are the same everywhere, and each actor knows its own.
import type { AnyActorRef, EventObject } from 'xstate';
import type { BodyPath, BodyTimer, TimerChange } from './actor-body-api.ts';
import type { InnerActor, Scheduler } from './actor-inside.ts';

export type LiveTimer = BodyTimer & { key: string; source: InnerActor; target: AnyActorRef; event: EventObject };

export interface BodyTimers extends Scheduler {
  /** As it was persisted. */
  restore(timer: LiveTimer): void;
  /** It waits no more, and is told; null: it was cleared. */
  take(id: string): LiveTimer | null;
  all(): Iterable<LiveTimer>;
  readonly size: number;
}

type TimersArguments = {
  pathOf: (actor: unknown) => BodyPath | undefined;
  book: () => number;
  changed: (change: TimerChange) => void;
};

export const createBodyTimers = ({ pathOf, book, changed }: TimersArguments): BodyTimers => {
  const timers = new Map<string, LiveTimer>();
  /** By actor: the ids of its timers by the key that it gave; the latest under a key is the one that `cancel` means. */
  const owned = new Map<InnerActor, Map<string, string[]>>();

  const keep = (timer: LiveTimer): void => {
    timers.set(timer.id, timer);
    let keys = owned.get(timer.source);
    if (keys === undefined) owned.set(timer.source, (keys = new Map()));
    const ids = keys.get(timer.key);
    if (ids === undefined) keys.set(timer.key, [timer.id]);
    else ids.push(timer.id);
  };

  const forget = ({ id, key, source }: LiveTimer): void => {
    timers.delete(id);
    const keys = owned.get(source);
    const left = keys?.get(key)?.filter((one) => one !== id) ?? [];
    if (left.length > 0) keys?.set(key, left);
    else keys?.delete(key);
    if (keys?.size === 0) owned.delete(source);
  };

  const clear = (id: string | undefined): void => {
    const timer = id === undefined ? undefined : timers.get(id);
    if (timer === undefined) return;
    forget(timer);
    changed({ type: 'cleared', id: timer.id });
  };

  return {
    schedule(source, target, event, delayMs, given) {
      const key = given ?? `#${book()}`;
      const plainId = `${pathOf(source) ?? ''}:${key}`;
      // Two under one key both fire, as in XState.
      const id = timers.has(plainId) ? `${plainId}~${book()}` : plainId;
      keep({ id, delayMs, key, source, target, event });
      changed({ type: 'set', timer: { id, delayMs } });
    },
    cancel: (source, key) => clear(owned.get(source)?.get(key)?.at(-1)),
    cancelAll(source) {
      for (const ids of [...(owned.get(source)?.values() ?? [])]) for (const id of ids) clear(id);
    },
    restore: keep,
    take(id) {
      const timer = timers.get(id);
      if (timer === undefined) return null;
      forget(timer);
      return timer;
    },
    all: () => timers.values(),
    get size() {
      return timers.size;
    },
  };
};
