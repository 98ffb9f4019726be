// A trip that takes three: a flight, a hotel and a card. Each is an actor, and so is the trip, a saga: it books one after the other, and if
// one refuses, what was booked is given back, the last first. All are replicated: whichever machine is lost, the saga goes on where it was,
// and a step that is tried again has one effect, for it is asked under the id of the step.
//
//   node examples/trip.ts           # goes well
//   node examples/trip.ts poor      # the card refuses: hotel and flight are given back
import { defineActor, execution, type Node, PolityError } from 'polity';
import { assign, fromPromise, fromTransition, setup } from 'xstate';
import { startNodes } from './nodes.ts';

type Booking = { type: 'book' | 'giveBack'; trip: string; amount: number };
type Stock = { left: number; booked: Record<string, number> };

/** Seats, rooms or money: so much is left, and who has how much of it. Twice is the same as once. */
const stock = fromTransition(
  ({ left, booked }: Stock, { type, trip, amount }: Booking): Stock => {
    const had = booked[trip] ?? 0;
    if (type === 'giveBack') return { left: left + had, booked: { ...booked, [trip]: 0 } };
    return had > 0 || amount > left ? { left, booked } : { left: left - amount, booked: { ...booked, [trip]: amount } };
  },
  ({ input }: { input: { left: number } }): Stock => ({ left: input.left, booked: {} }),
);

const isPoor = process.argv[2] === 'poor';
const Supplier = defineActor('supplier', {
  logic: stock,
  durability: 'replicated',
  input: (key) => ({ left: key === 'card' && isPoor ? 100 : 1_000 }),
  replies: {
    book({ snapshot, event }) {
      if ((snapshot.context.booked[event.trip] ?? 0) === 0) throw new Error(`there are no ${event.amount} left`);
      return snapshot.context.left;
    },
    giveBack: ({ snapshot }) => snapshot.context.left,
  },
});

type Step = { supplier: string; trip: string; amount: number };
type Trip = { id: string; why: string | null };
let anyNode: Node;

/** Any node finds the supplier. The effect's id is the same if this is run again, at another machine. */
const asking = (type: Booking['type']) =>
  fromPromise(async ({ input: { supplier, trip, amount } }: { input: Step }) => {
    const id = execution()?.effectId;
    const left = await anyNode.ref(Supplier, supplier).ask({ type, trip, amount }, id == null ? {} : { id });
    console.log(`${supplier}: ${type === 'book' ? 'booked' : 'given back'}, ${left} left`);
  });

const step = (supplier: string, amount: number) => ({
  input: ({ context }: { context: Trip }): Step => ({ supplier, trip: context.id, amount }),
});

/** What another actor's error is when it comes back from a log: its name and its words. */
const reasonOf = (error: unknown): string => (error as { message?: string }).message ?? String(error);

const machine = setup({
  types: { context: {} as Trip, events: {} as { type: 'begin' }, input: {} as { id: string } },
  actors: { book: asking('book'), giveBack: asking('giveBack') },
}).createMachine({
  context: ({ input }) => ({ id: input.id, why: null }),
  initial: 'planned',
  states: {
    planned: { on: { begin: 'flight' } },
    flight: {
      invoke: {
        src: 'book',
        ...step('flight', 1),
        onDone: 'hotel',
        onError: { target: 'failed', actions: assign({ why: ({ event }) => reasonOf(event.error) }) },
      },
    },
    hotel: {
      invoke: {
        src: 'book',
        ...step('hotel', 2),
        onDone: 'card',
        onError: { target: 'undoFlight', actions: assign({ why: ({ event }) => reasonOf(event.error) }) },
      },
    },
    card: {
      invoke: {
        src: 'book',
        ...step('card', 800),
        onDone: 'booked',
        onError: { target: 'undoHotel', actions: assign({ why: ({ event }) => reasonOf(event.error) }) },
      },
    },
    undoHotel: { invoke: { src: 'giveBack', ...step('hotel', 2), onDone: 'undoFlight' } },
    undoFlight: { invoke: { src: 'giveBack', ...step('flight', 1), onDone: 'failed' } },
    booked: {},
    failed: {},
  },
});

const Saga = defineActor('trip', {
  logic: machine,
  durability: 'replicated',
  input: (key) => ({ id: key }),
  replies: {
    begin: ({ snapshot }) => (snapshot.value === 'booked' || snapshot.value === 'failed' ? snapshot.value : undefined),
  },
});

const { nodes, stop } = await startNodes(['n1', 'n2', 'n3'], [Supplier, Saga]);
anyNode = nodes[0]!;
try {
  const lisbon = nodes[1]!.ref(Saga, 'lisbon');
  const end = await lisbon.ask({ type: 'begin' }, { timeoutMs: 20_000 });
  const { context } = await lisbon.snapshot();
  console.log(`the trip to lisbon is ${end}${context.why === null ? '' : `: ${context.why}`}`);
  for (const supplier of ['flight', 'hotel', 'card']) {
    const { context } = await nodes[2]!.ref(Supplier, supplier).snapshot();
    console.log(`${supplier}: ${context.left} left, lisbon has ${context.booked.lisbon ?? 0}`);
  }
} catch (error) {
  if (!(error instanceof PolityError)) throw error;
  console.log(`${error.code}: ${error.message}`);
}
await stop();
