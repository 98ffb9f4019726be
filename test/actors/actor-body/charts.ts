// Charts made at random for bodies: regions, history, children of all kinds, delays, messages to and fro. What they do is nonsense; that
// two copies of one do the same is the point.
import * as fc from 'fast-check';
import {
  type AnyActorLogic,
  assign,
  cancel,
  emit,
  enqueueActions,
  fromCallback,
  fromPromise,
  fromTransition,
  log,
  raise,
  sendParent,
  sendTo,
  setup,
  spawnChild,
  stopChild,
} from 'xstate';

export const events = ['E0', 'E1', 'E2', 'E3'] as const;

export type Shape = {
  kind: 'atomic' | 'compound' | 'parallel';
  states: Shape[];
  entry: number[];
  exit: number[];
  on: { event: number; target: number; reenter: boolean; guard: boolean; actions: number[] }[];
  after: { delay: number; target: number } | null;
  invoke: number | null;
  history: 'none' | 'shallow' | 'deep';
  isAlways: boolean;
};

const actionsMax = 16;
const deeds = fc.array(fc.nat(actionsMax - 1), { maxLength: 2 });

const shapeOf = (depth: number): fc.Arbitrary<Shape> =>
  fc.record({
    kind: depth === 0 ? fc.constant('atomic' as const) : fc.constantFrom('atomic', 'compound', 'compound', 'parallel'),
    states: depth === 0 ? fc.constant([]) : fc.array(shapeOf(depth - 1), { minLength: 2, maxLength: 3 }),
    entry: deeds,
    exit: deeds,
    on: fc.array(
      fc.record({
        event: fc.nat(events.length - 1),
        target: fc.nat(30),
        reenter: fc.boolean(),
        guard: fc.boolean(),
        actions: deeds,
      }),
      { maxLength: 3 },
    ),
    after: fc.option(fc.record({ delay: fc.integer({ min: 1, max: 500 }), target: fc.nat(30) }), { freq: 3 }),
    invoke: fc.option(fc.nat(3), { freq: 3 }),
    history: fc.constantFrom('none', 'none', 'shallow', 'deep'),
    isAlways: fc.boolean(),
  });

export const shapes: fc.Arbitrary<Shape> = shapeOf(2).map((shape) => ({
  ...shape,
  kind: shape.states.length > 0 ? shape.kind : 'atomic',
}));

const inner = setup({ actors: { job: fromPromise(async () => 1) } }).createMachine({
  id: 'inner',
  initial: 'calm',
  context: ({ input }) =>
    ({ seen: 0, boss: (input as { boss?: unknown } | undefined)?.boss ?? null }) as Record<string, unknown>,
  on: { E1: { actions: assign({ seen: ({ context }) => (context.seen as number) + 1 }) } },
  states: {
    calm: { after: { 20: { target: 'busy', actions: sendParent({ type: 'E2' }) } }, on: { E0: 'busy' } },
    busy: {
      invoke: {
        src: 'job' as never,
        onDone: { target: 'calm', actions: sendTo(({ context }) => context.boss as never, { type: 'E3' } as never) },
      },
    },
  },
});

const custom = (): void => {};

/** By number, so that shapes are plain data. */
const actionOf = (n: number): never =>
  [
    'noted',
    () => {},
    custom,
    assign({ count: ({ context }) => context.count + 1 }),
    raise({ type: 'E0' }, { delay: 5, id: 'soon' }),
    raise({ type: 'E1' }, { delay: 7 }),
    cancel('soon'),
    spawnChild('counter', { id: 'counter', syncSnapshot: true }),
    stopChild('counter'),
    emit({ type: 'told' }),
    log('a line'),
    enqueueActions(({ enqueue, context }) => {
      enqueue.assign({ count: context.count + 2 });
      enqueue('noted');
      if (context.count % 3 === 0) enqueue.raise({ type: 'E2' }, { delay: 1 });
    }),
    assign({
      kids: ({ context, spawn, self }) =>
        context.kids.length < 3 ? [...context.kids, spawn('inner', { input: { boss: self } })] : context.kids,
    }),
    enqueueActions(({ enqueue, context }) => {
      for (const kid of context.kids) enqueue.sendTo(kid, { type: 'E1' });
      if (context.kids[0] !== undefined) enqueue.sendTo(context.kids[0], { type: 'E0' }, { delay: 3 });
    }),
    enqueueActions(({ enqueue, context }) => {
      if (context.kids[0] !== undefined) enqueue.stopChild(context.kids[0]);
    }),
    assign({ last: ({ event }) => event.type }),
  ][n] as never;

export const machineOf = (shape: Shape): AnyActorLogic => {
  const ids: string[] = [];
  const collect = (one: Shape, id: string): void => {
    ids.push(id);
    if (one.kind !== 'atomic') for (const [at, state] of one.states.entries()) collect(state, `${id}s${at}`);
  };
  collect(shape, 'r');
  const nodeOf = (one: Shape, id: string, depth: number): Record<string, unknown> => {
    const target = (at: number): string => `#${ids[at % ids.length]}`;
    const states: Record<string, unknown> = {};
    if (one.kind !== 'atomic')
      for (const [at, state] of one.states.entries()) states[`s${at}`] = nodeOf(state, `${id}s${at}`, depth + 1);
    const hasHistory = one.kind === 'compound' && one.history !== 'none';
    if (hasHistory) states.h = { type: 'history', history: one.history, id: `${id}h` };
    const on: Record<string, unknown[]> = {};
    for (const [at, { event, target: to, reenter, guard, actions }] of one.on.entries()) {
      (on[events[event]!] ??= []).push({
        ...(to % 4 === 3 ? {} : { target: hasHistory && at === 1 ? `#${id}h` : target(to), reenter }),
        ...(guard ? { guard: ({ context }: { context: { count: number } }) => context.count % 2 === 0 } : {}),
        actions: actions.map(actionOf),
      });
    }
    const source = ['inner', 'work', 'line', 'counter'][one.invoke ?? 0];
    return {
      id,
      ...(one.kind === 'atomic' ? {} : one.kind === 'parallel' ? { type: 'parallel', states } : { initial: 's0', states }),
      entry: one.entry.map(actionOf),
      exit: one.exit.map(actionOf),
      on,
      ...(one.after === null ? {} : { after: { [one.after.delay]: { target: target(one.after.target) } } }),
      ...(one.invoke === null
        ? {}
        : {
            invoke: {
              src: source,
              id: `i${id}`,
              input: ({ self, context }: { self: unknown; context: { count: number } }) => ({ boss: self, n: context.count }),
              onDone: { actions: assign({ last: 'done' }) },
              onError: { actions: [assign({ last: 'error' }), 'noted'] },
              onSnapshot: { actions: assign({ count: ({ context }: { context: { count: number } }) => context.count + 1 }) },
            },
          }),
      ...(one.isAlways && depth > 0
        ? {
            always: {
              guard: ({ context }: { context: { count: number } }) => context.count < 30 && context.count % 5 === 4,
              target: target(one.states.length),
            },
          }
        : {}),
    };
  };
  return setup({
    types: {} as { context: { count: number; last: string; kids: never[] } },
    actions: { noted: () => {} },
    actors: {
      inner,
      work: fromPromise(async () => 'worked'),
      line: fromCallback(() => {}),
      counter: fromTransition((n: number, event: { type: string }) => (event.type === 'E1' ? n + 1 : n), 0),
    } as never,
  }).createMachine({
    context: { count: 0, last: '', kids: [] },
    options: { maxIterations: 40 },
    ...nodeOf(shape, 'r', 0),
  } as never);
};
