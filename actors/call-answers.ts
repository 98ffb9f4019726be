// Answers to calls of other nodes, and when what is remembered of them may go: once its caller has heard the answer. Answers of a node come
// in order, or after a close not at all, so the number of the last one that was heard says it of all before it.
import {
  type CallMemory,
  type CallResult,
  callTypes,
  forget,
  formAnswer,
  type Remembered,
  recall,
  rpcLimits,
} from '../machines/rpc/index.ts';
import type { CallPost } from './calls-post.ts';
import type { PeerId } from './ports/index.ts';

/** To whom answers go. */
export type Hearer = {
  readonly peer: PeerId;
  /** Answers that it may not have heard, in their order. */
  unheard: Remembered[];
  /** Of those, so many were heard. */
  heardTo: number;
  /** Number of the last answer. */
  serial: number;
};

export interface CallAnswers {
  answer(to: Hearer, number: number, entry: Remembered | null, result: CallResult): void;
  /** It says that it heard everything up to this one. */
  heard(by: Hearer, serial: number): void;
  /** The connection is gone: what it did not hear is kept for its time. */
  closed(hearer: Hearer): void;
}

export const createCallAnswers = (memory: CallMemory, post: CallPost): CallAnswers => {
  /** A caller that never says what it heard is remembered no longer for that. */
  const dropForgotten = (hearer: Hearer): void => {
    const { unheard, heardTo } = hearer;
    hearer.unheard = unheard.slice(heardTo).filter((one) => recall(memory, one.caller, one.id) === one);
    hearer.heardTo = 0;
  };

  return {
    answer(to, number, entry, result) {
      const isNumbered = entry !== null && typeof entry.id === 'number';
      const serial = isNumbered ? ++to.serial : 0;
      const bytes = 'value' in result ? result.value.byteLength : 0;
      const said = post.say(to.peer, callTypes.answer, formAnswer({ number, serial, result }), bytes);
      // What may not arrive is kept for its time.
      if (entry === null || !isNumbered || said !== 'said') return;
      entry.serial = serial;
      to.unheard.push(entry);
      if (to.unheard.length > 2 * rpcLimits.rememberedPerCallerMax) dropForgotten(to);
    },

    heard(by, serial) {
      const { unheard } = by;
      let { heardTo } = by;
      while (heardTo < unheard.length && unheard[heardTo]!.serial <= serial) forget(memory, unheard[heardTo++]!);
      // Not one by one: to shorten a list at its front moves all that is left.
      if (heardTo * 2 >= unheard.length) {
        unheard.splice(0, heardTo);
        heardTo = 0;
      }
      by.heardTo = heardTo;
    },

    closed(hearer) {
      hearer.unheard = [];
      hearer.heardTo = 0;
    },
  };
};
