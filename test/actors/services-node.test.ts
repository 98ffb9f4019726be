// A node that stops while it executes calls: its services are withdrawn first, what runs ends with everything that it needs, and then
// the node goes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CallEvents, HostedService } from '../../actors/service-api.ts';
import { bulkheadDefaults } from '../../machines/bulkhead/index.ts';
import type { Failure } from '../../machines/errors.ts';
import { bytesOf, createHandCluster, type HandNode } from './hand-cluster.ts';

const held: CallEvents[] = [];
const service: HostedService = {
  offer: {
    ...{ kind: 'service', name: 's', version: '1.0.0', resources: {}, capabilities: [], tags: [] },
    methods: { do: { input: null, output: null, idempotent: false } },
  },
  bulkhead: bulkheadDefaults,
  methods: {
    do: {
      ...{ idempotent: false, isStream: false, importance: 'normal', cost: 1 },
      invoke(_input, _context, on) {
        held.push(on);
        return { cancel() {}, more() {} };
      },
    },
  },
};

const serving = (cluster: ReturnType<typeof createHandCluster>, node: HandNode): void => {
  assert.equal(node.api.host.add(service), null);
  let isTold = false;
  node.api.catalog.offer(service.offer, ({ ok }) => {
    isTold = ok;
  });
  cluster.until(() => isTold);
};

const call = ({ api }: HandNode) => {
  const told = { code: null as 'ok' | Failure['code'] | null };
  api.calls.call(
    { service: 's', method: 'do', input: null },
    { item() {}, end: (outcome) => void (told.code = outcome.ok ? 'ok' : outcome.failure.code) },
  );
  return told;
};

const found = ({ api }: HandNode): number => {
  const now = api.catalog.find({ name: 's' });
  return now.ok ? now.entries.length : -1;
};

test('what runs ends with everything that it needs; others know at once that nothing is offered any more', () => {
  const cluster = createHandCluster();
  const [a, b] = cluster.form();
  serving(cluster, a);
  cluster.until(() => found(b) === 1);
  const runs = call(a);
  cluster.until(() => held.length === 1);
  let isStopped = false;
  a.api.stop(() => {
    isStopped = true;
  });
  cluster.until(() => found(b) === 0, 1_500);
  const late = call(a);
  // The handler is not done yet, and writes what it has to write.
  let written = '';
  a.api.write({ op: 'put', key: 'k', value: bytesOf('v') }, {}, (outcome) => {
    written = outcome.ok ? 'ok' : outcome.failure.code;
  });
  cluster.until(() => written !== '' && late.code !== null, 1_500);
  cluster.pass(60);
  assert.deepEqual([written, a.api.status().state, isStopped, runs.code], ['ok', 'draining', false, null]);
  assert.ok(late.code === 'STOPPING' || late.code === 'SERVICE_NOT_FOUND', late.code ?? '');
  held.splice(0)[0]!.end({ ok: true, value: null });
  cluster.until(() => isStopped);
  assert.deepEqual([runs.code, a.api.status().state], ['ok', 'left']);
});

test('what never ends does not hold the node for ever', () => {
  const cluster = createHandCluster();
  const a = cluster.start('n1', { bootstrap: ['n1'] });
  cluster.until(() => a.api.status().state === 'ready');
  serving(cluster, a);
  const runs = call(a);
  cluster.until(() => held.length === 1);
  let isStopped = false;
  a.api.stop(() => {
    isStopped = true;
  });
  cluster.pass(1_900);
  assert.equal(isStopped, false);
  cluster.until(() => isStopped, 3_000);
  assert.equal(runs.code, 'OUTCOME_UNKNOWN');
  held.splice(0)[0]!.end({ ok: true, value: null });
  assert.equal(runs.code, 'OUTCOME_UNKNOWN');
});
