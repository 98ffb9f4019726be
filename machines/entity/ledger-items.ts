// Items of an `actors` command as bytes: names first, each once, for a turn's items are mostly about few actors. Whatever is not of this
// form is null, and the whole command is refused when it is applied.
import { type ErrorCode, errorTable } from '../errors.ts';
import {
  type Cursor,
  createInk,
  cursorOf,
  dry,
  type Ink,
  inkByte,
  inkBytes,
  inkCount,
  inkText,
  isSpent,
  readByte,
  readBytes,
  readCount,
  readText,
} from '../wire/octets.ts';
import { isActorKey, isActorType } from './address.ts';
import {
  type ActorName,
  type EffectId,
  type Interruption,
  type LedgerItem,
  ledgerLimits,
  type StateReason,
} from './ledger-types.ts';

const format = 1;
/** 'forget' is 'remove' as builds before said it: nothing of what was refused. 'ask': an event whose answer is wanted. */
const kinds = [
  ...(['create', 'event', 'done', 'timer', 'answer', 'interrupt', 'halt', 'forget', 'state', 'digest'] as const),
  ...(['ask', 'remove'] as const),
];
const interruptions: readonly Interruption[] = ['fail', 'ask'];
const reasons: readonly StateReason[] = ['checkpoint', 'upgrade', 'reset'];
const textBytesMax = 4 * ledgerLimits.pathCharsMax;
const idBytesMax = 4 * ledgerLimits.idCharsMax;
const codeBytesMax = 64;
/** A dump has the state and the window of delivery ids. */
const dumpBytesMax = 2 << 20;

export const isActorName = (name: string): boolean => {
  const slash = name.indexOf('/');
  return slash > 0 && isActorType(name.slice(0, slash)) && isActorKey(name.slice(slash + 1));
};

export const typeOfName = (name: ActorName): string => name.slice(0, name.indexOf('/'));

const inkEffect = (ink: Ink, { index, n }: EffectId): void => {
  inkCount(ink, index);
  inkCount(ink, n);
};

const readEffect = (cursor: Cursor): EffectId => ({ index: readCount(cursor), n: readCount(cursor) });

/** Without its actor. */
export const inkItem = (ink: Ink, item: LedgerItem): void => {
  inkByte(ink, kinds.indexOf(item.kind === 'event' && item.isAsked ? 'ask' : item.kind));
  switch (item.kind) {
    case 'create':
      inkCount(ink, item.version);
      return inkBytes(ink, item.input);
    case 'event':
      inkCount(ink, item.version);
      inkText(ink, item.id);
      return inkBytes(ink, item.event);
    case 'done':
      inkCount(ink, item.effects.length);
      for (const effect of item.effects) inkEffect(ink, effect);
      return;
    case 'timer':
      inkText(ink, item.id);
      return inkCount(ink, item.set);
    case 'answer':
      inkText(ink, item.path);
      inkEffect(ink, item.of);
      return inkBytes(ink, item.answer);
    case 'interrupt':
      inkText(ink, item.path);
      inkEffect(ink, item.of);
      return inkByte(ink, interruptions.indexOf(item.how));
    case 'halt':
      inkCount(ink, item.index);
      inkText(ink, item.event);
      inkCount(ink, item.digests[0]);
      return inkCount(ink, item.digests[1]);
    case 'remove':
      inkCount(ink, item.seq);
      inkCount(ink, item.failed.length);
      for (const [id, code] of item.failed) {
        inkText(ink, id);
        inkText(ink, code);
      }
      return;
    case 'state':
      inkByte(ink, reasons.indexOf(item.why));
      inkCount(ink, item.seq);
      inkCount(ink, item.version);
      return inkBytes(ink, item.dump);
    case 'digest':
      inkCount(ink, item.seq);
      return inkCount(ink, item.digest);
  }
};

const readVersion = (cursor: Cursor): number => {
  const version = readCount(cursor);
  if (version === 0) cursor.failed = true;
  return version;
};

const readOneOf = <Value>(cursor: Cursor, values: readonly Value[]): Value => {
  const value = values[readByte(cursor)];
  if (value === undefined) cursor.failed = true;
  return value ?? values[0]!;
};

const readEffects = (cursor: Cursor): EffectId[] => {
  const count = readCount(cursor);
  if (count > ledgerLimits.outboxMax) cursor.failed = true;
  const effects: EffectId[] = [];
  for (let read = 0; read < count && !cursor.failed; read++) effects.push(readEffect(cursor));
  return effects;
};

const readFailed = (cursor: Cursor): (readonly [string, ErrorCode])[] => {
  const count = readCount(cursor);
  if (count > ledgerLimits.windowMax) cursor.failed = true;
  const failed: (readonly [string, ErrorCode])[] = [];
  for (let read = 0; read < count && !cursor.failed; read++) {
    const [id, code] = [readText(cursor, idBytesMax), readText(cursor, codeBytesMax)];
    if (Object.hasOwn(errorTable, code)) failed.push([id, code as ErrorCode]);
    else cursor.failed = true;
  }
  return failed;
};

export const readItem = (cursor: Cursor, actor: ActorName): LedgerItem => {
  const kind = readOneOf(cursor, kinds);
  switch (kind) {
    case 'create':
      return { kind, actor, version: readVersion(cursor), input: readBytes(cursor, ledgerLimits.eventBytesMax) };
    case 'event':
    case 'ask': {
      const [version, id] = [readVersion(cursor), readText(cursor, idBytesMax)];
      const isAsked = kind === 'ask';
      return { kind: 'event', actor, version, id, isAsked, event: readBytes(cursor, ledgerLimits.eventBytesMax) };
    }
    case 'done':
      return { kind, actor, effects: readEffects(cursor) };
    case 'timer':
      return { kind, actor, id: readText(cursor, textBytesMax), set: readCount(cursor) };
    case 'answer': {
      const [path, of] = [readText(cursor, textBytesMax), readEffect(cursor)];
      return { kind, actor, path, of, answer: readBytes(cursor, ledgerLimits.eventBytesMax) };
    }
    case 'interrupt': {
      const [path, of] = [readText(cursor, textBytesMax), readEffect(cursor)];
      return { kind, actor, path, of, how: readOneOf(cursor, interruptions) };
    }
    case 'halt': {
      const [index, event] = [readCount(cursor), readText(cursor, textBytesMax)];
      return { kind, actor, index, event, digests: [readCount(cursor), readCount(cursor)] };
    }
    case 'forget':
      return { kind: 'remove', actor, seq: Number.MAX_SAFE_INTEGER, failed: [] };
    case 'remove':
      return { kind, actor, seq: readCount(cursor), failed: readFailed(cursor) };
    case 'state': {
      const why = readOneOf(cursor, reasons);
      const [seq, version] = [readCount(cursor), readVersion(cursor)];
      return { kind, actor, why, seq, version, dump: readBytes(cursor, dumpBytesMax) };
    }
    case 'digest':
      return { kind, actor, seq: readCount(cursor), digest: readCount(cursor) };
  }
};

const commandInk = createInk();

/** At most `itemsMax`. */
export const encodeItems = (items: readonly LedgerItem[]): Uint8Array => {
  const numbers = new Map<ActorName, number>();
  for (const { actor } of items) if (!numbers.has(actor)) numbers.set(actor, numbers.size);
  inkByte(commandInk, format);
  inkCount(commandInk, numbers.size);
  for (const name of numbers.keys()) inkText(commandInk, name);
  inkCount(commandInk, items.length);
  for (const item of items) {
    inkCount(commandInk, numbers.get(item.actor)!);
    inkItem(commandInk, item);
  }
  return dry(commandInk);
};

/** Byte arrays inside are views of `body`. */
export const decodeItems = (body: Uint8Array): LedgerItem[] | null => {
  const cursor = cursorOf(body);
  if (readByte(cursor) !== format) return null;
  const names: ActorName[] = [];
  const namesCount = readCount(cursor);
  if (namesCount > ledgerLimits.itemsMax) return null;
  for (let read = 0; read < namesCount && !cursor.failed; read++) {
    const name = readText(cursor, ledgerLimits.nameBytesMax);
    if (!isActorName(name)) return null;
    names.push(name);
  }
  const count = readCount(cursor);
  if (count > ledgerLimits.itemsMax) return null;
  const items: LedgerItem[] = [];
  for (let read = 0; read < count && !cursor.failed; read++) {
    const name = names[readCount(cursor)];
    if (name === undefined) return null;
    items.push(readItem(cursor, name));
  }
  return isSpent(cursor) ? items : null;
};
