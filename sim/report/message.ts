// A message in a few words: what a person wants to read beside an arrow. Decoded only where somebody looks.
import { describeMembershipMessage, parseMembershipMessage } from '../../machines/membership/index.ts';
import { parseRaftMessage } from '../../machines/raft/index.ts';
import type { RaftMessage } from '../../machines/raft/types.ts';
import { decodeEnvelope } from '../../machines/wire/envelope.ts';
import type { Way } from '../record.ts';

export type Spoken = {
  /** E.g. `append`; what tells nothing new is `beat`. */
  readonly kind: string;
  readonly text: string;
  /** The group of a message of Raft. */
  readonly group: string | null;
  readonly raft: RaftMessage | null;
};

const raftAddress = 'raft/';

const entriesText = ({ prevIndex, entries }: Extract<RaftMessage, { type: 'append' }>): string => {
  if (entries.length === 0) return `nothing after ${prevIndex}`;
  const [first, last] = [entries[0]!, entries.at(-1)!];
  const which = first.index === last.index ? `${first.index}` : `${first.index}–${last.index}`;
  return `${which} of term ${first.term === last.term ? first.term : `${first.term}–${last.term}`} after ${prevIndex}`;
};

/** Short enough to stand beside an arrow. */
export const raftText = (message: RaftMessage): string => {
  const term = `t${message.term}`;
  switch (message.type) {
    case 'pre-vote':
    case 'vote':
      return `${message.type} ${term}, log ${message.lastIndex}@${message.lastTerm}${message.transfer ? ', transfer' : ''}`;
    case 'pre-vote-reply':
    case 'vote-reply':
      return `${message.type} ${term}: ${message.granted ? 'yes' : 'no'}`;
    case 'append':
      return `append ${term}: ${entriesText(message)}, commit ${message.commit}`;
    case 'append-reply':
      return `append-reply ${term}: ${message.conflict === null ? `has ${message.index}` : `no ${message.index}, from ${message.conflict.index}`}`;
    case 'heartbeat':
      return `heartbeat ${term}, commit ${message.commit}${message.quiet ? ', quiet' : ''}`;
    case 'heartbeat-reply':
      return `heartbeat-reply ${term}${message.quiet ? ', quiet' : ''}`;
    case 'snapshot':
      return `snapshot ${term}: ${message.meta.index}@${message.meta.term}`;
    case 'time-out-now':
      return `time-out-now ${term}`;
  }
};

const other = (kind: string, text: string): Spoken => ({ kind, text, group: null, raft: null });

const membershipType = 'membership';

/** Probes that tell nothing new are beats to whoever reads. */
const membershipText = (body: unknown): Spoken => {
  const parsed = parseMembershipMessage(body);
  if (!parsed.ok) return other('unreadable', `${parsed.refused}: ${parsed.message}`);
  const { message } = parsed;
  const tellsNothing = 'facts' in message ? message.facts.length === 0 : message.type === 'buckets';
  return other(tellsNothing ? 'beat' : membershipType, describeMembershipMessage(message));
};

export const describeMessage = (way: Way, bytes: Uint8Array): Spoken => {
  if (way === 'topic') return other('published', `published, ${bytes.byteLength} bytes`);
  const envelope = decodeEnvelope(bytes);
  if ('refused' in envelope) return other('unreadable', `${envelope.refused}: ${envelope.message}`);
  const { target, type, id, correlation, body } = envelope;
  if (type === 'raft' && target.startsWith(raftAddress)) {
    const parsed = parseRaftMessage(body);
    if (!parsed.ok) return other('unreadable', `${parsed.refused}: ${parsed.message}`);
    const { message } = parsed;
    return { kind: message.type, text: raftText(message), group: target.slice(raftAddress.length), raft: message };
  }
  if (type === 'beat' || type === 'beat-answer') return other('beat', type);
  if (type === membershipType) return membershipText(body);
  const number = correlation !== 0 ? ` to ${correlation}` : id !== 0 ? ` ${id}` : '';
  return other(type, `${target} ${type}${number}, ${bytes.byteLength} bytes`);
};
