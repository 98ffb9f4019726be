// Bugs that this project had: each is one of its fixes, undone. The sentence names the commit.
//
// Not here: trusting the acknowledgements of a replica whose log ends before what it acknowledged (decision 12). The atlas lets a disk
// forget its tail only while a majority besides it holds all of that, and until it is replaced its leader sends it nothing it could
// take; so whatever its old acknowledgements are counted for is committed without them, and a cluster that trusts them is the same.
// test/machines/raft/known-bugs.test.ts has it.
import type { Mutant } from '../mutant.ts';

export const history: readonly Mutant[] = [
  {
    name: 'snapshot-acknowledged-early',
    sentence: 'A snapshot is acknowledged before its replica counts it, and a heartbeat in between says less (9310ae7).',
    from: 'own-history',
    edits: [
      {
        file: 'actors/raft.ts',
        find: '    installing = [];\n    replicated.installed(',
        replace: '    installing = [];\n    for (const message of effect.messages) send(message);\n    replicated.installed(',
      },
    ],
  },
  {
    name: 'writes-overtake-snapshot',
    sentence: 'A write that ends while a snapshot is loaded is answered before it (d7a9a69).',
    from: 'own-history',
    edits: [
      {
        file: 'actors/raft.ts',
        find: '        if (installing !== null) installing.push(effect);\n        else answerPersist(effect);\n      }),',
        replace: '        answerPersist(effect);\n      }),',
      },
    ],
  },
  {
    name: 'compacted-batch-kept',
    sentence: 'A batch whose remains are all compacted is written again, and contradicts the base at the next start (e53ba8c).',
    from: 'own-history',
    edits: [
      {
        file: 'actors/raft-store.ts',
        find: '    if (from <= baseIndex + 1) return void operations.push({ key, value: null });\n',
        replace: '',
      },
    ],
  },
  {
    name: 'leaver-asks-nobody',
    sentence: 'Who leaves a group and hears of no leader waits for one instead of asking the others (4f23110).',
    from: 'own-history',
    edits: [
      {
        file: 'actors/group.ts',
        find: 'return leader ?? (stays && !isForgotten ? null : args.anyPeer());',
        replace: 'return leader ?? (stays && !isForgotten ? null : null);',
      },
    ],
  },
  {
    name: 'removed-unheard-waits',
    sentence: 'Who was taken out while it was cut off waits for its old leader for ever (1dde936).',
    from: 'own-history',
    edits: [
      {
        file: 'actors/group.ts',
        find: 'return leader ?? (stays && !isForgotten ? null : args.anyPeer());',
        replace: 'return leader ?? (stays ? null : args.anyPeer());',
      },
    ],
  },
  {
    name: 'answers-cross-restarts',
    sentence:
      'Questions are numbered from one at every start, so that an answer to an earlier process is taken for one to this (899874b).',
    from: 'own-history',
    edits: [
      {
        file: 'actors/router.ts',
        find: 'let lastId = (epoch % epochsMax) * idsPerEpoch;',
        replace: 'let lastId = (epoch * 0 * epochsMax) % idsPerEpoch;',
      },
    ],
  },
  {
    name: 'definite-after-lost',
    sentence: 'A request is refused for good although an earlier attempt of it may have happened (0a40862).',
    from: 'own-history',
    edits: [
      {
        file: 'actors/requests.ts',
        find: 'const mayHaveHappened = kind.effect && (pending.underWay || pending.lost);',
        replace: 'const mayHaveHappened = kind.effect && pending.underWay;',
      },
    ],
  },
  {
    name: 'own-load-dismissed',
    sentence: 'A replica outside of its group breaks off its own loading of a snapshot with its readers (e59bb94).',
    from: 'own-history',
    edits: [
      { file: 'actors/register.ts', find: 'const pages = openPages(loads);', replace: 'const pages = openPages(readers);' },
    ],
  },
  {
    name: 'departing-never-campaigns',
    sentence:
      'A replica that its latest configuration leaves out never campaigns, even if it alone holds that entry (8446874).',
    from: 'own-history',
    edits: [
      {
        file: 'machines/raft/state.ts',
        find: "return standing === 'voter' || standing === 'departing';",
        replace: "return standing === 'voter';",
      },
    ],
  },
  {
    name: 'quiet-not-woken',
    sentence: 'Followers that rest are not woken when the node of their leader is lost (8446874).',
    from: 'own-history',
    edits: [
      {
        file: 'machines/raft/machine.ts',
        find: "  if (state.leader !== replica || state.role !== 'follower') return;\n",
        replace: "  if (state.leader !== replica || state.role !== 'follower' || state.quiet) return;\n",
      },
    ],
  },
  {
    name: 'hosts-twice',
    sentence: 'A node that is asked twice to host a replica makes two (4f8016b).',
    from: 'own-history',
    edits: [
      {
        file: 'actors/hosting.ts',
        find: '    if (others !== undefined) return void others.push(done);\n',
        replace: '',
      },
    ],
  },
];
