// One measurement of hosted actors, raw XState or nact, in a process of its own: what one leaves behind in the compiler and on the heap is
// not the next one's. Called by actors.ts with the system, the shape and the measurement; prints one line of JSON.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { type AnyActor, type AnyActorRef, assign, createActor, fromTransition, sendTo, setup, waitFor } from 'xstate';
import { type ActorDefinition, type LiveActor, restartDefault } from '../actors/actor-api.ts';
import { type Cells, createCells } from '../actors/actor-cells.ts';
import type { SinkPort } from '../actors/ports/index.ts';
import { realClock } from '../src/clock.ts';
import { median, sleep } from './figures.ts';

export type ActorsSystem = 'polity' | 'xstate' | 'nact';
export type ActorsShape = 'chart' | 'transition';
export type ActorsWhat = 'spawn' | 'spawn many' | 'tell' | 'ask' | 'ping-pong' | 'memory' | 'idle' | 'stop';
/** Operations a second, but for: bytes of an actor (memory), longest pause in milliseconds while nothing happens (idle), milliseconds (stop). */
export type ActorsSample = { value: number; more?: Record<string, number> };

type Event = { type: string; to?: unknown };
/** Told when the last of the events that were sent is handled. */
type Made = {
  send(event: Event): void;
  /** Sent, handled, and the count read. */
  ask(event: Event): Promise<number>;
  stop(): void;
};
type Side = {
  /** As many actors as that, begun. */
  make(count: number, shape: ActorsShape | 'timer'): Promise<Made[]>;
  /** All that was sent is handled, all that was stopped has stopped. */
  settled(of: Made): Promise<void>;
  allStopped(): Promise<void>;
  /** Two that send a ball to each other so many times. */
  pingPong(shape: ActorsShape, times: number): Promise<void>;
};

// ---------------------------------------------------------------- what they are made of

const counterChart = setup({ types: {} as { context: { n: number }; events: Event } }).createMachine({
  context: { n: 0 },
  initial: 'on',
  states: { on: { on: { inc: { actions: assign({ n: ({ context }) => context.n + 1 }) } } } },
});
const counterTransition = fromTransition(
  (state: { n: number }, event: Event) => (event.type === 'inc' ? { n: state.n + 1 } : state),
  () => ({ n: 0 }),
);
const timerChart = setup({}).createMachine({
  initial: 'a',
  states: { a: { after: { 3600000: 'b', 3700000: 'b', 3800000: 'b' } }, b: {} },
});
const logicOf = { chart: counterChart, transition: counterTransition, timer: timerChart } as const;

type Player = { send(event: Event): void };

/** Sends the ball on while there are some left. */
const playerOf = (shape: ActorsShape, other: () => Player, goesOn: () => boolean): ActorDefinition['logic'] =>
  shape === 'chart'
    ? setup({ types: {} as { events: { type: 'ball' } } }).createMachine({
        on: { ball: { guard: goesOn, actions: sendTo(() => other() as AnyActorRef, { type: 'ball' }) } },
      })
    : fromTransition((state: null) => {
        if (goesOn()) other().send({ type: 'ball' });
        return state;
      }, null);

// ---------------------------------------------------------------- Polity

const silent: SinkPort = { log() {}, count() {} };
const nobody = { source: '', correlation: '' };
const countOf = ({ snapshot }: { snapshot: unknown }): number => (snapshot as { context: { n: number } }).context.n;

const definitionOf = (name: string, logic: ActorDefinition['logic']): ActorDefinition => ({
  ...{ name, version: 1, logic, durability: 'none', placement: 'node', input: () => undefined, restart: restartDefault },
  ...{ replies: { inc: countOf }, mailboxMax: 1_000, passivateAfterMs: 600_000, remember: false, timers: 'deadline' },
  ...{ resume: {}, migrate: {}, redact: [] },
});

const openIn = (cells: Cells, definition: ActorDefinition, key: string, done: (live: LiveActor) => void): void =>
  cells.open(definition, { type: definition.name, key, node: 'n1' }, null, (outcome) => {
    if (!outcome.ok) throw new Error(outcome.failure.message);
    done(outcome.value);
  });

const polity = (): Side => {
  const random = { uint32: () => 0, bytes: (length: number) => new Uint8Array(length) };
  const cells = createCells({ clock: realClock, sink: silent, random });
  const definitions = {
    chart: definitionOf('chart', counterChart),
    transition: definitionOf('transition', counterTransition),
    timer: definitionOf('timer', timerChart),
  };
  let keys = 0;
  let stopping = 0;
  let whenStopped: (() => void) | null = null;
  const stopped = (): void => {
    if (--stopping === 0) whenStopped?.();
  };
  const madeOf = (live: LiveActor): Made => ({
    send(event) {
      if (live.send(event, nobody) !== null) throw new Error('the mailbox is full');
    },
    ask: (event) =>
      new Promise((resolve, reject) => {
        live.deliver(event, { id: null, wantsReply: true, leftMs: 5_000, trail: nobody }, (outcome) => {
          if (outcome.ok) resolve(outcome.value as number);
          else reject(new Error(outcome.failure.message));
        });
      }),
    stop() {
      stopping++;
      live.stop(true, stopped);
    },
  });
  return {
    make: (count, shape) =>
      new Promise((resolve) => {
        const made: Made[] = [];
        for (let n = 0; n < count; n++)
          openIn(cells, definitions[shape], String(keys++), (live) => {
            made.push(madeOf(live));
            if (made.length === count) resolve(made);
          });
      }),
    settled: async (of) => void (await of.ask({ type: 'inc' })),
    allStopped: () => new Promise((resolve) => (stopping === 0 ? resolve() : (whenStopped = resolve))),
    pingPong: (shape, times) =>
      new Promise((resolve) => {
        let left = times;
        const players: LiveActor[] = [];
        const goesOn = (): boolean => {
          if (--left === 0) resolve();
          return left > 0;
        };
        // As the package's references are: a machine's sendTo finds `_send`.
        const refTo = (n: number) => {
          const send = (event: Event): void => void players[n]!.send(event, nobody);
          return { send, _send: send };
        };
        const refs = [refTo(0), refTo(1)];
        for (const n of [0, 1])
          openIn(
            cells,
            definitionOf(
              `player-${n}-${keys}`,
              playerOf(shape, () => refs[1 - n]!, goesOn),
            ),
            '1',
            (live) => {
              players[n] = live;
              if (players[0] !== undefined && players[1] !== undefined) refs[0]!.send({ type: 'ball' });
            },
          );
        keys++;
      }),
  };
};

// ---------------------------------------------------------------- XState

const xstate = (): Side => {
  const readOf = (actor: { getSnapshot(): unknown }): number => countOf({ snapshot: actor.getSnapshot() });
  return {
    async make(count, shape) {
      return Array.from({ length: count }, () => {
        const actor = createActor(logicOf[shape] as typeof counterChart).start();
        return {
          send: (event) => actor.send(event),
          async ask(event) {
            const before = readOf(actor);
            actor.send(event);
            const snapshot = await waitFor(actor, ({ context }) => context.n > before);
            return snapshot.context.n;
          },
          stop: () => void actor.stop(),
        };
      });
    },
    settled: async () => {},
    allStopped: async () => {},
    async pingPong(shape, times) {
      let left = times;
      const goesOn = (): boolean => --left > 0;
      const players: AnyActor[] = [0, 1].map((n) => createActor(playerOf(shape, () => players[1 - n]!, goesOn)));
      for (const player of players) player.start();
      players[0]!.send({ type: 'ball' });
      if (left !== 0) throw new Error('the ball was lost');
    },
  };
};

// ---------------------------------------------------------------- nact

const nact = async (): Promise<Side> => {
  const { start, spawn, dispatch, query, stop } = await import('nact');
  const system = start();
  let keys = 0;
  type Message = { type: string; from?: unknown; done?: () => void };
  const counter = (state: { n: number } | undefined, message: Message) => {
    const next = { n: (state?.n ?? 0) + 1 };
    if (message.from !== undefined) dispatch(message.from as never, next.n as never);
    message.done?.();
    return next;
  };
  return {
    async make(count) {
      return Array.from({ length: count }, () => {
        const actor = spawn(system, counter as never, `a${keys++}`);
        return {
          send: (event) => dispatch(actor, event as never),
          ask: (event) => query(actor, ((from: unknown) => ({ ...event, from })) as never, 5_000) as Promise<number>,
          stop: () => stop(actor),
        };
      });
    },
    settled: (of) => new Promise((resolve) => of.send({ type: 'inc', done: resolve } as never)),
    allStopped: async () => {},
    pingPong: (_, times) =>
      new Promise((resolve) => {
        let left = times;
        const players: unknown[] = [];
        for (const n of [0, 1])
          players.push(
            spawn(
              system,
              ((state: unknown, message: Message) => {
                if (--left === 0) resolve();
                if (left > 0) dispatch(players[1 - n] as never, message as never);
                return state ?? {};
              }) as never,
              `p${keys++}`,
            ),
          );
        dispatch(players[0] as never, { type: 'ball' } as never);
      }),
  };
};

// ---------------------------------------------------------------- what is measured

/** Of the thread that everything runs on: others of a shared machine do not count, nor do the helpers of the garbage collector. */
const cpuMs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
};

/** After as much to get warm. All of it together: the kernel counts a thread's time in ticks of milliseconds. */
const perSecond = async (parts: number, operations: number, run: () => Promise<unknown>): Promise<ActorsSample> => {
  for (let n = 0; n < parts; n++) await run();
  const beganMs = cpuMs();
  for (let n = 0; n < parts; n++) await run();
  return { value: (parts * operations * 1_000) / (cpuMs() - beganMs) };
};

const turnOfLoop = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** So many at a time, with turns of the event loop in between, as there are in a program: it is there that garbage is collected. */
const spawnAndStop = (side: Side, shape: ActorsShape, atOnce: number, times: number): Promise<ActorsSample> =>
  perSecond(4, times, async () => {
    for (let left = times; left > 0; left -= atOnce) {
      const made = await side.make(atOnce, shape);
      await turnOfLoop();
      for (const one of made) one.stop();
      await side.allStopped();
      await turnOfLoop();
    }
  });

const tell = async (side: Side, shape: ActorsShape, events: number): Promise<ActorsSample> => {
  const [one] = await side.make(1, shape);
  // No more at once than a mailbox of the default size takes.
  const batch = 500;
  return perSecond(5, events, async () => {
    for (let left = events; left > 0; left -= batch) {
      for (let n = 1; n < batch; n++) one!.send({ type: 'inc' });
      await side.settled(one!);
    }
  });
};

const ask = async (side: Side, shape: ActorsShape, times: number): Promise<ActorsSample> => {
  const [one] = await side.make(1, shape);
  return perSecond(5, times, async () => {
    for (let n = 0; n < times; n++) await one!.ask({ type: 'inc' });
  });
};

const pingPong = (side: Side, shape: ActorsShape, times: number): Promise<ActorsSample> =>
  perSecond(5, times, () => side.pingPong(shape, times));

const heap = async (): Promise<number> => {
  for (let n = 0; n < 4; n++) {
    globalThis.gc!();
    await turnOfLoop();
  }
  return process.memoryUsage().heapUsed;
};

const memory = async (side: Side, shape: ActorsShape, count: number): Promise<ActorsSample> => {
  const warm = await side.make(1_000, shape);
  const kept: Made[][] = [];
  const before = await heap();
  for (let n = 0; n < count / 1_000; n++) kept.push(await side.make(1_000, shape));
  const bytes = ((await heap()) - before) / count;
  if (warm.length + kept.length === 0) throw new Error('they were not kept');
  return { value: bytes };
};

/** The longest that the event loop was away while so many begin, while they are there and do nothing, and while all of them are stopped. */
const idle = async (side: Side, shape: ActorsShape, count: number): Promise<ActorsSample> => {
  const kept: Made[][] = [];
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  for (let n = 0; n < count / 1_000; n++) {
    kept.push(await side.make(1_000, shape));
    await turnOfLoop();
  }
  const beginningMs = delay.max / 1e6;
  globalThis.gc!();
  await sleep(100);
  delay.reset();
  await sleep(3_000);
  const idleMs = delay.max / 1e6;
  delay.reset();
  for (const some of kept) {
    for (const one of some) one.stop();
    await turnOfLoop();
  }
  await side.allStopped();
  await turnOfLoop();
  const stoppingMs = delay.max / 1e6;
  delay.disable();
  return { value: idleMs, more: { beginningMs, stoppingMs } };
};

/** Milliseconds to stop so many with three timers each, the middle one of five times; and twice as many. */
const stopTimed = async (side: Side, count: number): Promise<ActorsSample> => {
  const stopOf = async (many: number): Promise<number> => {
    const made = await side.make(many, 'timer');
    const beganMs = cpuMs();
    for (const one of made) one.stop();
    await side.allStopped();
    return cpuMs() - beganMs;
  };
  const took: [number, number][] = [];
  for (let n = 0; n < 6; n++) took.push([await stopOf(count), await stopOf(2 * count)]);
  const middle = (of: 0 | 1): number => median(took.slice(1).map((one) => one[of]));
  return { value: middle(0), more: { 'twice as many': middle(1) } };
};

const [systemName, shape, what, quick] = process.argv.slice(2) as [ActorsSystem, ActorsShape, ActorsWhat, string];
const side = systemName === 'polity' ? polity() : systemName === 'xstate' ? xstate() : await nact();
const less = quick === 'quick' ? 10 : 1;
const fast = shape === 'transition' && systemName !== 'nact' ? 10 : 1;

const measure: Record<ActorsWhat, () => Promise<ActorsSample>> = {
  spawn: () => spawnAndStop(side, shape, 100, (20_000 * (fast > 1 ? 2 : 1)) / less),
  'spawn many': () => spawnAndStop(side, shape, 1_000, (20_000 * (fast > 1 ? 2 : 1)) / less),
  tell: () => tell(side, shape, (50_000 * fast) / less),
  ask: () => ask(side, shape, (50_000 * (fast > 1 ? 3 : 1)) / less),
  'ping-pong': () => pingPong(side, shape, (50_000 * fast) / less),
  memory: () => memory(side, shape, 100_000 / less),
  idle: () => idle(side, shape, 100_000 / less),
  stop: () => stopTimed(side, 10_000 / less),
};
console.log(JSON.stringify(await measure[what]()));
process.exit(0);
