// Bugs of elections: who may vote, for whom, and what of it must be on the disk.
import type { Mutant } from '../mutant.ts';

const election = 'machines/raft/election.ts';

export const votes: readonly Mutant[] = [
  {
    name: 'stale-vote',
    sentence: 'A vote given in an earlier term counts for the present campaign.',
    from: 'known-bugs',
    edits: [
      {
        file: 'machines/raft/machine.ts',
        find: "  if (message.type === 'pre-vote-reply' && message.granted) return true;",
        replace: "  if ((message.type === 'pre-vote-reply' || message.type === 'vote-reply') && message.granted) return true;",
      },
      {
        file: election,
        find: "  } else if (state.role !== 'candidate' || message.term !== state.term) return;",
        replace: "  } else if (state.role !== 'candidate') return;",
      },
    ],
  },
  {
    name: 'vote-before-disk',
    sentence: 'A vote is said before it is on the disk.',
    from: 'known-bugs',
    edits: [
      {
        file: election,
        find: '  restartElectionTimer(state, nowMs);\n  reply(true, state.term);',
        replace:
          "  restartElectionTimer(state, nowMs);\n  out.effects.push({ type: 'send', message: { type: replyType, from: state.replica, to: message.from, term: state.term, granted: true } });",
      },
    ],
  },
  {
    name: 'vote-forgotten',
    sentence: 'The term is written to the disk, the vote is not.',
    from: 'known-bugs',
    edits: [
      {
        file: 'actors/raft-store.ts',
        find: 'sealRecord(keys.hard, [term, vote])',
        replace: 'sealRecord(keys.hard, [term, null])',
      },
    ],
  },
  {
    name: 'index-before-term',
    sentence: 'Of two logs the longer one counts as the newer, whatever the terms.',
    from: 'known-bugs',
    edits: [
      {
        file: 'machines/raft/log.ts',
        find: 'return term > this.lastTerm || (term === this.lastTerm && index >= this.lastIndex);',
        replace: 'return index > this.lastIndex || (index === this.lastIndex && term >= this.lastTerm);',
      },
    ],
  },
  {
    name: 'vote-quorum-off-by-one',
    sentence: 'Half of an even number of voters elect a leader.',
    from: 'known-bugs',
    edits: [
      {
        file: 'machines/raft/quorum.ts',
        find: 'const needed = Math.floor(voters.length / 2) + 1;',
        replace: 'const needed = Math.ceil(voters.length / 2);',
      },
    ],
  },
  {
    name: 'pre-vote-deadlock',
    sentence: 'Who has a later term than the leader says nothing to its heartbeats, and its pre-votes are refused for ever.',
    from: 'known-bugs',
    edits: [
      {
        file: 'machines/raft/machine.ts',
        find: '  if (comesFromLeader(message))\n    say(',
        replace: '  if (message.term < 0)\n    say(',
      },
    ],
  },
  {
    name: 'learner-elected',
    sentence: 'A learner campaigns and its own vote counts.',
    from: 'known-bugs',
    edits: [
      {
        file: 'machines/raft/state.ts',
        find: "return standing === 'voter' || standing === 'departing';",
        replace: "return standing !== 'outsider';",
      },
      {
        file: 'machines/raft/quorum.ts',
        find: '  const incoming = majorityVote(configuration.voters, votes);',
        replace: '  const incoming = majorityVote([...configuration.voters, ...configuration.learners], votes);',
      },
    ],
  },
];
