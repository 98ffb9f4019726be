// Raft's messages on the wire: compact arrays, checked field by field. What a peer sends becomes a message or a named refusal.
import { Packr } from 'msgpackr';
import type { Configuration, Entry, EntryKind, Member, RaftMessage, RaftMessageType, ReplicaId, SnapshotMeta } from './types.ts';

const packr = new Packr({ useRecords: false });
const membersMax = 1_024;
const idCharsMax = 128;

// ---------------------------------------------------------------- configurations

type Json = Record<string, unknown>;
const isJson = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);
const isId = (value: unknown): value is string => typeof value === 'string' && value.length > 0 && value.length <= idCharsMax;
const isIds = (value: unknown): value is ReplicaId[] =>
  Array.isArray(value) && value.length <= membersMax && value.every(isId) && new Set(value).size === value.length;

const isMember = (value: unknown): value is Member => isJson(value) && isId(value.replica) && isId(value.name) && isId(value.peer);

/** Null unless every replica named has a member and every member is named. */
export const parseConfiguration = (value: unknown): Configuration | null => {
  if (!isJson(value)) return null;
  const { voters, outgoing, learners, learnersNext, members } = value;
  if (!isIds(voters) || !isIds(learners) || !isIds(learnersNext) || !(outgoing === null || isIds(outgoing))) return null;
  if (!isJson(members) || !Object.entries(members).every(([id, member]) => isMember(member) && member.replica === id)) return null;
  const named = new Set([...voters, ...(outgoing ?? []), ...learners, ...learnersNext]);
  const known = Object.keys(members);
  if (known.length !== named.size || !known.every((id) => named.has(id))) return null;
  if (learners.some((id) => voters.includes(id) || outgoing?.includes(id))) return null;
  return { voters, outgoing, learners, learnersNext, members: members as Record<ReplicaId, Member> };
};

export const encodeConfiguration = (configuration: Configuration): Uint8Array => new Uint8Array(packr.pack(configuration));

/** Throws on bytes that no leader of ours wrote (a log that passed its checksums holds none). */
export const decodeConfiguration = (data: Uint8Array): Configuration => {
  const configuration = parseConfiguration(packr.unpack(data as never));
  if (configuration === null) throw new Error('a configuration entry is malformed');
  return configuration;
};

// ---------------------------------------------------------------- entries

const kinds: readonly EntryKind[] = ['command', 'configuration', 'noop'];

const formEntry = (entry: Entry): unknown => [entry.term, kinds.indexOf(entry.kind), entry.timeMs, entry.data];

const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
const isTime = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value) && value >= 0;

/** Entries are dense from `prevIndex + 1`, their terms do not fall and do not pass the sender's. */
const parseEntries = (value: unknown, prevIndex: number, prevTerm: number, senderTerm: number): Entry[] | null => {
  if (!Array.isArray(value)) return null;
  const entries: Entry[] = [];
  let lastTerm = prevTerm;
  for (const item of value as unknown[]) {
    if (!Array.isArray(item) || item.length !== 4) return null;
    const [term, kindNumber, timeMs, data] = item as unknown[];
    const kind = kinds[kindNumber as number];
    if (!isCount(term) || term < lastTerm || term > senderTerm || kind === undefined || !isTime(timeMs)) return null;
    if (!(data instanceof Uint8Array)) return null;
    if (kind === 'configuration' && !holdsConfiguration(data)) return null;
    lastTerm = term;
    entries.push({ index: prevIndex + entries.length + 1, term, kind, timeMs, data });
  }
  return entries;
};

const holdsConfiguration = (data: Uint8Array): boolean => {
  try {
    decodeConfiguration(data);
    return true;
  } catch {
    // Any malformed bytes: the message is refused as a whole.
    return false;
  }
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

const formFields = (message: RaftMessage): unknown[] => {
  switch (message.type) {
    case 'pre-vote':
    case 'vote':
      return [message.lastIndex, message.lastTerm, message.transfer];
    case 'pre-vote-reply':
    case 'vote-reply':
      return [message.granted];
    case 'append':
      return [message.prevIndex, message.prevTerm, message.entries.map(formEntry), message.commit, message.round];
    case 'append-reply':
      return [message.index, message.conflict === null ? null : [message.conflict.index, message.conflict.term], message.round];
    case 'heartbeat':
      return [message.commit, message.round, message.quiet, message.lastIndex];
    case 'heartbeat-reply':
      return [message.round, message.quiet, message.index];
    case 'snapshot':
      return [formMeta(message.meta)];
    case 'time-out-now':
      return [];
  }
};

/** `[type, from, to, term, …fields]`. */
export const formRaftMessage = (message: RaftMessage): unknown => [
  types.indexOf(message.type),
  message.from,
  message.to,
  message.term,
  ...formFields(message),
];

export type ParsedRaftMessage = { ok: true; message: RaftMessage } | { ok: false; refused: string; message: string };

const refused = (message: string): ParsedRaftMessage => ({ ok: false, refused: 'RAFT_MALFORMED', message });

export const parseRaftMessage = (value: unknown): ParsedRaftMessage => {
  if (!Array.isArray(value) || value.length < 4) return refused('not a message of Raft');
  const [number, from, to, term, ...fields] = value as unknown[];
  const type = types[number as number];
  if (type === undefined) return refused(`type ${String(number).slice(0, 20)} is unknown`);
  if (!isId(from) || !isId(to) || from === to) return refused('from and to are not two replicas');
  if (!isCount(term)) return refused('the term is not a count');
  const message = parseFields(type, { from, to, term }, fields);
  return message === null ? refused(`the fields of ${type} are malformed`) : { ok: true, message };
};

const parseFields = (type: RaftMessageType, base: { from: string; to: string; term: number }, fields: unknown[]): RaftMessage | null => {
  const [a, b, c, d, e] = fields;
  switch (type) {
    case 'pre-vote':
    case 'vote':
      return isCount(a) && isCount(b) && typeof c === 'boolean' ? { ...base, type, lastIndex: a, lastTerm: b, transfer: c } : null;
    case 'pre-vote-reply':
    case 'vote-reply':
      return typeof a === 'boolean' ? { ...base, type, granted: a } : null;
    case 'append': {
      if (!isCount(a) || !isCount(b) || b > base.term || !isCount(d) || !isCount(e)) return null;
      const entries = parseEntries(c, a, b, base.term);
      return entries === null ? null : { ...base, type, prevIndex: a, prevTerm: b, entries, commit: d, round: e };
    }
    case 'append-reply': {
      if (!isCount(a) || !isCount(c)) return null;
      if (b === null) return { ...base, type, index: a, conflict: null, round: c };
      if (!Array.isArray(b) || !isCount(b[0]) || !isCount(b[1])) return null;
      return { ...base, type, index: a, conflict: { index: b[0], term: b[1] }, round: c };
    }
    case 'heartbeat':
      return isCount(a) && isCount(b) && typeof c === 'boolean' && isCount(d)
        ? { ...base, type, commit: a, round: b, quiet: c, lastIndex: d }
        : null;
    case 'heartbeat-reply':
      return isCount(a) && typeof b === 'boolean' && isCount(c) ? { ...base, type, round: a, quiet: b, index: c } : null;
    case 'snapshot': {
      const meta = parseMeta(a);
      return meta === null || meta.term > base.term ? null : { ...base, type, meta };
    }
    case 'time-out-now':
      return { ...base, type };
  }
};

