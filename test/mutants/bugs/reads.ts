// Bugs of reads without a log entry: ReadIndex and leases (dissertation §6.4).
import type { Mutant } from '../mutant.ts';

const reading = 'machines/raft/reads.ts';

export const reads: readonly Mutant[] = [
  {
    name: 'read-before-own-commit',
    sentence: 'A new leader answers reads before an entry of its own term is committed.',
    from: 'known-bugs',
    edits: [{ file: reading, find: 'state.commit >= state.termStartIndex;', replace: 'state.commit >= 0;' }],
  },
  {
    name: 'read-without-quorum',
    sentence: 'Who believes that it leads answers reads without asking anybody.',
    from: 'known-bugs',
    edits: [
      {
        file: reading,
        find: "(decidesAlone(state.configuration, state.replica) || (mode === 'lease' && nowMs < leaseUntilMs(state)));",
        replace: "(mode === 'read-index' || mode === 'lease');",
      },
    ],
  },
  {
    name: 'read-context-reused',
    sentence: 'A read counts on acknowledgements of a round that began before it.',
    from: 'known-bugs',
    edits: [{ file: reading, find: 'const round = state.round + 1;', replace: 'const round = state.round;' }],
  },
  {
    name: 'lease-through-transfer',
    sentence: 'A leader that hands over keeps its lease.',
    from: 'known-bugs',
    edits: [{ file: 'machines/raft/transfer.ts', find: '  state.leaseEnded = true;\n', replace: '' }],
  },
  {
    name: 'lease-from-answer',
    sentence: 'A lease begins when a quorum has answered instead of when it was asked.',
    from: 'known-bugs',
    edits: [
      {
        file: reading,
        find: '  return sentMs + state.options.electionTimeoutMinMs * (1 - state.options.leaseDriftRatio);',
        replace:
          '  const heard = [...state.progress.values()].filter(({ ackedRound }) => ackedRound >= round).map(({ heardMs }) => heardMs);\n  return Math.max(sentMs, ...heard) + state.options.electionTimeoutMinMs * (1 - state.options.leaseDriftRatio);',
      },
    ],
  },
  {
    name: 'vote-after-restart',
    sentence: 'A voter that has just restarted votes at once, although it may have promised a lease.',
    from: 'known-bugs',
    edits: [
      {
        file: 'machines/raft/state.ts',
        find: '  state.votesFromMs = nowMs + options.electionTimeoutMaxMs;\n',
        replace: '',
      },
    ],
  },
  {
    name: 'vote-despite-leader',
    sentence: 'A voter votes for another although it heard its leader a moment ago, whose lease relies on it.',
    from: 'known-bugs',
    edits: [
      {
        file: 'machines/raft/election.ts',
        find: 'const sticky = !message.transfer && hearsLeader(state, nowMs);',
        replace: 'const sticky = !message.transfer && hearsLeader(state, nowMs) && state.quiet;',
      },
    ],
  },
];
