// Services between two nodes: what a definition promises holds over the wire, too. Time and network are moved by hand, promises by turns.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { z } from 'zod';
import {
  clientOf,
  defineService,
  type ServiceContext,
  ServiceError,
  serve,
  streamService,
} from '../../../src/service/index.ts';
import { createHandCluster, type HandNode } from '../../actors/hand-cluster.ts';
import { failureIn } from './alone.ts';

const shop = defineService({
  ...{ name: 'shop', version: '1.2.0' },
  methods: {
    buy: { input: z.object({ what: z.string(), many: z.number().default(1) }), output: z.object({ bought: z.string() }) },
    nothing: { output: z.undefined().or(z.null()) },
    refuse: {},
    crash: {},
    chain: {},
    hang: {},
    count: { input: z.number(), output: z.number(), stream: true },
  },
});
const stock = defineService({ name: 'stock', version: '1.0.0', methods: { take: {} } });

const cluster = createHandCluster({
  calls: {
    limits: { node: null, principal: null, nodesMax: 1, principalsMax: 1 },
    serialize: false,
    sharesLimits: false,
    graceMs: 2_000,
  },
});
const sink = { log: () => {}, count: () => {} };
let server: HandNode;
let caller: HandNode;
const told: string[] = [];
const hanging: ServiceContext[] = [];

/** Lets time pass and promises go on until it is settled. */
const within = async <Value>(promise: Promise<Value>, limitMs = 5_000): Promise<Value> => {
  let isOver = false;
  const over = (): void => void (isOver = true);
  promise.then(over, over);
  for (let ms = 0; !isOver; ms++) {
    if (ms > limitMs) throw new Error('it never came');
    cluster.pass(1);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return promise;
};
const until = (holds: () => boolean): Promise<void> =>
  within(
    (async () => {
      while (!holds()) await new Promise((resolve) => setImmediate(resolve));
    })(),
  );
const client = () => clientOf(caller.api.calls, shop, undefined, null);

before(async () => {
  [server, caller] = cluster.form();
  const handlers = {
    buy: ({ what, many }: { what: string; many: number }) => ({ bought: `${many} ${what}` }),
    nothing: () => undefined,
    refuse() {
      throw new ServiceError('SOLD_OUT', 'none is left', { left: 0 });
    },
    crash() {
      throw new Error('what happened\n    at a/secret/place.ts:1');
    },
    chain: (_input: unknown, { client }: ServiceContext) => client(stock).take(),
    hang(_input: unknown, context: ServiceContext) {
      hanging.push(context);
      return new Promise((resolve) => context.signal.addEventListener('abort', resolve));
    },
    async *count(from: number) {
      try {
        for (let n = from; ; n++) {
          told.push(`made ${n}`);
          yield n;
        }
      } finally {
        told.push('closed');
      }
    },
  };
  await within(serve(server.api, sink, shop, handlers));
  await within(
    serve(caller.api, sink, stock, { take: (_input, { chain, principal, caller: from }) => ({ chain, principal, from }) }),
  );
  await until(() => [caller, server].every(({ api }) => api.catalog.summary().offers === 2));
});
after(() => {
  for (const { api } of cluster.nodes.values()) api.stop(() => {});
  cluster.pass(5_000);
});

test('input and result as the schemas make them', async () => {
  assert.deepEqual(await within(client().buy({ what: 'bread' })), { bought: '1 bread' });
  assert.equal((await within(client().nothing())) ?? null, null);
  const wrong = await within(failureIn(client().buy({ what: 5 } as never)));
  assert.deepEqual([wrong.code, wrong.details?.['input.what'] !== undefined], ['INVALID_REQUEST', true]);
});

test('refusals, failures, and what of them crosses', async () => {
  const refused = await within(failureIn(client().refuse()));
  assert.deepEqual(
    [refused.code, refused.message, refused.details?.reason, refused.details?.left, refused.details?.node],
    ['SERVICE_REFUSED', 'none is left', 'SOLD_OUT', 0, 'n1'],
  );
  const crashed = await within(failureIn(client().crash()));
  assert.deepEqual([crashed.code, crashed.message], ['SERVICE_FAILED', 'shop.crash failed at n1: what happened']);
  assert.ok(!JSON.stringify(crashed).includes('secret'));
});

test('a call within a call comes back to where it began, with its chain and its principal', async () => {
  assert.deepEqual(await within(client().chain(null, { principal: 'ada' })), {
    ...{ chain: ['n1 shop.chain', 'n2 stock.take'], principal: 'ada', from: 'n1' },
  });
});

test('whoever gives up is heard at the other node', async () => {
  const controller = new AbortController();
  const asked = failureIn(client().hang(null, { signal: controller.signal }));
  await until(() => hanging.length === 1);
  controller.abort();
  assert.equal((await within(asked)).code, 'CANCELLED');
  await until(() => hanging[0]!.signal.aborted && server.api.host.view()[0]?.bulkhead.running === 0);
});

test('a stream at the pace of whoever takes it, closed at the other end when he leaves', async () => {
  const taken: number[] = [];
  const taking = (async () => {
    for await (const n of client().count(1)) {
      taken.push(n);
      if (n === 100) break;
    }
  })();
  await within(taking);
  assert.deepEqual(
    taken,
    Array.from({ length: 100 }, (_, at) => at + 1),
  );
  await until(() => told.at(-1) === 'closed');
  assert.ok(told.length < 100 + 2 * 16 + 2, `${told.length} for 100 taken`);

  const idle = client().count(1_000);
  assert.equal((await within(idle.next())).value, 1_000);
  cluster.pass(200);
  const made = told.filter((word) => /^made 1\d{3}$/.test(word)).length;
  assert.ok(made <= 17, `${made} were made and one was taken`);
  await within(idle.return());
  const one = streamService(caller.api.calls, 'shop', 'buy', { what: 'salt' }, undefined, null);
  assert.deepEqual((await within(one.next())).value, { bought: '1 salt' });
  assert.equal((await within(one.next())).done, true);
});
