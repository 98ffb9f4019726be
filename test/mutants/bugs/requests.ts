// Bugs of answers: what clients are told of writes whose end is not known.
import type { Mutant } from '../mutant.ts';

export const requests: readonly Mutant[] = [
  {
    name: 'failed-but-commits',
    sentence: 'A write that is in the log when time is up is said to have failed.',
    from: 'known-bugs',
    edits: [
      {
        file: 'actors/requests.ts',
        find: 'const mayHaveHappened = kind.effect && (pending.underWay || pending.lost);',
        replace: 'const mayHaveHappened = kind.effect && pending.lost;',
      },
    ],
  },
];
