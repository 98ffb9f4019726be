// Bugs of work queues: what brokers have got wrong before, at the places where ours could.
import type { Mutant } from '../mutant.ts';

const from = 'known-bugs';
const hunted = { scenario: 'queues' } as const;
const applying = 'machines/queue/apply.ts';
const standing = 'machines/queue/state.ts';
const restoring = 'machines/queue/restore.ts';

export const queues: readonly Mutant[] = [
  {
    ...{ name: 'ack-in-memory', from, hunted },
    sentence: 'What was acknowledged is there again after a restart.',
    edits: [
      {
        file: 'machines/queue/steps.ts',
        find: '  turn.writes.push({ key: messageKey(message.id), value: null }, { key: bodyKey(message.id), value: null });\n',
        replace: '',
      },
    ],
  },
  {
    ...{ name: 'receipt-not-fenced', from, hunted },
    sentence: 'An acknowledgement counts although somebody else has the message by now.',
    edits: [
      {
        file: applying,
        find: 'const isCurrent = message.token?.term === token.term && message.token.index === token.index;',
        replace: 'const isCurrent = token.index > 0;',
      },
    ],
  },
  {
    ...{ name: 'in-sight-too-soon', from, hunted },
    sentence: 'A message comes into sight before the time that its receiver was told.',
    edits: [
      {
        file: standing,
        find: "schedule(queues.timers, 'message', String(id), message.atMs);",
        replace: "schedule(queues.timers, 'message', String(id), message.atMs - 40);",
      },
    ],
  },
  {
    ...{ name: 'key-side-by-side', from, hunted },
    sentence: 'Messages of one ordering key are out at the same time.',
    edits: [
      {
        file: standing,
        find: 'const head = line.out === null ? headOf(queues, line) : null;',
        replace: 'const head = headOf(queues, line);',
      },
    ],
  },
  {
    ...{ name: 'key-overtaken', from, hunted },
    sentence: 'A message that was given back with a delay is overtaken by the next of its ordering key.',
    edits: [
      {
        file: standing,
        find: 'if (isAsleep(message) && !message.isWaiting) {',
        replace: "if (message.standing === 'ready' && !message.isWaiting) {",
      },
    ],
  },
  {
    ...{ name: 'dedup-forgotten', from, hunted },
    sentence: 'Deduplication ids are forgotten at a restart.',
    edits: [
      {
        file: restoring,
        find: 'const { queue, seenMs, id } = decodeSeen(value);',
        replace: 'const { queue, seenMs, id } = decodeSeen(value);\n      if (seenMs > 0) return;',
      },
    ],
  },
  {
    ...{ name: 'dedup-late', from, hunted },
    sentence: 'An id counts as used only once its message is done.',
    edits: [
      {
        file: applying,
        find: '  if (!isPast(seen)) return seen;',
        replace: '  if (!isPast(seen) && !turn.state.queues.messages.has(seen.message)) return seen;',
      },
    ],
  },
  {
    ...{ name: 'out-for-ever', from, hunted },
    sentence: 'Nobody lets log time pass for what a receiver forgot, unless somebody writes.',
    edits: [
      {
        file: 'machines/register/state.ts',
        find: '    state.queues.timers.heap[0]?.atMs ?? Number.POSITIVE_INFINITY,\n',
        replace: '',
      },
    ],
  },
  {
    ...{ name: 'deliveries-forgotten', from, hunted },
    sentence: 'How often a message was given out is forgotten at a restart.',
    edits: [
      {
        file: restoring,
        find: '{ id, ...record });',
        replace: '{ id, ...record, deliveries: 0 });',
      },
    ],
  },
];
