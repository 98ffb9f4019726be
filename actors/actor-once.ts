// One effect for each id, for actors whose state is gone with their process: what was asked under an id is remembered at the node until
// its asker has heard the answer, or for two minutes. Whoever asks for the same meanwhile waits for the same answer. What surely had no
// effect is not remembered: it may be asked again. When there is no room for another number it is refused before it has an effect; of ids
// that people gave the oldest make room.

import { postLimits } from '../machines/entity/post-limits.ts';
import type { GivenId } from '../machines/entity/post-messages.ts';
import { errorTable, type Failure, failure } from '../machines/errors.ts';
import {
  type CallMemory,
  type CallResult,
  conclude,
  createMemory,
  forget,
  forgetNumbered,
  type Remembered,
  recall,
  remember,
  rpcLimits,
} from '../machines/rpc/index.ts';
import type { Outcome } from './api.ts';
import { createDeadlines } from './deadlines.ts';
import type { ClockPort, PeerId } from './ports/index.ts';
import type { Scope } from './supervise.ts';

/** Of those that number their requests, and of ids that people gave; outlives the incarnation of the door. */
export type OnceMemory = { readonly numbered: CallMemory; readonly given: CallMemory };

export const createOnceMemory = (): OnceMemory => ({ numbered: createMemory(), given: createMemory() });

type Heard = (result: CallResult) => void;
type Running = {
  readonly entry: Remembered;
  readonly memory: CallMemory;
  readonly heard: Set<Heard>;
  readonly untilMs: number;
};

export interface Once {
  /**
   * `begin` runs unless it was asked already; `what` is what the id stands for. Answers once, in this turn or later, unless what is
   * returned was called, which ends the waiting alone.
   */
  run(
    asked: { caller: string; id: GivenId; what: string; leftMs: number },
    begin: (done: Heard) => void,
    heard: Heard,
  ): () => void;
  /** If it was asked already, it answers what came of it, or will come; null: it was not. */
  again(asked: { caller: string; id: GivenId; what: string }, heard: Heard): (() => void) | null;
  heard(peer: PeerId, numbers: readonly number[]): void;
  /** Its process is another one. */
  began(peer: PeerId): void;
  /** Nobody will say what becomes of what runs. */
  stop(why: Failure): void;
}

export const refusal = (why: Failure): CallResult => ({ failure: why });
export const outcomeOf = (result: CallResult, unpack: (bytes: Uint8Array) => unknown): Outcome<unknown> =>
  'failure' in result ? { ok: false, failure: result.failure } : { ok: true, value: unpack(result.value) };

export const createOnce = (scope: Scope, clock: ClockPort, memory: OnceMemory): Once => {
  const running = new Map<Remembered, Running>();

  const settle = (one: Running, result: CallResult): void => {
    const { entry, heard, untilMs } = one;
    if (!running.delete(entry)) return;
    deadlines.delete(one, untilMs);
    // As if it had never been asked.
    if ('failure' in result && errorTable[result.failure.code].definite) forget(one.memory, entry);
    else conclude(one.memory, clock.nowMs(), entry, result);
    for (const tell of heard) tell(result);
  };
  const lateText = 'it was taken, and nobody has said what became of it';
  const deadlines = createDeadlines<Running>(scope, clock.nowMs, (one) =>
    settle(one, refusal(failure('OUTCOME_UNKNOWN', lateText))),
  );

  const makeRoom = (): void => {
    for (const oldest of memory.given.ended) return forget(memory.given, oldest);
  };

  const begun = (asked: Parameters<Once['run']>[0]): Remembered | null => {
    const { caller, id, what } = asked;
    const of = typeof id === 'number' ? memory.numbered : memory.given;
    if (of === memory.given && of.count >= postLimits.idsMax) makeRoom();
    return remember(of, clock.nowMs(), { caller, id, what, input: 0 });
  };

  const join = (entry: Remembered, heard: Heard): (() => void) => {
    const one = running.get(entry);
    if (one === undefined) {
      // Remembered by an incarnation before this one, and never ended.
      heard(entry.result ?? refusal(failure('OUTCOME_UNKNOWN', lateText)));
      return () => {};
    }
    one.heard.add(heard);
    return () => void one.heard.delete(heard);
  };

  return {
    run(asked, begin, heard) {
      const { caller, id, what, leftMs } = asked;
      const of = typeof id === 'number' ? memory.numbered : memory.given;
      const known = recall(of, caller, id);
      if (known !== undefined && known.what === what) return join(known, heard);
      if (known !== undefined) {
        heard(
          refusal(failure('IDEMPOTENCY_CONFLICT', `the id ${id} stands for another event of the same actor: ${known.what}`)),
        );
        return () => {};
      }
      const entry = begun(asked);
      if (entry === null) {
        heard(refusal(failure('OVERLOADED', 'no more ids can be remembered now')));
        return () => {};
      }
      const untilMs = clock.nowMs() + leftMs + rpcLimits.rememberMs;
      const one: Running = { entry, memory: of, heard: new Set([heard]), untilMs };
      running.set(entry, one);
      deadlines.add(one, untilMs);
      begin((result) => settle(one, result));
      return () => void one.heard.delete(heard);
    },

    again({ caller, id, what }, heard) {
      const known = recall(typeof id === 'number' ? memory.numbered : memory.given, caller, id);
      return known?.what === what ? join(known, heard) : null;
    },

    heard(peer, numbers) {
      for (const number of numbers) {
        const entry = recall(memory.numbered, peer, number);
        if (entry?.result !== null && entry !== undefined) forget(memory.numbered, entry);
      }
    },

    began: (peer) => forgetNumbered(memory.numbered, peer),

    stop(why) {
      for (const one of [...running.values()]) settle(one, refusal(why));
    },
  };
};
