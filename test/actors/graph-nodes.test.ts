// A graph over whole nodes: its steps run where they are offered, one that is gone is asked once, and what may have happened is undone by
// whoever is left.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GraphOptions } from '../../actors/graph-api.ts';
import type { GraphOutcome } from '../../machines/graph/index.ts';
import { createHandCluster } from './hand-cluster.ts';
import { answers, createHandCatalog, createHandServices, type HandMethod, type HandServices } from './hand-services.ts';

type Offers = Record<string, Record<string, Record<string, HandMethod>>>;

const cluster = (offers: Offers) => {
  const hands = createHandCluster();
  const catalog = createHandCatalog();
  const services = new Map<string, HandServices>();
  const nodes = ['n1', 'n2', 'n3'].map((name) => {
    const own = createHandServices(`p-${name}`, catalog, offers[name] ?? {});
    services.set(name, own);
    return hands.start(name, { services: own });
  });
  hands.until(() => nodes.every(({ api }) => api.status().state === 'ready'));
  const [n1, n2, n3] = nodes as [(typeof nodes)[0], (typeof nodes)[0], (typeof nodes)[0]];
  const run = (graph: unknown, options: GraphOptions = {}) => {
    const told: string[] = [];
    let outcome: GraphOutcome | null = null;
    const handle = n1.api.graph.run(graph, options, {
      step: ({ step, status, node }) => void told.push(`${step} ${status} ${node}`),
      compensated: (step, { status, node }) => void told.push(`~${step} ${status} ${node}`),
      end(end) {
        if (!end.ok) assert.fail(end.failure.message);
        outcome = end.value;
      },
    });
    return {
      told,
      handle,
      outcome: (): GraphOutcome => outcome ?? assert.fail(`it runs: ${told}`),
      isOver: () => outcome !== null,
    };
  };
  return { hands, services, n1, n2, n3, run };
};

const echo = answers((input, { caller, principal }) => ({ input, caller, principal }), true);
const never: HandMethod = { invoke: () => undefined };
const count: HandMethod = {
  isStream: true,
  invoke(_input, _context, on) {
    let sent = 0;
    return {
      more(items) {
        for (let n = 0; n < items && sent < 200; n++) on.item(++sent);
        if (sent === 200) on.end({ ok: true, value: null });
      },
    };
  },
};

test('steps run where they are offered, also side by side, and what they answer goes on to the next', () => {
  const { hands, run } = cluster({ n1: { here: { echo } }, n2: { there: { echo } }, n3: { far: { echo, count } } });
  const { told, outcome } = run(
    {
      steps: {
        a: { service: 'there', method: 'echo', input: Uint8Array.of(1, 2) },
        b: { service: 'far', method: 'count' },
        c: {
          service: 'here',
          method: 'echo',
          input: [
            { $from: 'a', path: ['input'] },
            { $from: 'b', path: [199] },
          ],
        },
      },
    },
    { principal: 'anna' },
  );
  hands.pass(100);
  assert.deepEqual(told.toSorted(), ['a done n2', 'b done n3', 'c done n1']);
  const { a, c } = outcome().steps;
  assert.deepEqual(a!.result, { input: Uint8Array.of(1, 2), caller: 'n1', principal: 'anna' });
  assert.deepEqual((c!.result as { input: unknown }).input, [Uint8Array.of(1, 2), 200]);
  assert.ok(a!.tookMs < 100 && a!.attempts === 1);
});

test('a step whose node dies under it is undone at another, like what had happened', () => {
  const undo = answers((input) => input, true);
  const graph = {
    steps: {
      a: { service: 'stock', method: 'echo', node: 'n3', compensate: { service: 'stock', method: 'undo', input: 'a' } },
      b: { service: 'bank', method: 'never', after: ['a'], compensate: { service: 'stock', method: 'undo', input: 'b' } },
      c: { service: 'stock', method: 'echo', after: ['b'] },
    },
  };
  const { hands, run, n2, services } = cluster({ n2: { bank: { never } }, n3: { stock: { echo, undo } } });
  const { told, outcome, isOver } = run(graph);
  hands.until(() => services.get('n2')!.running.size === 1);
  hands.kill(n2);
  hands.until(isOver);
  assert.deepEqual(told.slice(0, 1), ['a done n3']);
  assert.deepEqual(told.slice(2), ['c skipped null', '~b done n3', '~a done n3']);
  const { failure, notUndone, steps } = outcome();
  assert.equal(failure!.code, 'OUTCOME_UNKNOWN');
  assert.equal(steps.b!.happened, 'unknown');
  assert.deepEqual(notUndone, []);
});

test('cancelled: whoever executes is told, and what may have happened is undone', () => {
  const undo = answers(() => null, true);
  const { hands, run, services } = cluster({ n2: { bank: { never, undo } } });
  const { handle, told, outcome, isOver } = run({
    steps: { a: { service: 'bank', method: 'never', compensate: { service: 'bank', method: 'undo' } } },
  });
  hands.until(() => services.get('n2')!.running.size === 1);
  handle.cancel();
  hands.until(isOver);
  assert.deepEqual(told, ['a failed null', '~a done n2']);
  assert.equal(outcome().failure!.code, 'CANCELLED');
  hands.pass(50);
  assert.equal(services.get('n2')!.running.size, 0);
});
