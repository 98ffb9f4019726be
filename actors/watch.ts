// The recent events of one group, in memory and bounded, and who watches them. A watcher sees every event of its prefix from
// its index on, in log order, or is told that it cannot (COMPACTED); nothing is skipped.
import { failure } from '../machines/errors.ts';
import { isReserved } from '../machines/register/index.ts';
import type { RegisterEvent } from '../machines/register/types.ts';
import { limits } from '../machines/wire/limits.ts';
import type { WatchMessage } from './api.ts';

type Watcher = { prefix: string; from: number; toldIndex: number; on: (message: WatchMessage) => void };

/** A watcher that sees no event is told how far the log is every so many entries. */
const progressEvery = 1_000;

const eventBytesMax = 32 << 20;

export interface WatchLog {
  /** Everything at or below `index` is unknown from here on (start, snapshot); watchers that need it are ended. */
  reset(index: number): void;
  append(events: readonly RegisterEvent[]): void;
  /** End of a turn in which entries up to `index` were applied. */
  flush(index: number): void;
  watch(prefix: string, from: number, on: (message: WatchMessage) => void): () => void;
  stop(): void;
}

export const createWatchLog = (eventsMax: number): WatchLog => {
  let events: RegisterEvent[] = [];
  let bytes = 0;
  /** Every event with a greater index is in `events`. */
  let compacted = 0;
  let applied = 0;
  let unflushed: RegisterEvent[] = [];
  const watchers = new Set<Watcher>();

  const sizeOf = (event: RegisterEvent): number => event.key.length + (event.value?.byteLength ?? 0) + 64;
  const compactedAt = (): WatchMessage => ({
    type: 'failed',
    failure: failure('COMPACTED', `events up to index ${compacted} are gone`, { index: compacted }),
  });

  /** Drops the oldest half-full share at once, so that trimming costs O(1) an event. Whole indices only. */
  const trim = (): void => {
    if (events.length <= eventsMax * 1.25 && bytes <= eventBytesMax) return;
    let drop = 0;
    while (drop < events.length && (events.length - drop > eventsMax || bytes > eventBytesMax * 0.75))
      bytes -= sizeOf(events[drop++]!);
    while (drop < events.length && drop > 0 && events[drop]!.index === events[drop - 1]!.index)
      bytes -= sizeOf(events[drop++]!);
    compacted = events[drop - 1]!.index;
    events = events.slice(drop);
  };

  return {
    reset(index) {
      events = [];
      unflushed = [];
      bytes = 0;
      const behind = index > applied;
      compacted = index;
      applied = index;
      if (!behind) return;
      for (const watcher of [...watchers]) {
        // It waits for what is still to come, as after a restart whoever saw more elsewhere.
        if (watcher.from > index) continue;
        watchers.delete(watcher);
        watcher.on(compactedAt());
      }
    },
    append(added) {
      for (const event of added) {
        if (isReserved(event.key)) continue;
        events.push(event);
        bytes += sizeOf(event);
        unflushed.push(event);
      }
      trim();
    },
    flush(index) {
      applied = index;
      const fresh = unflushed;
      unflushed = [];
      for (const watcher of [...watchers]) {
        const seen = fresh.filter((event) => event.index >= watcher.from && event.key.startsWith(watcher.prefix));
        if (seen.length === 0 && index - watcher.toldIndex < progressEvery) continue;
        watcher.toldIndex = index;
        watcher.on(seen.length > 0 ? { type: 'events', events: seen, index } : { type: 'progress', index });
      }
    },
    watch(prefix, from, on) {
      const refuse = (message: WatchMessage) => {
        on(message);
        return () => {};
      };
      if (watchers.size >= limits.watchersMax)
        return refuse({ type: 'failed', failure: failure('OVERLOADED', `this node has ${limits.watchersMax} watchers`) });
      if (from !== 0 && from <= compacted) return refuse(compactedAt());
      const watcher: Watcher = { prefix, from, toldIndex: applied, on };
      const missed =
        from === 0
          ? []
          : events.filter((event) => event.index >= from && event.index <= applied && event.key.startsWith(prefix));
      watchers.add(watcher);
      on(missed.length > 0 ? { type: 'events', events: missed, index: applied } : { type: 'progress', index: applied });
      return () => void watchers.delete(watcher);
    },
    stop() {
      for (const watcher of watchers)
        watcher.on({ type: 'failed', failure: failure('STOPPING', 'the node stops or the group restarts; watch again') });
      watchers.clear();
    },
  };
};
