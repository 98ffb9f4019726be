// Bugs of topics: messages that are passed over, gaps that nobody is told of, acknowledgements that nobody gave.
import type { Mutant } from '../mutant.ts';

const hunted = { scenario: 'topics' } as const;

export const topics: readonly Mutant[] = [
  {
    name: 'handled-too-far',
    sentence: 'A commit takes the message after the one that was handled for handled too.',
    from: 'known-bugs',
    hunted,
    edits: [
      {
        file: 'actors/topic-feed.ts',
        find: 'if (!isOver && sequence < position) commits?.handled(sequence + 1);',
        replace: 'if (!isOver && sequence < position) commits?.handled(Math.min(sequence + 2, position));',
      },
    ],
  },
  {
    name: 'gap-unsaid',
    sentence: 'Who is too late for what was kept goes on with what there is and is not told.',
    from: 'known-bugs',
    hunted,
    edits: [
      {
        file: 'actors/topic-feed.ts',
        find: "      outlet.offer({ type: 'lost', from: position, count });\n",
        replace: '',
      },
    ],
  },
  {
    name: 'acknowledged-before-handled',
    sentence: 'A message counts as acknowledged by a subscription that has only come to it.',
    from: 'known-bugs',
    hunted,
    edits: [
      {
        file: 'machines/register/topic/read.ts',
        find: 'next > sequence && sequence >= lostNext;',
        replace: 'next >= sequence && sequence >= lostNext;',
      },
    ],
  },
  {
    name: 'never-taken-over',
    sentence: 'A subscription whose holder died is taken over by nobody.',
    from: 'known-bugs',
    hunted,
    edits: [
      {
        file: 'actors/topic-feed.ts',
        find: '(ports.isGone(holder) ? claim(held) : later',
        replace: '(ports.isGone(holder) && isOver ? claim(held) : later',
      },
    ],
  },
  {
    name: 'lost-cursor',
    sentence: 'A replica that starts again from its disk begins subscriptions at what is kept, not at what was handled.',
    from: 'known-bugs',
    hunted,
    edits: [
      {
        file: 'machines/register/topic/restore.ts',
        find: 'topic.subscriptions.set(name, decodeSubscription(value));',
        replace: 'topic.subscriptions.set(name, { ...decodeSubscription(value), next: topic.next });',
      },
    ],
  },
];
