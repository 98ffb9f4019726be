// What is on the disk of an actor that cannot be read (damage, a version that nothing here migrates, logic that throws at its own log) is
// taken away without opening it, by hand of an operator. What it was delivered is kept as far as it can be read, as of any that is stopped.
import { type ActorAddress, addressText } from '../machines/entity/address.ts';
import { type Failure, failure } from '../machines/errors.ts';
import { historyLimits, isKept } from './actor-history.ts';
import { type Buried, openBuried, openEntries, openSnapshot, sealBuried } from './actor-records.ts';
import { actorKeys, firstIndexOf, keyAfter } from './keyspace.ts';
import type { StorageOperation, StorageView } from './ports/index.ts';
import type { Writer } from './writer.ts';

const pageEntries = 64;
const pageBytes = 4 << 20;

/** `unread`: what of it could not be read, by name, so that deliveries it knew of are forgotten. */
type Remains = { operations: StorageOperation[]; buried: Buried | null; unread: string[] };

/** `isRefused`: by the disk, which may show it as gone from now on; else nothing was written. */
export type Removed =
  | { ok: true; hasBuried: boolean; unread: readonly string[] }
  | { ok: false; isRefused: boolean; failure: Failure };

/** Nothing of it is read or written by anybody else meanwhile. */
export const removeRemains = (writer: Writer, address: ActorAddress, nowMs: number, done: (removed: Removed) => void): void => {
  const fail = (isRefused: boolean, why: string): void => {
    const message = `${addressText(address)} could not be removed: ${why}`;
    done({ ok: false, isRefused, failure: failure('STORAGE_FAILED', message) });
  };
  collect(writer, address, nowMs, (remains) => {
    if (typeof remains === 'string') return fail(false, remains);
    const { operations, buried, unread } = remains;
    writer.write(operations, { durable: true }, (why) => {
      if (why !== null) fail(true, `${why.code}: ${why.message}`);
      else done({ ok: true, hasBuried: buried !== null, unread });
    });
  });
};

/** A text says why it cannot even be known what there is. */
const collect = (
  writer: Writer,
  { type, key }: ActorAddress,
  nowMs: number,
  done: (remains: Remains | string) => void,
): void => {
  const keys = actorKeys(type, key);
  const operations: StorageOperation[] = [keys.snapshot, keys.done, keys.wake, keys.delivered].map((one) => ({
    key: one,
    value: null,
  }));
  const ids = new Map<string, number>();
  const passedOver = new Set<number>();
  const taken: { number: number; id: string; atMs: number }[] = [];
  const unread: string[] = [];
  const note = (rows: readonly (readonly [string, number])[]): void => {
    for (const [id, atMs] of rows) ids.set(id, atMs);
  };
  const attempt = (what: string, read: () => void): void => {
    try {
      read();
    } catch {
      unread.push(what);
    }
  };
  attempt('what was delivered before it', () => {
    const value = writer.get(keys.delivered);
    if (value === undefined) return;
    const before = openBuried(keys.delivered, value);
    operations.push({ key: keys.buried(before.untilMs), value: null });
    note(before.ids);
  });
  attempt('its snapshot', () => {
    const value = writer.get(keys.snapshot);
    if (value === undefined) return void unread.push('its snapshot');
    const snapshot = openSnapshot(keys, value);
    note(snapshot.before);
    note(snapshot.ids);
  });
  /** What stands in the log was taken: whether it was handled nobody can say, and it is not done by the next of this name. */
  const add = (at: Uint8Array, value: Uint8Array): void => {
    operations.push({ key: at, value: null });
    const first = firstIndexOf(at);
    attempt(`its log at ${first}`, () => {
      for (const [n, entry] of openEntries(at, value).entries.entries())
        if (entry.kind === 'skip') passedOver.add(entry.number);
        else if (entry.kind === 'event' && entry.id !== null) taken.push({ number: first + n, id: entry.id, atMs: entry.atMs });
    });
  };
  const end = (): void => {
    for (const { number, id, atMs } of taken) if (!passedOver.has(number)) ids.set(id, atMs);
    const buried = toBury([...ids], nowMs);
    if (buried !== null)
      operations.push(
        { key: keys.delivered, value: sealBuried(keys.delivered, buried) },
        { key: keys.buried(buried.untilMs), value: new Uint8Array(0) },
      );
    done({ operations, buried, unread });
  };
  let view: StorageView;
  try {
    view = writer.view();
  } catch (error) {
    return done(String(error));
  }
  const page = (gte: Uint8Array): void =>
    view.read({ gte, lt: keys.logRange.lt, limit: pageEntries, limitBytes: pageBytes }, (why, values) => {
      const last = values.at(-1);
      if (why === null) for (const [at, value] of values) add(at, value);
      if (why === null && last !== undefined) return page(keyAfter(last[0]));
      view.close();
      if (why === null) end();
      else done(`its log cannot be read: ${why.code}: ${why.message}`);
    });
  page(keys.logRange.gte);
};

/** As long as that is not too long ago for any. */
export const toBury = (delivered: readonly [string, number][], nowMs: number): Buried | null => {
  const ids = delivered.filter(([, atMs]) => isKept(atMs, nowMs)).slice(-historyLimits.idsMax);
  if (ids.length === 0) return null;
  const newestMs = Math.max(...ids.map(([, atMs]) => atMs));
  return { untilMs: Math.ceil(newestMs + historyLimits.idsKeptMs), ids };
};
