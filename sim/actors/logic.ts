// The actors that live on simulated nodes. What is to be known of them in the end stands in their context, for that is what must outlive
// everything; what they do outside is told to the judge when it is done, with what the code of a developer could know of it.
import {
  type AnyActorLogic,
  type AnyActorRef,
  assign,
  cancel,
  enqueueActions,
  fromCallback,
  fromTransition,
  sendParent,
  sendTo,
  setup,
} from 'xstate';
import { type ActorDefinition, type ActorExecution, type ReplyArguments, restartDefault } from '../../actors/actor-api.ts';
import { currentExecution } from '../../actors/actor-execution.ts';
import { isDurable, isLocal, kinds, type TypeName, timersOf } from './plan.ts';
import { toFail } from './reference.ts';

/** What an actor knows of what it was told: numbers of requests, in their order. */
export type Book = {
  readonly notes: readonly number[];
  readonly waits: readonly number[];
  readonly rang: readonly number[];
  readonly cleared: readonly number[];
  /** Of what was pressed last, and how often it went out. */
  readonly lamp: number;
  readonly faded: readonly number[];
  readonly home: readonly number[];
  readonly helped: readonly number[];
  /** Of what was under way when a leader was lost: what failed with it, and of what it was asked. */
  readonly failed: readonly number[];
  readonly asked: readonly number[];
  readonly got: readonly number[];
  /** Versions that it was migrated from, in their order. */
  readonly migrated: readonly number[];
  /** Of a planted bug: what no code that runs on several machines may keep. */
  readonly luck: number;
};

export type Told = { type: string; n: number; ms?: number; to?: unknown; child?: string };

/** What code of one process tells, and asks for. */
export type Watcher = {
  /** Something was done outside. `as`: of what kind. */
  effect(as: string, n: number, execution: ActorExecution | null): void;
  /** A turn of one that lives in memory alone. */
  turn(n: number, execution: ActorExecution | null): void;
  /** It is about to throw. Null: nobody can say which, for its log is being read. */
  fails(execution: ActorExecution | null): void;
  /** In this process, as long as it lives. */
  later(ms: number, run: () => void): void;
  /** What a planted bug writes down; 0. */
  chance(): number;
};

export const lampMs = 400;
/** After so long one that failed has begun anew. */
export const backoffMaxMs = 200;
const helperMs = 250;
const errandMs = 120;
/** Long enough that many a leader is lost meanwhile. */
const attemptMs = 400;

export const emptyBook: Book = {
  notes: [],
  waits: [],
  rang: [],
  cleared: [],
  lamp: -1,
  faded: [],
  home: [],
  helped: [],
  failed: [],
  asked: [],
  got: [],
  migrated: [],
  luck: 0,
};

/** The last that waits and has not rung; -1: none does. */
const waitingIn = ({ waits, rang, cleared }: Book): number =>
  waits.findLast((n) => !rang.includes(n) && !cleared.includes(n)) ?? -1;

type Lists = 'waits' | 'rang' | 'home' | 'helped' | 'got';

/** Of a child, after the letter of its kind. */
const numberIn = (id: string): number => Number(/(\d+)$/.exec(id)?.[1] ?? -1);
const failedChild = ({ event }: { event: { type: string } }): number => numberIn(event.type);
const askedChild = ({ event }: { event: { type: string } }): number => numberIn((event as { type: string; id: string }).id);

const helper = setup({
  types: { context: {} as { n: number }, input: {} as { n: number } },
}).createMachine({
  context: ({ input }) => input,
  initial: 'busy',
  states: {
    busy: { after: { [helperMs]: 'done' } },
    done: { entry: sendParent(({ context }) => ({ type: 'helped', n: context.n })), type: 'final' },
  },
});

const bookLogic = (watcher: Watcher): AnyActorLogic => {
  const tell =
    (as: string) =>
    ({ event }: { event: Told }): void =>
      watcher.effect(as, event.n, currentExecution());
  const tellLamp =
    (as: string) =>
    ({ context }: { context: Book }): void =>
      watcher.effect(as, context.lamp, currentExecution());
  const added =
    (list: Lists) =>
    ({ context, event }: { context: Book; event: Told }): Partial<Book> => ({ [list]: [...context[list], event.n] });
  /** Does something outside, and answers after so long. */
  const callback = (as: string, child: string, ms: number) =>
    fromCallback(({ sendBack, input }) => {
      const { n } = input as { n: number };
      let isOn = true;
      watcher.effect(as, n, currentExecution());
      watcher.later(ms, () => (isOn ? sendBack({ type: 'home', n, child }) : undefined));
      return () => {
        isOn = false;
      };
    });
  const typed = setup({
    types: { context: {} as Book, events: {} as Told },
    actors: {
      helper,
      errand: callback('errand', 'e', errandMs),
      attempt: callback('attempt', 'a', attemptMs),
      question: callback('question', 'q', attemptMs),
    },
    actions: {
      ...{ tried: tell('tried') },
      failedOutside: ({ event }) => watcher.effect('failed', failedChild({ event }), currentExecution()),
      askedOutside: ({ event }) => watcher.effect('asked', askedChild({ event }), currentExecution()),
      keepFailed: assign(({ context, event }) => ({ failed: [...context.failed, failedChild({ event })] })),
      keepAsked: assign(({ context, event }) => ({ asked: [...context.asked, askedChild({ event })] })),
      ...{ act: tell('act'), armed: tell('armed'), rang: tell('rang'), lit: tellLamp('lit'), faded: tellLamp('faded') },
      write: assign(({ context, event }) => ({ notes: [...context.notes, event.n], luck: watcher.chance() })),
      keepWait: assign(added('waits')),
      keepRang: assign(added('rang')),
      keepHome: assign(added('home')),
      keepHelped: assign(added('helped')),
      keepGot: assign(added('got')),
      keepLamp: assign(({ event }) => ({ lamp: event.n })),
      keepFaded: assign(({ context }) => ({ faded: [...context.faded, context.lamp] })),
      keepCleared: assign(({ context }) => {
        const last = waitingIn(context);
        return last < 0 ? {} : { cleared: [...context.cleared, last] };
      }),
      fail: assign(() => {
        watcher.fails(currentExecution());
        throw new Error(toFail);
      }),
    },
  });
  return typed.createMachine({
    id: 'book',
    context: emptyBook,
    initial: 'dark',
    on: {
      note: { actions: 'write' },
      act: { actions: ['write', 'act'] },
      wait: {
        actions: [
          ...(['write', 'keepWait', 'armed'] as const),
          enqueueActions(({ enqueue, event }) => {
            enqueue.raise({ type: 'due', n: event.n }, { id: `t${event.n}`, delay: event.ms ?? 0 });
          }),
        ],
      },
      due: { actions: ['keepRang', 'rang'] },
      cancel: { actions: ['write', cancel(({ context }) => `t${waitingIn(context)}`), 'keepCleared'] },
      press: { target: '.lit', reenter: true, actions: ['write', 'keepLamp'] },
      call: {
        actions: [
          'write',
          enqueueActions(({ enqueue, event }) => {
            enqueue.spawnChild('errand', { id: `e${event.n}`, input: { n: event.n } });
          }),
        ],
      },
      home: {
        actions: [
          'keepHome',
          enqueueActions(({ enqueue, event }) => {
            enqueue.stopChild(`${event.child ?? 'e'}${event.n}`);
          }),
        ],
      },
      try: {
        actions: [
          ...(['write', 'tried'] as const),
          enqueueActions(({ enqueue, event }) => {
            enqueue.spawnChild('attempt', { id: `a${event.n}`, input: { n: event.n } });
          }),
        ],
      },
      'xstate.error.actor.*': { actions: ['keepFailed', 'failedOutside'] },
      wonder: {
        actions: [
          ...(['write', 'tried'] as const),
          enqueueActions(({ enqueue, event }) => {
            enqueue.spawnChild('question', { id: `q${event.n}`, input: { n: event.n } });
          }),
        ],
      },
      'polity.interrupted': {
        actions: [
          ...(['keepAsked', 'askedOutside'] as const),
          enqueueActions(({ enqueue, event }) => {
            const n = askedChild({ event });
            enqueue.stopChild(`q${n}`);
            enqueue.spawnChild('errand', { id: `e${n}`, input: { n } });
          }),
        ],
      },
      hire: {
        actions: [
          'write',
          enqueueActions(({ enqueue, event }) => {
            enqueue.spawnChild('helper', { id: `h${event.n}`, input: { n: event.n } });
          }),
        ],
      },
      helped: { actions: 'keepHelped' },
      pass: {
        actions: [
          'write',
          sendTo(
            ({ event }) => event.to as AnyActorRef,
            ({ event }) => ({ type: 'got', n: event.n }),
          ),
        ],
      },
      got: { actions: 'keepGot' },
      boom: { actions: ['write', 'fail'] },
    },
    states: {
      dark: {},
      lit: { entry: 'lit', after: { [lampMs]: { target: 'dark', actions: ['keepFaded', 'faded'] } } },
    },
  }) as unknown as AnyActorLogic;
};

/** In memory alone. */
const gaugeLogic = (watcher: Watcher): AnyActorLogic =>
  fromTransition((count: number, event: Told) => {
    if (event.type === 'note') watcher.turn(event.n, currentExecution());
    return count + 1;
  }, 0);

/** The same as a chart, with a pulse of its own. */
const guardLogic = (watcher: Watcher): AnyActorLogic =>
  setup({
    types: { context: {} as { count: number }, events: {} as Told },
    actions: {
      report: ({ event }) => watcher.turn(event.n, currentExecution()),
      pulse: () => watcher.turn(-1, currentExecution()),
    },
  }).createMachine({
    context: { count: 0 },
    initial: 'on',
    on: { note: { actions: ['report', assign({ count: ({ context }) => context.count + 1 })] } },
    states: { on: { after: { 200: { target: 'on', reenter: true, actions: 'pulse' } } } },
  }) as unknown as AnyActorLogic;

const contextOf = ({ snapshot }: ReplyArguments): Book => (snapshot as unknown as { context: Book }).context;
const numberOf = ({ event }: ReplyArguments): number => (event as Told).n;

/** Where it stands among those that were written down, if it is asked right after it was; later it is where another stands. */
const lastPlace = (args: ReplyArguments): unknown => {
  const { notes } = contextOf(args);
  return notes.includes(numberOf(args)) ? notes.length - 1 : -1;
};
/** Not before it has an answer. */
const placeAtHome = (args: ReplyArguments): unknown => {
  const { home, notes } = contextOf(args);
  return home.includes(numberOf(args)) ? notes.indexOf(numberOf(args)) : undefined;
};

const bookReplies: ActorDefinition['replies'] = {
  ...Object.fromEntries(kinds.map((kind) => [kind, kind === 'call' ? placeAtHome : lastPlace])),
  read: ({ snapshot }) => {
    const { context, value } = snapshot as unknown as { context: Book; value: string };
    return { ...context, value };
  },
};

const memoryReplies: ActorDefinition['replies'] = { note: numberOf, read: () => null };

const logicOf: Readonly<Record<TypeName, (watcher: Watcher) => AnyActorLogic>> = {
  ...{ book: bookLogic, desk: bookLogic, diary: bookLogic, kettle: bookLogic, hourglass: bookLogic },
  ...{ gauge: gaugeLogic, guard: guardLogic },
};

const ways: Readonly<Record<TypeName, Pick<ActorDefinition, 'durability' | 'placement' | 'remember' | 'passivateAfterMs'>>> = {
  book: { durability: 'replicated', placement: 'sharded', remember: false, passivateAfterMs: 1_000 },
  desk: { durability: 'replicated', placement: 'singleton', remember: true, passivateAfterMs: null },
  diary: { durability: 'local', placement: 'node', remember: false, passivateAfterMs: 800 },
  kettle: { durability: 'local', placement: 'node', remember: false, passivateAfterMs: 800 },
  hourglass: { durability: 'local', placement: 'node', remember: false, passivateAfterMs: 800 },
  gauge: { durability: 'none', placement: 'sharded', remember: false, passivateAfterMs: 2_000 },
  guard: { durability: 'none', placement: 'singleton', remember: true, passivateAfterMs: null },
};

/** From one version to the next: it is written down, and nothing else is different. */
const migrationFrom =
  (version: number) =>
  (snapshot: unknown): unknown => {
    const { context } = snapshot as { context: Book };
    return { ...(snapshot as object), context: { ...context, migrated: [...context.migrated, version] } };
  };

const versionOf = (version: number): Pick<ActorDefinition, 'version' | 'migrate'> => ({
  ...{ version, migrate: Object.fromEntries(Array.from({ length: version - 1 }, (_, at) => [at + 1, migrationFrom(at + 1)])) },
});

/** What one process hosts; `version` of what outlives it. */
export const definitionsFor = (watcher: Watcher, version: number): readonly ActorDefinition[] =>
  (Object.keys(ways) as TypeName[]).map((name) => ({
    ...{
      name,
      ...versionOf(isDurable(name) ? version : 1),
      logic: logicOf[name](watcher),
      ...ways[name],
      input: () => undefined,
    },
    replies: isDurable(name) ? bookReplies : memoryReplies,
    // What throws here was told to.
    restart: { ...restartDefault, failuresMax: 10_000, windowMs: 1_000, backoffMinMs: 20, backoffMaxMs },
    timers: isLocal(name) ? timersOf[name] : 'deadline',
    ...{ mailboxMax: 200, resume: { attempt: 'fail' as const, question: 'ask' as const }, redact: [] },
  }));
