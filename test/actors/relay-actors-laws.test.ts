// Whatever links come and go between five nodes: each question to an actor ends once and in time, has one effect at most, one if it was
// answered, and none if it says so; with ids that are kept, whatever way it took.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type EventObject, fromTransition } from 'xstate';
import type { ActorDefinition } from '../../actors/actor-api.ts';
import { type ErrorCode, errorTable } from '../../machines/errors.ts';
import { createHandCluster } from './hand-cluster.ts';
import { definitionOf } from './stand-in-actors.ts';

const count = 5;
const timeoutMs = 800;
const place = fc.nat(count - 1);
const kinds = ['none', 'local', 'replicated'] as const;
const act = fc.oneof(
  { weight: 3, arbitrary: fc.record({ type: fc.constant('cut' as const), a: place, b: place }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('join' as const), a: place, b: place }) },
  { weight: 5, arbitrary: fc.record({ type: fc.constant('ask' as const), a: place, of: fc.constantFrom(...kinds) }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 120 }) }) },
);

/** Its state is what it has handled: of a replicated one nothing else counts. */
const logic = fromTransition(
  (handled: readonly number[], event: EventObject) => [...handled, (event as EventObject & { n: number }).n],
  [] as readonly number[],
);
const replies: ActorDefinition['replies'] = { add: ({ event }) => (event as EventObject & { n: number }).n };
const made = kinds.map((name) =>
  definitionOf(name, logic, {
    ...{ replies, durability: name, placement: name === 'replicated' ? ('sharded' as const) : ('node' as const) },
  }),
);

test('questions to actors over links that come and go', { timeout: 200_000 }, () => {
  fc.assert(
    fc.property(fc.array(act, { minLength: 20, maxLength: 50 }), (acts) => {
      const hands = createHandCluster({
        balance: { isOn: false, everyMs: 50, graceMs: 300, settleMs: 200, pauseMs: 100, restMs: 1_000 },
      });
      const nodes = Array.from({ length: count }, (_, at) => hands.start(`n${at + 1}`, { checkAll: true }));
      hands.until(() => nodes.slice(0, 3).every(({ api }) => api.status().state === 'ready'));
      for (const { api } of nodes) for (const one of made) assert.equal(api.actors.host(one), null);
      hands.pass(1_200);
      const last = nodes.at(-1)!;
      const addressOf = (of: (typeof kinds)[number]) => ({ type: of, key: 'a', node: of === 'replicated' ? null : last.name });
      const asked: { n: number; of: (typeof kinds)[number]; outcomes: string[]; beganMs: number; endedMs: number }[] = [];
      for (const one of acts) {
        if (one.type === 'pass') hands.pass(one.ms);
        else if (one.type === 'ask') {
          const n = asked.length;
          const ask = { n, of: one.of, outcomes: [] as string[], beganMs: hands.clock.nowMs(), endedMs: 0 };
          asked.push(ask);
          nodes[one.a]!.api.actors.ask(addressOf(one.of), { type: 'add', n } as EventObject, { timeoutMs }, (outcome) => {
            ask.outcomes.push(outcome.ok ? `ok ${String(outcome.value)}` : outcome.failure.code);
            ask.endedMs = hands.clock.nowMs();
          });
        } else if (one.a !== one.b) {
          const [a, b] = [nodes[one.a]!, nodes[one.b]!];
          const isConnected = a.api.status().peers.some(({ peerId, connected }) => peerId === b.peer && connected);
          if (one.type === 'cut' && isConnected) hands.network.disconnect(a.peer, b.peer);
          if (one.type === 'join' && !isConnected) hands.connect(a, b);
          hands.pass(1);
        }
      }
      hands.pass(timeoutMs + 200);
      for (const a of nodes)
        for (const b of nodes)
          if (a.peer < b.peer && !a.api.status().peers.some(({ peerId, connected }) => peerId === b.peer && connected))
            hands.connect(a, b);
      hands.pass(3_000);
      // What has moved lives again with the next event.
      let waits: number = kinds.length;
      for (const of of kinds)
        last.api.actors.deliver(addressOf(of), { type: 'add', n: -1 } as EventObject, { timeoutMs: 10_000 }, ({ ok }) => {
          assert.ok(ok);
          waits--;
        });
      hands.until(() => waits === 0, 11_000);
      const states = new Map(
        kinds.map((of) => {
          const address = addressOf(of);
          const lives = nodes.flatMap(({ api }) => api.actors.find(address) ?? []);
          const contexts = lives.map((live) => (live.snapshot() as unknown as { context: readonly number[] }).context);
          return [of, contexts.find((context) => context.at(-1) === -1)!];
        }),
      );
      for (const { n, of, outcomes, beganMs, endedMs } of asked) {
        assert.equal(outcomes.length, 1, `${n} ends once`);
        assert.ok(endedMs - beganMs <= timeoutMs + 60, `${n} ends in time: ${endedMs - beganMs}`);
        const effects = states.get(of)!.filter((one) => one === n).length;
        const [how] = outcomes as [string];
        assert.ok(effects <= 1, `${of} ${n} has one effect at most, not ${effects}: ${how}`);
        if (how.startsWith('ok')) assert.deepEqual([how, effects], [`ok ${n}`, 1]);
        else if (errorTable[how as ErrorCode].definite)
          assert.equal(effects, 0, `${of} ${n} said that it surely did not happen: ${how}`);
      }
    }),
    { numRuns: Number(process.env.RUNS ?? 12) },
  );
});
