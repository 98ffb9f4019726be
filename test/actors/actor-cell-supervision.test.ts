// A failure is the failing actor's own (row N4): it begins anew after its wait with what waits in its mailbox, and those with it that its
// strategy says; after too many it is given up, says why, and whoever made it fails.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fromTransition, setup } from 'xstate';
import type { ActorDefinition, LiveActor, RestartStrategy } from '../../actors/actor-api.ts';
import { ask, codeOf, definitionOf, endsOf, hostCells, nobody, sendAll } from './hand-cells.ts';

const policy: RestartStrategy = {
  ...{ strategy: 'one-for-one', failuresMax: 2, windowMs: 10_000, backoffMinMs: 100, backoffMaxMs: 100 },
};

type Event = { type: string };
const logOf = (live: LiveActor): string[] => (live.snapshot() as unknown as { context: string[] }).context;

const fragile = fromTransition((log: string[], { type }: Event) => {
  if (type === 'boom') throw new Error('boom');
  return [...log, type];
}, []);
const replies = {
  inc: ({ snapshot }: { snapshot: unknown }) => (snapshot as { context: string[] }).context.length,
  never: () => undefined,
  boom: () => 1,
};
const definition = (restart: Partial<RestartStrategy> = {}, more: Partial<ActorDefinition> = {}): ActorDefinition =>
  definitionOf('fragile', fragile, { replies, restart: { ...policy, ...restart }, ...more });

test('it begins anew after its wait, with nothing of its past but what waits in its mailbox', () => {
  const { open, clock, sink, deadLetters } = hostCells();
  const live = open(definition());
  sendAll(live, 'a', 'boom', 'b', 'c');
  clock.settle();
  assert.deepEqual([live.view().state, live.view().reason, live.view().waiting], ['backoff', 'Error: boom', 2]);
  assert.equal(live.snapshot().status, 'error');
  assert.equal(live.send({ type: 'd' }, nobody), null);
  clock.pass(49);
  assert.equal(live.view().state, 'backoff');
  clock.pass(1);
  assert.deepEqual([live.view().state, live.view().restarts, logOf(live)], ['running', 1, ['b', 'c', 'd']]);
  assert.deepEqual([deadLetters(), sink.lines], [['fragile/1@n1 boom ACTOR_FAILED'], ['error ACTOR_FAILED']]);
});

test('whoever asked what it failed over, or was not answered yet, is told; who waits in the mailbox is answered', () => {
  const { open, clock } = hostCells();
  const live = open(definition());
  const asked = ['never', 'boom', 'inc'].map((type) => ask(live, { type }));
  clock.settle();
  assert.deepEqual(
    asked.map((one) => codeOf(one[0])),
    ['ACTOR_FAILED', 'ACTOR_FAILED', undefined],
  );
  clock.pass(50);
  assert.deepEqual(
    asked.map((one) => [codeOf(one[0]), one.length]),
    [
      ['ACTOR_FAILED', 1],
      ['ACTOR_FAILED', 1],
      ['ok 1', 1],
    ],
  );
});

test('after too many failures it is given up, says why, and stays so until somebody stops it', () => {
  const { open, clock, sink, cells, deadLetters } = hostCells();
  const live = open(definition());
  const ends = endsOf(live);
  sendAll(live, 'boom', 'boom', 'boom', 'late');
  const asked = ask(live, { type: 'inc' });
  clock.pass(1_000);
  assert.deepEqual([live.view().state, live.view().reason], ['failed', 'Error: boom']);
  assert.deepEqual(
    ends.map((end) => end !== 'moved' && [end.reason, end.failure?.code]),
    [['failed', 'ACTOR_FAILED']],
  );
  assert.equal(codeOf(asked[0]), 'ACTOR_FAILED');
  assert.deepEqual([deadLetters().length, deadLetters()[3]], [5, 'fragile/1@n1 late ACTOR_FAILED']);
  assert.ok(sink.lines.includes('error ACTOR_GIVEN_UP'));
  assert.equal(live.send({ type: 'a' }, nobody)?.code, 'ACTOR_FAILED');
  assert.deepEqual([open(definition()), endsOf(live).length], [live, 1]);
  live.stop(false, () => {});
  clock.settle();
  assert.deepEqual([cells.size, ends.length], [0, 1]);
  assert.deepEqual(open(definition()).view().state, 'running');
});

test('one that cannot even be made fails like any other; so does one whose input throws', () => {
  let attempts = 0;
  const broken = fromTransition(
    (log: string[]) => log,
    () => {
      if (++attempts < 3) throw new Error('no disk');
      return [];
    },
  );
  const chart = setup({}).createMachine({
    context: () => {
      if (++attempts < 3) throw new Error('no disk');
      return {};
    },
  });
  for (const logic of [broken, chart]) {
    attempts = 0;
    const { open, clock } = hostCells();
    const live = open(definition({}, { logic }));
    assert.equal(live.view().state, 'backoff');
    clock.pass(1_000);
    assert.deepEqual([attempts, live.view().state, live.view().restarts], [3, 'running', 2]);
  }
  const { open, clock } = hostCells();
  const input = (): never => {
    throw new Error('what key is that?');
  };
  const live = open(definition({}, { input }));
  clock.pass(1_000);
  assert.deepEqual([live.view().state, live.view().reason], ['failed', 'Error: what key is that?']);
});

for (const [strategy, anew] of [
  ['one-for-one', [0, 1, 0]],
  ['rest-for-one', [0, 1, 1]],
  ['all', [1, 1, 1]],
] as const)
  test(`${strategy}: who begins anew with one that fails`, () => {
    const { open, clock } = hostCells();
    const begun: string[] = [];
    const input = (key: string): null => void begun.push(key) as unknown as null;
    const lives = ['1', '2', '3'].map((key) => open(definition({ strategy }, { input }), key));
    const asked = lives.map((live) => ask(live, { type: 'never' }));
    clock.settle();
    begun.length = 0;
    sendAll(lives[1]!, 'boom');
    clock.settle();
    for (const live of lives) sendAll(live, 'kept');
    clock.settle();
    assert.deepEqual(
      lives.map((live) => live.view().state === 'backoff'),
      anew.map((one) => one === 1),
    );
    clock.pass(50);
    assert.deepEqual(
      lives.map((live) => live.view().restarts),
      anew,
    );
    assert.deepEqual(
      begun,
      ['1', '2', '3'].filter((_, n) => anew[n] === 1),
      'in the order in which they were made',
    );
    assert.deepEqual(
      asked.map((one) => codeOf(one[0])),
      anew.map((one) => (one === 1 ? 'ACTOR_FAILED' : undefined)),
    );
    for (const live of lives) assert.ok(logOf(live).includes('kept'));
  });

for (const strategy of ['rest-for-one', 'all'] as const)
  test(`${strategy}: siblings share their failures, and are given up together`, () => {
    const { open, clock, sink, deadLetters } = hostCells();
    const lives = ['1', '2', '3'].map((key) => open(definition({ strategy }), key));
    const ends = lives.map(endsOf);
    const other = open(definition({ strategy }, { name: 'other' }));
    // No one of them fails more than twice.
    for (const n of [0, 1, 2]) {
      if (n === 2) for (const live of lives) sendAll(live, 'late');
      sendAll(lives[n]!, 'boom', 'late');
      clock.pass(n === 2 ? 0 : 200);
    }
    const asked = lives.map((live) => ask(live, { type: 'inc' }));
    clock.settle();
    assert.deepEqual(
      lives.map((live) => live.view().state),
      ['failed', 'failed', 'failed'],
    );
    assert.match(lives[0]!.view().reason!, /its sibling fragile\/3@n1 was given up: Error: boom/);
    assert.deepEqual(
      ends.map((of) => of.map((end) => end !== 'moved' && [end.reason, end.failure?.code])),
      lives.map(() => [['failed', 'ACTOR_FAILED']]),
    );
    assert.deepEqual(
      asked.map((of) => of.map(codeOf)),
      lives.map(() => ['ACTOR_FAILED']),
    );
    assert.equal(other.view().state, 'running');
    assert.equal(sink.lines.filter((line) => line === 'error ACTOR_GIVEN_UP').length, 1);
    assert.ok(deadLetters().length >= 4);
    // Each begins anew when somebody stops it, and what was counted is over.
    for (const live of lives) live.stop(false, () => {});
    clock.settle();
    const [first, second] = ['1', '2'].map((key) => open(definition({ strategy }), key));
    sendAll(first!, 'boom');
    clock.pass(200);
    assert.deepEqual([first!.view().state, second!.view().state], ['running', 'running']);
  });

test('all: those that wait to begin, or to begin anew, are given up with the one that failed too often', () => {
  const { open, clock, cells } = hostCells();
  const restart = { strategy: 'all', failuresMax: 1 } as const;
  const [first, second] = ['1', '2'].map((key) => open(definition(restart), key));
  sendAll(first!, 'boom');
  clock.settle();
  assert.deepEqual([first!.view().state, second!.view().state], ['backoff', 'backoff']);
  // It is made while the others wait, and fails at once.
  const broken = fromTransition(
    (log: string[]) => log,
    (): string[] => {
      throw new Error('no disk');
    },
  );
  const third = open(definition(restart, { logic: broken }), '3');
  clock.pass(60_000);
  assert.deepEqual(
    [first, second, third].map((live) => [live!.view().state, live!.view().restarts]),
    [
      ['failed', 0],
      ['failed', 0],
      ['failed', 0],
    ],
  );
  assert.equal(cells.size, 3);
});

test('all: children of one parent are stopped with it when one of them is given up', () => {
  const { open, clock, cells } = hostCells();
  const parent = open(definition());
  const restart = { strategy: 'all', failuresMax: 1 } as const;
  const children = ['1', '2'].map((key) => open(definition(restart, { name: 'child' }), key, parent.address));
  sendAll(children[0]!, 'boom');
  clock.pass(50);
  sendAll(children[1]!, 'boom');
  clock.settle();
  assert.deepEqual([parent.view().state, cells.size], ['backoff', 1]);
  clock.pass(50);
  assert.equal(parent.view().state, 'running');
});

test('those that wait for one that is stopped meanwhile begin anew all the same', () => {
  const { open, clock } = hostCells();
  const [first, second] = ['1', '2'].map((key) => open(definition({ strategy: 'all' }), key));
  sendAll(first!, 'boom');
  clock.settle();
  first!.stop(true, () => {});
  clock.settle();
  assert.deepEqual([first!.view().state, second!.view().state, second!.view().restarts], ['stopped', 'running', 1]);
});

test('children end with the actor that they are children of, when it fails or is stopped', () => {
  for (const how of ['fail', 'stop'] as const) {
    const { open, clock, cells } = hostCells();
    const parent = open(definition());
    const child = open(definition({}, { name: 'child' }), '1', parent.address);
    const grandchild = open(definition({}, { name: 'grandchild' }), '1', child.address);
    assert.deepEqual([parent.view().children, child.view().children], [['child/1@n1'], ['grandchild/1@n1']]);
    if (how === 'fail') sendAll(parent, 'boom');
    else parent.stop(false, () => {});
    clock.settle();
    assert.deepEqual([child.view().state, grandchild.view().state, cells.size], ['stopped', 'stopped', how === 'fail' ? 1 : 0]);
  }
});

test('whoever made one that is given up fails with it', () => {
  const { open, clock } = hostCells();
  const parent = open(definition());
  const child = open(definition({ failuresMax: 0 }, { name: 'child' }), '1', parent.address);
  sendAll(child, 'boom');
  clock.settle();
  assert.equal(parent.view().state, 'backoff');
  assert.match(parent.view().reason!, /its child child\/1@n1 failed too often: Error: boom/);
  clock.pass(50);
  assert.deepEqual([parent.view().state, parent.view().children], ['running', []]);
});

test('a stop of one that waits to begin anew still has it handle what waits; a hard one does not wait', () => {
  const { open, clock, cells } = hostCells();
  const [soft, hard, empty] = ['1', '2', '3'].map((key) => open(definition(), key));
  sendAll(soft!, 'boom', 'a');
  sendAll(hard!, 'boom', 'a');
  sendAll(empty!, 'boom');
  clock.settle();
  soft!.stop(false, () => {});
  hard!.stop(true, () => {});
  empty!.stop(false, () => {});
  clock.settle();
  assert.deepEqual(
    [soft, hard, empty].map((live) => live!.view().state),
    ['backoff', 'stopped', 'stopped'],
  );
  clock.pass(50);
  assert.deepEqual([soft!.view().state, logOf(soft!), cells.size], ['stopped', ['a'], 0]);
});

// ---------------------------------------------------------------- whatever happens

const act = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('send' as const), to: fc.nat({ max: 2 }) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('ask' as const), to: fc.nat({ max: 2 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('boom' as const), to: fc.nat({ max: 2 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('stop' as const), to: fc.nat({ max: 2 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('hard' as const), to: fc.nat({ max: 2 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('release' as const), to: fc.nat({ max: 2 }) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('pass' as const), to: fc.nat({ max: 200 }) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('turn' as const), to: fc.nat({ max: 2 }) }) },
);

test('what is taken is handled once and in order, or is a dead letter; who asks is answered once; an end is told once', () => {
  fc.assert(
    fc.property(fc.array(act, { maxLength: 60 }), fc.constantFrom('one-for-one', 'rest-for-one', 'all'), (acts, strategy) => {
      const { open, clock, cells, deadLetters } = hostCells();
      const handled: number[] = [];
      const logic = fromTransition((state: null, { type, n }: Event & { n: number }) => {
        if (type === 'xstate.stop') return state;
        handled.push(n);
        if (type === 'boom') throw new Error('boom');
        return state;
      }, null);
      const answers = { ask: ({ event }: { event: unknown }) => (event as { n: number }).n };
      const made = definition(
        { strategy: strategy as RestartStrategy['strategy'] },
        { logic, replies: answers, mailboxMax: 8 },
      );
      const lives = ['0', '1', '2'].map((key) => open(made, key));
      const ends = lives.map(endsOf);
      const taken: number[][] = [[], [], []];
      const asked: ReturnType<typeof ask>[] = [];
      acts.forEach(({ do: what, to }, n) => {
        const live = lives[to]!;
        if (what === 'send' || what === 'boom') {
          if (live.send({ type: what, n } as never, nobody) === null) taken[to]!.push(n);
        } else if (what === 'ask') {
          const outcomes = ask(live, { type: 'ask', n } as never);
          if (outcomes.length === 0) taken[to]!.push(n);
          asked.push(outcomes);
        } else if (what === 'stop' || what === 'hard') live.stop(what === 'hard', () => {});
        else if (what === 'release') live.release('moved', () => {});
        else if (what === 'pass') clock.pass(to);
        else clock.turn();
      });
      clock.pass(60_000);
      taken.forEach((numbers) => {
        const mine = handled.filter((n) => numbers.includes(n));
        assert.deepEqual(mine, [...new Set(mine)], 'handled once');
        assert.deepEqual(
          mine,
          numbers.filter((n) => mine.includes(n)),
          'in order',
        );
      });
      const booms = handled.filter((n) => acts[n]!.do === 'boom').length;
      assert.equal(handled.length - booms + deadLetters().length, taken.flat().length);
      assert.ok(asked.every((outcomes) => outcomes.length === 1));
      lives.forEach((live, n) => {
        const isOver = ['stopped', 'passive', 'failed'].includes(live.view().state);
        assert.equal(ends[n]!.length, isOver ? 1 : 0);
        assert.equal(live.view().waiting, 0);
        assert.ok(isOver || live.view().state === 'running');
        live.stop(true, () => {});
      });
      clock.settle();
      assert.equal(cells.size, 0);
    }),
    { numRuns: 200 },
  );
});
