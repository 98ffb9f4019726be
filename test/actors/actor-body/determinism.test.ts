// Two bodies given the same: the same bytes, effects and timers, whether one of them was written down and read again in between or not,
// and whether its effects were asked for or not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { createBody } from '../../../actors/actor-body.ts';
import type { ActorBody, BodyEffect, BodyMode } from '../../../actors/actor-body-api.ts';
import { pack } from '../../../machines/wire/envelope.ts';
import { events, machineOf, shapes } from './charts.ts';

type Step =
  | { type: 'event'; n: number }
  | { type: 'fire' | 'answer' | 'fail' | 'tell'; n: number }
  | { type: 'restore'; muted: boolean };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.record({ type: fc.constant('event' as const), n: fc.nat(events.length - 1) }) },
    { weight: 4, arbitrary: fc.record({ type: fc.constantFrom('fire', 'answer', 'fail', 'tell' as const), n: fc.nat(9) }) },
    { weight: 2, arbitrary: fc.record({ type: fc.constant('restore' as const), muted: fc.boolean() }) },
  ) as fc.Arbitrary<Step>,
  { maxLength: 25 },
);

/** What is of no matter: nothing but what a log would hold. */
const shown = (effects: BodyEffect[]): unknown[] =>
  effects.map((effect) =>
    effect.kind === 'action'
      ? [effect.kind, effect.path, effect.type, effect.event.type]
      : effect.kind === 'invoke'
        ? [effect.kind, effect.path, effect.src]
        : [effect.kind, effect.path],
  );

const take = (body: ActorBody, step: Step, timerId: string | undefined, path: string | undefined): void => {
  switch (step.type) {
    case 'event':
      return body.deliver({ type: events[step.n]! });
    case 'fire':
      return void (timerId !== undefined && body.fire(timerId));
    case 'answer':
      return void (path !== undefined && body.answer(path, { type: 'done', output: step.n }));
    case 'fail':
      return void (path !== undefined && body.answer(path, { type: 'error', error: { name: 'Error', message: 'no' } }));
    case 'tell':
      return void (
        path !== undefined && body.answer(path, { type: 'event', event: { type: events[step.n % events.length]! } })
      );
    default:
      return undefined;
  }
};

const caught = (run: () => void): string | null => {
  try {
    run();
    return null;
  } catch (error) {
    return String(error);
  }
};

const runs = 120;

test('two bodies given the same events are the same, effects and timers too, restored or not', () => {
  let compared = 0;
  fc.assert(
    fc.property(shapes, steps, (shape, taken) => {
      const logic = machineOf(shape);
      let one: ActorBody | null = null;
      let other: ActorBody | null = null;
      const open = (): ActorBody => createBody({ logic, id: 'a', from: { input: undefined }, mode: 'recorded', clock: null });
      const firsts = [caught(() => void (one = open())), caught(() => void (other = open()))];
      assert.equal(firsts[0], firsts[1]);
      if (one === null || other === null) return;
      let [steady, restored] = [one as ActorBody, other as ActorBody];
      let mode: BodyMode = 'recorded';
      for (const step of taken) {
        if (step.type === 'restore') {
          mode = step.muted ? 'muted' : 'recorded';
          const persisted = restored.persist();
          const copy = JSON.parse(JSON.stringify(persisted)) as typeof persisted;
          restored = createBody({ logic, id: 'a', from: { persisted: copy }, mode, clock: null });
          assert.deepEqual(copy, JSON.parse(JSON.stringify(persisted)), 'what is restored from is left as it was');
        }
        const timers = steady.timers();
        const invoked = steady
          .invoked()
          .map(({ path }) => path)
          .sort();
        const timer = step.type === 'fire' ? timers[step.n % Math.max(1, timers.length)]?.id : undefined;
        const path = 'n' in step ? invoked[step.n % Math.max(1, invoked.length)] : undefined;
        const [a, b] = [caught(() => take(steady, step, timer, path)), caught(() => take(restored, step, timer, path))];
        assert.equal(a, b);
        if (a !== null) return;
        const [did, alike] = [shown(steady.takeEffects()), shown(restored.takeEffects())];
        if (mode === 'recorded' && step.type !== 'restore') assert.deepEqual(alike, did);
        assert.deepEqual(restored.timers(), steady.timers());
        assert.deepEqual(
          restored
            .invoked()
            .map(({ path: at }) => at)
            .sort(),
          steady
            .invoked()
            .map(({ path: at }) => at)
            .sort(),
        );
        assert.deepEqual(restored.persist(), steady.persist());
        assert.deepEqual(pack(restored.persist()), pack(steady.persist()));
        compared++;
      }
    }),
    { numRuns: runs, seed: 7 },
  );
  assert.ok(compared > runs, `${compared} compared`);
});
