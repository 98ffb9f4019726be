// One call of a program on the cluster: to one node after the other until it is decided or its time is over, by the very rule that
// `polity/client` goes by (machines/attempts.ts). Requests and answers take time, and an answer may be lost.
import type { NodeApi, Outcome } from '../../actors/api.ts';
import { type Attempted, afterAttempt, attemptMsOf, backoffMs, endOfCall, nodeMsOf } from '../../machines/attempts.ts';
import { type Failure, failure, PolityError } from '../../machines/errors.ts';
import { limits } from '../../machines/wire/limits.ts';
import type { SimulatedNode } from '../node.ts';
import type { Program } from './program.ts';
import type { Signal } from './signal.ts';

export type CallOptions = {
  /** Milliseconds for the whole call, all attempts together; 1 to 60 000, default 5 000. */
  timeoutMs?: number;
  /** 'kv' when absent. */
  group?: string;
  signal?: Signal;
};

export type Wires = {
  nodes: readonly SimulatedNode[];
  /** From a program to a node and back, milliseconds: at least, at most. */
  latencyMs: readonly [number, number];
  /** How many answers of a hundred thousand are lost with their connection. */
  lossPer100k: number;
};

export type Asked<Value> = Attempted & {
  /** For people, e.g. `put "k"`. */
  what: string;
  start: (api: NodeApi, timeoutMs: number, done: (outcome: Outcome<Value>) => void) => void;
};

type Ended<Value> =
  | { type: 'answer'; value: Value }
  | { type: 'failed'; why: Failure; sent: boolean }
  | { type: 'aborted'; sent: boolean };

/** A dead process is noticed by the connection that it takes with it. */
const noticeMs = 100;

export const invalid = (message: string): PolityError => new PolityError(failure('INVALID_REQUEST', message));

export class Calls {
  readonly program: Program;
  readonly #wires: Wires;
  /** Where the next call begins: the node that answered last. */
  #at: number;

  constructor(program: Program, wires: Wires) {
    this.program = program;
    this.#wires = wires;
    this.#at = program.chance.between(0, wires.nodes.length);
  }

  get node(): SimulatedNode {
    return this.#wires.nodes[this.#at]!;
  }

  /** Goes on with another node. */
  next(): void {
    this.#at = (this.#at + 1) % this.#wires.nodes.length;
  }

  latencyMs(): number {
    return this.program.chance.tail(...this.#wires.latencyMs);
  }

  /** Rejects with a PolityError, or with the signal's own reason where surely nothing happened. */
  async run<Value>(asked: Asked<Value>, { timeoutMs = limits.callTimeoutMsDefault, signal }: CallOptions): Promise<Value> {
    if (!(timeoutMs >= 1 && timeoutMs <= limits.callTimeoutMsMax))
      throw invalid(`timeoutMs must be from 1 to ${limits.callTimeoutMsMax}`);
    const { world, chance } = this.program;
    const deadlineMs = world.nowMs + timeoutMs;
    const count = this.#wires.nodes.length;
    const attemptMs = attemptMsOf(timeoutMs, count);
    let last = failure('UNREACHABLE', 'there was no time for an attempt');
    let isInDoubt = false;
    for (let attempt = 1; ; attempt++) {
      if (signal?.aborted === true) throw cancelled(signal, isInDoubt);
      const timeLimitMs = Math.min(attemptMs, deadlineMs - world.nowMs);
      if (timeLimitMs < 1) throw new PolityError(endOfCall(last, isInDoubt));
      const ended = await this.#attempt(asked, timeLimitMs, signal);
      if (ended.type === 'answer') return ended.value;
      if (ended.type === 'aborted') throw cancelled(signal!, isInDoubt || (asked.effect && ended.sent));
      last = ended.why;
      const after = afterAttempt(asked, { code: last.code, sent: ended.sent }, isInDoubt);
      isInDoubt = after.isInDoubt;
      if (!after.mayTryAgain) throw new PolityError(endOfCall(last, isInDoubt));
      this.next();
      if (attempt % count !== 0) continue;
      const pauseMs = backoffMs(Math.floor(attempt / count) - 1, chance.fraction());
      await this.program.sleep(Math.min(pauseMs, Math.max(0, deadlineMs - world.nowMs)));
    }
  }

  #attempt<Value>(asked: Asked<Value>, timeLimitMs: number, signal: Signal | undefined): Promise<Ended<Value>> {
    const { program, node } = this;
    const { world, chance } = program;
    return program.wait(`${asked.what} at ${node.name}`, ({ resolve }) => {
      let isOpen = true;
      let sent = false;
      const end = (ended: Ended<Value>): void => {
        if (!isOpen) return;
        isOpen = false;
        patience.cancel();
        signal?.removeEventListener('abort', abort);
        resolve(ended);
      };
      const unreachable = (message: string): void => end({ type: 'failed', why: failure('UNREACHABLE', message), sent });
      const abort = (): void => end({ type: 'aborted', sent });
      signal?.addEventListener('abort', abort, { once: true });
      const patience = world.after(timeLimitMs, () =>
        unreachable(`${node.name} did not answer within ${Math.round(timeLimitMs)} ms`),
      );
      const answered = (outcome: Outcome<Value>): void => {
        if (chance.between(0, 100_000) < this.#wires.lossPer100k) {
          world.after(this.latencyMs(), () => unreachable(`the connection to ${node.name} broke before its answer came`));
          return;
        }
        world.after(this.latencyMs(), () =>
          end(outcome.ok ? { type: 'answer', value: outcome.value } : { type: 'failed', why: outcome.failure, sent: true }),
        );
      };
      world.after(this.latencyMs(), () => {
        if (!isOpen) return;
        const life = node.process;
        sent = node.enter(asked.what, (api) => asked.start(api, nodeMsOf(timeLimitMs), answered));
        if (!sent) world.after(this.latencyMs(), () => unreachable(`${node.name} is down`));
        const notice = (): void => {
          if (!isOpen) return;
          if (node.process !== life) unreachable(`${node.name} ended while it had the request`);
          else world.after(noticeMs, notice);
        };
        world.after(noticeMs, notice);
      });
    });
  }
}

/** What was surely not done is cancelled with the caller's own reason. */
const cancelled = (signal: Signal, isInDoubt: boolean): unknown =>
  isInDoubt
    ? new PolityError(failure('OUTCOME_UNKNOWN', 'cancelled while it may have happened'), { cause: signal.reason })
    : signal.reason;
