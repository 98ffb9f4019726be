// A group's store over memory, with a hand-moved clock: what was written, batch by batch, and what a restart makes of it.
import assert from 'node:assert/strict';
import { formGroup, type LoadedGroup, loadGroup, type RaftStore } from '../../../actors/raft-store.ts';
import { createWriter, type Writer, writerLimits } from '../../../actors/writer.ts';
import type { Configuration, Entry, EntryKind, RaftRestored, SnapshotMeta } from '../../../machines/raft/types.ts';
import { createMemoryStorage, type MemoryStorage } from '../../ports/memory-storage.ts';
import { createHandClock, type HandClock, quietSink } from '../hand-clock.ts';

export const group = 'kv';
export const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));
export const text = (value: Uint8Array): string => Buffer.from(value).toString('latin1');

export const configurationOf = (...voters: string[]): Configuration => ({
  voters,
  outgoing: null,
  learners: [],
  learnersNext: [],
  members: Object.fromEntries(voters.map((id) => [id, { replica: id, name: `n-${id}`, peer: `p-${id}` }])),
});

export const entry = (index: number, term: number, data = `d${index}`, kind: EntryKind = 'command'): Entry => ({
  ...{ index, term, kind, timeMs: 1_000 + index, data: bytes(data) },
});

export const metaAt = (index: number, term: number, configuration = configurationOf('a', 'b', 'c')): SnapshotMeta => ({
  ...{ index, term, timeMs: 1_000 + index, configuration },
});

export const genesis: SnapshotMeta = { index: 0, term: 0, timeMs: 0, configuration: configurationOf('a', 'b', 'c') };

export type Opened = { storage: MemoryStorage; writer: Writer; clock: HandClock; loaded: LoadedGroup };

export const openOver = (storage: (later: (run: () => void) => void) => MemoryStorage): Opened => {
  const clock = createHandClock();
  const opened = storage(clock.later);
  const writer = createWriter({ storage: opened, clock, sink: quietSink() });
  let loaded: LoadedGroup | null = null;
  loadGroup(writer, group, (answer) => {
    assert.equal(loaded, null, 'loadGroup answers once');
    loaded = answer;
  });
  clock.settle();
  assert.ok(loaded !== null);
  return { storage: opened, writer, clock, loaded };
};

/** Opens what a crash or a stop left; sweeps have time to end. */
export const reopen = (contents: ReturnType<MemoryStorage['contents']>): Opened =>
  openOver((later) => createMemoryStorage(contents, later));

export type Running = Opened & {
  store: RaftStore;
  restored: RaftRestored;
  write(operations: ReturnType<RaftStore['persist']>, durable?: boolean): void;
};

export const running = (opened: Opened): Running => {
  const { loaded, writer, clock } = opened;
  assert.ok(loaded.ok, loaded.ok ? '' : loaded.message);
  return {
    ...{ ...opened, store: loaded.store, restored: loaded.restored },
    write(operations, durable = true) {
      writer.write(operations, { durable }, (why) => assert.equal(why, null));
      clock.pass(writerLimits.patienceMs);
    },
  };
};

/** A fresh group after its genesis. */
export const formed = (meta: SnapshotMeta | null = genesis): Running =>
  running(
    openOver((later) => {
      const storage = createMemoryStorage(new Map(), later);
      for (const { key, value } of formGroup(group, meta)) storage.rot(key, value);
      return storage;
    }),
  );

/** The state machine's keyspace as the store sees it. */
export const keyspaceOf = ({ writer, clock }: Pick<Opened, 'writer' | 'clock'>, store: RaftStore): [string, string][] => {
  const found: [string, string][] = [];
  writer.view().read({ ...store.stateRange(), limit: 100_000 }, (why, page) => {
    assert.equal(why, null);
    for (const [key, value] of page) found.push([text(store.relativeKey(key)), text(value)]);
  });
  clock.settle();
  return found;
};
