// Definitions: what is completed, what is refused and in which words, and what is taken of whoever sends.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createStore, fromStore } from '@xstate/store';
import { assign, createMachine, emit, enqueueActions, fromCallback, fromPromise, fromTransition, raise, setup } from 'xstate';
import { z } from 'zod';
import { checkDefinition } from '../../../src/actor/check.ts';
import { defineActor, isDefinedActor } from '../../../src/actor/index.ts';
import type { PolityError } from '../../../src/errors.ts';

const counting = fromTransition((count: number, event: { type: 'add'; by: number }) => count + event.by, 0);

test('what is not said has its default', () => {
  const { logic: _logic, input, restart, ...rest } = defineActor('counter', { logic: counting });
  assert.deepEqual(
    { ...rest, input: input('k'), restart: restart.strategy },
    {
      ...{ name: 'counter', version: 1, durability: 'none', placement: 'node', timers: 'deadline', migrate: {}, replies: {} },
      ...{ mailboxMax: 1_000, passivateAfterMs: null, remember: false, resume: {}, redact: [], input: undefined },
      restart: 'one-for-one',
      [Symbol.for('polity.actor')]: true,
    },
  );
  const replicated = defineActor('cart', { logic: counting, durability: 'replicated', restart: { backoffMaxMs: 20 } });
  assert.deepEqual([replicated.placement, replicated.passivateAfterMs], ['sharded', 600_000]);
  assert.deepEqual([replicated.restart.backoffMinMs, replicated.restart.backoffMaxMs], [20, 20]);
  const never = defineActor('cart', { logic: counting, durability: 'local', passivateAfter: null });
  assert.equal(never.passivateAfterMs, null);
  assert.equal(defineActor('cart', { logic: counting, passivateAfter: '90s' }).passivateAfterMs, 90_000);
  assert.ok(isDefinedActor(never) && Object.isFrozen(never) && !isDefinedActor({ ...never, [Symbol.for('polity.actor')]: 1 }));
});

test('every logic of XState will do', () => {
  const store = fromStore({ context: { n: 0 }, on: { add: (context) => context } });
  const none = [createMachine({}), counting, fromPromise(async () => 1), fromCallback(() => {}), store];
  for (const logic of none) assert.deepEqual(checkDefinition('a', { logic }), []);
});

const table: [what: string, options: Record<string, unknown>, problem: RegExp][] = [
  ['no logic', { logic: {} }, /^logic is what XState makes/],
  ['an option that there is not', { logic: counting, mailBox: 5 }, /^there is no option 'mailBox'$/],
  [
    'a durability that there is not',
    { logic: counting, durability: 'eternal' },
    /^durability is one of none, local, replicated/,
  ],
  [
    'replicated at a node',
    { logic: counting, durability: 'replicated', placement: 'node' },
    /goes with placement sharded or singleton, not 'node'/,
  ],
  ['local and placed', { logic: counting, durability: 'local', placement: 'sharded' }, /goes with placement node or each/],
  ['no version', { logic: counting, version: 1.5 }, /^version is a whole number from 1/],
  [
    'a gap',
    { logic: counting, version: 5, migrate: { 1: () => 0, 3: () => 0, 4: () => 0 } },
    /from version 1 to 5 with a gap: there is none from 2$/,
  ],
  ['an end before it', { logic: counting, version: 3, migrate: { 1: () => 0 } }, /gap: there is none from 2/],
  [
    'a version to come',
    { logic: counting, version: 2, migrate: { 1: () => 0, 2: () => 0 } },
    /^migrate\['2'\] is no version before 2/,
  ],
  ['no function', { logic: counting, version: 2, migrate: { 1: 'x' } }, /^migrate\[1\] is a function/],
  [
    'a promise, replicated',
    { logic: fromPromise(async () => 1), durability: 'replicated' },
    /a promise, a callback or an observable: it cannot be replicated/,
  ],
  ['an empty mailbox', { logic: counting, mailbox: 0 }, /^mailbox is a whole number from 1 to 100000, not 0$/],
  ['no time', { logic: counting, passivateAfter: 'soon' }, /^passivateAfter is a time like '10m'/],
  [
    'one for each node that leaves',
    { logic: counting, placement: 'each', passivateAfter: '1m' },
    /^passivateAfter is not for placement 'each'/,
  ],
  ['a memory without a place', { logic: counting, remember: true }, /^remember is for what the cluster places/],
  ['a schema that is none', { logic: counting, messages: { add: { by: 'number' } } }, /^messages\.add is no schema/],
  [
    'a reply to nothing',
    { logic: counting, messages: {}, replies: { add: () => 1 } },
    /^replies\.add answers an event that messages do not have/,
  ],
  ['a reply that is none', { logic: counting, replies: { add: 1 } }, /^replies\.add is a function/],
  ['a strategy that there is not', { logic: counting, restart: { strategy: 'some' } }, /^restart\.strategy is one of/],
  ['a backoff upside down', { logic: counting, restart: { backoffMinMs: 9, backoffMaxMs: 5 } }, /backoffMinMs is more than/],
  ['an option of restarts', { logic: counting, restart: { max: 5 } }, /^restart has no option 'max'/],
  [
    'a rule that there is not',
    { logic: counting, durability: 'replicated', resume: { pay: 'again' } },
    /^resume\.pay is one of retry, fail, ask/,
  ],
  [
    'a rule of another kind',
    { logic: counting, durability: 'local', resume: { pay: 'fail' } },
    /^resume is for durability 'replicated'/,
  ],
  ['timers of another kind', { logic: counting, timers: 'restart' }, /^timers 'restart' are for durability 'local'/],
  ['what runs already', { logic: createStore({ context: {}, on: {} }) }, /^logic is an actor or a store that runs already/],
  ['no number', { logic: counting, mailbox: Number.NaN }, /^mailbox is a whole number from 1 to 100000, not NaN$/],
  [
    'a reply to anything',
    { logic: counting, replies: { '*': () => 1 } },
    /^replies: nobody can send '\*', which is XState's own/,
  ],
  [
    'a schema for XState',
    { logic: counting, messages: { 'xstate.init': z.object({}) } },
    /^messages: nobody can send 'xstate\.init'/,
  ],
  ['timers', { logic: counting, timers: 'never' }, /^timers is one of deadline, remaining, restart/],
  ['no names', { logic: counting, redact: 'card' }, /^redact is a list/],
  ['an input that is none', { logic: counting, input: 5 }, /^input is a function of the key/],
];

for (const [what, options, problem] of table)
  test(`refused: ${what}`, () => {
    const problems = checkDefinition('counter', options);
    assert.equal(problems.length, 1, problems.join('\n'));
    assert.match(problems[0]!, problem);
  });

test('refused: names; and every mistake is named at once', () => {
  for (const name of ['', 'Counter', '1st', 'a b', 'x'.repeat(64), null])
    assert.match(checkDefinition(name, { logic: counting })[0]!, /^its name/);
  assert.match(checkDefinition('polity', { logic: counting })[0]!, /the runtime's own/);
  assert.match(checkDefinition('counter', null)[0]!, /its options are an object/);
  assert.throws(
    () => defineActor('Counter', { logic: counting, mailbox: 0, version: 0 }),
    (error: PolityError) =>
      error.code === 'INVALID_REQUEST' && /^the actor 'Counter': its name .*; mailbox .*; version/.test(error.message),
  );
});

test('a replicated machine repeats its actions by name: each that has none is shown where it stands', () => {
  const pay = (): void => {};
  const charted = setup({
    actors: { work: fromPromise(async () => 1) },
    actions: { charge: pay, remember: assign({}) },
  }).createMachine({
    entry: pay,
    initial: 'open',
    on: { ANY: { actions: [assign({}), 'charge', pay] } },
    states: {
      open: {
        exit: ['charge', 'remember', raise({ type: 'x' }), emit({ type: 'x' }), enqueueActions(() => {})],
        on: { PAY: [{ guard: () => true, actions: pay }, { target: 'paid' }], 'two words': { actions: pay } },
        after: { 1000: { actions: [pay] } },
        always: { actions: pay, guard: () => false },
        invoke: { src: 'work', onDone: { actions: pay }, onError: { target: 'paid' } },
      },
      paid: { initial: 'in', states: { in: { entry: [{ type: 'charge', params: {} }, { type: 'charg' } as never] } } },
    },
  });
  const problems = checkDefinition('cart', { logic: charted, durability: 'replicated' });
  assert.deepEqual(
    problems.map((problem) =>
      problem.replace(/^a replicated actor repeats its actions by name: (\S+(?: words'\])?\S*) .*/, '$1'),
    ),
    [
      ...['entry', 'on.ANY.actions[2]', 'states.open.on.PAY[0].actions', "states.open.on['two words'].actions"],
      ...["states.open.after['1000'].actions[0]", 'states.open.always.actions', 'states.open.invoke.onDone.actions'],
      'states.paid.states.in.entry[1]',
    ],
  );
  assert.match(problems[0]!, /a function without a name: name it in setup/);
  assert.match(problems.at(-1)!, /is called 'charg', which nothing implements/);
  assert.deepEqual(checkDefinition('cart', { logic: charted }), []);
  const provided = createMachine({ entry: 'greet' });
  assert.equal(checkDefinition('cart', { logic: provided, durability: 'replicated' }).length, 1);
  assert.deepEqual(
    checkDefinition('cart', { logic: provided.provide({ actions: { greet: pay } }), durability: 'replicated' }),
    [],
  );
});

test('what is taken of whoever sends is what the schemas give', () => {
  const { check } = defineActor('counter', {
    logic: counting,
    messages: {
      add: z.strictObject({ by: z.string().transform(Number) }),
      late: z.object({ by: z.string().refine(async () => true) }),
      odd: z.unknown().transform(() => 5),
      broken: {
        '~standard': {
          version: 1,
          vendor: 'x',
          validate() {
            throw new Error('no luck');
          },
        },
      },
    },
  });
  const why = (event: { type: string; [field: string]: unknown }): string => {
    const outcome = check!(event);
    assert.ok(!outcome.ok && outcome.failure.code === 'INVALID_REQUEST');
    return outcome.failure.message;
  };
  assert.deepEqual(check!({ type: 'add', by: '5' } as never), { ok: true, value: { type: 'add', by: 5 } });
  assert.match(why({ type: 'add', by: 5 }), /^counter cannot take 'add': event\.by: /);
  assert.match(why({ type: 'add', by: '5', to: 1 }), /cannot take 'add': event: /);
  assert.match(why({ type: 'late', by: '5' }), /answers later, and an event cannot wait/);
  assert.match(why({ type: 'odd' }), /gives no object/);
  assert.match(why({ type: 'broken' }), /its schema fails: no luck/);
  assert.match(
    why({ type: 'xstate.done.actor.pay' }),
    /^counter takes no 'xstate.done.actor.pay'; it takes add, late, odd, broken$/,
  );
  assert.equal(defineActor('counter', { logic: counting }).check, undefined);
});
