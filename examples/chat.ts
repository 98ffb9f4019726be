// A chat room: it and the people in it are actors at three nodes, who know each other by references that came in messages. When somebody
// is gone, for whatever reason, the room hears of it and tells the others.
//
//   node examples/chat.ts
import { setTimeout as sleep } from 'node:timers/promises';
import { type ActorEnd, defineActor, type Ref } from 'polity';
import { assign, enqueueActions, fromCallback, fromTransition, setup } from 'xstate';
import { startNodes } from './nodes.ts';

type PersonEvent = { type: 'heard'; who: string; words: string };

/** Somebody: prints what is to be heard. That he is stopped is told to a transition, too: as XState does, by `xstate.stop`. */
const Person = defineActor('person', {
  logic: fromTransition(
    (state: { name: string; heard: number }, { type, who, words }: PersonEvent) => {
      if (type !== 'heard') return state;
      console.log(`  [${state.name}] ${who}: ${words}`);
      return { ...state, heard: state.heard + 1 };
    },
    ({ input }: { input: { name: string } }) => ({ name: input.name, heard: 0 }),
  ),
  input: (key) => ({ name: key }),
});

type Guest = Ref<typeof Person>;
type RoomEvent =
  | { type: 'enter'; name: string; guest: Guest }
  | { type: 'say'; name: string; words: string }
  | { type: 'gone'; name: string; how: ActorEnd['reason'] };

const room = setup({
  types: { context: {} as { guests: Record<string, Guest> }, events: {} as RoomEvent },
  actors: {
    /** Waits for the end of a guest. */
    watching: fromCallback<RoomEvent, { name: string; guest: Guest }>(({ input, sendBack }) => {
      const watch = input.guest.watch(({ reason }) => sendBack({ type: 'gone', name: input.name, how: reason }));
      return () => watch.unsubscribe();
    }),
  },
}).createMachine({
  context: { guests: {} },
  on: {
    enter: {
      actions: enqueueActions(({ enqueue, event }) => {
        const { name, guest } = event;
        enqueue.assign({ guests: ({ context }) => ({ ...context.guests, [name]: guest }) });
        enqueue.spawnChild('watching', { id: name, input: { name, guest } });
        enqueue.raise({ type: 'say', name: 'room', words: `welcome, ${name}` });
      }),
    },
    say: {
      actions: enqueueActions(({ enqueue, context, event }) => {
        for (const [name, guest] of Object.entries(context.guests))
          if (name !== event.name) enqueue.sendTo(guest, { type: 'heard', who: event.name, words: event.words });
      }),
    },
    gone: {
      actions: [
        assign({
          guests: ({ context, event }) =>
            Object.fromEntries(Object.entries(context.guests).filter(([name]) => name !== event.name)),
        }),
        enqueueActions(({ enqueue, event }) => {
          enqueue.stopChild(event.name);
          enqueue.raise({ type: 'say', name: 'room', words: `${event.name} is gone (${event.how})` });
        }),
      ],
    },
  },
});

const Room = defineActor('room', {
  logic: room,
  replies: {
    enter: ({ snapshot }) => Object.keys(snapshot.context.guests),
    say: ({ snapshot }) => Object.keys(snapshot.context.guests).length,
  },
});

const { nodes, stop } = await startNodes(['north', 'south', 'west'], [Person, Room]);
const people: [name: string, Guest, Ref<typeof Room>][] = ['anna', 'ben', 'cleo'].map((name, at) => [
  name,
  // Each lives at a node of its own; the room is at the first, and is found from anywhere.
  nodes[at]!.spawn(Person, { key: name }),
  nodes[at]!.ref(Room, 'kitchen', { node: 'north' }),
]);

for (const [name, guest, kitchen] of people) {
  const names = await kitchen.ask({ type: 'enter', name, guest });
  console.log(`${name} enters: ${names.join(', ')}`);
}
const [[, , annas], [, ben, bens], [, , cleos]] = people as [(typeof people)[0], (typeof people)[0], (typeof people)[0]];
await annas.deliver({ type: 'say', name: 'anna', words: 'is there coffee?' });
await cleos.deliver({ type: 'say', name: 'cleo', words: 'there is' });
await bens.deliver({ type: 'say', name: 'ben', words: 'I must go' });
await ben.stop();
// Until the room has heard of it.
for await (const guests of annas.values('context.guests')) if (!('ben' in guests)) break;
await sleep(100);
await stop();
