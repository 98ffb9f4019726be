// Hosts the actors of a node: each in a cell with an address, restarted by the supervisor's chart when it throws, given up
// with a reason when it throws too often. An actor is XState transition logic around a component; what its ports answer comes
// back through the cell, so that a throw anywhere in it is its own failure and never the neighbour's (decision 4).
import { type ActorRefFrom, createActor, fromTransition } from 'xstate';
import { childMachine, type RestartPolicy, restartDefaults } from '../machines/supervisor/index.ts';
import type { ClockPort, RandomPort, SinkPort, Timer } from './ports/index.ts';

/** What a component is given: ports' answers and timers that die with this incarnation of it. */
export interface Scope {
  readonly address: string;
  /** Wraps a callback: runs inside the cell, not at all once this incarnation is over. */
  guard<Arguments extends unknown[]>(run: (...args: Arguments) => void): (...args: Arguments) => void;
  after(delayMs: number, run: () => void): Timer;
  soon(run: () => void): void;
}

export interface Component<Event> {
  receive(event: Event): void;
  /** The end of this incarnation; `reason` null on an orderly stop. Answers whoever still waits. Must not throw. */
  stop(reason: string | null): void;
}

export type CellState = 'running' | 'backoff' | 'stopped' | 'failed';
export type CellReport = { address: string; state: CellState; restarts: number; reason: string | null };

export interface Cell<Event> {
  readonly address: string;
  /** What cannot be delivered, now or because the actor fails before its turn comes, goes to `undelivered`. */
  send(event: Event): void;
  report(): CellReport;
  /** Events that it looked at since it was made, by all its incarnations, and those that wait. */
  load(): { handled: number; waiting: number };
  /** Told of each event before it is handled, until what it returns is called. Costs nothing while nobody looks on. Must not throw. */
  tap(on: (event: Event) => void): () => void;
  stop(): void;
}

type SuperviseArguments<Event> = {
  address: string;
  create: (scope: Scope) => Component<Event>;
  policy?: RestartPolicy;
  clock: ClockPort;
  random: RandomPort;
  sink: SinkPort;
  onChange: (report: CellReport) => void;
  /** The actor is not running, or ended before it looked at this event: answers whoever waits for it. */
  undelivered?: (event: Event) => void;
};

type Inner<Event> = { type: 'event'; event: Event } | { type: 'run'; run: () => void };

const reasonOf = (error: unknown): string => (error instanceof Error ? `${error.name}: ${error.message}` : String(error));

/** XState's clock over ours, so that delays of charts run on the node's time. */
export const xstateClock = (clock: ClockPort) => ({
  setTimeout: (run: (...args: unknown[]) => void, delayMs: number): Timer => clock.after(delayMs, run),
  clearTimeout: (timer: Timer): void => timer?.cancel(),
});

export const supervise = <Event>(args: SuperviseArguments<Event>): Cell<Event> => {
  const { address, create, clock, random, sink, onChange } = args;
  const refuse = (event: Event): void => {
    sink.count('dead_letters_total', { address });
    args.undelivered?.(event);
  };
  let incarnation: ReturnType<typeof incarnate> | null = null;
  let handled = 0;
  /** Null while nobody looks on: that is all that an event pays for it. */
  let taps: Set<(event: Event) => void> | null = null;
  const chart: ActorRefFrom<typeof childMachine> = createActor(childMachine, {
    id: address,
    input: args.policy ?? restartDefaults,
    clock: xstateClock(clock) as never,
  });

  const incarnate = () => {
    const timers = new Set<Timer>();
    /** Sent and not looked at yet: an actor that sends to itself, by way of a caller's callback, is busy. */
    const queue: Event[] = [];
    let component: Component<Event> | null = null;
    let live = true;
    const guard =
      <Arguments extends unknown[]>(run: (...given: Arguments) => void) =>
      (...given: Arguments): void => {
        if (live) actor.send({ type: 'run', run: () => run(...given) });
      };
    const scope: Scope = {
      address,
      guard,
      after(delayMs, run) {
        if (!live) return { cancel() {} };
        const timer = clock.after(
          delayMs,
          guard(() => {
            timers.delete(timer);
            run();
          }),
        );
        timers.add(timer);
        return {
          cancel() {
            timers.delete(timer);
            timer.cancel();
          },
        };
      },
      soon: (run) => clock.soon(guard(run)),
    };
    const end = (reason: string | null): void => {
      if (!live) return;
      live = false;
      for (const timer of timers) timer.cancel();
      timers.clear();
      try {
        component?.stop(reason);
      } catch (error) {
        sink.log('error', 'ACTOR_STOP_THREW', reasonOf(error), { address });
      }
      for (const event of queue.splice(0)) refuse(event);
    };
    const logic = fromTransition((state: null, inner: Inner<Event>) => {
      if (!live) return state;
      if (inner.type === 'run') {
        inner.run();
        return state;
      }
      queue.shift();
      handled++;
      if (taps !== null) for (const on of [...taps]) on(inner.event);
      component?.receive(inner.event);
      return state;
    }, null);
    const actor = createActor(logic, { id: address });
    actor.subscribe({
      error(error) {
        const reason = reasonOf(error);
        sink.log('error', 'ACTOR_FAILED', reason, { address, stack: error instanceof Error ? error.stack : undefined });
        sink.count('actor_failures_total', { address });
        end(reason);
        chart.send({ type: 'failed', reason, nowMs: clock.nowMs(), chance: random.uint32() / 0x1_0000_0000 });
      },
    });
    actor.start();
    const start = (): void =>
      actor.send({
        type: 'run',
        run: () => {
          component = create(scope);
        },
      });
    const send = (event: Event): void => {
      if (!live) return refuse(event);
      queue.push(event);
      actor.send({ type: 'event', event });
    };
    return { start, end, send, waiting: () => queue.length };
  };

  const report = (): CellReport => {
    const snapshot = chart.getSnapshot();
    return {
      address,
      state: snapshot.value as CellState,
      restarts: snapshot.context.restarts,
      reason: snapshot.context.reason,
    };
  };

  let before: CellState | null = null;
  chart.subscribe((snapshot) => {
    const state = snapshot.value as CellState;
    if (state === before) return;
    before = state;
    if (state === 'running') {
      incarnation = incarnate();
      incarnation.start();
    } else if (state === 'failed') {
      incarnation = null;
      sink.log('error', 'ACTOR_GIVEN_UP', `${address} failed too often: ${snapshot.context.reason}`, { address });
    } else incarnation = null;
    onChange(report());
  });
  chart.start();

  return {
    address,
    send(event) {
      if (incarnation === null) refuse(event);
      else incarnation.send(event);
    },
    report,
    load: () => ({ handled, waiting: incarnation?.waiting() ?? 0 }),
    tap(on) {
      taps ??= new Set();
      taps.add(on);
      return () => {
        taps?.delete(on);
        if (taps?.size === 0) taps = null;
      };
    },
    stop() {
      incarnation?.end(null);
      incarnation = null;
      chart.send({ type: 'stop' });
      onChange(report());
    },
  };
};
