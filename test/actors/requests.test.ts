// Requests on their way to a leader that moves, over lanes that lose, repeat and reorder: each is answered exactly once, and no
// answer says more than is known. Three nodes with real routers over a network moved by hand; the log is a list.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Outcome } from '../../actors/api.ts';
import { type Attempt, createRequests, type Requests } from '../../actors/requests.ts';
import { createRouter, type Router } from '../../actors/router.ts';
import { errorTable, failure } from '../../machines/errors.ts';
import { parseFailure } from '../../machines/wire/failure.ts';
import { limits } from '../../machines/wire/limits.ts';
import { createHandClock, quietSink } from './hand-clock.ts';
import { createHandNetwork } from './hand-network.ts';
import { createHandScope } from './hand-scope.ts';

type Request = { id: number; again: boolean };
type Answer = { id: number; outcome: Outcome<number> };
/** A request that a leader is executing; the test decides what comes of it. */
type Execution = { node: string; request: Request; done: (attempt: Attempt<number>) => void };

const names = ['a', 'b', 'c'] as const;

const isRequest = (body: unknown): body is Request =>
  typeof body === 'object' && body !== null && typeof (body as Request).id === 'number';

const createWorld = (effect = true) => {
  const clock = createHandClock();
  const network = createHandNetwork();
  const executions: Execution[] = [];
  const answers: Answer[] = [];
  /** Who each node takes for the leader. */
  const believes: Record<string, string | null> = { a: null, b: null, c: null };
  const nodes = new Map<string, { router: Router; requests: Requests<Request, number>; end(): void }>();
  for (const [at, name] of names.entries()) {
    const router = createRouter({ network: network.port(name), clock, sink: quietSink() });
    const scope = createHandScope(clock);
    const requests = createRequests<Request, number>(
      {
        ...{ type: 'write', effect, repeatable: (request) => !effect || request.again },
        form: (request) => request,
        parse: (body) => (isRequest(body) ? { id: body.id, again: body.again } : null),
        formResult: (result) => result,
        parseResult: (body) => (typeof body === 'number' ? body : null),
        execute: (request, _timeLeftMs, done) => void executions.push({ node: name, request, done }),
      },
      {
        ...{ group: 'kv', nodeName: name, self: name },
        leader: () => believes[name] ?? null,
        leads: () => believes[name] === name,
      },
      { scope, clock, router },
    );
    router.on('register/kv', ({ body, timeLeftMs, answer }) => requests.serve(body, timeLeftMs, answer));
    network.listen(name, (event) => {
      if (event.type === 'message') router.receive(event.peer, event.lane, event.bytes);
      if (event.type === 'peer-close') router.peerClosed(event.peer);
    });
    nodes.set(name, { router, requests, end: scope.end });
    for (const other of names.slice(0, at)) network.connect(name, other);
  }
  const ask = (name: string, id: number, again = false, timeoutMs = 1_000): void =>
    nodes.get(name)!.requests.execute({ id, again }, timeoutMs, (outcome) => answers.push({ id, outcome }));
  const believe = (leader: string | null, ...who: string[]): void => {
    for (const name of who.length === 0 ? names : who) {
      believes[name] = leader;
      if (leader !== null) nodes.get(name)!.requests.leaderChanged();
    }
  };
  const execute = (attempt: Attempt<number>, at = 0): void => executions.splice(at, 1)[0]!.done(attempt);
  return { clock, network, executions, answers, nodes, ask, believe, execute };
};

const ok = (value: number): Attempt<number> => ({ type: 'done', outcome: { ok: true, value } });
const codes = (answers: readonly Answer[]): string[] =>
  answers.map(({ outcome }) => (outcome.ok ? `ok ${outcome.value}` : outcome.failure.code));

test('a request to a follower is executed at the leader and answered once, however often the answer comes', () => {
  const world = createWorld();
  world.believe('b');
  world.ask('a', 1);
  world.network.deliver();
  world.execute(ok(7));
  world.network.repeat(0);
  world.network.deliverAll();
  assert.deepEqual(codes(world.answers), ['ok 7']);
  world.clock.pass(5_000);
  assert.equal(world.answers.length, 1);
});

test('without a leader a request waits for one, and surely did nothing if none comes', () => {
  const world = createWorld();
  world.ask('a', 1);
  world.ask('a', 2);
  world.clock.pass(500);
  assert.equal(world.executions.length, 0);
  world.believe('a');
  assert.equal(world.executions.length, 2);
  world.execute(ok(1));
  world.believe(null);
  world.execute({ type: 'again' });
  world.clock.pass(2_000);
  assert.deepEqual(codes(world.answers), ['ok 1', 'NO_QUORUM']);
});

test('a node is busy while anybody waits for an answer, for itself or for another: that is what its stop waits for', () => {
  const world = createWorld();
  const isBusy = (): string => names.filter((name) => world.nodes.get(name)!.requests.isBusy).join('');
  world.believe('b');
  assert.equal(isBusy(), '');
  world.ask('a', 1);
  assert.equal(isBusy(), 'a');
  world.network.deliverAll();
  assert.equal(isBusy(), 'ab');
  world.execute(ok(1));
  assert.equal(isBusy(), 'a');
  world.network.deliverAll();
  assert.equal(isBusy(), '');
});

test('a request whose deadline passes while it is under way is unknown, here and at a peer; a read never is', () => {
  for (const [effect, leader, code] of [
    [true, 'a', 'OUTCOME_UNKNOWN'],
    [true, 'b', 'OUTCOME_UNKNOWN'],
    [false, 'a', 'NO_QUORUM'],
    [false, 'b', 'NO_QUORUM'],
  ] as const) {
    const world = createWorld(effect);
    world.believe(leader);
    world.ask('a', 1);
    world.network.deliverAll();
    world.clock.pass(1_200);
    assert.deepEqual(codes(world.answers), [code]);
    // The late answer changes nothing.
    world.execute(ok(1));
    world.network.deliverAll();
    assert.equal(world.answers.length, 1);
  }
});

test('a request that a closing peer had is unknown, unless it may be asked again', () => {
  const world = createWorld();
  world.believe('b');
  world.ask('a', 1);
  world.ask('a', 2, true);
  world.network.deliverAll();
  world.network.disconnect('a', 'b');
  assert.deepEqual(codes(world.answers), ['OUTCOME_UNKNOWN']);
  world.believe('c');
  world.network.deliverAll();
  assert.equal(world.executions.at(-1)!.node, 'c');
  world.execute(ok(2), world.executions.length - 1);
  world.network.deliverAll();
  assert.deepEqual(codes(world.answers), ['OUTCOME_UNKNOWN', 'ok 2']);
});

test('after a lost attempt no refusal is definite', () => {
  const refusals: Attempt<number>[] = [
    { type: 'refused', failure: failure('OVERLOADED', 'too busy') },
    { type: 'refused', failure: failure('NOT_READY', 'not yet') },
    { type: 'lost' },
    { type: 'again' },
  ];
  for (const refusal of refusals) {
    const world = createWorld();
    world.believe('b');
    world.ask('a', 1, true);
    world.network.deliverAll();
    world.network.disconnect('a', 'b');
    world.believe('c');
    world.network.deliverAll();
    world.execute(refusal, 1);
    world.network.deliverAll();
    world.clock.pass(2_000);
    world.network.deliverAll();
    assert.deepEqual(codes(world.answers), ['OUTCOME_UNKNOWN'], refusal.type);
  }
});

test('after a lost attempt a lane that takes no more, and an end of the actor, are not definite either', () => {
  const world = createWorld();
  for (const id of [1, 2]) {
    world.believe('b');
    world.ask('a', id, true);
    world.network.deliverAll();
    world.network.disconnect('a', 'b');
    world.network.connect('a', 'b');
  }
  world.network.full = () => true;
  world.clock.pass(40);
  assert.deepEqual(codes(world.answers), ['OUTCOME_UNKNOWN', 'OUTCOME_UNKNOWN']);
  world.ask('a', 3);
  assert.deepEqual(codes(world.answers).at(-1), 'OVERLOADED', 'what never left this node is definite');
});

test('two nodes that take each other for the leader do not play ball with a request', () => {
  const world = createWorld();
  world.believe('c', 'b');
  world.believe('b', 'a', 'c');
  world.ask('a', 1);
  let deliveries = 0;
  while (deliveries < 1_000 && world.network.deliver()) deliveries++;
  assert.ok(deliveries <= 8, `${deliveries} messages before it waits`);
  world.believe('b');
  world.network.deliverAll();
  world.execute(ok(1));
  world.network.deliverAll();
  assert.deepEqual(codes(world.answers), ['ok 1']);
});

test('a request that may be asked twice does not wait for a leader that is silent and no longer leads', () => {
  const world = createWorld();
  world.believe('b');
  world.ask('a', 1, true);
  world.ask('a', 2, false);
  world.network.deliverAll();
  world.believe('c', 'a', 'c');
  world.network.deliverAll();
  assert.deepEqual(
    world.executions.map(({ node, request }) => `${node}${request.id}`),
    ['b1', 'b2', 'c1'],
  );
  // The old leader had done it after all, and its answer comes first.
  world.execute(ok(1));
  world.execute(ok(2));
  world.network.deliverAll();
  assert.deepEqual(codes(world.answers), ['ok 1', 'ok 2']);
  world.execute(ok(1));
  world.network.deliverAll();
  assert.equal(world.answers.length, 2);
});

test('when the actor ends everybody is answered: who waits definitely, who is executed unknown, peers too', () => {
  const world = createWorld();
  world.ask('a', 1);
  world.believe('a');
  world.ask('a', 2);
  world.ask('b', 3);
  world.network.deliverAll();
  world.execute({ type: 'again' });
  const node = world.nodes.get('a')!;
  node.requests.stop(failure('STOPPING', 'a is stopping'));
  node.end();
  world.network.deliverAll();
  assert.deepEqual(
    world.answers.map(({ id }, at) => `${id} ${codes(world.answers)[at]}`),
    ['1 STOPPING', '2 OUTCOME_UNKNOWN', '3 OUTCOME_UNKNOWN'],
  );
  // The executions end after the actor: nobody is answered twice.
  for (const { done } of world.executions.splice(0)) done(ok(9));
  world.network.deliverAll();
  world.clock.pass(5_000);
  assert.equal(world.answers.length, 3);
});

test('what a peer sends for a request or an answer is refused in words when it is none', () => {
  const world = createWorld();
  world.believe('b');
  const { router } = world.nodes.get('a')!;
  const replies: unknown[] = [];
  for (const body of [null, 7, 'x', [], { id: 'x' }])
    router.ask(
      { peer: 'b', lane: 'calls', source: 'x', target: 'register/kv', type: 'write', body, timeoutMs: 1_000 },
      (_why, reply) => replies.push(reply),
    );
  world.network.deliverAll();
  assert.deepEqual(
    replies.map((reply) => (reply as [string, { code: string }])[0] + (reply as [string, { code: string }])[1].code),
    Array(5).fill('refusedINVALID_REQUEST'),
  );
  const bad = [
    null,
    'done',
    [],
    ['done', 'x'],
    ['done', null],
    ['failed', null],
    ['failed', { code: 'NO', message: '' }],
    ['?'],
  ];
  for (const [id, answer] of bad.entries()) {
    world.nodes.get('b')!.requests.serve = (_body, _time, reply) => reply(answer);
    world.ask('a', id);
    world.network.deliverAll();
  }
  assert.deepEqual(codes(world.answers), Array(bad.length).fill('INTERNAL'));
  assert.equal(errorTable.INTERNAL.definite, false);
});

test('a failure from a peer keeps what is known and bounded of it', () => {
  assert.equal(parseFailure({ code: 'toString', message: 'x' }), null);
  const long = parseFailure({
    code: 'CAS_MISMATCH',
    message: 'm'.repeat(5_000),
    details: { a: 1, b: {}, c: 'x'.repeat(5_000) },
  });
  assert.deepEqual([long?.message.length, long?.details], [1_000, { a: 1 }]);
});

test('a node takes no more requests than the limit, and says so definitely', () => {
  const world = createWorld();
  for (let id = 0; id <= limits.pendingCallsMax; id++) world.ask('a', id);
  assert.deepEqual(codes(world.answers), ['OVERLOADED']);
});

// ---------------------------------------------------------------- anything at all

type Step =
  | { do: 'ask'; at: number; again: boolean }
  | { do: 'deliver' | 'lose' | 'repeat' | 'execute' | 'refuse' | 'drop' | 'forget'; at: number }
  | { do: 'believe'; at: number; leader: number }
  | { do: 'cut' | 'mend'; at: number }
  | { do: 'pass'; ms: number };

const number = fc.nat(11);
const stepOf: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('ask' as const), at: number, again: fc.boolean() }) },
  {
    weight: 12,
    arbitrary: fc.record({ do: fc.constantFrom('deliver' as const, 'deliver', 'deliver', 'lose', 'repeat'), at: number }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constantFrom('execute' as const, 'execute', 'refuse', 'drop', 'forget'), at: number }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('believe' as const), at: number, leader: number }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('cut' as const, 'mend'), at: number }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.nat(400) }) },
);

/** Executes, as a log with sessions would: what may be asked twice has one effect and one result. */
const createLog = () => {
  const effects = new Map<number, number>();
  const doubled: number[] = [];
  return {
    ...{ effects, doubled },
    apply({ id, again }: Request): number {
      const before = effects.get(id) ?? 0;
      if (before > 0 && !again) doubled.push(id);
      if (before === 0 || !again) effects.set(id, before + 1);
      return id;
    },
  };
};

test('each request is answered exactly once, a success happened, and what is said not to have happened never does', () => {
  fc.assert(
    fc.property(fc.array(stepOf, { minLength: 10, maxLength: 120 }), (steps) => {
      const world = createWorld();
      const { network, executions, answers, clock } = world;
      const log = createLog();
      /** What was begun and forgotten by its leader may still be applied by the next one, at any time. */
      const limbo: Request[] = [];
      let asked = 0;
      const pairs: [string, string][] = [
        ['a', 'b'],
        ['a', 'c'],
        ['b', 'c'],
      ];
      world.believe('a');
      for (const one of steps) {
        const at = 'at' in one ? one.at : 0;
        const execution = executions.length === 0 ? null : at % executions.length;
        if (one.do === 'ask') world.ask(names[at % 3]!, asked++, one.again, 300 + at * 40);
        else if (one.do === 'deliver') network.deliver(network.letters.length === 0 ? 0 : at % network.letters.length);
        else if (one.do === 'lose') network.lose(network.letters.length === 0 ? 0 : at % network.letters.length);
        else if (one.do === 'repeat') {
          // Lanes deliver at most once: only answers, which a peer might send twice, are repeated.
          const repeatable = network.letters.findIndex(({ bytes }) => Buffer.from(bytes).includes('answer'));
          if (repeatable >= 0) network.repeat(repeatable);
        } else if (one.do === 'execute' && execution !== null)
          world.execute(ok(log.apply(executions[execution]!.request)), execution);
        else if (one.do === 'refuse' && execution !== null)
          world.execute({ type: 'refused', failure: failure('OVERLOADED', 'too busy') }, execution);
        else if (one.do === 'drop' && execution !== null)
          world.execute(at % 2 === 0 ? { type: 'again' } : { type: 'not-leader', leader: names[at % 3]! }, execution);
        else if (one.do === 'forget' && execution !== null) {
          limbo.push(executions[execution]!.request);
          if (at % 2 === 0) world.execute({ type: 'lost' }, execution);
          else executions.splice(execution, 1);
        } else if (one.do === 'believe') world.believe(names[one.leader % 4] ?? null, names[at % 3]!);
        else if (one.do === 'cut') network.disconnect(...pairs[at % 3]!);
        else if (one.do === 'mend' && !network.connected(...pairs[at % 3]!)) network.connect(...pairs[at % 3]!);
        else if (one.do === 'pass') clock.pass(one.ms);
      }
      clock.pass(2_000);
      assert.deepEqual(
        answers.map(({ id }) => id).sort((a, b) => a - b),
        [...Array(asked).keys()],
        'answered-once',
      );
      for (const request of [...limbo, ...executions.map(({ request }) => request)]) log.apply(request);
      for (const { id, outcome } of answers) {
        const effects = log.effects.get(id) ?? 0;
        if (outcome.ok) assert.ok(effects >= 1 && outcome.value === id, `success-happened: ${id}`);
        else if (errorTable[outcome.failure.code].definite)
          assert.equal(effects, 0, `definite-never-happens: ${id} ${outcome.failure.code}`);
      }
      assert.deepEqual(log.doubled, [], 'no-second-effect');
    }),
    { numRuns: 1_500, seed: 31 },
  );
});
