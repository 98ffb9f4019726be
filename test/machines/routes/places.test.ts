// Where something is to be had: the order, and how it is found out that the own catalog does not know.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  createPlaces,
  type PlacesEffect,
  type PlacesState,
  placesLimits,
  rankPlaces,
  routesDefaults,
  stepPlaces,
} from '../../../machines/routes/index.ts';

const stateOf = (): PlacesState => createPlaces({ self: 'a', options: routesDefaults, seed: 1 });
const of = <Type extends PlacesEffect['type']>(effects: readonly PlacesEffect[], type: Type) =>
  effects.filter((effect): effect is Extract<PlacesEffect, { type: Type }> => effect.type === type);
const locate = (state: PlacesState, nowMs: number, number = 1, near = ['b', 'c']) =>
  stepPlaces(state, nowMs, { type: 'locate', locate: number, key: 'k', near });

test('here, then where it is preferred, then the nearest; the sick are left out, the unmeasured are last', () => {
  const places = ['far', 'near', 'unmeasured', 'sick', 'wanted', 'a', 'near'].map((owner) => ({ owner, version: '1.0.0' }));
  const latencies: Record<string, number> = { far: 90, near: 1, wanted: 50 };
  const ranked = rankPlaces(places, {
    ...{ self: 'a', preferred: 'wanted' },
    latencyMs: (owner) => latencies[owner] ?? null,
    isHealthy: (owner) => owner !== 'sick',
  });
  assert.deepEqual(
    ranked.map(({ owner }) => owner),
    ['a', 'wanted', 'near', 'far', 'unmeasured'],
  );
});

test('what neighbours say is a hint: who is said to offer it is asked himself, and the first that does ends the look-up', () => {
  const state = stateOf();
  assert.deepEqual(
    of(locate(state, 0), 'ask')
      .map(({ to }) => to)
      .sort(),
    ['b', 'c'],
  );
  assert.deepEqual(locate(state, 1, 2), [], 'the same look-up waits for the same answer');
  const proofs = of(stepPlaces(state, 2, { type: 'said', key: 'k', from: 'b', owners: ['x', 'y', 'a'] }), 'prove');
  assert.deepEqual(
    proofs.map(({ owner }) => owner),
    ['x', 'y'],
  );
  assert.deepEqual(stepPlaces(state, 3, { type: 'proved', key: 'k', owner: 'x', version: null }), [], 'it was not true');
  assert.deepEqual(stepPlaces(state, 3, { type: 'proved', key: 'k', owner: 'z', version: '9.9.9' }), [], 'nobody asked it');
  const told = of(stepPlaces(state, 4, { type: 'proved', key: 'k', owner: 'y', version: '1.2.0' }), 'located');
  assert.deepEqual(
    told.map(({ locate: number, places }) => [number, places[0]?.owner]),
    [
      [1, 'y'],
      [2, 'y'],
    ],
  );
  stepPlaces(state, 5, { type: 'said', key: 'k', from: 'c', owners: [] });
  assert.equal(state.searches.size, 0);
  assert.deepEqual(of(locate(state, 6, 3), 'located')[0]?.places, [{ owner: 'y', version: '1.2.0' }]);
  // In use and soon over: it is told, and looked for again at once.
  const late = locate(state, 4 + routesDefaults.ttlMs * 0.8, 4);
  assert.deepEqual([of(late, 'located').length, of(late, 'ask').length], [1, 2]);
});

test('nobody answers: it ends in time, and is not asked again before something new is heard', () => {
  const state = stateOf();
  locate(state, 0);
  assert.deepEqual(of(stepPlaces(state, routesDefaults.askMs, { type: 'wake' }), 'located')[0]?.places, []);
  assert.equal(of(locate(state, routesDefaults.askMs + 1, 2), 'ask').length, 0);
  stepPlaces(state, routesDefaults.askMs + 2, { type: 'news' });
  assert.equal(of(locate(state, routesDefaults.askMs + 3, 3), 'ask').length, 2);
  assert.deepEqual(of(locate(stateOf(), 0, 1, []), 'located')[0]?.places, [], 'there is nobody to ask');
});

test('whatever is said, each look-up is answered once and in time, and nothing grows without end', () => {
  const peer = fc.constantFrom('a', 'b', 'c', 'x', 'y', 'z');
  const key = fc.constantFrom('k1', 'k2', 'k3');
  const event = fc.oneof(
    fc.record({ type: fc.constant('locate' as const), key }),
    fc.record({ type: fc.constant('said' as const), key, from: peer, owners: fc.array(peer, { maxLength: 12 }) }),
    fc.record({ type: fc.constant('proved' as const), key, owner: peer, version: fc.constantFrom('1.0.0', null) }),
    fc.record({ type: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 9_000 }) }),
    fc.record({ type: fc.constant('news' as const) }),
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), (events) => {
      const state = stateOf();
      const open = new Map<number, number>();
      let nowMs = 0;
      let number = 0;
      const take = (effects: readonly PlacesEffect[]): void => {
        for (const { locate: which } of of(effects, 'located')) assert.ok(open.delete(which), 'answered twice');
        assert.ok(state.kept.size <= placesLimits.keptMax && state.searches.size <= 3);
      };
      const pass = (ms: number): void => {
        for (const untilMs = nowMs + ms; ; nowMs = Math.min(untilMs, state.deadlineMs)) {
          if (nowMs >= state.deadlineMs) take(stepPlaces(state, nowMs, { type: 'wake' }));
          if (nowMs >= untilMs) break;
        }
        for (const sinceMs of open.values()) assert.ok(nowMs - sinceMs < routesDefaults.askMs, 'it takes too long');
      };
      for (const one of events) {
        if (one.type === 'pass') pass(one.ms);
        else if (one.type === 'locate') {
          open.set(++number, nowMs);
          take(stepPlaces(state, nowMs, { ...one, locate: number, near: ['b', 'c', 'x'] }));
        } else take(stepPlaces(state, nowMs, one));
      }
      pass(routesDefaults.askMs);
      assert.equal(open.size, 0);
      assert.equal(state.searches.size, 0);
    }),
    { numRuns: 200 },
  );
});
