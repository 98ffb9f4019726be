// Graphs as whoever writes programs has them: typed by definitions, run as promises over services that really run, step by step.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { failure } from '../../../machines/errors.ts';
import type { StepReport } from '../../../machines/graph/index.ts';
import { PolityError } from '../../../src/errors.ts';
import { defineGraph, failureOf, GraphError, GraphRun, literal, orElse, ref } from '../../../src/graph/index.ts';
import { defineService, type ServiceContext, ServiceError } from '../../../src/service/index.ts';
import { createGraphsAlone } from '../gateway/graphs.ts';
import { alone } from '../service/alone.ts';

const stock = defineService({
  name: 'stock',
  version: '1.2.0',
  methods: {
    reserve: {
      input: z.object({ sku: z.string(), count: z.number() }),
      output: z.object({ id: z.string(), price: z.number(), parts: z.array(z.object({ kg: z.number() })) }),
    },
    release: { input: z.object({ id: z.string() }), idempotent: true },
    shelves: { output: z.string(), stream: true },
  },
});
const bank = defineService({
  name: 'bank',
  version: '2.0.0',
  methods: {
    charge: { input: z.object({ amount: z.number(), note: z.string().optional() }), output: z.object({ receipt: z.string() }) },
  },
});

const makeWorld = () => {
  const world = alone();
  const done: string[] = [];
  world.serve(stock, {
    reserve({ sku, count }) {
      done.push(`reserve ${count} ${sku}`);
      return { id: 'r1', price: 12 * count, parts: [{ kg: 3 }, { kg: 4 }] };
    },
    release: ({ id }) => void done.push(`release ${id}`),
    shelves: () => ['A', 'B'],
  });
  let context: ServiceContext | null = null;
  world.serve(bank, {
    async charge({ amount }, within) {
      context = within;
      done.push(`charge ${amount}`);
      if (amount > 100) throw new ServiceError('too-much', 'not so much');
      if (amount < 0) await new Promise(() => {});
      return { receipt: `paid ${amount}` };
    },
  });
  const offers = [stock.offer, bank.offer];
  const find = ({ name }: { name: string }) => ({
    ok: true as const,
    entries: offers.filter((offer) => offer.name === name).map((offer) => ({ offer }) as never),
  });
  const api = createGraphsAlone({ calls: world.calls, catalog: { find } });
  return { ...world, done, api, context: () => context! };
};

const order = (count: number) =>
  defineGraph({ timeoutMs: 5_000 })
    .step('reserve', { service: stock, method: 'reserve', input: { sku: 'chair', count } })
    .step('charge', (from) => ({ service: bank, method: 'charge', input: { amount: from('reserve', 'price') } }))
    .step('tell', (from) => ({
      service: bank,
      method: 'charge',
      input: { amount: from('reserve', 'parts', 1, 'kg') },
      after: ['charge'],
    }))
    .compensate('reserve', (from) => ({ service: stock, method: 'release', input: { id: from('reserve', 'id') } }));

const stepsOf = async (run: AsyncIterable<StepReport>): Promise<string[]> => {
  const told: string[] = [];
  for await (const { step, status, compensation } of run)
    told.push(`${step} ${compensation === null ? status : 'compensated'}`);
  return told;
};

test('a graph is plain data: what is defined fits into JSON and back', () => {
  const { graph } = order(2);
  assert.deepEqual(JSON.parse(JSON.stringify(graph)), graph);
  assert.deepEqual(graph.steps.charge, {
    ...{ service: 'bank', version: '^2.0.0', method: 'charge', input: { amount: { $from: 'reserve', path: ['price'] } } },
  });
  assert.deepEqual(graph.steps.reserve!.compensate!.input, { id: { $from: 'reserve', path: ['id'] } });
  assert.equal(graph.timeoutMs, 5_000);
});

test('results by step, with their types, and the steps as they end', async () => {
  const { api, done } = makeWorld();
  const run = new GraphRun(api, order(2));
  const { results, steps, tookMs } = await run.result;
  // The compiler knows what they are.
  const receipt: string | undefined = results.charge?.receipt;
  assert.equal(receipt, 'paid 24');
  assert.equal(results.tell?.receipt, 'paid 4');
  assert.equal(steps.reserve.status, 'done');
  assert.ok(tookMs >= 0);
  assert.deepEqual(done, ['reserve 2 chair', 'charge 24', 'charge 4']);
  assert.deepEqual(await stepsOf(run), ['reserve done', 'charge done', 'tell done'], 'also for who looks later');
});

test('a failure: both who waits and who looks on hear of it, after everything was undone', async () => {
  const { api, done } = makeWorld();
  const run = new GraphRun(api, order(9));
  const told: string[] = [];
  await assert.rejects(
    async () => {
      for await (const { step, status, compensation } of run) told.push(`${step} ${compensation?.status ?? status}`);
    },
    (error: unknown) => {
      assert.ok(error instanceof GraphError && error instanceof PolityError);
      assert.deepEqual(
        [error.code, error.definite, error.details.cause, error.details.step],
        ['GRAPH_FAILED', false, 'SERVICE_REFUSED', 'charge'],
      );
      assert.equal(error.outcome.steps.reserve!.compensation!.status, 'done');
      return true;
    },
  );
  assert.deepEqual(told, ['reserve done', 'charge failed', 'tell skipped', 'reserve done']);
  assert.deepEqual(done, ['reserve 9 chair', 'charge 108', 'release r1']);
  await assert.rejects(run.result, { name: 'GraphError' });
});

test('what is wrong with a graph, or with how it is asked for', async () => {
  const { api, done } = makeWorld();
  const rejected = async (graph: unknown, options: object, code: string, message: RegExp): Promise<void> => {
    const run = new GraphRun(api, graph as never, options);
    await assert.rejects(run.result, (error: PolityError) => {
      assert.equal(error.code, code);
      assert.match(error.message, message);
      return !(error instanceof GraphError);
    });
    await assert.rejects(stepsOf(run), { code });
  };
  await rejected(defineGraph(), {}, 'INVALID_REQUEST', /steps are 0/);
  await rejected(order(1), { timeout: 1 }, 'INVALID_REQUEST', /no option 'timeout'/);
  await rejected({ steps: { a: { service: 'none', method: 'm' } } }, {}, 'SERVICE_NOT_FOUND', /steps\.a: nobody offers none/);
  await rejected(order(1), { signal: AbortSignal.abort() }, 'CANCELLED', /before it began/);
  const evil = {
    get steps() {
      throw new Error('ha');
    },
  };
  await rejected(evil, {}, 'INVALID_REQUEST', /cannot be read: ha/);
  assert.deepEqual(done, []);
  const again = { service: 's', method: 'm' };
  assert.throws(() => defineGraph().step('a', again).step('a', again), {
    code: 'INVALID_REQUEST',
    message: /has a step 'a' already/,
  });
  assert.throws(() => defineGraph().step('a', again).compensate('a', again).compensate('a', again), {
    code: 'INVALID_REQUEST',
  });
  assert.throws(() => defineGraph().compensate('a' as never, again), { code: 'INVALID_REQUEST', message: /has no step 'a'/ });
  assert.throws(() => orElse(ref('a'), undefined), { code: 'INVALID_REQUEST' });
});

test('given up by a signal', async () => {
  const { api } = makeWorld();
  const controller = new AbortController();
  const hangs = defineGraph().step('charge', { service: bank, method: 'charge', input: { amount: -1 } });
  const run = new GraphRun(api, hangs, { signal: controller.signal });
  controller.abort();
  await assert.rejects(run.result, { name: 'GraphError', code: 'CANCELLED' });
  run.cancel();
});

test('within a call: for its principal, in its chain', async () => {
  const world = makeWorld();
  const asks = defineService({ name: 'shop', version: '1.0.0', methods: { buy: {} } });
  const shop = world.serve(asks, {
    async buy(_, context) {
      const pay = defineGraph().step('charge', { service: bank, method: 'charge', input: { amount: 5 } });
      return (await new GraphRun(world.api, pay, { within: context }).result).results.charge;
    },
  });
  assert.deepEqual(await shop.buy(undefined, { principal: 'anna' }), { receipt: 'paid 5' });
  assert.equal(world.context().principal, 'anna');
  assert.deepEqual(world.context().chain, ['n1 shop.buy', 'n1 bank.charge']);
});

test('streams, services by name, references of any type, and records that only look like one', async () => {
  const { api } = makeWorld();
  const graph = defineGraph()
    .step('shelves', { service: stock, method: 'shelves' })
    .step('any', { service: 'bank', method: 'charge', input: { amount: 7, note: 'by name' }, onError: 'continue' })
    .step('more', (from) => ({
      service: bank,
      method: 'charge',
      input: { amount: orElse(from('any', 'sum'), 8), note: from('shelves', 0) },
    }));
  const { results } = await new GraphRun(api, graph).result;
  const shelves: readonly string[] | null = results.shelves;
  assert.deepEqual(shelves, ['A', 'B']);
  assert.deepEqual(results.any, { receipt: 'paid 7' });
  assert.equal(results.more?.receipt, 'paid 8');
  assert.deepEqual(failureOf('a', 'code'), { $failure: 'a', path: ['code'] });
  assert.deepEqual(literal({ $from: 1 }), { $$from: 1 });
});

test('what does not fit is no TypeScript', () => {
  const graph = defineGraph().step('reserve', { service: stock, method: 'reserve', input: { sku: 'a', count: 1 } });
  const wrong = [
    // @ts-expect-error There is no such method.
    () => graph.step('a', { service: bank, method: 'chrge', input: { amount: 1 } }),
    // @ts-expect-error Its input has another type.
    () => graph.step('a', { service: bank, method: 'charge', input: { amount: 'x' } }),
    // @ts-expect-error It wants one.
    () => graph.step('a', { service: bank, method: 'charge' }),
    // @ts-expect-error There is no such step.
    () => graph.step('a', (from) => ({ service: bank, method: 'charge', input: { amount: from('nobody') } })),
    // @ts-expect-error Its result has no such part.
    () => graph.step('a', (from) => ({ service: bank, method: 'charge', input: { amount: from('reserve', 'cost') } })),
    // @ts-expect-error That part has another type.
    () => graph.step('a', (from) => ({ service: bank, method: 'charge', input: { amount: from('reserve', 'id') } })),
    // @ts-expect-error There is no such word.
    () => graph.step('a', { service: bank, method: 'charge', input: { amount: 1 }, afterwards: [] }),
    // @ts-expect-error There is no such step to undo.
    () => graph.compensate('nobody', { service: stock, method: 'release', input: { id: 'x' } }),
  ];
  assert.equal(wrong.length, 8);
  assert.equal(failure('INTERNAL', '').code, 'INTERNAL');
});
