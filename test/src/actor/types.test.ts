// What the compiler says about actors. A line that it must refuse says so, and the compiler tells if it does not.
import { test } from 'node:test';
import { fromStore } from '@xstate/store';
import { type } from 'arktype';
import * as v from 'valibot';
import { assign, fromPromise, fromTransition, sendTo, setup } from 'xstate';
import { z } from 'zod';
import {
  type AskedEvent,
  defineActor,
  type EventTo,
  type Ref,
  type ReplyTo,
  type SnapshotOf,
} from '../../../src/actor/index.ts';
import type { Client } from '../../../src/client/index.ts';

type Same<One, Other> = (<T>() => T extends One ? 1 : 2) extends <T>() => T extends Other ? 1 : 2 ? true : false;
const same = <One, Other>(_is: Same<One, Other>): void => {};

type CounterEvent = { type: 'increment'; by: number } | { type: 'read' } | { type: 'reset' };
const machine = setup({ types: { context: {} as { count: number }, events: {} as CounterEvent } }).createMachine({
  context: { count: 0 },
  initial: 'low',
  states: { low: {}, high: {} },
  on: { increment: { actions: assign({ count: ({ context, event }) => context.count + event.by }) } },
});
const Counter = defineActor('counter', {
  logic: machine,
  replies: {
    increment: ({ snapshot, event }) => snapshot.context.count + event.by,
    read: ({ snapshot }) => (snapshot.context.count > 1 ? { many: snapshot.context.count } : undefined),
  },
});
const Checked = defineActor('checked', {
  logic: fromTransition(
    (state: { n: number }, event: { type: 'add'; by: number } | { type: 'tag'; name: string }) => {
      return event.type === 'add' ? { n: state.n + event.by } : state;
    },
    { n: 0 },
  ),
  messages: {
    add: z.object({ by: z.string().transform(Number) }),
    tag: v.object({ name: v.string() }),
    note: type({ text: 'string' }),
    end: z.object({}),
  },
  replies: { add: ({ event }) => event.by.toFixed(), note: ({ event }) => [event.text] },
});
const Store = defineActor('store', {
  logic: fromStore({ context: { n: 0 }, on: { add: (context, event: { by: number }) => ({ n: context.n + event.by }) } }),
  replies: { add: ({ event }) => event.by },
});
const Job = defineActor('job', {
  logic: fromPromise(async ({ input }: { input: { url: string } }) => input.url),
  input: (key) => ({ url: key }),
});

test('events come from the logic, or from the schemas', () => {
  same<EventTo<typeof Counter>, CounterEvent>(true);
  same<
    EventTo<typeof Checked>,
    { type: 'add'; by: string } | { type: 'tag'; name: string } | { type: 'note'; text: string } | { type: 'end' }
  >(true);
  same<EventTo<typeof Store>['type'], 'add'>(true);
});

test('replies come from the functions that give them', () => {
  same<AskedEvent<typeof Counter>, { type: 'increment'; by: number } | { type: 'read' }>(true);
  same<AskedEvent<typeof Job>, never>(true);
  same<ReplyTo<typeof Counter, { type: 'increment'; by: number }>, number>(true);
  same<ReplyTo<typeof Counter, { type: 'read' }>, { many: number }>(true);
  same<ReplyTo<typeof Checked, { type: 'add'; by: string }>, string>(true);
  same<ReplyTo<typeof Store, { type: 'add'; by: number }>, number>(true);
});

const Stock = defineActor('stock', {
  logic: fromTransition((left: number, { amount }: { type: 'book' | 'giveBack' | 'look'; amount: number }) => left - amount, 5),
  replies: { book: ({ event }) => event.amount, giveBack: ({ event }) => event.type },
});

test('one event may have several types', () => {
  same<AskedEvent<typeof Stock>['type'], 'book' | 'giveBack'>(true);
  same<ReplyTo<typeof Stock, { type: 'book'; amount: number }>, number>(true);
  same<ReplyTo<typeof Stock, { type: 'book' | 'giveBack'; amount: number }>, number | 'giveBack'>(true);
});

test('snapshots are plain data', () => {
  same<SnapshotOf<typeof Counter>['context'], { count: number }>(true);
  same<SnapshotOf<typeof Counter>['value'], 'low' | 'high'>(true);
  same<SnapshotOf<typeof Checked>['context'], { n: number }>(true);
  same<NonNullable<SnapshotOf<typeof Job>['output']>, string>(true);
});

/** Compiled, never run. */
export const compiled = async (
  counter: Ref<typeof Counter>,
  checked: Ref<typeof Checked>,
  job: Ref<typeof Job>,
): Promise<void> => {
  const count: number = await counter.ask({ type: 'increment', by: 1 }, { timeoutMs: 5, id: 'x' });
  const { many } = await counter.ask({ type: 'read' });
  const text: string = await checked.ask({ type: 'add', by: '1' });
  counter.send({ type: 'reset' });
  await counter.deliver({ type: 'reset' }, { signal: AbortSignal.timeout(1) });
  counter.subscribe('context.count', (n) => n.toFixed(count + many));
  counter.subscribe(undefined, ({ context }) => context.count.toFixed(text.length));
  counter.subscribe(({ value }) => value === 'low');
  for await (const { context } of counter) context.count.toFixed();
  for await (const n of counter.values('context.count')) n.toFixed();
  (await counter.snapshot()).context.count.toFixed();
  const anyone: Ref = counter;
  // @ts-expect-error: a reference to another type takes other events
  const mistaken: Ref<typeof Counter> = checked;
  // @ts-expect-error: and the other way round
  const another: Ref<typeof Checked> = counter;
  anyone.equals(mistaken ?? another);
  // @ts-expect-error: nothing answers it
  await counter.ask({ type: 'reset' });
  // @ts-expect-error: there is no such event
  counter.send({ type: 'incremnt', by: 1 });
  // @ts-expect-error: it takes a number
  counter.send({ type: 'increment', by: '1' });
  // @ts-expect-error: its schema takes a text
  await checked.ask({ type: 'add', by: 1 });
  // @ts-expect-error: a count is no text
  counter.subscribe('context.count', (n: string) => n);
  // @ts-expect-error: nothing of a promise is answered
  await job.ask({ type: 'anything' });
  // @ts-expect-error: nor is there such an option
  await counter.deliver({ type: 'reset' }, { timeout: 5 });
  // @ts-expect-error: an event that there is not
  defineActor('x', { logic: machine, replies: { incremnt: () => 1 } });
  // @ts-expect-error: the logic needs an input
  defineActor('x', { logic: fromPromise(async ({ input }: { input: { url: string } }) => input.url) });
  // @ts-expect-error: there is no such durability
  defineActor('x', { logic: machine, durability: 'eternal' });
};

/** A machine that knows another actor sends to it as to its own. */
export const asker = setup({
  types: {
    context: {} as { other: Ref<typeof Counter> },
    events: {} as { type: 'go' },
    input: {} as { other: Ref<typeof Counter> },
  },
}).createMachine({
  context: ({ input }) => ({ other: input.other }),
  on: { go: { actions: sendTo(({ context }) => context.other, { type: 'increment', by: 1 }) } },
});

export const wrong = setup({ types: { context: {} as { other: Ref<typeof Counter> } } }).createMachine({
  context: { other: {} as Ref<typeof Counter> },
  // @ts-expect-error: it takes no such event
  entry: sendTo(({ context }) => context.other, { type: 'incremnt' }),
});

/** The same over HTTP, by the type of the definition alone. */
export const overHttp = async (client: Client): Promise<void> => {
  const counter = client.actor<typeof Counter>('counter/visits');
  const count: number = await counter.ask({ type: 'increment', by: 1 });
  (await counter.snapshot()).context.count.toFixed(count);
  (await counter.snapshot({ select: 'context.count' })).toFixed();
  for await (const now of counter.watch({ select: 'context.count' })) now.toFixed();
  // @ts-expect-error: nothing answers it
  await counter.ask({ type: 'reset' });
  await client.actor('counter/visits').send({ type: 'anything' });
};
