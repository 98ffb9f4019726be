// Majorities, of one set of voters or of two during a joint configuration (dissertation §4.3).
import type { Configuration, ReplicaId } from './types.ts';

/** The greatest value that a majority of `voters` has reached. An empty set agrees to everything. */
export const majorityValue = (voters: readonly ReplicaId[], valueOf: (replica: ReplicaId) => number): number => {
  if (voters.length === 0) return Number.POSITIVE_INFINITY;
  const values = voters.map(valueOf).sort((a, b) => b - a);
  return values[Math.floor(values.length / 2)]!;
};

/** The greatest value that every majority needed has reached. */
export const quorumValue = (configuration: Configuration, valueOf: (replica: ReplicaId) => number): number => {
  const incoming = majorityValue(configuration.voters, valueOf);
  return configuration.outgoing === null ? incoming : Math.min(incoming, majorityValue(configuration.outgoing, valueOf));
};

export type VoteResult = 'won' | 'lost' | 'pending';

const majorityVote = (voters: readonly ReplicaId[], votes: ReadonlyMap<ReplicaId, boolean>): VoteResult => {
  if (voters.length === 0) return 'won';
  const needed = Math.floor(voters.length / 2) + 1;
  const granted = voters.filter((voter) => votes.get(voter) === true).length;
  const refused = voters.filter((voter) => votes.get(voter) === false).length;
  if (granted >= needed) return 'won';
  return voters.length - refused < needed ? 'lost' : 'pending';
};

export const voteResult = (configuration: Configuration, votes: ReadonlyMap<ReplicaId, boolean>): VoteResult => {
  const incoming = majorityVote(configuration.voters, votes);
  const outgoing = configuration.outgoing === null ? 'won' : majorityVote(configuration.outgoing, votes);
  if (incoming === 'lost' || outgoing === 'lost') return 'lost';
  return incoming === 'won' && outgoing === 'won' ? 'won' : 'pending';
};

export const isVoter = (configuration: Configuration, replica: ReplicaId): boolean =>
  configuration.voters.includes(replica) || configuration.outgoing?.includes(replica) === true;
