// Who belongs to a group, as bytes of a log entry and as plain data of a snapshot's label; checked wherever it comes from a peer.
import { Packr } from 'msgpackr';
import type { Configuration, Member, ReplicaId } from './types.ts';

const packr = new Packr({ useRecords: false });
const membersMax = 1_024;
const idCharsMax = 128;

type Plain = Record<string, unknown>;

const isPlain = (value: unknown): value is Plain => typeof value === 'object' && value !== null && !Array.isArray(value);

export const isReplicaId = (value: unknown): value is ReplicaId =>
  typeof value === 'string' && value.length > 0 && value.length <= idCharsMax;

const areReplicaIds = (value: unknown): value is ReplicaId[] =>
  Array.isArray(value) && value.length <= membersMax && value.every(isReplicaId) && new Set(value).size === value.length;

const isMember = (value: unknown): value is Member =>
  isPlain(value) && isReplicaId(value.replica) && isReplicaId(value.name) && isReplicaId(value.peer);

const meet = (a: readonly ReplicaId[], b: readonly ReplicaId[]): boolean => a.some((id) => b.includes(id));

/**
 * Null unless every replica named has a member, every member is named, and nobody is two things at once. A configuration
 * without voters is that of a replica that has not heard of its group yet.
 */
export const parseConfiguration = (value: unknown): Configuration | null => {
  if (!isPlain(value)) return null;
  const { voters, outgoing, learners, learnersNext, members } = value;
  if (!areReplicaIds(voters) || !areReplicaIds(learners) || !areReplicaIds(learnersNext)) return null;
  if (outgoing !== null && (!areReplicaIds(outgoing) || outgoing.length === 0 || voters.length === 0)) return null;
  if (!isPlain(members) || !Object.entries(members).every(([id, member]) => isMember(member) && member.replica === id))
    return null;
  const named = new Set([...voters, ...(outgoing ?? []), ...learners, ...learnersNext]);
  const known = Object.keys(members);
  if (known.length !== named.size || !known.every((id) => named.has(id))) return null;
  if (meet(learners, voters) || meet(learners, outgoing ?? [])) return null;
  if (meet(learnersNext, voters) || !learnersNext.every((id) => outgoing?.includes(id))) return null;
  return { voters, outgoing, learners, learnersNext, members: members as Record<ReplicaId, Member> };
};

export const encodeConfiguration = (configuration: Configuration): Uint8Array => new Uint8Array(packr.pack(configuration));

/** Null for bytes that no leader of ours writes; an entry's configuration has at least one voter. */
export const readConfiguration = (data: Uint8Array): Configuration | null => {
  try {
    const configuration = parseConfiguration(packr.unpack(data as never));
    return configuration === null || configuration.voters.length === 0 ? null : configuration;
  } catch {
    // Not msgpack at all.
    return null;
  }
};

/** For bytes that were checked before they were written; throws on any others. */
export const decodeConfiguration = (data: Uint8Array): Configuration => {
  const configuration = readConfiguration(data);
  if (configuration === null) throw new Error('a configuration entry is malformed');
  return configuration;
};

export const isVoter = ({ voters, outgoing }: Configuration, replica: ReplicaId): boolean =>
  voters.includes(replica) || outgoing?.includes(replica) === true;

export const isMemberOf = ({ members }: Configuration, replica: ReplicaId): boolean => Object.hasOwn(members, replica);

/** Is this replica the only one that decides anything? */
export const decidesAlone = ({ voters, outgoing }: Configuration, replica: ReplicaId): boolean =>
  outgoing === null && voters.length === 1 && voters[0] === replica;
