// An order that takes four services: what does not wait for each other runs side by side, and if a step fails, what had happened is undone.
//
//   node examples/order.ts           # goes well
//   node examples/order.ts poor      # the card is refused: the chair is released again
//
// All four services are offered by one node here; each could be offered by others, and by several.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createNode, defineGraph, defineService, GraphError, ServiceError, unchecked } from 'polity';

type Numbered = { number: string };

const stock = defineService({
  name: 'stock',
  version: '1.0.0',
  methods: {
    reserve: { input: unchecked<Numbered & { sku: string }>(), output: unchecked<{ price: number }>() },
    release: { input: unchecked<Numbered>(), idempotent: true },
  },
});
const customers = defineService({
  name: 'customers',
  version: '1.0.0',
  methods: { address: { input: unchecked<Numbered>(), output: unchecked<{ street: string }>(), idempotent: true } },
});
const bank = defineService({
  name: 'bank',
  version: '1.0.0',
  methods: {
    charge: { input: unchecked<Numbered & { amount: number }>(), output: unchecked<{ receipt: string }>() },
    refund: { input: unchecked<Numbered>(), idempotent: true },
  },
});
const post = defineService({
  name: 'post',
  version: '1.0.0',
  methods: { ship: { input: unchecked<{ sku: string; to: string }>(), output: unchecked<{ parcel: string }>() } },
});

const order = (sku: string, number: string) =>
  defineGraph({ timeoutMs: 10_000 })
    .step('reserve', { service: stock, method: 'reserve', input: { sku, number } })
    // By the order's own number: what undoes a step may be called though nobody knows what the step answered.
    .compensate('reserve', { service: stock, method: 'release', input: { number } })
    .step('address', { service: customers, method: 'address', input: { number } })
    .step('charge', (ref) => ({ service: bank, method: 'charge', input: { number, amount: ref('reserve', 'price') } }))
    .compensate('charge', { service: bank, method: 'refund', input: { number } })
    .step('ship', (ref) => ({
      service: post,
      method: 'ship',
      input: { sku, to: ref('address', 'street') },
      after: ['charge'],
    }));

const data = mkdtempSync(join(tmpdir(), 'polity-order-'));
const node = await createNode({
  ...{ name: 'n1', cluster: 'shop', data, listen: ['/ip4/127.0.0.1/tcp/0'], bootstrap: ['n1'] },
  secret: 'an example, at least sixteen bytes',
});
await node.ready();

const isPoor = process.argv[2] === 'poor';
const reserved = new Set<string>();
await node.serve(stock, {
  reserve({ number }) {
    reserved.add(number);
    return { price: 120 };
  },
  release: ({ number }) => void reserved.delete(number),
});
await node.serve(customers, { address: () => ({ street: '1 Long Lane' }) });
await node.serve(bank, {
  charge({ number, amount }) {
    if (isPoor) throw new ServiceError('NO_FUNDS', `there are no ${amount} on this card`);
    return { receipt: `${amount} for ${number}` };
  },
  refund: () => {},
});
await node.serve(post, { ship: ({ sku, to }) => ({ parcel: `a ${sku} to ${to}` }) });

try {
  const run = node.run(order('chair', 'A-17'));
  for await (const { step, status, compensation } of run)
    console.log(`${step} ${compensation === null ? status : `compensated: ${compensation.status}`}`);
  const { results } = await run.result;
  console.log(`on its way: ${results.ship?.parcel}, ${results.charge?.receipt}`);
} catch (error) {
  if (!(error instanceof GraphError)) throw error;
  console.log(`${error.code}: ${error.message}`);
}
console.log(`${reserved.size} reserved`);

await node.stop();
rmSync(data, { recursive: true, force: true });
