// What a node remembers of calls that it executed for others, so that the same call asked twice has one effect. Each is kept until its
// caller has heard the answer, as in RIFL (Lee et al., SOSP 2015), or for longer than anybody may ask for it again. When there is no
// room nothing is forgotten: what would have to be remembered is refused before it is executed.
import { rpcLimits as max } from './limits.ts';
import type { AnswerMessage, RequestId } from './messages.ts';

export type CallResult = AnswerMessage['result'];

/** One call of one caller. `result` null: it runs. */
export type Remembered = {
  readonly caller: string;
  readonly id: RequestId;
  /** What was called with what: the same id for something else is a mistake of the caller. */
  readonly what: string;
  readonly input: number;
  result: CallResult | null;
  bytes: number;
  endedMs: number;
  /** Of the answer; 0: it has not been answered. */
  serial: number;
};

export type CallMemory = {
  readonly of: Map<string, Map<RequestId, Remembered>>;
  /** Those that have ended, the first first. */
  readonly ended: Set<Remembered>;
  count: number;
  bytes: number;
  agedMs: number;
};

const ageEveryMs = 1_000;
const overheadBytes = 200;

export const createMemory = (): CallMemory => ({
  ...{ of: new Map(), ended: new Set(), count: 0, bytes: 0, agedMs: Number.NEGATIVE_INFINITY },
});

export const forget = (memory: CallMemory, one: Remembered): void => {
  const calls = memory.of.get(one.caller);
  if (calls?.get(one.id) !== one) return;
  calls.delete(one.id);
  if (calls.size === 0) memory.of.delete(one.caller);
  memory.ended.delete(one);
  memory.count--;
  memory.bytes -= one.bytes;
  // Whoever still holds the entry holds no bytes.
  one.result = null;
};

const age = (memory: CallMemory, nowMs: number): void => {
  if (nowMs - memory.agedMs < ageEveryMs) return;
  memory.agedMs = nowMs;
  for (const one of memory.ended) {
    if (nowMs - one.endedMs < max.rememberMs) return;
    forget(memory, one);
  }
};

export const recall = ({ of }: CallMemory, caller: string, id: RequestId): Remembered | undefined => of.get(caller)?.get(id);

/** Null: there is no room to remember it. */
export const remember = (
  memory: CallMemory,
  nowMs: number,
  call: Pick<Remembered, 'caller' | 'id' | 'what' | 'input'>,
): Remembered | null => {
  age(memory, nowMs);
  let calls = memory.of.get(call.caller);
  const mine = calls?.size ?? 0;
  if (mine >= max.rememberedPerCallerMax || memory.count >= max.rememberedMax || memory.bytes >= max.rememberedBytesMax)
    return null;
  if (calls === undefined) memory.of.set(call.caller, (calls = new Map()));
  const { caller, id, what, input } = call;
  const one: Remembered = { caller, id, what, input, result: null, bytes: overheadBytes, endedMs: 0, serial: 0 };
  calls.set(id, one);
  memory.count++;
  memory.bytes += overheadBytes;
  return one;
};

/** It has ended so. */
export const conclude = (memory: CallMemory, nowMs: number, one: Remembered, result: CallResult): void => {
  if (memory.of.get(one.caller)?.get(one.id) !== one) return;
  one.result = result;
  one.endedMs = nowMs;
  const more = 'value' in result ? result.value.byteLength : 0;
  one.bytes += more;
  memory.bytes += more;
  memory.ended.add(one);
};

/** A caller that began anew asks for nothing that the process before it asked; what people gave an id stays. */
export const forgetNumbered = (memory: CallMemory, caller: string): void => {
  for (const one of [...(memory.of.get(caller)?.values() ?? [])])
    if (typeof one.id === 'number' && one.result !== null) forget(memory, one);
};

/** FNV-1a; to notice mistakes, not attacks. */
export const inputHash = (bytes: Uint8Array): number => {
  let hash = 0x811c_9dc5 ^ bytes.byteLength;
  for (let at = 0; at < bytes.byteLength; at++) hash = Math.imul(hash ^ bytes[at]!, 0x0100_0193);
  return hash >>> 0;
};
