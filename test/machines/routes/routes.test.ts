// How a peer is reached that is not connected: by story, and by laws over meshes that change.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  checkRoutesOptions,
  createRoutes,
  judgeCrossing,
  parseRouteAnswer,
  parseRouteQuestion,
  type RoutesEffect,
  type RoutesState,
  routesDefaults,
  routesLimits,
  routeView,
  step,
  wayTo,
} from '../../../machines/routes/index.ts';
import { createMesh } from './mesh.ts';

const stateOf = (near: readonly string[] = []): RoutesState => {
  const state = createRoutes({ self: 'a', options: routesDefaults, seed: 1, checkAll: true });
  for (const peer of near) step(state, 0, { type: 'opened', peer });
  return state;
};
const of = <Type extends RoutesEffect['type']>(effects: readonly RoutesEffect[], type: Type) =>
  effects.filter((effect): effect is Extract<RoutesEffect, { type: Type }> => effect.type === type);
const find = (state: RoutesState, nowMs: number, target = 'x', number = 1, isDialable = false): RoutesEffect[] =>
  step(state, nowMs, { type: 'find', find: number, target, isDialable });
const answered = (
  state: RoutesState,
  nowMs: number,
  question: number,
  from: string,
  path: string[] | null,
  leftMs = 30_000,
) => {
  const answer = path === null ? null : { path, latencyMs: 1, leftMs };
  return step(state, nowMs, { type: 'answered', question, from, answer });
};
const pathTo = (state: RoutesState, nowMs: number, target = 'x'): string => {
  const way = wayTo(state, target, nowMs);
  return typeof way === 'string' ? way : way.path.join(' ');
};

test('who is connected is reached straight on, without a question', () => {
  const state = stateOf(['b', 'x']);
  assert.equal(pathTo(state, 0), 'x');
  assert.deepEqual(
    of(find(state, 0), 'found').map(({ way }) => way?.path),
    [['x']],
  );
});

test('neighbours are asked side by side; the first answer ends the look-up, a better one takes its place', () => {
  const state = stateOf(['b', 'c', 'd']);
  const asked = of(find(state, 0), 'ask');
  assert.deepEqual(asked.map(({ to }) => to).sort(), ['b', 'c', 'd']);
  assert.ok(asked.every(({ ask }) => !ask.isWide && ask.linksMax === 4 && ask.travelled.length === 0));
  assert.deepEqual(of(find(state, 1, 'x', 2), 'ask'), [], 'the same question is asked once');
  const first = answered(state, 5, 1, 'b', ['e', 'x']);
  assert.deepEqual(
    of(first, 'found').map(({ find: number, way }) => [number, way?.path]),
    [
      [1, ['b', 'e', 'x']],
      [2, ['b', 'e', 'x']],
    ],
  );
  assert.deepEqual(of(answered(state, 6, 1, 'c', ['x']), 'found'), []);
  assert.equal(pathTo(state, 7), 'c x');
  answered(state, 8, 1, 'd', null);
  assert.equal(state.questions.size, 0);
});

test('if neighbours know nothing they are asked to ask theirs; if that is nothing either, nobody is asked for a while', () => {
  const state = stateOf(['b', 'c']);
  find(state, 0);
  answered(state, 1, 1, 'b', null);
  const wide = of(answered(state, 2, 1, 'c', null), 'ask');
  assert.ok(wide.length === 2 && wide.every(({ ask }) => ask.isWide));
  answered(state, 3, 1, 'b', null);
  assert.deepEqual(
    of(answered(state, 4, 1, 'c', null), 'found').map(({ way }) => way),
    [null],
  );
  assert.equal(pathTo(state, 5), 'none');
  assert.deepEqual(of(find(state, 5), 'ask'), []);
  assert.equal(pathTo(state, 4 + routesDefaults.noneMs), 'unknown');
  step(state, 6, { type: 'came', peer: 'x' });
  assert.equal(pathTo(state, 6), 'unknown');
});

test('a new connection forgets what could not be reached', () => {
  const state = stateOf(['b']);
  find(state, 0);
  answered(state, 1, 1, 'b', null);
  answered(state, 2, 1, 'b', null);
  assert.equal(pathTo(state, 3), 'none');
  step(state, 3, { type: 'opened', peer: 'c' });
  assert.equal(pathTo(state, 3), 'unknown');
});

test('a look-up ends in its time though nobody answers, and is answered at once when the peer itself connects', () => {
  const silent = stateOf(['b']);
  find(silent, 0);
  const { nearMs, askMs } = routesDefaults;
  assert.equal(silent.deadlineMs, nearMs);
  assert.equal(of(step(silent, nearMs, { type: 'wake' }), 'ask').length, 0, 'who is asked already is not asked again');
  assert.deepEqual(
    of(step(silent, askMs, { type: 'wake' }), 'found').map(({ way }) => way),
    [null],
  );
  const state = stateOf(['b']);
  find(state, 0);
  assert.deepEqual(
    of(step(state, 10, { type: 'opened', peer: 'x' }), 'found').map(({ way }) => way?.path),
    [['x']],
  );
});

test('a way that broke is gone at once, the next is taken, and the same word is not believed again for a while', () => {
  const state = stateOf(['b', 'c']);
  find(state, 0);
  answered(state, 1, 1, 'b', ['x']);
  answered(state, 1, 1, 'c', ['d', 'x']);
  step(state, 2, { type: 'broken', target: 'x', via: 'b' });
  assert.equal(pathTo(state, 2), 'c d x');
  step(state, 3, { type: 'broken', target: 'x', via: 'c' });
  assert.equal(pathTo(state, 3), 'unknown');
  const [again] = of(find(state, 4, 'x', 9), 'ask');
  assert.deepEqual(of(answered(state, 5, again!.question, 'b', ['x']), 'found'), []);
  step(state, 6, { type: 'closed', peer: 'c' });
  assert.ok(!pathTo(state, 6).includes('c'));
});

test('a way in use is asked for before it ends, one question at a time; one that nobody uses ends', () => {
  const state = stateOf(['b']);
  find(state, 0);
  answered(state, 1, 1, 'b', ['x']);
  const refreshes: number[] = [];
  let open = 0;
  for (let nowMs = 1_000; nowMs <= 120_000; nowMs += 500) {
    if (nowMs <= 60_000) assert.equal(pathTo(state, nowMs), 'b x');
    for (const effect of step(state, nowMs, { type: 'wake' })) {
      if (effect.type !== 'refresh') continue;
      refreshes.push(nowMs);
      const asks = of(step(state, nowMs, { type: 'refreshed', target: 'x', isDialable: false }), 'ask');
      open += asks.length;
      assert.equal(open, 1);
      // While it is not answered no other is asked.
      step(state, nowMs + 200, { type: 'wake' });
      answered(state, nowMs + 300, asks[0]!.question, 'b', ['x']);
      open--;
    }
  }
  assert.ok(refreshes.length === 3, `${refreshes}`);
  assert.equal(pathTo(state, 120_000), 'unknown');
  assert.equal(state.targets.size, 0);
});

test('what was heard of another memory holds no longer than that', () => {
  const state = stateOf(['b']);
  find(state, 0);
  answered(state, 1, 1, 'b', ['c', 'x'], 700);
  assert.equal(pathTo(state, 700), 'b c x');
  assert.equal(pathTo(state, 702), 'unknown');
});

test('answers that lead in a circle, elsewhere or too far are no ways', () => {
  for (const path of [['a', 'x'], ['b', 'x'], ['c'], [], ['c', 'd', 'e', 'f', 'x']]) {
    const state = stateOf(['b']);
    find(state, 0);
    answered(state, 1, 1, 'b', path);
    assert.notEqual(pathTo(state, 1), path.join(' '));
    assert.equal(of(find(state, 2), 'found').filter(({ way }) => way !== null).length, 0);
  }
});

test('who is asked answers what it knows, asks those who were not asked, and each question once', () => {
  const state = stateOf(['b', 'c', 'd', 'y']);
  const about = { target: 'x', travelled: ['o'], flood: 7, linksMax: 3, isWide: true };
  const ask = (asked: number, from: string, question = about) =>
    step(state, 0, { type: 'asked', asked, from, question, timeLeftMs: 1_000, isDialable: false });
  assert.deepEqual(of(ask(1, 'b', { ...about, target: 'y' }), 'answer')[0]?.answer?.path, ['y']);
  assert.deepEqual(of(ask(2, 'b', { ...about, target: 'a' }), 'answer')[0]?.answer?.path, []);
  const asked = of(ask(3, 'b'), 'ask');
  assert.deepEqual(asked.map(({ to }) => to).sort(), ['c', 'd', 'y']);
  assert.ok(
    asked.every(
      ({ ask: { travelled, linksMax }, timeoutMs }) => travelled.join() === 'o,b' && linksMax === 2 && timeoutMs < 1_000,
    ),
  );
  assert.equal(of(ask(4, 'c', { ...about, linksMax: 2 }), 'answer')[0]?.answer, null, 'the same flood, not farther');
  assert.equal(of(ask(5, 'c', { ...about, travelled: ['o', 'a'] }), 'answer')[0]?.answer, null, 'it was here');
  const ended = answered(state, 10, asked[0]!.question, 'c', ['x']);
  assert.deepEqual(
    of(ended, 'answer').map(({ asked: number, answer }) => [number, answer?.path]),
    [[3, ['c', 'x']]],
  );
  assert.deepEqual(of(ask(6, 'c', { ...about, flood: 8 }), 'answer'), [], 'its way leads over who asks: others are asked');
});

test('a question that may go farther than before is asked again; one to a neighbour that is lost is not waited for', () => {
  const state = stateOf(['b', 'c', 'd']);
  const ask = (asked: number, from: string, linksMax: number) =>
    step(state, 0, {
      ...{ type: 'asked', asked, from, timeLeftMs: 1_000, isDialable: false },
      question: { target: 'x', travelled: ['o'], flood: 7, linksMax, isWide: true },
    });
  const first = of(ask(1, 'b', 2), 'ask');
  assert.deepEqual(first.map(({ to }) => to).sort(), ['c', 'd']);
  assert.deepEqual(
    of(ask(2, 'c', 3), 'ask')
      .map(({ to }) => to)
      .sort(),
    ['b', 'd'],
  );
  answered(state, 1, first[0]!.question, 'c', null);
  const ended = step(state, 2, { type: 'closed', peer: 'd' });
  assert.deepEqual(of(ended, 'answer'), [{ type: 'answer', asked: 1, answer: null }]);
});

test('nobody makes this node ask without end', () => {
  const state = stateOf(['b', 'c']);
  let asked = 0;
  for (let flood = 0; flood < 5_000; flood++)
    asked += of(
      step(state, 0, {
        ...{ type: 'asked', asked: flood, from: 'b', timeLeftMs: 5_000, isDialable: false },
        question: { target: `x${flood}`, travelled: [], flood, linksMax: 3, isWide: true },
      }),
      'ask',
    ).length;
  assert.equal(asked, routesLimits.servedMax);
  assert.ok(state.floods.size <= routesLimits.floodsMax);
});

test('a crossing is passed on while its path has no loop and its budget lasts', () => {
  const state = stateOf(['b', 'c', 'x']);
  const judge = (target: string, ...travelled: string[]) => {
    const verdict = judgeCrossing(state, { target, travelled }, 0);
    return verdict.type === 'pass' ? verdict.to : verdict.type === 'refused' ? verdict.code : verdict.type;
  };
  assert.equal(judge('a', 'b'), 'here');
  assert.equal(judge('x', 'b'), 'x');
  assert.equal(judge('y', 'b'), 'ask');
  assert.equal(judge('x', 'a', 'b'), 'LOOP_DETECTED');
  assert.equal(judge('x', 'x', 'b'), 'LOOP_DETECTED');
  assert.equal(judge('x', 'd', 'e', 'd'), 'LOOP_DETECTED');
  assert.equal(judge('x', 'd', 'e', 'f', 'b'), 'x');
  assert.equal(judge('x', 'd', 'e', 'f', 'g', 'b'), 'LOOP_DETECTED');
  find(state, 0, 'y');
  const [number] = [...state.questions.keys()];
  answered(state, 1, number!, 'b', ['y']);
  assert.equal(judge('y', 'c'), 'b');
  // Whoever handed it over is no way on.
  assert.equal(judge('y', 'b'), 'UNREACHABLE');
});

test('a view says how and why', () => {
  const state = stateOf(['b']);
  step(state, 0, { type: 'measured', peer: 'b', rttMs: 2 });
  assert.equal(routeView(state, 'a', 0).how, 'self');
  assert.deepEqual([routeView(state, 'b', 5).how, routeView(state, 'b', 5).latencyMs], ['direct', 2]);
  find(state, 0);
  assert.deepEqual([routeView(state, 'x', 1).how, routeView(state, 'x', 1).isAsking], ['unknown', true]);
  answered(state, 1, 1, 'b', ['x']);
  const { how, path, latencyMs, ageMs, leftMs } = routeView(state, 'x', 11);
  assert.deepEqual([how, path, latencyMs, ageMs, leftMs], ['relayed', ['b', 'x'], 3, 10, 29_990]);
});

test('bytes of a peer become a message or a named refusal', () => {
  fc.assert(
    fc.property(fc.anything({ maxDepth: 3 }), (value) => {
      for (const parsed of [parseRouteQuestion(value), parseRouteAnswer(value)])
        assert.ok(parsed.ok || parsed.refused === 'ROUTES_MALFORMED');
    }),
    { numRuns: 200 },
  );
  assert.equal(parseRouteQuestion(['x', ['a', 'a'], 1, 1, true]).ok, false);
  assert.equal(parseRouteQuestion(['x', Array(9).fill('a'), 1, 1, true]).ok, false);
  assert.equal(parseRouteQuestion(['x', ['a'], 1, 99, true]).ok, false);
  assert.equal(parseRouteAnswer([['a'], -1, 1]).ok, false);
  assert.equal(parseRouteAnswer([['a'], null, 1]).ok, true);
  assert.throws(() => checkRoutesOptions({ ...routesDefaults, hopsMax: 99 }), RangeError);
});

// ---------------------------------------------------------------- laws

const link = fc.tuple(fc.nat(7), fc.nat(7));
const act = fc.oneof(
  { weight: 3, arbitrary: fc.record({ type: fc.constant('link' as const), link, isUp: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('find' as const), link }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('walk' as const), link }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 9_000 }) }) },
);

type Run = [[number, number][], (typeof act extends fc.Arbitrary<infer A> ? A : never)[], number];
const looked = (from: number, to: number) => ({ type: 'find' as const, link: [from, to] as [number, number] });
// biome-ignore format: one run, one line
const found: Run[] = [
  // A way that is used soon after it was found, and not again.
  [[[7, 0], [2, 7]], [looked(0, 2), { type: 'pass', ms: 10 }, { type: 'walk', link: [0, 2] }], 0],
  // Whoever waited heard nothing if a question of another's had found the way.
  [[[3, 0], [4, 1], [6, 4], [0, 4], [1, 7], [1, 5], [2, 1]], [looked(2, 3), looked(5, 0), looked(1, 3)], 174],
];

test('in any mesh that changes in any way: every look-up ends in its time, no loop is walked, what is found exists or is dropped', () => {
  fc.assert(
    fc.property(fc.array(link, { maxLength: 14 }), fc.array(act, { maxLength: 40 }), fc.nat(1_000), (begun, acts, seed) => {
      const mesh = createMesh(8, seed, { fanout: 3 });
      const { names, states } = mesh;
      for (const [a, b] of begun) mesh.setLink(names[a]!, names[b]!, true);
      for (const one of acts) {
        if (one.type === 'pass') mesh.pass(one.ms);
        else {
          const [from, to] = [names[one.link[0]]!, names[one.link[1]]!];
          if (from === to) continue;
          if (one.type === 'link') mesh.setLink(from, to, one.isUp);
          else if (one.type === 'find') mesh.find(from, to);
          else {
            const { end, over } = mesh.walk(from, to);
            assert.equal(new Set(over).size, over.length, `a loop: ${over.join(' ')}`);
            assert.ok(over.length <= routesDefaults.hopsMax + 1, `too far: ${over.join(' ')}`);
            if (end === 'there' || over.length === 1) continue;
            mesh.run(from, { type: 'broken', target: to, via: over[1]! });
            const next = wayTo(states.get(from)!, to, mesh.now());
            assert.ok(typeof next === 'string' || next.path[0] !== over[1], 'a way that broke is gone');
          }
        }
      }
      mesh.pass(routesDefaults.askMs + 1);
      assert.equal(mesh.finds.size, 0, 'a look-up did not end');
      for (const { askedMs, endedMs } of mesh.found) assert.ok(endedMs - askedMs <= routesDefaults.askMs);
      assert.equal(mesh.answering.size, 0, 'a question was not answered');
      for (const state of states.values()) assert.equal(state.questions.size, 0);
      // What was used is asked for once more at that share of its time, and then forgotten.
      mesh.pass(routesDefaults.ttlMs * (1 + routesDefaults.refreshShare) + 2_000);
      for (const state of states.values()) assert.equal(state.targets.size, 0, 'what nobody uses is forgotten');
    }),
    { numRuns: 150, examples: found },
  );
});

test('in a mesh at rest whoever is within the budget is found, and a walk gets there', () => {
  fc.assert(
    fc.property(fc.array(link, { minLength: 6, maxLength: 16 }), fc.nat(1_000), (begun, seed) => {
      const mesh = createMesh(8, seed);
      for (const [a, b] of begun) mesh.setLink(mesh.names[a]!, mesh.names[b]!, true);
      for (const to of mesh.names.slice(1)) {
        mesh.find('p0', to);
        mesh.pass(routesDefaults.askMs);
        const { way } = mesh.found.at(-1)!;
        const links = mesh.distance('p0', to);
        assert.equal(way !== null, links <= routesDefaults.hopsMax, `${to} is ${links} links away, found over ${way?.path}`);
        if (way === null) continue;
        const { end, over } = mesh.walk('p0', to);
        assert.equal(end, 'there', over.join(' '));
      }
    }),
    { numRuns: 60 },
  );
});
