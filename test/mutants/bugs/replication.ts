// Bugs of replication: what counts as acknowledged, what as committed, and what a follower does to its log.
import type { Mutant } from '../mutant.ts';

const leader = 'machines/raft/replication.ts';
const follower = 'machines/raft/follow.ts';

export const replication: readonly Mutant[] = [
  {
    name: 'commit-older-term',
    sentence: 'A leader commits entries of earlier terms by counting replicas (Raft §5.4.2, Figure 8).',
    from: 'known-bugs',
    edits: [{ file: leader, find: ' || log.termAt(reached) !== state.term) return false;', replace: ') return false;' }],
  },
  {
    name: 'counts-unsynced',
    sentence: 'The leader counts its own entries before they are on its disk.',
    from: 'known-bugs',
    edits: [{ file: leader, find: 'counted(state, state.durable,', replace: 'counted(state, state.log.lastIndex,' }],
  },
  {
    name: 'commit-quorum-off-by-one',
    sentence: 'Half of an even number of voters commit an entry.',
    from: 'known-bugs',
    edits: [
      {
        file: 'machines/raft/quorum.ts',
        find: 'return values[Math.floor(values.length / 2)]!;',
        replace: 'return values[Math.floor((values.length - 1) / 2)]!;',
      },
    ],
  },
  {
    name: 'learner-counted',
    sentence: "A learner's acknowledgement counts like a voter's.",
    from: 'known-bugs',
    edits: [
      {
        file: 'machines/raft/quorum.ts',
        find: '  const incoming = majorityValue(configuration.voters, of);',
        replace: '  const incoming = majorityValue([...configuration.voters, ...configuration.learners], of);',
      },
    ],
  },
  {
    name: 'suffix-truncated',
    sentence: 'An append cuts off what follows it although it agrees.',
    from: 'known-bugs',
    edits: [
      {
        file: follower,
        find: '  return at === -1 ? [] : entries.slice(at);',
        replace: '  return entries.filter(({ index }) => index > Math.max(log.base.index, state.commit));',
      },
    ],
  },
  {
    name: 'commit-beyond-append',
    sentence: "A follower takes over the leader's commit index beyond the entries that an append compared.",
    from: 'known-bugs',
    edits: [
      {
        file: follower,
        find: 'learnCommit(state, Math.min(message.commit, equalUpTo));',
        replace: 'learnCommit(state, Math.min(message.commit, log.lastIndex));',
      },
    ],
  },
  {
    name: 'commit-beyond-heartbeat',
    sentence: 'A heartbeat carries the commit index to followers whose log is not known to reach it.',
    from: 'known-bugs',
    edits: [
      {
        file: leader,
        find: '      commit: Math.min(progress.match, state.commit),',
        replace: '      commit: state.commit,',
      },
    ],
  },
  {
    name: 'stale-acknowledgement',
    sentence: 'An acknowledgement given to an earlier leadership of the same replica counts for the present one.',
    from: 'known-bugs',
    edits: [
      {
        file: 'machines/raft/machine.ts',
        find: '  if (message.term === state.term) return true;\n  // A leader',
        replace:
          "  if (message.term === state.term || (state.role === 'leader' && message.type === 'append-reply')) return true;\n  // A leader",
      },
    ],
  },
  {
    name: 'acknowledges-all',
    sentence: 'A follower acknowledges all of its log, also what an append did not compare.',
    from: 'known-bugs',
    edits: [
      {
        file: follower,
        find: '  acknowledge(state, out, message.from, equalUpTo, message.round);',
        replace: '  acknowledge(state, out, message.from, log.lastIndex, message.round);',
      },
    ],
  },
  {
    name: 'window-leak',
    sentence: 'The last append acknowledged stays in the window of what is in flight.',
    from: 'known-bugs',
    edits: [
      {
        file: 'machines/raft/progress.ts',
        find: 'progress.inflight[0]!.index <= index',
        replace: 'progress.inflight[0]!.index < index',
      },
    ],
  },
  {
    name: 'window-never-freed',
    sentence: 'What was in flight when a connection broke stays in the window for ever, and is not sent again.',
    from: 'known-bugs',
    edits: [
      {
        file: leader,
        find: "  if (progress?.mode === 'replicate') toProbe(progress);",
        replace: '',
      },
      {
        file: leader,
        find: "  if (progress.mode !== 'snapshot') toProbe(progress);",
        replace: '',
      },
      {
        file: leader,
        find: '  if (progress.inflight.length > 0 && silentMs > 2 * state.options.heartbeatMs) toProbe(progress);',
        replace: '',
      },
    ],
  },
  {
    name: 'applied-before-disk',
    sentence: 'What is committed is applied although it is not on this disk yet.',
    from: 'known-bugs',
    edits: [
      {
        file: 'machines/raft/machine.ts',
        find: '  const upTo = Math.min(state.commit, state.durable);',
        replace: '  const upTo = state.commit;',
      },
    ],
  },
];
