// What crosses between the two sides of a call: five messages, flat arrays that msgpack packs without a name. A message says who calls
// whom with what; the node it came from is the authenticated peer, its deadline and its trace stand in the envelope around it.
import { type Importance, importances } from '../bulkhead/index.ts';
import type { Failure } from '../errors.ts';
import { parseFailure } from '../wire/failure.ts';
import { rpcLimits as max } from './limits.ts';

/** Made by the caller: numbers that no other call of its process, or of a process before it, has. */
export type CallNumber = number;

/** Given by a person, or the number of a call's first attempt. */
export type RequestId = string | number;

export type CallMessage = {
  /** Of this attempt. */
  readonly number: CallNumber;
  readonly service: string;
  readonly method: string;
  readonly range: string | null;
  readonly requestId: RequestId;
  readonly principal: string | null;
  readonly importance: Importance | null;
  /** Whoever calls takes items of a stream; undefined: it is not said. */
  readonly takesItems: boolean | undefined;
  /** The caller takes it for idempotent, and goes by that when it tries again. */
  readonly idempotent: boolean;
  /** It was asked already, of this very start of the process: not to be executed by another one. 0: it was not. */
  readonly epoch: number;
  /** Items of a stream that may come at once. */
  readonly credit: number;
  /** Number of the last answer that came; answers come in order. */
  readonly heard: number;
  /** Without this call. */
  readonly chain: readonly string[];
  /** Packed. A view of the message. */
  readonly input: Uint8Array;
};

export type AnswerMessage = {
  readonly number: CallNumber;
  /** Of this answer, among those that the node gave this caller and remembers; 0: it does not. */
  readonly serial: number;
  readonly result: { readonly failure: Failure } | { readonly value: Uint8Array };
};

export type ItemMessage = { readonly number: CallNumber; readonly at: number; readonly value: Uint8Array };
export type MoreMessage = { readonly number: CallNumber; readonly items: number };

export const callTypes = { call: 'call', answer: 'answered', item: 'item', more: 'more', cancel: 'cancel' } as const;

const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
const isText = (value: unknown, charsMax: number): value is string =>
  typeof value === 'string' && value.length > 0 && value.length <= charsMax;
const isTextOrNull = (value: unknown, charsMax: number): value is string | null => value === null || isText(value, charsMax);
const isBytes = (value: unknown): value is Uint8Array => value instanceof Uint8Array && value.byteLength <= max.valueBytesMax;
const isNumber = (value: unknown): value is CallNumber => isCount(value) && value > 0;

/** It is packed by the hundred thousand a second: for most calls that is only the flag. */
const idempotentFlag = 1;
const importanceFlags = 2;
const itemsFlags = 8;

const flagsOf = (idempotent: boolean, importance: Importance | null, takesItems: boolean | undefined): number =>
  (idempotent ? idempotentFlag : 0) +
  (importance === null ? 0 : importanceFlags * (importances.indexOf(importance) + 1)) +
  (takesItems === undefined ? 0 : itemsFlags * (takesItems ? 1 : 2));
const flagsMax = flagsOf(true, importances.at(-1)!, false);

// By place rather than spread: this is made for every call.
export const formCall = (call: CallMessage): readonly unknown[] => {
  const { number, service, method, range, requestId, principal, epoch, credit, heard, chain, input } = call;
  const flags = flagsOf(call.idempotent, call.importance, call.takesItems);
  const own = requestId === number ? null : requestId;
  return [number, service, method, range, own, principal, flags, epoch, credit, heard, chain, input];
};

const nobody: readonly string[] = [];

const chainOf = (value: unknown): readonly string[] | null => {
  if (!Array.isArray(value) || value.length > max.chainMax) return null;
  if (value.length === 0) return nobody;
  return value.every((one) => isText(one, max.chainCharsMax)) ? (value as string[]) : null;
};

const isRequestId = (value: unknown): value is RequestId => isNumber(value) || isText(value, max.requestIdCharsMax);

/** Null: it is none, whatever it is. */
export const parseCall = (body: unknown): CallMessage | null => {
  if (!Array.isArray(body) || body.length !== 12) return null;
  const given = body as unknown[];
  const number = given[0];
  const service = given[1];
  const method = given[2];
  const range = given[3];
  // Null: the number, as for nearly all.
  const requestId = given[4] === null ? number : given[4];
  const principal = given[5];
  const flags = given[6];
  const epoch = given[7];
  const credit = given[8];
  const heard = given[9];
  const input = given[11];
  if (!isNumber(number) || !isText(service, max.serviceCharsMax) || !isText(method, max.methodCharsMax)) return null;
  if (range !== null && (typeof range !== 'string' || range.length > max.rangeCharsMax)) return null;
  if (!isRequestId(requestId) || !isTextOrNull(principal, max.principalCharsMax)) return null;
  if (!isCount(flags) || flags > flagsMax || !isCount(epoch) || !isCount(credit) || credit > max.creditMax) return null;
  if (!isCount(heard) || !isBytes(input)) return null;
  const chain = chainOf(given[10]);
  if (chain === null) return null;
  const idempotent = (flags & idempotentFlag) !== 0;
  const importance = importances[((flags >> 1) & 3) - 1] ?? null;
  const items = flags >> 3;
  const takesItems = items === 0 ? undefined : items === 1;
  // One literal: to spread two takes ten times as long.
  return {
    number,
    service,
    method,
    range,
    requestId,
    principal,
    importance,
    takesItems,
    idempotent,
    epoch,
    credit,
    heard,
    chain,
    input,
  };
};

export const formAnswer = ({ number, serial, result }: AnswerMessage): readonly unknown[] =>
  'failure' in result ? [number, serial, null, result.failure] : [number, serial, result.value];

export const parseAnswer = (body: unknown): AnswerMessage | null => {
  if (!Array.isArray(body)) return null;
  const given = body as unknown[];
  const number = given[0];
  const serial = given[1];
  const value = given[2];
  if (!isNumber(number) || !isCount(serial)) return null;
  if (given.length === 3 && isBytes(value)) return { number, serial, result: { value } };
  const why = given.length === 4 && value === null ? parseFailure(given[3]) : null;
  return why === null ? null : { number, serial, result: { failure: why } };
};

export const formItem = ({ number, at, value }: ItemMessage): readonly unknown[] => [number, at, value];

export const parseItem = (body: unknown): ItemMessage | null => {
  if (!Array.isArray(body) || body.length !== 3) return null;
  const [number, at, value] = body as unknown[];
  return isNumber(number) && isCount(at) && isBytes(value) ? { number, at, value } : null;
};

export const formMore = ({ number, items }: MoreMessage): readonly unknown[] => [number, items];

export const parseMore = (body: unknown): MoreMessage | null => {
  if (!Array.isArray(body) || body.length !== 2) return null;
  const [number, items] = body as unknown[];
  return isNumber(number) && isNumber(items) && items <= max.creditMax ? { number, items } : null;
};

export const parseCancel = (body: unknown): CallNumber | null => (isNumber(body) ? body : null);
