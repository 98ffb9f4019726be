// Bugs of the catalog: what is found that is offered no more, what is not found that is, and who may say so.
import type { Mutant } from '../mutant.ts';

const repair = 'machines/catalog/repair.ts';
const laws = { laws: 'machines/catalog/catalog' };
const ofNodes = { laws: 'actors/catalog' };

export const catalog: readonly Mutant[] = [
  {
    name: 'found-as-before',
    sentence: 'A look-up is answered as it was before, though offers of that name have changed.',
    from: 'known-bugs',
    edits: [
      {
        file: 'machines/catalog/find.ts',
        find: 'cached !== undefined && cached.revision === named.revision && nowMs',
        replace: 'cached !== undefined && nowMs',
      },
    ],
  },
  {
    name: 'never-renewed',
    sentence: 'An owner that offers nothing new does not say that what it offers still holds.',
    from: 'known-bugs',
    edits: [
      {
        file: 'machines/catalog/own.ts',
        find: 'state.own.count === 0 ? Number.POSITIVE_INFINITY : turn.nowMs + about(state, state.options.renewMs)',
        replace: 'Number.POSITIVE_INFINITY',
      },
    ],
  },
  {
    name: 'never-asked',
    sentence: 'Who missed an offer, or begins, asks nobody for it.',
    from: 'known-bugs',
    edits: [{ file: repair, find: "  send(turn, to, { type: 'ask', owner, behind });\n", replace: '' }],
  },
  {
    name: 'hearsay-removes',
    sentence: 'What another than its owner says to be withdrawn is gone.',
    from: 'known-bugs',
    hunted: laws,
    edits: [
      {
        file: repair,
        find: '    else if (!isOwnWord && isOffered(owner, text)) isDoubtful = true;\n',
        replace: '',
      },
    ],
  },
  {
    name: 'withdrawn-forgotten',
    sentence: 'That an offer was withdrawn is not remembered, so an older word brings it back.',
    from: 'known-bugs',
    hunted: laws,
    edits: [
      {
        file: 'machines/catalog/owners.ts',
        find: '  owner.kept.set(text, { id, sequence, entry: null, bytes: 0, hash: 0, isOwnWord: from === owner.peer, endsMs });\n',
        replace: '',
      },
    ],
  },
  {
    name: 'earlier-life-kept',
    sentence: 'What a process offered that has ended is found until its time is up, though it began anew.',
    from: 'known-bugs',
    hunted: ofNodes,
    edits: [
      {
        file: 'machines/catalog/machine.ts',
        find: '  if (known !== undefined && known.epoch !== epoch) beginLife(state, turn, peer, epoch, peer);\n',
        replace: '',
      },
    ],
  },
  {
    name: 'offers-forgotten',
    sentence: 'A catalog actor that begins anew does not offer what the one before offered.',
    from: 'known-bugs',
    hunted: ofNodes,
    edits: [
      { file: 'actors/catalog.ts', find: "  for (const offer of args.own) run({ type: 'offer', offer });\n", replace: '' },
    ],
  },
  {
    name: 'left-in-silence',
    sentence: 'The offers of a node that left are found until their time is up.',
    from: 'known-bugs',
    hunted: ofNodes,
    edits: [
      {
        file: 'actors/catalog-door.ts',
        find: "        if (after === 'evicted' || after === 'left') cell()",
        replace: "        if (after === 'evicted') cell()",
      },
      { file: 'actors/catalog-door.ts', find: "      cell()?.send({ type: 'leave' });\n", replace: '' },
    ],
  },
];
