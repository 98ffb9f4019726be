// An application in the simulator: several programs sell the seats of one theatre. The careless way looks whether a seat is free and
// then takes it; the careful way takes it only if it is free. The simulator tells which seed sells a seat twice, and how it came.
//
//   node examples/seats.ts            # finds it in a few seeds
//   node examples/seats.ts careful    # 50 seeds hold
import assert from 'node:assert/strict';
import { type Client, PolityError } from 'polity/client';
import { describeFailure, simulate } from 'polity/sim';

/** What selling needs of a cluster: the real client has it, and so has the simulated one. */
type Store = Pick<Client, 'get' | 'put'>;
type Sell = (store: Store, seat: string, who: string) => Promise<boolean>;

const sellCarelessly: Sell = async (store, seat, who) => {
  if ((await store.get(seat)) !== null) return false;
  // Here somebody else may sell it too.
  await store.put(seat, who);
  return true;
};

const sellCarefully: Sell = async (store, seat, who) => {
  try {
    await store.put(seat, who, { ifIndex: 0 });
    return true;
  } catch (error) {
    if (error instanceof PolityError && error.code === 'CAS_MISMATCH') return false;
    throw error;
  }
};

const sell = process.argv[2] === 'careful' ? sellCarefully : sellCarelessly;

const result = await simulate({ seeds: [1, 50], nodes: 3, clients: 4, timeMs: 5_000, shrink: true }, () => {
  const sold = new Map<string, string>();
  return {
    async workload({ client, name, random, sleep, isOver }) {
      for (let customer = 0; customer < 5 && !isOver(); customer++) {
        const seat = `seat/${Math.floor(random() * 9)}`;
        // No quorum, or nobody knows whether it was sold: this customer gets no ticket.
        const gotIt = await sell(client, seat, name).catch(() => false);
        if (gotIt) {
          assert.ok(!sold.has(seat), `${seat} was sold by ${sold.get(seat)} and by ${name}`);
          sold.set(seat, name);
        }
        await sleep(random() * 200);
      }
    },
    async check({ client }) {
      for (const [seat, name] of sold)
        assert.equal((await client.get(seat))?.text(), name, `the cluster does not know who sold ${seat}`);
    },
  };
});

console.log(result.verdict === 'held' ? `${result.seeds.length} seeds held` : result.failed.map(describeFailure).join('\n'));
process.exitCode = result.verdict === 'held' ? 0 : 1;
