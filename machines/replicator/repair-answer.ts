// Who is asked: answers each ask from what it holds, as much as a page takes, and remembers nothing.
import { type Place, root, sameBytes, shortBytes, shortOf } from './places.ts';
import { differencesAt, sameItems, statementAt } from './repair-compare.ts';
import { repairLimits as max } from './repair-limits.ts';
import { type Answer, type Ask, type Statement, type StateRecord, statementBytes } from './repair-messages.ts';
import { joinState, type PeerId, patienceOf, prepare, type RepairState, type RepairTurn, recordBytes } from './repair-state.ts';

export const forget = ({ served, waiting }: RepairState, peer: PeerId): void => {
  served.delete(peer);
  waiting.delete(peer);
};

/** May this peer be answered now? At most a few at a time, so that repair leaves time for everything else. */
const mayServe = (state: RepairState, from: PeerId, nowMs: number): boolean => {
  const { served } = state;
  if (!served.has(from) && served.size >= max.servedMax)
    for (const [peer, askedMs] of served) if (nowMs - askedMs >= max.servedIdleMs) forget(state, peer);
  if (!served.has(from) && served.size >= max.servedMax) return false;
  served.set(from, nowMs);
  return true;
};

const join = (state: RepairState, { salt, states }: Ask): Uint8Array[] =>
  states.map((record) => {
    const { end, came, here } = joinState(state, record, state.store.trie.placeOfKey(record[0]));
    if (end === 'refused' || (end === 'joined' && here === null)) return new Uint8Array(shortBytes);
    return shortOf(salt, end === 'unwanted' ? came : here!);
  });

type Page = { states: StateRecord[]; bytes: number };

/** False: it does not fit any more. */
const addWanted = ({ store }: RepairState, page: Page, place: Place): boolean => {
  const records: StateRecord[] = [];
  let bytes = 0;
  for (const slot of store.trie.slotsAt(place)) {
    const key = store.trie.keyOf(slot);
    const form = store.formOf(key);
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

/** A first ask waits while digests are to be made: it compares roots, which says little before. */
export const onAsk = (state: RepairState, turn: RepairTurn, from: PeerId, ask: Ask): void => {
  if (!mayServe(state, from, turn.nowMs)) {
    turn.sends.push({ to: from, message: { type: 'busy', exchange: ask.exchange } });
    return;
  }
  if (ask.ask > 0 || prepare(state)) {
    answer(state, turn, from, ask);
    return;
  }
  state.waiting.set(from, { ask, patience: patienceOf(state) });
};

/**
 * Who waited for digests is answered, also from those that there are once all have been passed since: whoever is told that nothing
 * differs has all that was here when he asked.
 */
export const answerWaiting = (state: RepairState, turn: RepairTurn, isReady: boolean): void => {
  for (const [peer, waiting] of state.waiting) {
    if (!isReady && --waiting.patience > 0) continue;
    state.waiting.delete(peer);
    answer(state, turn, peer, waiting.ask);
  }
};

const answer = (state: RepairState, turn: RepairTurn, to: PeerId, ask: Ask): void => {
  const { exchange, salt } = ask;
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
  const message: Answer = { type: 'answer', exchange, ask: ask.ask, statementsDone, statements, wantsDone, states, held };
  turn.sends.push({ to, message });
};
