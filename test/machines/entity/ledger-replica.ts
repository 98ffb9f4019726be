// One replica's register with a ledger and its keyspace, for tests: every call is the next entry of the log.
import { applyItems, createLedger, type Ledger, lookAt, takeLedgerWrites } from '../../../machines/entity/ledger.ts';
import { encodeItems } from '../../../machines/entity/ledger-items.ts';
import { nameInHead } from '../../../machines/entity/ledger-keys.ts';
import { createResidents, restoreHead } from '../../../machines/entity/ledger-store.ts';
import type { ActorRecord, Divergence, ItemOutcome, LedgerItem } from '../../../machines/entity/ledger-types.ts';
import { allDelivered } from '../../../machines/entity/ledger-window.ts';
import { pack, unpack } from '../../../machines/wire/envelope.ts';
import { cursorOf, readByte, readBytes, readCount } from '../../../machines/wire/octets.ts';
import { createKeyspaceMap } from '../register/keyspace-map.ts';
import { createStandIn } from './stand-in-body.ts';

export type At = { index: number; timeMs: number };

export const createLedgerReplica = (options: { has?: boolean; residentsMax?: number } = {}) => {
  const standIn = createStandIn(options.has ?? true);
  const keyspace = createKeyspaceMap();
  const divergences: Divergence[] = [];
  const fresh = (): Ledger =>
    createLedger({
      find: standIn.find,
      residents: createResidents(options.residentsMax ?? 100),
      watch: { diverged: (one) => void divergences.push(one) },
    });
  let ledger = fresh();
  const flush = (): void => keyspace.write(takeLedgerWrites(ledger));
  return {
    standIn,
    keyspace,
    divergences,
    get ledger() {
      return ledger;
    },
    apply(items: readonly LedgerItem[], at: At): ItemOutcome[] {
      const outcomes = applyItems(ledger, encodeItems(items), { ...at, read: keyspace.read });
      if (outcomes === null) throw new Error('malformed');
      return outcomes;
    },
    flush,
    /** From its keyspace, or from another replica's (a snapshot). */
    restart(from = keyspace): void {
      flush();
      const records = from.records();
      if (from !== keyspace) keyspace.write(records.map(([key, value]) => ({ key, value })));
      ledger = fresh();
      for (const [key, value] of records) {
        const name = nameInHead(key);
        if (name !== null) restoreHead(ledger.store, name, value);
      }
    },
    look: (name: string): ActorRecord | null => lookAt(ledger, name, keyspace.read),
  };
};

export type LedgerReplica = ReturnType<typeof createLedgerReplica>;

export const stateOf = (record: ActorRecord | null): unknown =>
  record === null || record.state === null ? null : unpack(record.state);

/** With their steps. */
const answersOf = (answers: Uint8Array | null): [number, unknown][] => {
  const cursor = cursorOf(answers ?? Uint8Array.of(0));
  return Array.from({ length: readByte(cursor) }, () => [readCount(cursor), unpack(readBytes(cursor, 1 << 20))]);
};

/** All that replicas must have alike. */
export const shown = (record: ActorRecord | null): unknown => {
  if (record === null) return null;
  const { name, presence, halt, version, seq, window, backlog, standing, reason, timers } = record;
  const { outbox, invoked, answers, failures, handled, refused, digest, sinceState } = record;
  return {
    ...{
      name,
      presence,
      halt,
      version,
      seq,
      windowNext: window.next,
      backlog: backlog.length,
      standing,
      reason,
      failures,
      handled,
      refused,
    },
    ...{ digest, sinceState, state: stateOf(record), window: allDelivered(window), timers: [...timers] },
    answers: answersOf(answers),
    invoked: [...invoked].map(([path, { input, ...one }]) => [path, one, unpack(input)]),
    outbox: [...outbox.values()].map(({ index, n, timeMs, form }) => ({ index, n, timeMs, form: unpack(form) })),
  };
};

export const packed = (value: unknown): Uint8Array => pack(value).slice();

export const event = (actor: string, type: string, more: Record<string, unknown> = {}, id = ''): LedgerItem => ({
  ...{ kind: 'event', actor, version: 1, id, isAsked: false, event: packed({ type, ...more }) },
});

export const asked = (actor: string, type: string, more: Record<string, unknown> = {}, id = ''): LedgerItem => ({
  ...(event(actor, type, more, id) as Extract<LedgerItem, { kind: 'event' }>),
  isAsked: true,
});

export const created = (actor: string, input: unknown = null): LedgerItem => ({
  ...{ kind: 'create', actor, version: 1, input: packed(input) },
});
