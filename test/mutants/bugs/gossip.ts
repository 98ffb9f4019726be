// Bugs of announcements: what is heard, how often, in which order, and by whom at all.
import type { Mutant } from '../mutant.ts';

export const gossip: readonly Mutant[] = [
  {
    name: 'heard-twice',
    sentence: 'What was heard already is taken again when it comes another way.',
    from: 'known-bugs',
    edits: [
      { file: 'machines/gossip/take.ts', find: 'if (hasNumber(source.known, sequence)) {', replace: 'if (sequence === 0) {' },
    ],
  },
  {
    name: 'never-repaired',
    sentence: 'Nodes do not compare what they heard: what the topic lost is lost.',
    from: 'known-bugs',
    edits: [
      {
        file: 'machines/gossip/exchange.ts',
        find: "  send(turn, peer, { type: 'digest', hashes: [...state.sources.buckets] });\n",
        replace: '',
      },
    ],
  },
];
