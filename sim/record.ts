// What a run tells while it goes, for whoever wants to look at it: the report (sim/chronicle.ts), `--trace`, `--tla`. Nothing is told
// unless somebody listens, and listening changes nothing: a seed that failed is run again and listened to.
import type { Observation, Step } from '../actors/observe.ts';
import type { Lane } from '../actors/ports/index.ts';
import type { HistoryEvent } from './checkers/index.ts';
import type { Network } from './network.ts';
import type { World } from './world.ts';

/** A lane, or `topic`: published to all who listen. */
export type Way = Lane | 'topic';

export type RunEvent =
  /** A line of the trace: `where` (a process `n1#2`, `nemesis`, …) does `what`. */
  | { readonly type: 'turn'; readonly atMs: number; readonly where: string; readonly what: string }
  /** A process begins on this machine, its `life`-th. */
  | { readonly type: 'started'; readonly atMs: number; readonly node: string; readonly life: number }
  /** It ended; `silently`: its machine lost its power. */
  | { readonly type: 'ended'; readonly atMs: number; readonly node: string; readonly silently: boolean }
  | { readonly type: 'observed'; readonly atMs: number; readonly node: string; readonly observation: Observation }
  /** Only told to who asks for `steps`. */
  | { readonly type: 'stepped'; readonly atMs: number; readonly node: string; readonly step: Step }
  /** `message` counts from 1. */
  | {
      readonly type: 'sent';
      readonly atMs: number;
      readonly message: number;
      readonly from: string;
      readonly to: string;
      readonly way: Way;
      readonly bytes: Uint8Array;
    }
  /** A message may be received twice if it was published. */
  | { readonly type: 'received'; readonly atMs: number; readonly message: number }
  | { readonly type: 'lost'; readonly atMs: number; readonly message: number; readonly why: string }
  | { readonly type: 'client'; readonly atMs: number; readonly event: HistoryEvent };

export type Listen = (event: RunEvent) => void;

/** What the network tells. A frame is one object from its sending to its end. */
export interface NetworkTap {
  sent(frame: object, from: string, to: string, way: Way, messages: readonly Uint8Array[]): void;
  received(frame: object): void;
  lost(frame: object, why: string): void;
}

/** What the run itself tells. */
export interface Teller {
  observed(node: string, observation: Observation): void;
  /** Null unless somebody asks: there are many, and they are told in full. */
  readonly stepped: ((node: string, step: Step) => void) | null;
  started(node: string): void;
  ended(node: string, silently: boolean): void;
  /** Tells what clients asked and were told since the last time. */
  clients(history: readonly HistoryEvent[]): void;
}

export const createTeller = (world: World, network: Network, listen: Listen, steps = false): Teller => {
  const nowMs = (): number => world.nowMs;
  const lives = new Map<string, number>();
  let told = 0;
  world.trace.tap = (atMs, where, what) => listen({ type: 'turn', atMs, where, what });
  network.tap = listenToNetwork(nowMs, listen);
  return {
    observed: (node, observation) => listen({ type: 'observed', atMs: nowMs(), node, observation }),
    stepped: steps ? (node, step) => listen({ type: 'stepped', atMs: nowMs(), node, step }) : null,
    started(node) {
      const life = (lives.get(node) ?? 0) + 1;
      lives.set(node, life);
      listen({ type: 'started', atMs: nowMs(), node, life });
    },
    ended: (node, silently) => listen({ type: 'ended', atMs: nowMs(), node, silently }),
    clients(history) {
      for (; told < history.length; told++) listen({ type: 'client', atMs: nowMs(), event: history[told]! });
    },
  };
};

/** Numbers the messages of frames, and tells of each. */
const listenToNetwork = (nowMs: () => number, listen: Listen): NetworkTap => {
  /** First and last message of a frame. A frame that ends in nothing is forgotten with its connection. */
  const numbers = new WeakMap<object, readonly [number, number]>();
  let last = 0;
  const tell = (frame: object, of: (message: number, atMs: number) => RunEvent): void => {
    const [from, to] = numbers.get(frame) ?? [1, 0];
    for (let message = from; message <= to; message++) listen(of(message, nowMs()));
  };
  return {
    sent(frame, from, to, way, messages) {
      numbers.set(frame, [last + 1, last + messages.length]);
      for (const bytes of messages) listen({ type: 'sent', atMs: nowMs(), message: ++last, from, to, way, bytes });
    },
    received: (frame) => tell(frame, (message, atMs) => ({ type: 'received', atMs, message })),
    lost: (frame, why) => tell(frame, (message, atMs) => ({ type: 'lost', atMs, message, why })),
  };
};
