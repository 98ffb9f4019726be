// Which delivery ids an actor has had lately. They are remembered in the order in which they came, so many to a share; a share is one record
// of the keyspace, and goes when the last of it is forgotten. So a delivery touches the newest share and nothing else.
import { type ErrorCode, errorTable } from '../errors.ts';
import { textHash } from '../hash.ts';
import { requireRegister } from '../register/fault.ts';
import type { KeyspaceReader, KeyspaceWrite } from '../register/types.ts';
import { createInk, cursorOf, dry, type Ink, inkCount, inkText, isSpent, readCount, readText } from '../wire/octets.ts';
import { addId, createIdTable, findId, removeId } from './ledger-ids.ts';
import { windowKey } from './ledger-keys.ts';
import { type ActorName, type DeliveryWindow, ledgerLimits, type Remembered } from './ledger-types.ts';

/** Delivery ids of one record: the newest of them is written again with each delivery. */
export const windowShare = 32;
const tailBytes = 256;
const textBytesMax = 64 << 10;
const ink = createInk();

/** Of places from `first` on, which begins a share or lies in one that is read next. */
export const newWindow = (first = 0, next = first): DeliveryWindow => ({
  ...{ table: createIdTable(), shares: [], firstShare: Math.floor(first / windowShare), first, next },
  ...{ dirty: new Set(), tail: null, stale: null, writtenShare: Math.floor(first / windowShare) },
});

/** More than are remembered, so that no two of them have the same number. */
const placesMax = 2 ** Math.ceil(Math.log2(ledgerLimits.windowMax));
const numberOf = (place: number): number => place % placesMax;
const hashOf = (id: string): number => textHash(id) | 0;

const at = ({ shares, firstShare }: DeliveryWindow, place: number): Remembered =>
  shares[Math.floor(place / windowShare) - firstShare]![place % windowShare]!;

const placeOf = ({ first: oldest }: DeliveryWindow, number: number): number =>
  oldest + ((number - numberOf(oldest) + placesMax) % placesMax);

/** Undefined: it is not remembered. */
export const delivered = (window: DeliveryWindow, id: string): Remembered | undefined => {
  const number = findId(window.table, hashOf(id), (one) => at(window, placeOf(window, one)).id === id);
  return number < 0 ? undefined : at(window, placeOf(window, number));
};

/** Oldest first. */
export const allDelivered = (window: DeliveryWindow): Remembered[] => {
  const all: Remembered[] = [];
  for (let place = window.first; place < window.next; place++) all.push(at(window, place));
  return all;
};

const shareOf = ({ place }: Remembered): number => Math.floor(place / windowShare);

const newestShare = ({ firstShare, shares }: DeliveryWindow): number => firstShare + shares.length - 1;

const forgetFirst = (window: DeliveryWindow): void => {
  const one = window.shares[0]![window.first % windowShare]!;
  removeId(window.table, one.hash, numberOf(one.place));
  // Who folds it later than this finds nothing to say of it: the record must not depend on that.
  if (one.failed !== null) setFailed(window, one, null);
  window.first++;
  if (window.first % windowShare !== 0) return;
  window.shares.shift();
  window.dirty.delete(window.firstShare++);
};

const first = (window: DeliveryWindow): Remembered | undefined => window.shares[0]?.[window.first % windowShare];

/** Forgets what log time has passed, and makes room. */
const age = (window: DeliveryWindow, timeMs: number): void => {
  for (let one = first(window); one !== undefined; one = first(window)) {
    const isFull = window.next - window.first >= ledgerLimits.windowMax;
    if (!isFull && timeMs - one.timeMs < ledgerLimits.windowMs) return;
    forgetFirst(window);
  }
};

export const remember = (window: DeliveryWindow, id: string, seq: number, timeMs: number): void => {
  age(window, timeMs);
  const one: Remembered = { id, hash: hashOf(id), seq, timeMs, place: window.next++, failed: null };
  const share = shareOf(one);
  const at = share - window.firstShare;
  const ids = window.shares[at];
  if (ids === undefined) {
    window.shares[at] = [one];
    window.tail = { bytes: window.tail?.bytes ?? new Uint8Array(tailBytes), at: 0 };
  } else ids.push(one);
  if (window.tail !== null) inkOne(window.tail, window.shares[at]![0]!, one);
  addId(window.table, one.hash, numberOf(one.place));
  window.dirty.add(share);
};

export const setFailed = (window: DeliveryWindow, one: Remembered, code: ErrorCode | null): void => {
  if (one.failed === code) return;
  one.failed = code;
  const share = shareOf(one);
  window.dirty.add(share);
  if (share === newestShare(window)) window.tail = null;
};

/**
 * The actor was removed. What was delivered stays known, so that it is not done by the next of this name; which of it failed whoever removes
 * it has said, by its id, as far as step `seq`. What is forgotten already is numbered like the rest: numbers do not go back in a share.
 */
export const bury = (
  window: DeliveryWindow,
  { seq, failed }: { readonly seq: number; readonly failed: readonly (readonly [string, ErrorCode])[] },
): void => {
  const codes = new Map(failed);
  for (const one of window.shares.flat()) {
    if (one.seq === 0) continue;
    const isForgotten = one.place < window.first;
    const code = one.seq > seq ? 'OUTCOME_UNKNOWN' : (codes.get(one.id) ?? null);
    one.failed = isForgotten ? null : code;
    one.seq = 0;
    window.dirty.add(shareOf(one));
  }
  window.tail = null;
};

/** As if it had never had any; what of it is in the keyspace is still to go. */
export const forgottenWindow = ({ writtenShare, next }: DeliveryWindow): DeliveryWindow => ({
  ...newWindow(),
  stale: { from: writtenShare, until: Math.ceil(next / windowShare) },
});

/** Log time of the newest; when that is forgotten, what is left of a removed actor goes. */
export const newestOf = ({ shares }: DeliveryWindow): number => shares.at(-1)?.at(-1)?.timeMs ?? 0;

// ---------------------------------------------------------------- records

/** Numbers count from the first one's: neither goes back in the log. */
const inkOne = (into: Ink, head: Remembered, one: Remembered): void => {
  if (one === head) {
    inkCount(into, one.seq);
    inkCount(into, one.timeMs);
  }
  inkText(into, one.id);
  inkCount(into, one.seq - head.seq);
  inkCount(into, one.timeMs - head.timeMs);
  inkText(into, one.failed ?? '');
};

const encodeShare = (share: readonly Remembered[]): Uint8Array => {
  for (const one of share) inkOne(ink, share[0]!, one);
  return dry(ink);
};

const decodeShare = (name: ActorName, number: number, bytes: Uint8Array): Remembered[] => {
  const cursor = cursorOf(bytes);
  const [seq, timeMs] = [readCount(cursor), readCount(cursor)];
  const share: Remembered[] = [];
  while (!isSpent(cursor) && !cursor.failed) {
    const id = readText(cursor, textBytesMax);
    const [since, sinceMs] = [readCount(cursor), readCount(cursor)];
    const failed = readText(cursor, textBytesMax);
    share.push({
      ...{ id, hash: hashOf(id), seq: seq + since, timeMs: timeMs + sinceMs, place: number * windowShare + share.length },
      failed: Object.hasOwn(errorTable, failed) ? (failed as ErrorCode) : null,
    });
  }
  requireRegister(isSpent(cursor), 'KEYSPACE_SOUND', `delivery ids of actor '${name}' are malformed`);
  return share;
};

/** The window of so many places before `next`, as it was written. */
export const readWindow = (name: ActorName, size: number, next: number, read: KeyspaceReader): DeliveryWindow => {
  const window = newWindow(next - size, next);
  for (let share = window.firstShare; share * windowShare < next; share++) {
    const bytes = read(windowKey(name, share));
    requireRegister(bytes !== undefined, 'KEYSPACE_SOUND', `delivery ids of actor '${name}' are not in the keyspace`);
    const ids = decodeShare(name, share, bytes);
    const isWhole = ids.length === Math.min(windowShare, next - share * windowShare);
    requireRegister(isWhole, 'KEYSPACE_SOUND', `some delivery ids of actor '${name}' are not in the keyspace`);
    window.shares.push(ids);
    for (const { place, hash } of ids) if (place >= window.first) addId(window.table, hash, numberOf(place));
  }
  return window;
};

/** What of it is not in the keyspace as it is. */
export const writeWindow = (name: ActorName, window: DeliveryWindow, writes: KeyspaceWrite[]): void => {
  const { stale } = window;
  // Before what may have come under their keys since.
  for (let share = stale?.from ?? 0; stale !== null && share < stale.until; share++)
    writes.push({ key: windowKey(name, share), value: null });
  window.stale = null;
  for (; window.writtenShare < window.firstShare; window.writtenShare++)
    writes.push({ key: windowKey(name, window.writtenShare), value: null });
  if (window.dirty.size === 0) return;
  const { tail } = window;
  for (const share of window.dirty) {
    const isTail = tail !== null && share === newestShare(window);
    const value = isTail ? tail.bytes.slice(0, tail.at) : encodeShare(window.shares[share - window.firstShare]!);
    writes.push({ key: windowKey(name, share), value });
  }
  window.dirty.clear();
};
