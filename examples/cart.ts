// A shopping cart that survives the loss of the machine under it, in the middle of a checkout. Three nodes, each a process; the carts are
// replicated actors. While the bank thinks about the payment, the node that runs the cart is killed (-9): another goes on, with everything
// that was in the cart, asks the bank again under the same id, and the customer, who waits, is answered once. The bank has one payment.
//
//   node examples/cart.ts
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createNode, defineActor, execution } from 'polity';
import { createClient } from 'polity/client';
import { assign, fromPromise, setup } from 'xstate';
import { z } from 'zod';

type Context = { items: Record<string, number>; receipt: string | null };

const machine = setup({
  types: { context: {} as Context, events: {} as { type: 'add'; item: string; cents: number } | { type: 'checkout' } },
  actors: {
    /** Runs where the cart's leader is; when that is lost, at the next one again, and then its effect id is the same. */
    charge: fromPromise(async ({ input }: { input: { cents: number } }) => {
      const id = execution()?.effectId ?? '';
      const answer = await fetch(`${process.env.BANK}/charge`, {
        ...{ method: 'POST', headers: { 'idempotency-key': id }, body: JSON.stringify(input) },
      });
      return ((await answer.json()) as { receipt: string }).receipt;
    }),
  },
  actions: {
    ship: ({ context }) => console.log(`${process.argv[2]}: ships ${Object.keys(context.items).join(', ')}`),
  },
}).createMachine({
  context: { items: {}, receipt: null },
  initial: 'shopping',
  states: {
    shopping: {
      on: {
        add: {
          actions: assign({ items: ({ context, event }) => ({ ...context.items, [event.item]: event.cents }) }),
        },
        checkout: 'paying',
      },
    },
    paying: {
      invoke: {
        src: 'charge',
        input: ({ context }) => ({ cents: Object.values(context.items).reduce((sum, cents) => sum + cents, 0) }),
        onDone: { target: 'paid', actions: assign({ receipt: ({ event }) => event.output }) },
        onError: 'shopping',
      },
    },
    paid: { entry: 'ship' },
  },
});

const Cart = defineActor('cart', {
  logic: machine,
  durability: 'replicated',
  messages: { add: z.object({ item: z.string(), cents: z.number().int() }), checkout: z.object({}) },
  replies: {
    add: ({ snapshot }) => Object.keys(snapshot.context.items).length,
    // Nothing yet: whoever asked waits until there is a receipt.
    checkout: ({ snapshot }) => snapshot.context.receipt ?? undefined,
  },
});

const names = ['n1', 'n2', 'n3'];

/** One of the three, in a process of its own. */
const serve = async (name: string): Promise<void> => {
  // It does not outlive the process that began it, however that one ends.
  process.once('disconnect', () => process.exit());
  const [data = '', ...ports] = process.argv.slice(3);
  const at = names.indexOf(name);
  const addresses = ports.slice(0, 3).map((port) => `/ip4/127.0.0.1/tcp/${port}`);
  await createNode({
    ...{ name, cluster: 'shop', data: join(data, name), actors: [Cart], bootstrap: names, http: `127.0.0.1:${ports[3 + at]}` },
    ...{ listen: [addresses[at]!], join: addresses.filter((_address, other) => other !== at) },
    secret: 'an example, at least sixteen bytes',
  });
};

const freePorts = async (count: number): Promise<number[]> => {
  const servers = Array.from({ length: count }, () => createSocket());
  await Promise.all(servers.map((server) => once(server.listen(0, '127.0.0.1'), 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
};

/** The world outside: slow, and pays once for each id. */
const openBank = async (onAsked: () => void) => {
  const payments = new Map<string, number>();
  const server = createServer((request, response) => {
    const id = String(request.headers['idempotency-key']);
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    request.on('end', () => {
      console.log(`bank: asked to charge ${(JSON.parse(body) as { cents: number }).cents} under ${id}`);
      payments.set(id, (payments.get(id) ?? 0) + 1);
      onAsked();
      setTimeout(() => response.end(JSON.stringify({ receipt: `receipt-${payments.size}` })), 1_500);
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return { server, payments, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
};

const run = async (): Promise<void> => {
  const data = mkdtempSync(join(tmpdir(), 'polity-cart-'));
  const ports = await freePorts(6);
  const nodes = new Map<string, ChildProcess>();
  const urls = ports.slice(3).map((port) => `http://127.0.0.1:${port}`);
  using client = createClient({ urls, timeoutMs: 20_000 });
  let isKilled = false;

  /** The cart is where its group is led. */
  const killLeader = async (): Promise<void> => {
    if (isKilled) return;
    isKilled = true;
    for (;;) {
      const { groups } = (await client.status()) as { groups: { leader: string | null }[] };
      const leader = groups[0]?.leader ?? '';
      if (nodes.get(leader)?.kill('SIGKILL') === true)
        return console.log(`killed ${leader}, which leads, with the payment under way`);
      // Somebody is being elected just now.
      await sleep(50);
    }
  };
  const bank = await openBank(() => void killLeader());
  for (const name of names) {
    const words = [import.meta.filename, name, data, ...ports.map(String)];
    const env = { ...process.env, BANK: bank.url };
    nodes.set(name, spawn(process.execPath, words, { env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }));
  }
  try {
    const cart = client.actor<typeof Cart>('cart/anna');
    // While the nodes form their cluster, it is asked again.
    await cart.ask({ type: 'add', item: 'chair', cents: 12_000 }, { timeoutMs: 60_000 });
    console.log(`${await cart.ask({ type: 'add', item: 'lamp', cents: 3_500 })} things are in the cart`);
    const startMs = performance.now();
    const receipt = await cart.ask({ type: 'checkout' }, { timeoutMs: 30_000 });
    console.log(`${receipt} after ${Math.round(performance.now() - startMs)} ms`);
    const { value, context } = await cart.snapshot();
    console.log(`the cart is ${value}: ${JSON.stringify(context.items)}`);
    console.log(`the bank has ${bank.payments.size} payment, asked for ${[...bank.payments.values()].join()} times`);
    await sleep(100);
  } finally {
    for (const node of nodes.values()) node.kill('SIGTERM');
    await Promise.all([...nodes.values()].map((node) => node.exitCode ?? node.signalCode ?? once(node, 'exit')));
    bank.server.closeAllConnections();
    bank.server.close();
    rmSync(data, { recursive: true, force: true });
  }
};

const [role] = process.argv.slice(2);
if (role === undefined) await run();
else await serve(role);
