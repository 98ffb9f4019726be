// Announcements that have not ended, oldest first: what an exchange can repair others with. Bounded in all and for each source, so
// that one that says much pushes out its own and not what others said; who makes room goes in order of age, never by chance.
import { gossipLimits as max } from './limits.ts';
import type { Source, Stored } from './sources.ts';

export type Store = {
  /** In the order of their arrival. */
  readonly all: Set<Stored>;
  bytes: number;
  /** No earlier does any of them end. */
  endsMs: number;
};

export const createStore = (): Store => ({ all: new Set(), bytes: 0, endsMs: Number.POSITIVE_INFINITY });

export const bytesOf = (topic: string, body: Uint8Array): number => body.byteLength + topic.length + max.storedBytes;

export const keep = (store: Store, stored: Stored): void => {
  const { source } = stored;
  store.all.add(stored);
  store.bytes += stored.bytes;
  store.endsMs = Math.min(store.endsMs, stored.endsMs);
  source.kept.set(stored.sequence, stored);
  source.keptBytes += stored.bytes;
};

export const letGo = (store: Store, stored: Stored): void => {
  const { source } = stored;
  if (!store.all.delete(stored)) return;
  store.bytes -= stored.bytes;
  source.kept.delete(stored.sequence);
  source.keptBytes -= stored.bytes;
};

/** The one that has to go next, or null if there is room for `bytes` more of this source. */
export const nextToGo = (store: Store, source: Source, bytes: number): Stored | null => {
  const { kept } = source;
  if (kept.size > 0 && (kept.size >= max.sourceMessagesMax || source.keptBytes + bytes > max.sourceBytesMax))
    return first(kept.values());
  if (store.all.size > 0 && (store.all.size >= max.storeMessagesMax || store.bytes + bytes > max.storeBytesMax))
    return first(store.all.values());
  return null;
};

const first = (values: Iterator<Stored>): Stored => values.next().value as Stored;

/** Whether this source has room for one more of its own without letting go of what has not ended. */
export const hasRoom = ({ kept, keptBytes }: Source, bytes: number): boolean =>
  kept.size < max.sourceMessagesMax && keptBytes + bytes <= max.sourceBytesMax;

/** Clears away what has ended; nothing that has is held back any more. */
export const sweep = (store: Store, nowMs: number): void => {
  let endsMs = Number.POSITIVE_INFINITY;
  for (const stored of store.all) {
    if (stored.endsMs > nowMs) {
      endsMs = Math.min(endsMs, stored.endsMs);
      continue;
    }
    letGo(store, stored);
  }
  store.endsMs = endsMs;
};
