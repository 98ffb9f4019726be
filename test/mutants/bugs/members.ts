// Bugs of membership changes: configurations that overlap, are lost, or are taken at the wrong time; replicas that are somebody else.
import type { Mutant } from '../mutant.ts';

const reconfigure = 'machines/raft/reconfigure.ts';

export const members: readonly Mutant[] = [
  {
    name: 'changes-overlap',
    sentence: 'A second change of voters, without a joint phase, begins before the first is committed.',
    from: 'known-bugs',
    edits: [
      {
        file: reconfigure,
        find: 'state.reconfiguration !== null || state.configuration.outgoing !== null || state.configurationIndex > state.commit;',
        replace: 'false;',
      },
      {
        file: reconfigure,
        find: 'const direct = sameSet(final.voters, state.configuration.voters);',
        replace: 'const direct = true;',
      },
    ],
  },
  {
    name: 'joint-change-restarted',
    sentence: 'A second change begins while the joint phase of the first is under way.',
    from: 'known-bugs',
    edits: [
      {
        file: reconfigure,
        find: 'state.reconfiguration !== null || state.configuration.outgoing !== null || state.configurationIndex > state.commit;',
        replace: 'false;',
      },
    ],
  },
  {
    name: 'change-before-own-commit',
    sentence: 'A new leader changes members before an entry of its own term is committed (the bug of 2015).',
    from: 'known-bugs',
    edits: [
      {
        file: reconfigure,
        find: 'if (busy || state.commit < state.termStartIndex || state.transfer !== null)',
        replace: 'if (busy || state.transfer !== null)',
      },
    ],
  },
  {
    name: 'joint-ignored',
    sentence: 'In a joint phase the new majority alone decides.',
    from: 'known-bugs',
    edits: [
      {
        file: 'machines/raft/quorum.ts',
        find: 'return configuration.outgoing === null ? incoming : Math.min(incoming, majorityValue(configuration.outgoing, of));',
        replace: 'return incoming;',
      },
      {
        file: 'machines/raft/quorum.ts',
        find: "const outgoing = configuration.outgoing === null ? 'won' : majorityVote(configuration.outgoing, votes);",
        replace: "const outgoing = 'won' as VoteResult;",
      },
    ],
  },
  {
    name: 'configuration-not-reverted',
    sentence: 'A configuration stays in force although its entry was cut off.',
    from: 'known-bugs',
    edits: [
      {
        file: 'machines/raft/state.ts',
        find: '  if (state.configurationIndex < from) return;\n',
        replace: '  if (state.configurationIndex >= 0) return;\n',
      },
    ],
  },
  {
    name: 'configuration-too-early',
    sentence:
      'A snapshot is labelled with the latest configuration, which need not be committed, instead of the one in force at its index.',
    from: 'known-bugs',
    edits: [
      {
        file: 'actors/raft.ts',
        find: 'const meta: SnapshotMeta = { ...last, configuration: appliedConfiguration };',
        replace: 'const meta: SnapshotMeta = { ...last, configuration: state.configuration };',
      },
    ],
  },
  {
    name: 'configuration-lost',
    sentence: 'A compaction keeps the configuration of the log before it, not the one that it compacts away.',
    from: 'known-bugs',
    edits: [
      {
        file: 'machines/raft/snapshot.ts',
        find: '  state.configurations.splice(\n    0,\n    state.configurations.findLastIndex((one) => one.index <= upTo),\n  );\n  const { configuration } = state.configurations[0]!;',
        replace:
          '  const { configuration } = state.configurations[0]!;\n  state.configurations.splice(\n    0,\n    state.configurations.findLastIndex((one) => one.index <= upTo),\n  );',
      },
    ],
  },
  {
    name: 'old-id-new-disk',
    sentence: 'A node whose disk was lost comes back under its old replica id.',
    from: 'known-bugs',
    edits: [
      {
        file: 'actors/node.ts',
        find: '    return hexOf(random.bytes(16));',
        replace: '    return settings.name + String(random.bytes(16).byteLength);',
      },
    ],
  },
];
