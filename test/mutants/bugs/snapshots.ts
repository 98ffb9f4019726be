// Bugs of snapshots: labels, contents, logs that meet them, and followers that wait for one.
import type { Mutant } from '../mutant.ts';

const machine = 'machines/raft/snapshot.ts';

export const snapshots: readonly Mutant[] = [
  {
    name: 'suffix-after-snapshot',
    sentence: 'Entries behind an installed snapshot stay although they contradict it.',
    from: 'known-bugs',
    edits: [
      {
        file: 'machines/raft/log.ts',
        find: '    this.entries = [];\n    this.base = { index: meta.index',
        replace:
          '    this.entries = this.entries.filter(({ index }) => index > meta.index);\n    this.base = { index: meta.index',
      },
    ],
  },
  {
    name: 'snapshot-mislabelled',
    sentence: 'A snapshot claims to hold what is committed, but holds what is applied.',
    from: 'known-bugs',
    edits: [
      {
        file: 'actors/raft.ts',
        find: 'const last = { index: applied, term: state.log.termAt(applied)!, timeMs: state.log.timeAt(applied) };',
        replace:
          'const last = { index: state.commit, term: state.log.termAt(state.commit)!, timeMs: state.log.timeAt(state.commit) };',
      },
    ],
  },
  {
    name: 'snapshot-of-term',
    sentence: "A snapshot's label bears the leader's term instead of its last entry's.",
    from: 'known-bugs',
    edits: [
      {
        file: 'actors/raft.ts',
        find: 'const last = { index: applied, term: state.log.termAt(applied)!,',
        replace: 'const last = { index: applied, term: state.term,',
      },
    ],
  },
  {
    name: 'sessions-not-restored',
    sentence: 'Sessions are lost with a snapshot or a restart, so that a repeated request has a second effect.',
    from: 'known-bugs',
    edits: [
      {
        file: 'machines/register/restore.ts',
        find: '        restoreSession(state, indexOf(key), value);\n',
        replace: '',
      },
    ],
  },
  {
    name: 'snapshot-never-sent',
    sentence: 'A follower behind the compaction point never gets a snapshot.',
    from: 'known-bugs',
    edits: [
      {
        file: 'machines/raft/replication.ts',
        find: 'return beginSnapshot(state, out, to, progress, nowMs);',
        replace: 'return void [beginSnapshot, out, nowMs];',
      },
    ],
  },
  {
    name: 'snapshot-never-again',
    sentence: 'A follower whose snapshot failed on the way never gets another.',
    from: 'known-bugs',
    edits: [
      {
        file: machine,
        find: "  if (progress === undefined || progress.mode !== 'snapshot') return;\n",
        replace: "  if (progress === undefined || progress.mode !== 'snapshot' || !ok) return;\n",
      },
    ],
  },
];
