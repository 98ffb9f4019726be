// Steps of replicated actors, as the log brings them: folded at once where this replica has their code, kept where it has not, and then
// compared with what the leader was like.
import type { KeyspaceReader } from '../register/types.ts';
import { foldStep } from './ledger-fold.ts';
import { typeOfName } from './ledger-items.ts';
import { createStore, type LedgerStore, type Residents } from './ledger-store.ts';
import {
  type ActorRecord,
  type FindDefinition,
  type ItemOutcome,
  type LedgerWatch,
  ledgerLimits,
  type Mark,
  type Step,
  type StepItem,
} from './ledger-types.ts';
import { delivered, setFailed } from './ledger-window.ts';

export type LedgerHost = { readonly find: FindDefinition; readonly watch: LedgerWatch; readonly residents: Residents };

export type Ledger = { readonly store: LedgerStore; readonly host: LedgerHost | null };

/** Without a host nothing is folded: every step is kept. */
export const createLedger = (host: LedgerHost | null = null): Ledger => ({ store: createStore(host?.residents), host });

export type LedgerEntry = { readonly index: number; readonly timeMs: number; readonly read: KeyspaceReader };

export const ignored: ItemOutcome = { type: 'ignored' };

const definitionOf = ({ host }: Ledger, { name, version }: ActorRecord) => host?.find(typeOfName(name), version) ?? null;

const eventNameOf = ({ item }: Step, event: unknown): string => {
  if (item.kind === 'timer') return item.id;
  const type = (event as { type?: unknown } | null)?.type;
  return typeof type === 'string' ? type : item.kind;
};

/** Null: it is too long ago, or was not folded here. */
export const markAt = ({ marks }: ActorRecord, seq: number): Mark | null => {
  const at = marks[seq % ledgerLimits.marksKept];
  return at?.seq === seq ? at : null;
};

/** Those of its last steps, oldest first. */
export const marksOf = (record: ActorRecord): Mark[] => {
  const marks: Mark[] = [];
  for (let seq = Math.max(1, record.seq - ledgerLimits.marksKept + 1); seq <= record.seq; seq++) {
    const one = markAt(record, seq);
    if (one !== null) marks.push({ ...one });
  }
  return marks;
};

/** Written over the oldest one: what is kept for hundreds of steps is garbage of the costly kind. */
const mark = (ledger: Ledger, record: ActorRecord, step: Step, event: unknown): void => {
  const { marks, digest, expected } = record;
  const { seq, index } = step;
  const name = eventNameOf(step, event);
  while (marks.length <= seq % ledgerLimits.marksKept) marks.push({ seq: -1, index: 0, event: '', digest: 0 });
  const made = marks[seq % ledgerLimits.marksKept]!;
  made.seq = seq;
  made.index = index;
  made.digest = digest;
  if (made.event !== name) made.event = name;
  if (expected === null || expected.seq > seq) return;
  record.expected = null;
  if (expected.seq === seq) compare(ledger, record, made, expected.digest);
};

export const compare = ({ host }: Ledger, record: ActorRecord, own: Mark, digest: number): void => {
  if (own.digest === digest || record.presence !== 'live') return;
  host?.watch.diverged?.({ actor: record.name, seq: own.seq, digest: own.digest, marks: marksOf(record) });
};

/** The outcome of the step itself. */
const fold = (ledger: Ledger, record: ActorRecord, step: Step): ItemOutcome | null => {
  const definition = definitionOf(ledger, record);
  if (definition === null) return null;
  const { failure: why, isIdle, event, snapshot, emitted } = foldStep(record, definition, step);
  mark(ledger, record, step, event);
  if (why !== null && step.item.kind === 'event' && step.item.id !== '') {
    const remembered = delivered(record.window, step.item.id);
    if (remembered?.seq === step.seq) setFailed(record.window, remembered, why.code);
  }
  ledger.host?.watch.folded?.(record, step, why, event, emitted);
  if (why !== null) return { type: 'refused', failure: why };
  return isIdle ? ignored : { type: 'ok', seq: step.seq, snapshot };
};

const copied = (item: StepItem): StepItem => {
  if (item.kind === 'create') return { ...item, input: item.input.slice() };
  if (item.kind === 'event') return { ...item, event: item.event.slice() };
  return item.kind === 'answer' ? { ...item, answer: item.answer.slice() } : item;
};

const bytesOf = (item: StepItem): number => {
  if (item.kind === 'create') return item.input.byteLength;
  if (item.kind === 'event') return item.event.byteLength;
  return item.kind === 'answer' ? item.answer.byteLength : 16;
};

export const take = (
  ledger: Ledger,
  record: ActorRecord,
  item: StepItem,
  n: number,
  { index, timeMs }: LedgerEntry,
): ItemOutcome => {
  const seq = ++record.seq;
  record.sinceState.steps++;
  record.sinceState.bytes += bytesOf(item);
  if (record.backlog.length === 0) {
    const outcome = fold(ledger, record, { seq, index, n, timeMs, item });
    if (outcome !== null) return outcome;
  }
  // What is kept must not keep the whole entry alive.
  record.backlog.push({ seq, index, n, timeMs, item: copied(item) });
  if (record.backlog.length > 1) catchUp(ledger, record);
  return { type: 'ok', seq, snapshot: null };
};

/** Folds what was kept, if this replica has its code by now; at most `most` steps. */
export const catchUp = (ledger: Ledger, record: ActorRecord, most = Number.POSITIVE_INFINITY): void => {
  if (record.presence !== 'live' || definitionOf(ledger, record) === null) return;
  let folded = 0;
  for (const step of record.backlog) {
    if (folded === most) break;
    fold(ledger, record, step);
    folded++;
  }
  record.backlog.splice(0, folded);
};
