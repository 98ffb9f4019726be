// The cart of examples/cart.ts in the simulator. A cart that pays asks a bank, and the machine under it may be lost in the middle of that: the
// next one asks again. A careless cart does not say which payment it means, and somebody pays twice; a careful one says the effect id,
// which is the same whoever asks. No test on one machine shows the difference; a seed does, and prints how to see it again.
//
//   node examples/cart-simulated.ts            # finds it in a few seeds
//   node examples/cart-simulated.ts careful    # 20 seeds hold
import assert from 'node:assert/strict';
import { defineActor, execution } from 'polity';
import { describeFailure, simulate } from 'polity/sim';
import { assign, fromPromise, setup } from 'xstate';

const isCareful = process.argv[2] === 'careful';

/** The world outside: slow, and pays once for each id that it is told. */
class Bank {
  readonly payments: string[] = [];
  readonly #known = new Set<string>();
  /** Of the simulated world. */
  sleep: (delayMs: number) => Promise<void> = async () => {};

  async charge(cart: string, id: string | null): Promise<string> {
    if (id === null || !this.#known.has(id)) {
      this.payments.push(cart);
      if (id !== null) this.#known.add(id);
    }
    await this.sleep(300);
    return `receipt for ${cart}`;
  }
}

const cartOf = (bank: Bank) =>
  defineActor('cart', {
    logic: setup({
      types: {
        context: {} as { key: string; items: string[]; receipt: string | null },
        events: {} as { type: 'add'; item: string } | { type: 'checkout' },
        input: {} as { key: string },
      },
      actors: {
        charge: fromPromise(({ input }: { input: { key: string } }) => {
          const { effectId = null } = execution() ?? {};
          return bank.charge(input.key, isCareful ? effectId : null);
        }),
      },
    }).createMachine({
      context: ({ input }) => ({ key: input.key, items: [], receipt: null }),
      initial: 'shopping',
      states: {
        shopping: {
          on: {
            add: { actions: assign({ items: ({ context, event }) => [...context.items, event.item] }) },
            checkout: 'paying',
          },
        },
        paying: {
          invoke: {
            src: 'charge',
            input: ({ context }) => ({ key: context.key }),
            onDone: { target: 'paid', actions: assign({ receipt: ({ event }) => event.output }) },
          },
        },
        paid: {},
      },
    }),
    durability: 'replicated',
    input: (key) => ({ key }),
    replies: {
      add: ({ snapshot }) => snapshot.context.items.length,
      // Nothing yet: whoever asked waits until there is a receipt.
      checkout: ({ snapshot }) => snapshot.context.receipt ?? undefined,
    },
  });

const result = await simulate(
  { seeds: [1, 20], nodes: 3, clients: 3, timeMs: 8_000, faults: ['kill', 'pause', 'partition'], shrink: true },
  () => {
    const bank = new Bank();
    return {
      actors: [cartOf(bank)],
      async prepare({ sleep }) {
        bank.sleep = sleep;
      },
      async workload({ client, id, isOver, sleep }) {
        for (let number = 0; number < 4 && !isOver(); number++) {
          const cart = client.actor(`cart/${id}-${number}`);
          // No quorum, or nobody knows: this customer goes home, and may have paid.
          await cart
            .ask({ type: 'add', item: 'chair' })
            .then(() => cart.ask({ type: 'checkout' }))
            .catch(() => null);
          await sleep(100);
        }
      },
      check() {
        const twice = bank.payments.find((cart, at) => bank.payments.indexOf(cart) !== at);
        assert.equal(twice, undefined, `cart ${twice} has paid ${bank.payments.filter((cart) => cart === twice).length} times`);
      },
    };
  },
);

console.log(result.verdict === 'held' ? `${result.seeds.length} seeds held` : result.failed.map(describeFailure).join('\n'));
process.exitCode = result.verdict === 'held' ? 0 : 1;
