// Records on their way to the disk, one behind the other as they will lie there, and of those made here the pieces that others are told:
// whatever is changed a hundred thousand times a second is packed once.
import { type Cursor, createInk, cursorOf, type Ink, inkByte, inkRaw } from '../wire/octets.ts';
import { inkPlain, readPlain } from '../wire/plain.ts';
import type { DeltaRecord, ReplicatedObject } from './objects.ts';

export const recordBatchLimits = {
  /** Changes of one batch, and bytes of it: beyond either it is full. The last record may be longer. */
  changesMax: 4_096,
  bytesMax: 1 << 20,
  /** Own records next to each other, told together. A record may be longer. */
  pieceBytes: 48 << 10,
} as const;

/** Packed records. */
export type Piece = { readonly bytes: Uint8Array; readonly records: number };

type Span = { from: number; to: number; records: number };

export type RecordBatch = {
  readonly ink: Ink;
  /** Own and others'; a record may stand for several. */
  changes: number;
  readonly own: Span[];
  /** Of objects whose deltas each say all that those before it say, where the last one lies. */
  readonly last: Map<ReplicatedObject, Span>;
};

export const createRecordBatch = (): RecordBatch => ({ ink: createInk(), changes: 0, own: [], last: new Map() });

const inkBytesKept = 2 * recordBatchLimits.bytesMax;

/** To be filled again. */
export const emptyBatch = (batch: RecordBatch): RecordBatch => {
  if (batch.ink.bytes.byteLength > inkBytesKept) return createRecordBatch();
  batch.ink.at = 0;
  batch.changes = 0;
  batch.own.length = 0;
  batch.last.clear();
  return batch;
};

export const isBatchFull = ({ changes, ink }: RecordBatch): boolean =>
  changes >= recordBatchLimits.changesMax || ink.at >= recordBatchLimits.bytesMax;

/** The last of the spans grows, or a new one begins. */
const noteOwn = (own: Span[], from: number, to: number): void => {
  const last = own.at(-1);
  if (last !== undefined && last.to === from && to - last.from <= recordBatchLimits.pieceBytes) {
    last.to = to;
    last.records++;
  } else own.push({ from, to, records: 1 });
};

/**
 * A change made here. Where a delta says all that its author's earlier ones of this object say, and takes the same room, it takes their
 * place: a counter that is raised a thousand times in a batch is written and told once. Whoever has the later delta lacks nothing of the
 * earlier, and nothing in between builds on it, since such a delta is never refused for lack of another.
 */
export const addOwn = (batch: RecordBatch, object: ReplicatedObject, record: DeltaRecord): number => {
  const { ink, last } = batch;
  const from = ink.at;
  inkPlain(ink, record);
  batch.changes++;
  const length = ink.at - from;
  if (object.type.saysAll === true) {
    const before = last.get(object);
    if (before !== undefined && before.to - before.from === length) {
      ink.bytes.copyWithin(before.from, from, ink.at);
      ink.at = from;
      return length;
    }
    last.set(object, { from, to: ink.at, records: 1 });
  }
  noteOwn(batch.own, from, ink.at);
  return length;
};

/** Records of others, as they came. */
export const addHeard = (batch: RecordBatch, packed: Uint8Array, records: number): void => {
  inkRaw(batch.ink, packed);
  batch.changes += records;
};

const listOfFour = 0x94;
const isTrue = 0xc3;

/** A `StateRecord`, of a form that is packed already. */
export const addState = (batch: RecordBatch, type: string, key: string, form: Uint8Array): void => {
  const { ink } = batch;
  inkByte(ink, listOfFour);
  inkPlain(ink, type);
  inkPlain(ink, key);
  inkRaw(ink, form);
  inkByte(ink, isTrue);
  batch.changes++;
};

/** As it goes to the disk: a view, for as long as nothing is added. */
export const bytesOfBatch = ({ ink }: RecordBatch): Uint8Array => ink.bytes.subarray(0, ink.at);

/** What others are told of it, in copies. */
export const piecesOf = ({ ink, own }: RecordBatch): Piece[] =>
  own.map(({ from, to, records }) => ({ bytes: ink.bytes.slice(from, to), records }));

/** Reads one record behind the other; null at the end, or where what stands there is none: then `from.failed`. */
export const nextRecord = (from: Cursor): unknown | null => {
  if (from.failed || from.at === from.bytes.byteLength) return null;
  const record = readPlain(from);
  return from.failed ? null : record;
};

/** One value alone, of which nothing keeps the bytes alive. Undefined: it is no plain data. */
export const unpackOwned = (packed: Uint8Array): unknown => {
  const from = cursorOf(packed);
  const value = readPlain(from);
  return from.failed || from.at !== packed.byteLength ? undefined : value;
};
