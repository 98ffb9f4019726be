// The register state machine where it lives: applies committed commands to the group's keyspace, answers reads from it, keeps
// the recent events for watchers, and asks for an `expire` entry when log time must move. The rules are in machines/register.
import { type Ledger, type LedgerHost, takeLedgerWrites } from '../machines/entity/ledger.ts';
import { closeStore } from '../machines/entity/ledger-store.ts';
import { type Failure, failure } from '../machines/errors.ts';
import { freeIn } from '../machines/queue/index.ts';
import type { Entry } from '../machines/raft/types.ts';
import {
  apply,
  behindReserved,
  createRegister,
  encodeCommand,
  entryVersionOf,
  isTopicRead,
  type KeyspaceReader,
  type KeyspaceWrite,
  listRange,
  listResult,
  nextExpiryMs,
  type PointRequest,
  query,
  type RegisterCommand,
  type RegisterOutcome,
  type RegisterRead,
  type RegisterResult,
  reservedAt,
  restore,
} from '../machines/register/index.ts';
import type { Outcome, WatchMessage } from './api.ts';
import { keyAfter, keyText } from './keyspace.ts';
import { type ClockPort, type StorageFailure, StorageFault } from './ports/index.ts';
import type { RaftStore } from './raft-store.ts';
import { createRecentRecords } from './recent.ts';
import { createRegisterWaits } from './register-waits.ts';
import type { Scope } from './supervise.ts';
import { createWatchLog } from './watch.ts';
import type { Writer } from './writer.ts';

const pageEntries = 1_000;
const pageBytes = 1 << 20;
/** A list's page fits one message, whatever the values' sizes. */
const listBytesMax = 2 << 20;
const recentBytesMax = 16 << 20;

export interface RegisterReplica {
  /** Reads the whole keyspace to rebuild what is kept in memory. `isRead` false: the group uses entries that this build does not read. */
  load(appliedIndex: number, done: (isRead: boolean) => void): void;
  apply(entry: Entry): RegisterOutcome;
  /** This build knows what it says. */
  reads(entry: Entry): boolean;
  /** Versions of entries: what the group uses as of all that is applied, or what the keyspace says that was not read for that. */
  entries(): number;
  takeWrites(): KeyspaceWrite[];
  applied(index: number): void;
  read(read: RegisterRead, done: (outcome: Outcome<RegisterResult>) => void): void;
  watch(prefix: string, from: number, on: (message: WatchMessage) => void): () => void;
  /** Log time of the earliest expiry, or Infinity. */
  nextExpiryMs(): number;
  /** Messages of a queue that a receive would be given. */
  freeIn(queue: string): number;
  /** The outcome of the request under this idempotency key is remembered. */
  isKnown(idempotencyKey: string): boolean;
  /** The replicated actors in it, and the keyspace as of all that is applied. */
  ledger(): Ledger;
  readonly keyspace: KeyspaceReader;
  /** Every record of the keyspace as of now. */
  records(): RecordPages;
  /** Nobody waits here any more for what may come: reads that do are answered as things are. */
  endWaits(): void;
  /** Answers reads under way with `why` and ends watchers; what this replica itself reads goes on. */
  dismiss(why: Failure): void;
  /** Dismisses everybody and closes what is open. */
  stop(why: Failure): void;
}

type Page = [Uint8Array, Uint8Array][];

export interface RecordPages {
  /** The next page, empty at the end; one at a time. */
  next(on: (failure: StorageFailure | null, page: Page) => void): void;
  close(): void;
}

/** The command that lets log time pass. */
export const expireCommand = (): Uint8Array => encodeCommand({ write: { op: 'expire' } } satisfies RegisterCommand);

export const createRegisterReplica = (args: {
  scope: Scope;
  clock: ClockPort;
  writer: Writer;
  store: RaftStore;
  watchEventsMax: number;
  /** Folds the replicated actors in it; null: nobody does. */
  actors?: LedgerHost | null;
  /** Newest version of entries that is read. */
  entriesMax?: number;
}): RegisterReplica => {
  const { scope, writer, store } = args;
  const events = createWatchLog(args.watchEventsMax);
  const fresh = () => createRegister(undefined, undefined, args.actors ?? null, args.entriesMax);
  let register = fresh();
  let appliedIndex = 0;
  let writes: KeyspaceWrite[] = [];
  /** Also what the writer has not been handed yet, so that a later entry of a turn sees an earlier one's write. */
  const recent = createRecentRecords(recentBytesMax);

  /** Does not add to what is kept, however many keys readers ask for. */
  const read = (key: Uint8Array): Uint8Array | undefined => {
    const known = recent.get(keyText(key));
    return known === undefined ? writer.get(store.stateKey(key)) : (known ?? undefined);
  };

  /** While the memory is being rebuilt it holds a part of the truth. */
  let isLoading = false;
  const ask = (request: PointRequest): RegisterOutcome =>
    isLoading && isTopicRead(request)
      ? { ok: false, failure: failure('NOT_READY', 'the state of this replica is being read from its disk') }
      : query(register, read, request, appliedIndex);

  const waits = createRegisterWaits({
    ...{ scope, clock: args.clock },
    query: ask,
  });
  let touched = new Set<string>();

  /** Readers that hold a view open, by what ends them. */
  const readers = new Set<(why: Failure) => void>();
  /** The same for this replica's own reading of the whole keyspace. */
  const loads: typeof readers = new Set();

  /** A frozen view of the keyspace, read page by page. */
  const openPages = (holders: typeof readers): RecordPages => {
    const view = writer.view();
    const range = store.stateRange();
    const prefixBytes = range.gte.byteLength;
    let reading = false;
    const close = (): void => {
      if (holders.delete(close)) view.close();
    };
    holders.add(close);
    return {
      close,
      next(on) {
        if (reading || !holders.has(close)) return;
        reading = true;
        view.read(
          { ...range, limit: pageEntries, limitBytes: pageBytes },
          scope.guard((why, entries) => {
            reading = false;
            if (!holders.has(close)) return;
            const last = entries.at(-1);
            if (last !== undefined) range.gte = keyAfter(last[0]);
            on(
              why,
              entries.map(([key, value]): [Uint8Array, Uint8Array] => [key.subarray(prefixBytes), value]),
            );
          }),
        );
      },
    };
  };

  const list = (request: Extract<RegisterRead, { op: 'list' }>, done: (outcome: Outcome<RegisterResult>) => void): void => {
    const range = listRange(request);
    const index = appliedIndex;
    const view = writer.view();
    const end = (outcome: Outcome<RegisterResult>): void => {
      if (!readers.delete(give)) return;
      view.close();
      done(outcome);
    };
    const give = (why: Failure): void => end({ ok: false, failure: why });
    readers.add(give);
    /** Twice at most, for what is stepped over lies in one place. */
    const read = (gte: Uint8Array, before: Page): void => {
      const limit = range.limit - before.length;
      const limitBytes = Math.max(1, listBytesMax - bytesOf(before));
      view.read(
        { gte: store.stateKey(gte), lt: store.stateKey(range.lt), limit, limitBytes },
        scope.guard((why, entries) => {
          if (why !== null) return give(failure('STORAGE_FAILED', `the keyspace cannot be read: ${why.message}`));
          const complete = entries.length >= limit || entries.length === 0 || bytesOf(entries) < limitBytes;
          const records = entries.map(([key, value]): [Uint8Array, Uint8Array] => [store.relativeKey(key), value]);
          const own = reservedAt(request, records);
          if (own >= 0) return read(behindReserved, records.slice(0, own));
          end(outcomeOf(listResult(request, [...before, ...records], index, complete)));
        }),
      );
    };
    read(range.gte, []);
  };

  const dismiss = (why: Failure): void => {
    for (const end of [...readers]) end(why);
    waits.fail(why);
    events.stop();
  };

  return {
    load(index, done) {
      closeStore(register.actors.store);
      register = fresh();
      isLoading = true;
      writes = [];
      recent.clear();
      appliedIndex = index;
      const pages = openPages(loads);
      const onPage = (why: StorageFailure | null, page: Page): void => {
        if (why !== null) throw new StorageFault({ ...why, message: `the keyspace cannot be read: ${why.message}` });
        const isRead = restore(register, page);
        if (isRead && page.length > 0) return pages.next(onPage);
        pages.close();
        if (!isRead) return done(false);
        isLoading = false;
        events.reset(index);
        waits.lookAgain();
        done(true);
      };
      pages.next(onPage);
    },

    apply(entry) {
      const result = apply(register, entry, read);
      for (const write of result.writes) {
        writes.push(write);
        recent.set(keyText(write.key), write.value);
      }
      if (result.events.length > 0) events.append(result.events);
      for (const name of result.touched) touched.add(name);
      return result.outcome;
    },

    reads: ({ data }) => entryVersionOf(data) <= register.entriesMax,
    entries: () => register.entries,

    takeWrites() {
      const taken = writes;
      writes = [];
      for (const write of takeLedgerWrites(register.actors)) taken.push(write);
      recent.age();
      return taken;
    },

    applied(index) {
      appliedIndex = index;
      events.flush(index);
      const names = touched;
      if (names.size > 0) touched = new Set();
      waits.applied(index, names);
    },

    read(request, done) {
      if (request.op === 'list') list(request, done);
      else waits.answer(request, (outcome) => done(outcomeOf(outcome)));
    },

    watch: (prefix, from, on) => events.watch(prefix, from, on),
    nextExpiryMs: () => nextExpiryMs(register),
    freeIn: (queue) => freeIn(register.queues, queue),
    isKnown: (idempotencyKey) => register.sessions.has(idempotencyKey),

    ledger: () => register.actors,
    keyspace: read,
    records: () => openPages(readers),
    endWaits: waits.close,
    dismiss,

    stop(why) {
      dismiss(why);
      for (const end of [...loads]) end(why);
      closeStore(register.actors.store);
    },
  };
};

const outcomeOf = (outcome: RegisterOutcome): Outcome<RegisterResult> =>
  outcome.ok ? { ok: true, value: outcome.result } : { ok: false, failure: outcome.failure };

const bytesOf = (entries: readonly [Uint8Array, Uint8Array][]): number =>
  entries.reduce((sum, [key, value]) => sum + key.byteLength + value.byteLength, 0);
