// The register state machine where it lives: applies committed commands to the group's keyspace, answers reads from it, keeps
// the recent events for watchers, and asks for an `expire` entry when log time must move. The rules are in machines/register.
import { failure } from '../machines/errors.ts';
import type { Entry } from '../machines/raft/types.ts';
import {
  apply,
  createRegister,
  encodeCommand,
  type KeyspaceWrite,
  listRange,
  listResult,
  nextExpiryMs,
  query,
  type RegisterCommand,
  type RegisterOutcome,
  type RegisterRead,
  type RegisterResult,
  restore,
} from '../machines/register/index.ts';
import type { Outcome, WatchMessage } from './api.ts';
import { keyText } from './keyspace.ts';
import type { ClockPort, StorageFailure, StorageView } from './ports/index.ts';
import type { RaftStore } from './raft-store.ts';
import { createRecentRecords } from './recent.ts';
import type { Scope } from './supervise.ts';
import { createWatchLog } from './watch.ts';
import type { Writer } from './writer.ts';

const pageEntries = 1_000;
const pageBytes = 1 << 20;
/** A list's page fits one message, whatever the values' sizes. */
const listBytesMax = 2 << 20;
const recentBytesMax = 16 << 20;

export interface RegisterReplica {
  /** Reads the whole keyspace to rebuild what is kept in memory. */
  load(appliedIndex: number, done: () => void): void;
  apply(entry: Entry): RegisterOutcome;
  takeWrites(): KeyspaceWrite[];
  applied(index: number): void;
  read(read: RegisterRead, done: (outcome: Outcome<RegisterResult>) => void): void;
  watch(prefix: string, from: number, on: (message: WatchMessage) => void): () => void;
  /** Log time of the earliest expiry, or Infinity. */
  nextExpiryMs(): number;
  /** Every record of the keyspace as of now, page by page. */
  records(on: (failure: StorageFailure | null, page: [Uint8Array, Uint8Array][], more: () => void) => void): () => void;
  stop(): void;
}

/** The command that lets log time pass. */
export const expireCommand = (): Uint8Array => encodeCommand({ write: { op: 'expire' } } satisfies RegisterCommand);

export const createRegisterReplica = (args: {
  scope: Scope;
  clock: ClockPort;
  writer: Writer;
  store: RaftStore;
  watchEventsMax: number;
}): RegisterReplica => {
  const { scope, writer, store } = args;
  const events = createWatchLog(args.watchEventsMax);
  let register = createRegister();
  let appliedIndex = 0;
  let writes: KeyspaceWrite[] = [];
  /** Also what the writer has not been handed yet, so that a later entry of a turn sees an earlier one's write. */
  const recent = createRecentRecords(recentBytesMax);

  /** Does not add to what is kept, however many keys readers ask for. */
  const read = (key: Uint8Array): Uint8Array | undefined => {
    const known = recent.get(keyText(key));
    return known === undefined ? writer.get(store.stateKey(key)) : (known ?? undefined);
  };

  /** Reads a range of the keyspace from a frozen view; calls `on` once per page until it says stop or the end. */
  const readPages = (
    view: Pick<StorageView, 'read'>,
    on: (why: StorageFailure | null, page: [Uint8Array, Uint8Array][], more: (() => void) | null) => void,
  ): void => {
    const { gte, lt } = store.stateRange();
    const next = (from: Uint8Array): void =>
      view.read(
        { gte: from, lt, limit: pageEntries, limitBytes: pageBytes },
        scope.guard((why, entries) => {
          if (why !== null) return on(why, [], null);
          const last = entries.at(-1);
          const page = entries.map(([key, value]): [Uint8Array, Uint8Array] => [store.relativeKey(key), value]);
          on(null, page, last === undefined ? null : () => next(keyAfter(last[0])));
        }),
      );
    next(gte);
  };

  return {
    load(index, done) {
      register = createRegister();
      writes = [];
      recent.clear();
      appliedIndex = index;
      const view = writer.view();
      readPages(view, (why, page, more) => {
        if (why !== null) throw new Error(`${why.code}: the keyspace cannot be read: ${why.message}`);
        restore(register, page);
        if (more !== null) return more();
        view.close();
        events.reset(index);
        done();
      });
    },

    apply(entry) {
      const result = apply(register, entry, read);
      for (const write of result.writes) {
        writes.push(write);
        recent.set(keyText(write.key), write.value);
      }
      if (result.events.length > 0) events.append(result.events);
      return result.outcome;
    },

    takeWrites() {
      const taken = writes;
      writes = [];
      recent.age();
      return taken;
    },

    applied(index) {
      appliedIndex = index;
      events.flush(index);
    },

    read(request, done) {
      if (request.op !== 'list') return done(outcomeOf(query(register, read, request, appliedIndex)));
      const range = listRange(request);
      const index = appliedIndex;
      const view = writer.view();
      view.read(
        { gte: store.stateKey(range.gte), lt: store.stateKey(range.lt), limit: range.limit, limitBytes: listBytesMax },
        scope.guard((why, entries) => {
          view.close();
          if (why !== null)
            return done({ ok: false, failure: failure('STORAGE_FAILED', `the keyspace cannot be read: ${why.message}`) });
          const complete = entries.length >= range.limit || entries.length === 0 || bytesOf(entries) < listBytesMax;
          const records = entries.map(([key, value]): [Uint8Array, Uint8Array] => [store.relativeKey(key), value]);
          done(outcomeOf(listResult(request, records, index, complete)));
        }),
      );
    },

    watch: (prefix, from, on) => events.watch(prefix, from, on),
    nextExpiryMs: () => nextExpiryMs(register),

    records(on) {
      const view = writer.view();
      let open = true;
      const close = (): void => {
        if (open) view.close();
        open = false;
      };
      readPages(view, (why, page, more) => {
        if (!open) return;
        if (more === null) close();
        on(why, page, () => {
          if (open) more?.();
        });
      });
      return close;
    },

    stop: () => events.stop(),
  };
};

const outcomeOf = (outcome: RegisterOutcome): Outcome<RegisterResult> =>
  outcome.ok ? { ok: true, value: outcome.result } : { ok: false, failure: outcome.failure };

const bytesOf = (entries: readonly [Uint8Array, Uint8Array][]): number =>
  entries.reduce((sum, [key, value]) => sum + key.byteLength + value.byteLength, 0);

/** The smallest key greater than `key`. */
const keyAfter = (key: Uint8Array): Uint8Array => {
  const after = new Uint8Array(key.byteLength + 1);
  after.set(key);
  return after;
};
