// Who asks: remembers which branches are still to be compared, which states are wanted and which are to be given, and asks a page of
// it at a time, a few pages under way.
import { childOf, isUnder, type Path, type Place, parentOf, root, sameShort, shortOf } from './places.ts';
import { differencesAt, isHere, isThere, statementAt } from './repair-compare.ts';
import { repairLimits as max } from './repair-limits.ts';
import { type Answer, type Item, type Statement, type StateRecord, statementBytes } from './repair-messages.ts';
import {
  digestHere,
  type Exchange,
  type Give,
  joinState,
  type Outcome,
  type PeerId,
  type RepairState,
  type RepairTurn,
  recordBytes,
  type UnderWay,
  type Want,
} from './repair-state.ts';

export const endExchange = (state: RepairState, turn: RepairTurn, peer: PeerId, outcome: Outcome): void => {
  const exchange = state.exchanges.get(peer);
  if (exchange === undefined) return;
  state.exchanges.delete(peer);
  turn.ended.push({ peer, outcome, counts: exchange.counts });
};

// ---------------------------------------------------------------- what to ask

/** Makes single objects of what is to be given by whole branches, as many as fill a message. */
const expandGiving = ({ store: { trie } }: RepairState, { giving, gives, salt }: Exchange): void => {
  while (giving.length > 0 && gives.length < max.wantsPerAskMax) {
    const { path, except } = giving.pop()!;
    const { inner, slots } = trie.look(path);
    if (slots === null) {
      const children = inner.flatMap((digest, index) => (digest === null ? [] : [childOf(path, index)]));
      for (const child of children) giving.push({ path: child, except: except.filter(({ place }) => isUnder(child, place)) });
      continue;
    }
    for (const slot of slots) if (!isThere(trie, salt, slot, except)) gives.push({ key: trie.keyOf(slot), hops: 0 });
  }
};

const takeGives = ({ store }: RepairState, { gives, counts }: Exchange): { taken: Give[]; states: StateRecord[] } => {
  const [taken, states]: [Give[], StateRecord[]] = [[], []];
  let bytes = 0;
  while (gives.length > 0) {
    const give = gives.at(-1)!;
    const form = store.formOf(give.key);
    if (form !== null && form.byteLength <= max.formBytesMax) {
      const record: StateRecord = [give.key, form];
      if (bytes > 0 && bytes + recordBytes(record) > max.pageBytes) break;
      bytes += recordBytes(record);
      taken.push(give);
      states.push(record);
    } else if (form !== null) counts.oversized++;
    gives.pop();
  }
  counts.given += taken.length;
  return { taken, states };
};

const takePaths = ({ store: { trie } }: RepairState, { paths, salt }: Exchange): { taken: Path[]; statements: Statement[] } => {
  const [taken, statements]: [Path[], Statement[]] = [[], []];
  let bytes = 0;
  while (paths.length > 0) {
    const path = paths.at(-1)!;
    const statement = statementAt(trie, salt, path);
    if (bytes > 0 && bytes + statementBytes(statement) > max.pageBytes) break;
    bytes += statementBytes(statement);
    taken.push(path);
    statements.push(statement);
    paths.pop();
  }
  return { taken, statements };
};

const isIdle = ({ paths, giving, gives, wants }: Exchange): boolean =>
  paths.length + giving.length + gives.length + wants.length === 0;

const ask = (
  turn: RepairTurn,
  peer: PeerId,
  exchange: Exchange,
  underWay: UnderWay,
  told: { statements: Statement[]; states: StateRecord[] },
): void => {
  const { id, salt, counts } = exchange;
  const wants = underWay.wants.map(({ place }) => place);
  exchange.underWay.set(counts.asks, underWay);
  turn.sends.push({ to: peer, message: { type: 'ask', exchange: id, ask: counts.asks, salt, ...told, wants } });
  counts.asks++;
};

/** Asks on while there is something to ask; states before comparisons, so that little is remembered. */
const advance = (state: RepairState, turn: RepairTurn, peer: PeerId, exchange: Exchange): void => {
  const { counts, underWay } = exchange;
  if (exchange.takesOnly) exchange.giving.length = exchange.gives.length = 0;
  while (underWay.size < max.asksUnderWayMax && !isIdle(exchange)) {
    if (counts.asks >= max.asksMax || exchange.paths.length > max.pathsMax) {
      endExchange(state, turn, peer, 'cut');
      return;
    }
    expandGiving(state, exchange);
    const { taken: gives, states } = takeGives(state, exchange);
    const wants = exchange.wants.splice(-max.wantsPerAskMax);
    if (gives.length + wants.length > 0) {
      ask(turn, peer, exchange, { paths: [], wants, gives }, { statements: [], states });
      continue;
    }
    const { taken: paths, statements } = takePaths(state, exchange);
    if (paths.length > 0) ask(turn, peer, exchange, { paths, wants, gives }, { statements, states });
  }
  if (underWay.size > 0 || !isIdle(exchange)) return;
  endExchange(state, turn, peer, exchange.differs ? 'repaired' : 'same');
};

/** The first ask: both roots, in full. */
export const askFirst = ({ store: { trie } }: RepairState, turn: RepairTurn, peer: PeerId, exchange: Exchange): void => {
  exchange.movedMs = turn.nowMs;
  const statements: Statement[] = [{ type: 'whole', digest: trie.rootDigest.slice() }];
  ask(turn, peer, exchange, { paths: [root], wants: [], gives: [] }, { statements, states: [] });
};

/**
 * Wants these objects whatever comparisons say, at once if the exchange is under way. False: it wants so many that comparing everything
 * is the better way.
 */
export const askFor = (
  state: RepairState,
  turn: RepairTurn,
  peer: PeerId,
  exchange: Exchange,
  names: readonly string[],
): boolean => {
  if (exchange.wants.length + names.length > max.fetchedMax) return false;
  for (const name of names) exchange.wants.push({ place: state.store.trie.placeOfKey(name), promised: null, hops: 0 });
  exchange.differs = true;
  if (exchange.counts.asks > 0) advance(state, turn, peer, exchange);
  return true;
};

// ---------------------------------------------------------------- what is answered

const keyOfPlace = ({ high, low }: Place): string => `${high} ${low}`;

/** What the peer holds after it joined what was given: the same as here, or there is more to fetch. */
const learnHeld = (state: RepairState, exchange: Exchange, gives: readonly Give[], held: readonly Uint8Array[]): void => {
  const { salt, counts } = exchange;
  gives.forEach(({ key, hops }, index) => {
    const short = held[index]!;
    const place = state.store.trie.placeOfKey(key);
    const digest = digestHere(state, key, place);
    if (digest === null || sameShort(short, shortOf(salt, digest))) return;
    if (short.every((byte) => byte === 0)) counts.refused++;
    else if (hops >= max.hopsMax) counts.unequal++;
    else exchange.wants.push({ place, promised: [short], hops: hops + 1 });
  });
};

/** False: nobody asked for it. */
const learnState = (
  state: RepairState,
  { salt, counts, gives }: Exchange,
  wanted: ReadonlyMap<string, Want>,
  record: StateRecord,
): boolean => {
  const place = state.store.trie.placeOfKey(record[0]);
  const want = wanted.get(keyOfPlace(place));
  if (want === undefined) return false;
  const { end, came, isEqual } = joinState(state, record, place);
  if (end !== 'joined') {
    counts[end]++;
    return true;
  }
  counts.received++;
  const short = shortOf(salt, came);
  if (want.promised?.some((promise) => sameShort(promise, short)) === false) counts.unpromised++;
  if (isEqual) return true;
  if (want.hops >= max.hopsMax) counts.unequal++;
  else gives.push({ key: record[0], hops: want.hops + 1 });
  return true;
};

const learnItems = (state: RepairState, exchange: Exchange, path: Path, items: readonly Item[]): void => {
  const { trie } = state.store;
  const wants = new Map<string, Want & { promised: Uint8Array[] }>();
  for (const item of items) {
    if (isHere(trie, exchange.salt, item)) continue;
    const at = wants.get(keyOfPlace(item.place));
    if (at === undefined) wants.set(keyOfPlace(item.place), { place: item.place, promised: [item.short], hops: 0 });
    else at.promised.push(item.short);
  }
  exchange.wants.push(...wants.values());
  exchange.giving.push({ path, except: items });
};

const learnStatement = (state: RepairState, exchange: Exchange, statement: Statement): void => {
  if (statement.type === 'whole') return;
  if (statement.type === 'items') {
    learnItems(state, exchange, statement.path, statement.items);
    return;
  }
  for (const { path, there } of differencesAt(state.store.trie, exchange.salt, statement)) {
    if (there) exchange.paths.push(path);
    else exchange.giving.push({ path, except: [] });
  }
};

/** Each statement is about what was asked, or one of its children; none is made twice. */
const answersPaths = (paths: readonly Path[], statements: readonly Statement[]): boolean => {
  const nameOf = (path: Path): string => `${keyOfPlace(path)} ${path.depth}`;
  const open = new Set(paths.map(nameOf));
  const said = new Set<string>();
  return statements.every((statement) => {
    if (statement.type === 'whole') return false;
    const { path } = statement;
    const name = nameOf(path);
    if (said.has(name)) return false;
    said.add(name);
    return open.has(name) || (path.depth > 0 && open.has(nameOf(parentOf(path))));
  });
};

/** Whether it can be an answer to this: it says no more than was asked, and gets on. */
const isFitting = ({ paths, wants, gives }: UnderWay, answer: Answer): boolean => {
  const { statementsDone, wantsDone } = answer;
  if (statementsDone > paths.length || wantsDone > wants.length || answer.held.length !== gives.length) return false;
  if (paths.length + wants.length > 0 && statementsDone + wantsDone === 0) return false;
  return answersPaths(paths.slice(0, statementsDone), answer.statements);
};

export const onAnswer = (state: RepairState, turn: RepairTurn, from: PeerId, answer: Answer): void => {
  const exchange = state.exchanges.get(from);
  const underWay = exchange?.underWay.get(answer.ask);
  // Late, repeated, or of an earlier exchange.
  if (exchange === undefined || underWay === undefined || exchange.id !== answer.exchange) return;
  exchange.underWay.delete(answer.ask);
  exchange.movedMs = turn.nowMs;
  exchange.differs ||= answer.statements.length > 0;
  const { paths, wants, gives } = underWay;
  const done = wants.slice(0, answer.wantsDone);
  const wanted = new Map(done.map((want) => [keyOfPlace(want.place), want]));
  const isWelcome = isFitting(underWay, answer) && answer.states.every((record) => learnState(state, exchange, wanted, record));
  if (!isWelcome) {
    endExchange(state, turn, from, 'refused');
    return;
  }
  const came = new Set(answer.states.map(([key]) => keyOfPlace(state.store.trie.placeOfKey(key))));
  for (const at of wanted.keys()) if (!came.has(at)) exchange.counts.withheld++;
  exchange.paths.push(...paths.slice(answer.statementsDone));
  exchange.wants.push(...wants.slice(answer.wantsDone));
  learnHeld(state, exchange, gives, answer.held);
  for (const statement of answer.statements) learnStatement(state, exchange, statement);
  advance(state, turn, from, exchange);
};
