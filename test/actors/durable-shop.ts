// A shop of five methods over three nodes moved by hand, which keep durable runs: who tries those begins here.
import assert from 'node:assert/strict';
import type { GraphOptions } from '../../actors/graph-api.ts';
import { type ErrorCode, type Failure, failure } from '../../machines/errors.ts';
import type { GraphOutcome } from '../../machines/graph/index.ts';
import type { HandNode } from './hand-cluster.ts';
import { createHandCatalog, createHandServices, type HandServices } from './hand-services.ts';
import { createReplicaWorld } from './replica-world.ts';

type Called = {
  at: string;
  method: string;
  input: unknown;
  requestId: string;
  answer(value: unknown): void;
  fail(code: ErrorCode, message?: string, details?: Failure['details']): void;
};

export const methods = ['reserve', 'release', 'charge', 'refund', 'ship'];
const isIdempotent = (method: string): boolean => method !== 'reserve' && method !== 'charge';

/** Three nodes; whoever is to be called is `n3`, or all of them. */
export const shop = (servers = ['n3'], durableGraphs = true) => {
  const catalog = createHandCatalog();
  const calling: Called[] = [];
  const all: Called[] = [];
  const handled = (at: string, method: string) => ({
    idempotent: isIdempotent(method),
    invoke(input: unknown, { requestId }: { requestId: string }, on: { end(outcome: never): void }) {
      const end = (outcome: unknown): void => {
        calling.splice(calling.indexOf(called), 1);
        on.end(outcome as never);
      };
      const called: Called = {
        ...{ at, method, input, requestId },
        answer: (value) => end({ ok: true, value }),
        fail: (code, message = `${method} said so`, details = {}) =>
          end({ ok: false, failure: failure(code, message, details) }),
      };
      calling.push(called);
      all.push(called);
      return {
        cancel() {
          if (calling.includes(called)) calling.splice(calling.indexOf(called), 1);
        },
      };
    },
  });
  const services = (name: string): HandServices => {
    const own = servers.includes(name)
      ? { shop: Object.fromEntries(methods.map((method) => [method, handled(name, method)])) }
      : {};
    return createHandServices(`p-${name}`, catalog, own as never);
  };
  const world = createReplicaWorld(() => [], { durableGraphs });
  const nodes = ['n1', 'n2', 'n3'].map((name) => world.start(name, { services: services(name) }));
  world.cluster.until(() => nodes.every(({ api }) => api.status().state === 'ready') && world.leader() !== null);
  const { until } = world.cluster;

  const looking = () => {
    const told: string[] = [];
    const ends: ({ ok: true; value: GraphOutcome } | { ok: false; failure: { code: string; message: string } })[] = [];
    return {
      ...{ told, ends },
      on: {
        step: ({ step, status }: { step: string; status: string }) => void told.push(`${step} ${status}`),
        compensated: (step: string, { status }: { status: string }) => void told.push(`~${step} ${status}`),
        end: (end: (typeof ends)[0]) => void ends.push(end),
      },
      get outcome(): GraphOutcome {
        const end = ends[0];
        return end?.ok === true ? end.value : assert.fail(end === undefined ? `it runs: ${told}` : end.failure.message);
      },
      get code(): string | null {
        const end = ends[0];
        return end === undefined ? null : end.ok ? (end.value.failure?.code ?? 'ok') : end.failure.code;
      },
    };
  };
  const run = (node: HandNode, graph: unknown, id = 'order-1', options: GraphOptions = {}) => {
    const seen = looking();
    const handle = node.api.graph.run(graph, { ...options, durable: { id, keepMs: 5_000, ...options.durable } }, seen.on);
    return Object.assign(seen, { handle });
  };
  const attach = (node: HandNode, id = 'order-1') => {
    const seen = looking();
    node.api.graph.attach(id, seen.on);
    return seen;
  };
  const called = (method: string): Called => {
    until(() => calling.some((one) => one.method === method));
    return calling.findLast((one) => one.method === method)!;
  };
  const [n1, n2, n3] = nodes as [HandNode, HandNode, HandNode];
  return { ...{ world, n1, n2, n3, run, attach, called, calling, all, until }, pass: world.cluster.pass };
};

export const order = {
  steps: {
    reserve: {
      ...{
        service: 'shop',
        method: 'reserve',
        input: { sku: 'chair', note: { $ref: 'no/reference', data: Uint8Array.of(1, 2) } },
      },
      compensate: { service: 'shop', method: 'release', input: 'A-1' },
    },
    charge: {
      ...{ service: 'shop', method: 'charge', input: { amount: { $from: 'reserve', path: ['price'] } } },
      compensate: { service: 'shop', method: 'refund', input: 'A-1' },
    },
    ship: { service: 'shop', method: 'ship', after: ['charge'], input: { $from: 'reserve' } },
  },
};
