// Raft's messages on the wire: compact arrays, checked field by field. What a peer sends becomes a message or a named refusal.
import { isReplicaId, parseConfiguration, readConfiguration } from './configuration.ts';
import type { Entry, EntryKind, RaftMessage, RaftMessageType, ReplicaId, SnapshotMeta } from './types.ts';

const entriesMax = 65_536;

// ---------------------------------------------------------------- entries

const kinds: readonly EntryKind[] = ['command', 'configuration', 'noop'];

const formEntry = (entry: Entry): unknown => [entry.term, kinds.indexOf(entry.kind), entry.timeMs, entry.data];

const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
const isTime = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value) && value >= 0;

/** The word that a number stands for; anything but a known number stands for none. */
const word = <Word>(words: readonly Word[], value: unknown): Word | undefined => (isCount(value) ? words[value] : undefined);

const parseEntry = (value: unknown, index: number): Entry | null => {
  if (!Array.isArray(value) || value.length !== 4) return null;
  const term: unknown = value[0];
  const kind = word(kinds, value[1]);
  const timeMs: unknown = value[2];
  const data: unknown = value[3];
  if (!isCount(term) || kind === undefined || !isTime(timeMs) || !(data instanceof Uint8Array)) return null;
  if (kind === 'noop' && data.byteLength > 0) return null;
  if (kind === 'configuration' && readConfiguration(data) === null) return null;
  return { index, term, kind, timeMs, data };
};

/** Entries are dense from `prevIndex + 1`; their terms and times do not fall, and no term passes the sender's. */
const parseEntries = (value: unknown, prevIndex: number, prevTerm: number, senderTerm: number): Entry[] | null => {
  if (!Array.isArray(value) || value.length > entriesMax || !isCount(prevIndex + value.length)) return null;
  const entries: Entry[] = [];
  let lastTerm = Math.max(1, prevTerm);
  let lastTimeMs = 0;
  for (const item of value as unknown[]) {
    const entry = parseEntry(item, prevIndex + entries.length + 1);
    if (entry === null || entry.term < lastTerm || entry.term > senderTerm || entry.timeMs < lastTimeMs) return null;
    lastTerm = entry.term;
    lastTimeMs = entry.timeMs;
    entries.push(entry);
  }
  return entries;
};

export const formMeta = (meta: SnapshotMeta): unknown => [meta.index, meta.term, meta.timeMs, meta.configuration];

export const parseMeta = (value: unknown): SnapshotMeta | null => {
  if (!Array.isArray(value) || value.length !== 4) return null;
  const [index, term, timeMs, given] = value as unknown[];
  const configuration = parseConfiguration(given);
  if (!isCount(index) || !isCount(term) || !isTime(timeMs) || configuration === null) return null;
  return { index, term, timeMs, configuration };
};

// ---------------------------------------------------------------- messages

const types: readonly RaftMessageType[] = [
  ...(['pre-vote', 'vote', 'pre-vote-reply', 'vote-reply', 'append', 'append-reply'] as const),
  ...(['heartbeat', 'heartbeat-reply', 'snapshot', 'time-out-now'] as const),
];

/** `[type, from, to, term, …fields]`. */
export const formRaftMessage = (message: RaftMessage): unknown => {
  const { type, from, to, term } = message;
  const number = types.indexOf(type);
  switch (type) {
    case 'pre-vote':
    case 'vote':
      return [number, from, to, term, message.lastIndex, message.lastTerm, message.transfer];
    case 'pre-vote-reply':
    case 'vote-reply':
      return [number, from, to, term, message.granted];
    case 'append': {
      const { prevIndex, prevTerm, entries, commit, round } = message;
      return [number, from, to, term, prevIndex, prevTerm, entries.map(formEntry), commit, round];
    }
    case 'append-reply': {
      const { index, conflict, round } = message;
      return [number, from, to, term, index, conflict === null ? null : [conflict.index, conflict.term], round];
    }
    case 'heartbeat':
      return [number, from, to, term, message.commit, message.round, message.quiet, message.lastIndex];
    case 'heartbeat-reply':
      return [number, from, to, term, message.round, message.quiet, message.index];
    case 'snapshot':
      return [number, from, to, term, formMeta(message.meta)];
    case 'time-out-now':
      return [number, from, to, term];
  }
};

export type ParsedRaftMessage = { ok: true; message: RaftMessage } | { ok: false; refused: string; message: string };

const refused = (message: string): ParsedRaftMessage => ({ ok: false, refused: 'RAFT_MALFORMED', message });

export const parseRaftMessage = (value: unknown): ParsedRaftMessage => {
  if (!Array.isArray(value) || value.length < commonFields) return refused('not a message of Raft');
  const given = value as unknown[];
  const number = given[0];
  const from = given[1];
  const to = given[2];
  const term = given[3];
  const type = word(types, number);
  if (type === undefined) return refused(`type ${typeof number === 'number' ? number : typeof number} is unknown`);
  if (!isReplicaId(from) || !isReplicaId(to) || from === to) return refused('from and to are not two replicas');
  if (!isCount(term)) return refused('the term is not a count');
  const message = parseFields(type, from, to, term, given);
  return message === null ? refused(`the fields of ${type} are malformed`) : { ok: true, message };
};

const commonFields = 4;
/** How many fields each type has behind the four that all have, in the order of `formRaftMessage`. */
const fieldCounts: Record<RaftMessageType, number> = {
  ...{ 'pre-vote': 3, vote: 3, 'pre-vote-reply': 1, 'vote-reply': 1, append: 5, 'append-reply': 3 },
  ...{ heartbeat: 4, 'heartbeat-reply': 3, snapshot: 1, 'time-out-now': 0 },
};

/** The fields come in the order in which a sender makes them, so that both are of one shape. */
const parseFields = (
  type: RaftMessageType,
  from: ReplicaId,
  to: ReplicaId,
  term: number,
  given: unknown[],
): RaftMessage | null => {
  if (given.length !== commonFields + fieldCounts[type]) return null;
  const a = given[4];
  const b = given[5];
  const c = given[6];
  const d = given[7];
  const e = given[8];
  switch (type) {
    case 'pre-vote':
    case 'vote':
      if (!isCount(a) || !isCount(b) || b > term || typeof c !== 'boolean') return null;
      return { type, from, to, term, lastIndex: a, lastTerm: b, transfer: c };
    case 'pre-vote-reply':
    case 'vote-reply':
      return typeof a === 'boolean' ? { type, from, to, term, granted: a } : null;
    case 'append': {
      if (!isCount(a) || !isCount(b) || b > term || !isCount(d) || !isCount(e)) return null;
      const entries = parseEntries(c, a, b, term);
      return entries === null ? null : { type, from, to, term, prevIndex: a, prevTerm: b, entries, commit: d, round: e };
    }
    case 'append-reply': {
      if (!isCount(a) || !isCount(c)) return null;
      if (b === null) return { type, from, to, term, index: a, conflict: null, round: c };
      if (!Array.isArray(b) || b.length !== 2 || !isCount(b[0]) || !isCount(b[1])) return null;
      return { type, from, to, term, index: a, conflict: { index: b[0], term: b[1] }, round: c };
    }
    case 'heartbeat':
      if (!isCount(a) || !isCount(b) || typeof c !== 'boolean' || !isCount(d)) return null;
      return { type, from, to, term, round: b, quiet: c, commit: a, lastIndex: d };
    case 'heartbeat-reply':
      return isCount(a) && typeof b === 'boolean' && isCount(c) ? { type, from, to, term, round: a, quiet: b, index: c } : null;
    case 'snapshot': {
      const meta = parseMeta(a);
      return meta === null || meta.term > term ? null : { type, from, to, term, meta };
    }
    case 'time-out-now':
      return { type, from, to, term };
  }
};
