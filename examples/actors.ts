// A module of actors: what it exports is hosted by whoever is told of it.
//
//   npx polity dev --actors examples/actors.ts
//   npx polity actor ask visits/front-page '{"type":"visit","pages":1}'
//   npx polity actor watch visits/front-page --select context.count
//
// A program imports it, too: examples/visits.ts.
import { defineActor } from 'polity';
import { assign, setup } from 'xstate';
import { z } from 'zod';

const machine = setup({
  types: { context: {} as { count: number }, events: {} as { type: 'visit'; pages: number } | { type: 'close' } },
}).createMachine({
  context: { count: 0 },
  initial: 'open',
  states: {
    open: {
      on: {
        visit: { actions: assign({ count: ({ context, event }) => context.count + event.pages }) },
        close: 'closed',
      },
    },
    closed: { type: 'final' },
  },
  output: ({ context }) => context.count,
});

export const Visits = defineActor('visits', {
  logic: machine,
  // What anybody may send, checked where it lives.
  messages: { visit: z.object({ pages: z.number().int().positive() }), close: z.object({}) },
  // What whoever asks is answered: `ask({ type: 'visit', … })` is a Promise<number>.
  replies: { visit: ({ snapshot }) => snapshot.context.count },
});
