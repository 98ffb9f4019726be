// Repair's messages on the wire: compact arrays, with what is compared as bytes of a fixed layout. What a peer sends becomes a message
// or null. Statements say what one side has at a path of the trie: the digests of 16 children, or the few objects that are there.
import {
  type Cursor,
  createInk,
  cursorOf,
  dry,
  type Ink,
  inkByte,
  inkCount,
  inkRaw,
  isSpent,
  isWellFormed,
  readByte,
  readCount,
  readRaw,
} from '../wire/octets.ts';
import {
  depthMax,
  digestBytes,
  fanOut,
  inkPath,
  inkPlace,
  isUnder,
  type Path,
  type Place,
  placeBytes,
  readPath,
  readPlace,
  saltBytes,
  shortBytes,
} from './places.ts';
import { repairLimits as max } from './repair-limits.ts';

export type Item = { readonly place: Place; readonly short: Uint8Array };

export type Statement =
  | { readonly type: 'whole'; readonly digest: Uint8Array }
  /** Null: there is no such child. */
  | { readonly type: 'inner'; readonly path: Path; readonly shorts: readonly (Uint8Array | null)[] }
  | { readonly type: 'items'; readonly path: Path; readonly items: readonly Item[] };

/** Key and form. */
export type StateRecord = readonly [string, Uint8Array];

export type Ask = {
  readonly type: 'ask';
  /** Names the exchange among those of its initiator. */
  readonly exchange: number;
  /** Counts the asks of the exchange, from 0. */
  readonly ask: number;
  readonly salt: Uint8Array;
  readonly statements: readonly Statement[];
  /** Where the objects stand whose states are asked for. */
  readonly wants: readonly Place[];
  /** To be joined. */
  readonly states: readonly StateRecord[];
};

export type Answer = {
  readonly type: 'answer';
  readonly exchange: number;
  readonly ask: number;
  /** So many of the ask's statements and wants are answered here; the others are to be asked again. */
  readonly statementsDone: number;
  readonly statements: readonly Statement[];
  readonly wantsDone: number;
  readonly states: readonly StateRecord[];
  /**
   * For each state of the ask, what stands for the digest of the object after the join; zero: it was refused. Of what is not wanted
   * any more, what stands for what came, so that nobody goes on about it.
   */
  readonly held: readonly Uint8Array[];
};

/** Not now: enough others are answered, or an exchange the other way round has begun. */
export type Busy = { readonly type: 'busy'; readonly exchange: number };

export type RepairMessage = Ask | Answer | Busy;

// ---------------------------------------------------------------- statements

const itemBytes = placeBytes + shortBytes;
/** The word and the path. */
const headBytes = 2 + placeBytes;

/** At most what it takes on the wire. */
export const statementBytes = (statement: Statement): number => {
  if (statement.type === 'whole') return 1 + digestBytes;
  if (statement.type === 'items') return headBytes + 2 + statement.items.length * itemBytes;
  return headBytes + 2 + fanOut * shortBytes;
};

const words = ['whole', 'inner', 'items'] as const;

const inkInner = (ink: Ink, shorts: readonly (Uint8Array | null)[]): void => {
  let present = 0;
  for (let index = 0; index < fanOut; index++) if (shorts[index] !== null) present |= 1 << index;
  inkByte(ink, present >>> 8);
  inkByte(ink, present & 0xff);
  for (const short of shorts) if (short !== null) inkRaw(ink, short);
};

const inkStatement = (ink: Ink, statement: Statement): void => {
  inkByte(ink, words.indexOf(statement.type));
  if (statement.type === 'whole') {
    inkRaw(ink, statement.digest);
    return;
  }
  inkPath(ink, statement.path);
  if (statement.type === 'inner') {
    inkInner(ink, statement.shorts);
    return;
  }
  inkCount(ink, statement.items.length);
  for (const { place, short } of statement.items) {
    inkPlace(ink, place);
    inkRaw(ink, short);
  }
};

const readInner = (from: Cursor): (Uint8Array | null)[] => {
  const present = (readByte(from) << 8) | readByte(from);
  return Array.from({ length: fanOut }, (_, index) => ((present >>> index) & 1 ? readRaw(from, shortBytes) : null));
};

const readItems = (from: Cursor, path: Path): Item[] => {
  const items: Item[] = [];
  const count = readCount(from);
  // As many as there are bytes for: a count alone makes no work.
  for (let read = 0; read < count && !from.failed; read++) {
    const item = { place: readPlace(from), short: readRaw(from, shortBytes) };
    if (!isUnder(path, item.place)) from.failed = true;
    items.push(item);
  }
  return items;
};

const readStatement = (from: Cursor): Statement | null => {
  const type = words[readByte(from)];
  if (type === undefined) return null;
  if (type === 'whole') return { type, digest: readRaw(from, digestBytes) };
  const path = readPath(from);
  // Below the last nibble nothing branches.
  if (type === 'inner') return path.depth === depthMax ? null : { type, path, shorts: readInner(from) };
  return { type, path, items: readItems(from, path) };
};

/** A statement may lift a page above its limit by no more than it is long itself. */
const statementsBytesMax = 2 * max.pageBytes;

const parseStatements = (value: unknown): Statement[] | null => {
  if (!(value instanceof Uint8Array) || value.byteLength > statementsBytesMax) return null;
  const from = cursorOf(value);
  const statements: Statement[] = [];
  while (from.at < value.byteLength) {
    const statement = readStatement(from);
    if (statement === null || from.failed) return null;
    statements.push(statement);
  }
  return isSpent(from) ? statements : null;
};

// ---------------------------------------------------------------- messages

const ink = createInk();

const inked = <T>(values: readonly T[], write: (ink: Ink, value: T) => void): Uint8Array => {
  for (const value of values) write(ink, value);
  return dry(ink);
};

/** Plain data, of which msgpack makes few bytes. */
export const formRepairMessage = (message: RepairMessage): unknown => {
  if (message.type === 'busy') return [2, message.exchange];
  const { exchange, ask, states } = message;
  const statements = inked(message.statements, inkStatement);
  if (message.type === 'ask') return [0, exchange, ask, message.salt, statements, inked(message.wants, inkPlace), states];
  const held = inked(message.held, inkRaw);
  return [1, exchange, ask, message.statementsDone, statements, message.wantsDone, states, held];
};

const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;

const isState = (value: unknown): value is StateRecord => {
  if (!Array.isArray(value) || value.length !== 2) return false;
  const [key, form] = value as unknown[];
  if (typeof key !== 'string' || key.length === 0 || key.length > max.nameBytesMax || !isWellFormed(key)) return false;
  return form instanceof Uint8Array && form.byteLength <= max.formBytesMax;
};

const isStates = (value: unknown): value is StateRecord[] =>
  Array.isArray(value) && value.length <= max.statesPerMessageMax && value.every(isState);

/** A row of values of one length; null: it is none, or of too many. */
const parseRow = <T>(value: unknown, bytes: number, countMax: number, read: (from: Cursor) => T): T[] | null => {
  if (!(value instanceof Uint8Array) || value.byteLength % bytes !== 0 || value.byteLength > countMax * bytes) return null;
  const from = cursorOf(value);
  return Array.from({ length: value.byteLength / bytes }, () => read(from));
};

/** The roots are compared once, by the first ask, which holds nothing else. */
const isInOrder = (ask: number, statements: readonly Statement[], others: number): boolean =>
  ask === 0
    ? statements.length === 1 && statements[0]!.type === 'whole' && others === 0
    : statements.every(({ type }) => type !== 'whole');

const parseAsk = ([, exchange, ask, salt, given, places, states]: unknown[]): Ask | null => {
  const statements = parseStatements(given);
  const wants = parseRow(places, placeBytes, max.wantsPerAskMax, readPlace);
  if (!isCount(exchange) || !isCount(ask) || statements === null || wants === null || !isStates(states)) return null;
  if (!(salt instanceof Uint8Array) || salt.byteLength !== saltBytes) return null;
  if (!isInOrder(ask, statements, wants.length + states.length)) return null;
  return { type: 'ask', exchange, ask, salt, statements, wants, states };
};

const parseAnswer = ([, exchange, ask, statementsDone, given, wantsDone, states, shorts]: unknown[]): Answer | null => {
  const statements = parseStatements(given);
  const held = parseRow(shorts, shortBytes, max.statesPerMessageMax, (from) => readRaw(from, shortBytes));
  if (!isCount(exchange) || !isCount(ask) || !isCount(statementsDone) || !isCount(wantsDone)) return null;
  if (statements === null || statements.some(({ type }) => type === 'whole') || held === null || !isStates(states)) return null;
  return { type: 'answer', exchange, ask, statementsDone, statements, wantsDone, states, held };
};

/** Null: this is no message of repair. Forms are views of what was unpacked. */
export const parseRepairMessage = (value: unknown): RepairMessage | null => {
  if (!Array.isArray(value)) return null;
  const given = value as unknown[];
  if (given[0] === 0 && given.length === 7) return parseAsk(given);
  if (given[0] === 1 && given.length === 8) return parseAnswer(given);
  if (given[0] === 2 && given.length === 2 && isCount(given[1])) return { type: 'busy', exchange: given[1] };
  return null;
};
