// One call of a graph, to its end: the items of a stream are gathered, within limits, and together are its result.
import { type Failure, failure } from '../machines/errors.ts';
import { keep } from '../machines/graph/index.ts';
import type { Outcome } from './api.ts';
import type { CallHandle, CallsApi, CallTrail, ServiceCall } from './service-api.ts';

export const graphCallLimits = {
  /** Items of a stream that are on their way. */
  streamWindow: 64,
  streamItemsMax: 10_000,
  /** All items of one stream, which together are the result of its step. */
  streamBytesMax: 4 << 20,
} as const;

const limits = graphCallLimits;

export type StepEnd = {
  readonly outcome: { ok: true; value: unknown } | { ok: false; failure: Failure };
  readonly node: string | null;
  readonly attempts: number;
  /** It may have done something although its failure says that it surely did not. */
  readonly isInDoubt?: boolean;
};

/** `ended` once; not at all once it was cancelled. */
export const callStep = (calls: CallsApi, call: ServiceCall, ended: (end: StepEnd) => void): { cancel(): void } => {
  const stream = createStream();
  let handle: CallHandle | null = null;
  let isOver = false;
  const end = (told: StepEnd): void => {
    if (isOver) return;
    isOver = true;
    ended(told);
  };
  const item = (value: unknown): void => {
    if (isOver) return;
    const why = stream.take(value);
    if (why === null) return handle?.more(1);
    end({ outcome: { ok: false, failure: failure('TOO_LARGE', why) }, node: null, attempts: 1, isInDoubt: true });
    handle?.cancel();
  };
  const onEnd = (outcome: Outcome<unknown>, trail?: CallTrail): void => {
    const isStream = outcome.ok && (trail?.isStream === true || stream.items.length > 0);
    const told = isStream ? { ok: true as const, value: stream.items } : outcome;
    end({ outcome: told, node: trail?.node ?? null, attempts: trail?.attempts ?? 1 });
  };
  handle = calls.call(call, { item, end: onEnd });
  handle.more(limits.streamWindow);
  return {
    cancel() {
      if (isOver) return;
      isOver = true;
      handle?.cancel();
    },
  };
};

/** The items of a stream, within limits. */
const createStream = () => {
  const items: unknown[] = [];
  let bytesLeft: number = limits.streamBytesMax;
  return {
    items,
    /** Null, or why it is not taken. */
    take(value: unknown): string | null {
      const kept = keep(value, bytesLeft);
      if (kept === null || items.length >= limits.streamItemsMax)
        return `its stream has more than ${limits.streamItemsMax} items or ${limits.streamBytesMax} bytes, or holds what is no plain data`;
      bytesLeft -= kept.bytes;
      items.push(kept.value);
      return null;
    },
  };
};
