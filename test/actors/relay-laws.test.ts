// Whatever links come and go between five nodes: each call ends once and in time, is executed once at most, and not at all if it says so.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ErrorCode, errorTable } from '../../machines/errors.ts';
import { createHandCluster, type HandNode } from './hand-cluster.ts';
import { createHandCatalog, createHandServices, type HandMethod, watched } from './hand-services.ts';

const count = 5;
const timeoutMs = 800;
const place = fc.nat(count - 1);
const act = fc.oneof(
  { weight: 3, arbitrary: fc.record({ type: fc.constant('cut' as const), a: place, b: place }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('join' as const), a: place, b: place }) },
  { weight: 5, arbitrary: fc.record({ type: fc.constant('call' as const), a: place, slow: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 120 }) }) },
);

test('calls over links that come and go', () => {
  fc.assert(
    fc.property(fc.array(act, { minLength: 20, maxLength: 50 }), fc.boolean(), (acts, idempotent) => {
      const hands = createHandCluster();
      const catalog = createHandCatalog();
      const executed = new Map<string, number>();
      const begin = (requestId: string): void => void executed.set(requestId, (executed.get(requestId) ?? 0) + 1);
      const quick: HandMethod = {
        idempotent,
        invoke(_input, { requestId }, on) {
          begin(requestId);
          on.end({ ok: true, value: requestId });
          return undefined;
        },
      };
      const slow: HandMethod = {
        idempotent,
        invoke(_input, { requestId }, on) {
          begin(requestId);
          hands.clock.after(60, () => on.end({ ok: true, value: requestId }));
          return undefined;
        },
      };
      const nodes = Array.from({ length: count }, (_, at) => {
        const name = `n${at + 1}`;
        const offers: Record<string, Record<string, HandMethod>> = at === count - 1 ? { work: { quick, slow } } : {};
        const services = createHandServices(`p-${name}`, catalog, offers);
        return Object.assign(hands.start(name, { services, checkAll: true }), { services });
      });
      const founders: HandNode[] = nodes.slice(0, 3);
      hands.until(() => founders.every(({ api }) => api.status().state === 'ready'));
      hands.pass(1_200);
      const calls: { id: string; end: ReturnType<typeof watched> }[] = [];
      for (const one of acts) {
        if (one.type === 'pass') hands.pass(one.ms);
        else if (one.type === 'call') {
          const end = watched();
          const id = `r${calls.length}`;
          const method = one.slow ? 'slow' : 'quick';
          calls.push({ id, end });
          nodes[one.a]!.api.calls.call({ service: 'work', method, input: null, timeoutMs, requestId: id }, end);
        } else if (one.a !== one.b) {
          const [a, b] = [nodes[one.a]!, nodes[one.b]!];
          if (one.type === 'cut') hands.network.disconnect(a.peer, b.peer);
          else if (!hands.network.connected(a.peer, b.peer)) hands.connect(a, b);
        }
      }
      hands.pass(timeoutMs + 100);
      for (const { id, end } of calls) {
        const times = executed.get(id) ?? 0;
        assert.equal(end.ends.length, 1, `${id} did not end`);
        assert.ok(idempotent || times <= 1, `${id} was executed ${times} times`);
        if (end.code === 'ok') assert.equal(end.value, id);
        else if (!idempotent && errorTable[end.code as ErrorCode].definite)
          assert.equal(times, 0, `${id} was executed, and says ${end.code}`);
      }
      for (const { api } of nodes)
        for (const { address, restarts } of api.status().actors) assert.equal(restarts, 0, `${address} failed`);
    }),
    { numRuns: 8, seed: 99, endOnFailure: true },
  );
});
