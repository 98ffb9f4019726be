// Who is asked: answers each ask from what it holds, as much as a page takes, and remembers nothing.
import { type Place, root, sameBytes, shortBytes, shortOf } from './places.ts';
import { differencesAt, sameItems, statementAt } from './repair-compare.ts';
import { repairLimits as max } from './repair-limits.ts';
import { type Answer, type Ask, type Statement, type StateRecord, statementBytes } from './repair-messages.ts';
import { joinState, type PeerId, patienceOf, prepare, type RepairState, type RepairTurn, recordBytes } from './repair-state.ts';

/** May this peer be answered now? At most a few at a time, so that repair leaves time for everything else. */
const mayServe = ({ served }: RepairState, from: PeerId, nowMs: number): boolean => {
  if (!served.has(from) && served.size >= max.servedMax)
    for (const [peer, askedMs] of served) if (nowMs - askedMs >= max.servedIdleMs) served.delete(peer);
  if (!served.has(from) && served.size >= max.servedMax) return false;
  served.set(from, nowMs);
  return true;
};

/** The first ask compares roots, which means little while many digests are still to be made. */
const isPrepared = (state: RepairState, { ask }: Ask): boolean => {
  if (ask > 0 || prepare(state)) return true;
  state.patience ??= patienceOf(state);
  if (state.patience > 0) return false;
  // Who waited so long is answered from the digests that there are.
  state.patience = null;
  return true;
};

const join = (state: RepairState, { salt, states }: Ask): Uint8Array[] =>
  states.map(([key, form]) => {
    const joined = joinState(state, key, form);
    return joined === null ? new Uint8Array(shortBytes) : shortOf(salt, joined.digest);
  });

type Page = { states: StateRecord[]; bytes: number };

/** False: it does not fit any more. */
const addWanted = ({ store: { trie, formOf } }: RepairState, page: Page, place: Place): boolean => {
  const records: StateRecord[] = [];
  let bytes = 0;
  for (const slot of trie.slotsAt(place)) {
    const key = trie.keyOf(slot);
    const form = formOf(key);
    if (form === null || form.byteLength > max.formBytesMax) continue;
    records.push([key, form]);
    bytes += recordBytes([key, form]);
  }
  if (page.bytes > 0 && page.bytes + bytes > max.pageBytes) return false;
  page.states.push(...records);
  page.bytes += bytes;
  return true;
};

/** What is here where it differs from what the statement says is there. */
const counterOf = ({ store: { trie } }: RepairState, salt: Uint8Array, statement: Statement): Statement[] => {
  if (statement.type === 'whole') return sameBytes(statement.digest, trie.rootDigest) ? [] : [statementAt(trie, salt, root)];
  const own = statementAt(trie, salt, statement.path);
  if (statement.type === 'items') return own.type === 'items' && sameItems(own.items, statement.items) ? [] : [own];
  if (own.type === 'items') return [own];
  return differencesAt(trie, salt, statement).map(({ path }) => statementAt(trie, salt, path));
};

export const onAsk = (state: RepairState, turn: RepairTurn, from: PeerId, ask: Ask): void => {
  const { exchange, salt } = ask;
  if (!mayServe(state, from, turn.nowMs) || !isPrepared(state, ask)) {
    turn.sends.push({ to: from, message: { type: 'busy', exchange } });
    return;
  }
  const held = join(state, ask);
  const page: Page = { states: [], bytes: 0 };
  let wantsDone = 0;
  while (wantsDone < ask.wants.length && addWanted(state, page, ask.wants[wantsDone]!)) wantsDone++;
  const statements: Statement[] = [];
  let statementsDone = 0;
  for (const statement of ask.statements) {
    const counter = counterOf(state, salt, statement);
    const bytes = counter.reduce((sum, each) => sum + statementBytes(each), 0);
    if (page.bytes > 0 && page.bytes + bytes > max.pageBytes) break;
    page.bytes += bytes;
    statements.push(...counter);
    statementsDone++;
  }
  const { states } = page;
  const answer: Answer = { type: 'answer', exchange, ask: ask.ask, statementsDone, statements, wantsDone, states, held };
  turn.sends.push({ to: from, message: answer });
};
