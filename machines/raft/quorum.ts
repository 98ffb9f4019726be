// Majorities, of one set of voters or of two during a joint configuration (dissertation §4.3).
import type { Configuration, ReplicaId } from './types.ts';

/** The greatest value that a majority of `voters` has reached. An empty set agrees to everything. */
export const majorityValue = (voters: readonly ReplicaId[], of: (replica: ReplicaId) => number): number => {
  if (voters.length === 0) return Number.POSITIVE_INFINITY;
  // Few values, asked for with every acknowledgement: inserted in order, largest first.
  const values: number[] = [];
  for (const voter of voters) {
    const value = of(voter);
    let at = values.length;
    for (; at > 0 && values[at - 1]! < value; at--) values[at] = values[at - 1]!;
    values[at] = value;
  }
  return values[Math.floor(values.length / 2)]!;
};

/** The greatest value that every majority needed has reached. */
export const quorumValue = (configuration: Configuration, of: (replica: ReplicaId) => number): number => {
  const incoming = majorityValue(configuration.voters, of);
  return configuration.outgoing === null ? incoming : Math.min(incoming, majorityValue(configuration.outgoing, of));
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
