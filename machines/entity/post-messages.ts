// What nodes say to each other of actors: nine messages, flat arrays that msgpack packs without names. The node that a message came from is
// the authenticated peer, and the time that is left stands in the envelope around it.
import type { Failure } from '../errors.ts';
import { parseFailure } from '../wire/failure.ts';
import { type ActorAddress, addressText, parseAddress } from './address.ts';
import { postLimits as max } from './post-limits.ts';

export const postTypes = {
  /** At most once, passed on while it is not there yet. */
  send: 'send',
  /** A delivery, a question, or that it shall stop; `done` answers, `quit` says that nobody waits any more. */
  ask: 'ask',
  done: 'done',
  quit: 'quit',
  /** A subscription or a watch: `next` shows something, `more` asks for what comes after, `over` ends it, `drop` takes it back. */
  follow: 'follow',
  next: 'next',
  more: 'more',
  over: 'over',
  drop: 'drop',
} as const;

/** Made by the sender, larger than all before and in all processes before; the same for the same request at the same peer. */
export type PostNumber = number;

/** Given by a person, or the number of a request, which with its sender is one, too. */
export type GivenId = string | PostNumber;

export type PostSend = {
  /** By whoever sends or passes it on, so that he can be told that it went no farther. */
  readonly number: PostNumber;
  readonly address: ActorAddress;
  readonly source: string;
  readonly correlation: string;
  /** Nodes that passed it on. */
  readonly hops: number;
  readonly event: Uint8Array;
};

export type AskKind = 'deliver' | 'ask' | 'stop' | 'stop-hard';

export type PostAsk = {
  readonly number: PostNumber;
  readonly kind: AskKind;
  readonly id: GivenId;
  readonly address: ActorAddress;
  readonly source: string;
  readonly correlation: string;
  /** This very start of the process was asked already; 0: it was not. */
  readonly epoch: number;
  /** Of earlier ones, answered by this peer: it need not remember them any more. */
  readonly heard: readonly PostNumber[];
  /** Of those that stop: empty. */
  readonly event: Uint8Array;
};

/** `isKept`: ids of this actor are remembered wherever it goes, so that it may be asked again after its node was lost. */
export type PostDone = {
  readonly number: PostNumber;
  readonly result:
    | { readonly type: 'ok'; readonly value: Uint8Array }
    | { readonly type: 'failed'; readonly failure: Failure }
    | { readonly type: 'elsewhere'; readonly peer: string };
  readonly isKept: boolean;
};

export type PostFollow = {
  readonly number: PostNumber;
  readonly isWatch: boolean;
  readonly address: ActorAddress;
  readonly select: string | null;
  /** Of who may not look on: what is secret is left out at the actor's node. */
  readonly isRedacted: boolean;
};

/** `at` counts from 1; `value` null: it is watched from now on. */
export type PostNext = { readonly number: PostNumber; readonly at: number; readonly value: Uint8Array | null };
export type PostMore = { readonly number: PostNumber; readonly at: number };

export type EndReason = 'done' | 'stopped' | 'failed' | 'never-lived' | 'unreachable';
export type PostEnd = { readonly reason: EndReason; readonly output: Uint8Array | null; readonly failure: Failure | null };

export type PostOver = {
  readonly number: PostNumber;
  readonly why:
    | { readonly type: 'end'; readonly end: PostEnd }
    | { readonly type: 'moved' }
    | { readonly type: 'failed'; readonly failure: Failure }
    | { readonly type: 'elsewhere'; readonly peer: string };
  readonly isKept: boolean;
};

const kinds: readonly AskKind[] = ['deliver', 'ask', 'stop', 'stop-hard'];
const reasons: readonly EndReason[] = ['done', 'stopped', 'failed', 'never-lived', 'unreachable'];

const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
const isNumber = (value: unknown): value is PostNumber => isCount(value) && value > 0;
const isText = (value: unknown, charsMax: number): value is string => typeof value === 'string' && value.length <= charsMax;
const isName = (value: unknown, charsMax: number): value is string => isText(value, charsMax) && value.length > 0;
const isBytes = (value: unknown): value is Uint8Array => value instanceof Uint8Array && value.byteLength <= max.bytesMax;
const isGivenId = (value: unknown): value is GivenId => isNumber(value) || isName(value, max.idCharsMax);

const isHeard = (value: unknown): value is readonly PostNumber[] =>
  Array.isArray(value) && value.length <= max.heardMax && value.every(isNumber);

/** A list of so many; null: it is none. */
const listOf = (body: unknown, length: number): readonly unknown[] | null =>
  Array.isArray(body) && body.length === length ? (body as unknown[]) : null;

const addressOf = (text: unknown): ActorAddress | null => (isName(text, max.addressCharsMax) ? parseAddress(text) : null);

export const formSend = ({ number, address, source, correlation, hops, event }: PostSend): readonly unknown[] => [
  ...[number, addressText(address), source, correlation, hops, event],
];

export const parseSend = (body: unknown): PostSend | null => {
  const given = listOf(body, 6);
  if (given === null) return null;
  const [number, text, source, correlation, hops, event] = given;
  const address = addressOf(text);
  if (
    !isNumber(number) ||
    address === null ||
    !isText(source, max.sourceCharsMax) ||
    !isText(correlation, max.correlationCharsMax)
  )
    return null;
  return isCount(hops) && hops <= max.hopsMax && isBytes(event) ? { number, address, source, correlation, hops, event } : null;
};

export const formAsk = (ask: PostAsk): readonly unknown[] => [
  ask.number,
  kinds.indexOf(ask.kind),
  // Mostly the same number.
  ask.id === ask.number ? null : ask.id,
  addressText(ask.address),
  ask.source,
  ask.correlation,
  ask.epoch,
  ask.heard,
  ask.event,
];

export const parseAsk = (body: unknown): PostAsk | null => {
  const given = listOf(body, 9);
  if (given === null) return null;
  const [number, kindAt, givenId, text, source, correlation, epoch, heard, event] = given;
  if (!isNumber(number) || !isCount(kindAt) || !isCount(epoch) || !isHeard(heard) || !isBytes(event)) return null;
  const kind = kinds[kindAt];
  const id = givenId === null ? number : givenId;
  const address = addressOf(text);
  if (kind === undefined || address === null || !isGivenId(id)) return null;
  if (!isText(source, max.sourceCharsMax) || !isText(correlation, max.correlationCharsMax)) return null;
  return { number, kind, id, address, source, correlation, epoch, heard, event };
};

export const formDone = ({ number, result, isKept }: PostDone): readonly unknown[] => {
  if (result.type === 'ok') return [number, 0, result.value, isKept];
  return result.type === 'failed' ? [number, 1, result.failure, isKept] : [number, 2, result.peer, isKept];
};

export const parseDone = (body: unknown): PostDone | null => {
  const given = listOf(body, 4);
  if (given === null) return null;
  const [number, type, what, isKept] = given;
  if (!isNumber(number) || typeof isKept !== 'boolean') return null;
  if (type === 0 && isBytes(what)) return { number, result: { type: 'ok', value: what }, isKept };
  if (type === 2 && isName(what, max.peerCharsMax)) return { number, result: { type: 'elsewhere', peer: what }, isKept };
  const failure = type === 1 ? parseFailure(what) : null;
  return failure === null ? null : { number, result: { type: 'failed', failure }, isKept };
};

export const formFollow = ({ number, isWatch, address, select, isRedacted }: PostFollow): readonly unknown[] => [
  ...[number, isWatch, addressText(address), select, isRedacted],
];

export const parseFollow = (body: unknown): PostFollow | null => {
  const given = listOf(body, 5);
  if (given === null) return null;
  const [number, isWatch, text, select, isRedacted] = given;
  const address = addressOf(text);
  if (!isNumber(number) || typeof isWatch !== 'boolean' || address === null) return null;
  if (select !== null && (isWatch || !isName(select, max.selectCharsMax))) return null;
  return typeof isRedacted === 'boolean' ? { number, isWatch, address, select, isRedacted } : null;
};

export const formNext = ({ number, at, value }: PostNext): readonly unknown[] => [number, at, value];

export const parseNext = (body: unknown): PostNext | null => {
  const given = listOf(body, 3);
  if (given === null) return null;
  const [number, at, value] = given;
  return isNumber(number) && isCount(at) && (value === null || isBytes(value)) ? { number, at, value } : null;
};

export const formMore = ({ number, at }: PostMore): readonly unknown[] => [number, at];

export const parseMore = (body: unknown): PostMore | null => {
  const given = listOf(body, 2);
  return given !== null && isNumber(given[0]) && isCount(given[1]) ? { number: given[0], at: given[1] } : null;
};

export const formOver = ({ number, why, isKept }: PostOver): readonly unknown[] => {
  if (why.type === 'moved') return [number, 1, null, isKept];
  if (why.type === 'failed') return [number, 2, why.failure, isKept];
  if (why.type === 'elsewhere') return [number, 3, why.peer, isKept];
  const { reason, output, failure } = why.end;
  return [number, 0, [reasons.indexOf(reason), output, failure], isKept];
};

const endOf = (what: unknown): PostEnd | null => {
  const given = listOf(what, 3);
  if (given === null) return null;
  const [reasonAt, output, told] = given;
  const reason = isCount(reasonAt) ? reasons[reasonAt] : undefined;
  if (reason === undefined || (output !== null && !isBytes(output))) return null;
  const failure = told === null ? null : parseFailure(told);
  return told !== null && failure === null ? null : { reason, output, failure };
};

export const parseOver = (body: unknown): PostOver | null => {
  const given = listOf(body, 4);
  if (given === null) return null;
  const [number, type, what, isKept] = given;
  if (!isNumber(number) || typeof isKept !== 'boolean') return null;
  if (type === 1 && what === null) return { number, why: { type: 'moved' }, isKept };
  if (type === 3 && isName(what, max.peerCharsMax)) return { number, why: { type: 'elsewhere', peer: what }, isKept };
  if (type === 0) {
    const end = endOf(what);
    return end === null ? null : { number, why: { type: 'end', end }, isKept };
  }
  const failure = type === 2 ? parseFailure(what) : null;
  return failure === null ? null : { number, why: { type: 'failed', failure }, isKept };
};

/** Of `quit` and `drop`. */
export const parseNumber = (body: unknown): PostNumber | null => (isNumber(body) ? body : null);
