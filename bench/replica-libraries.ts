// Polity's types, Yjs and Automerge under one seam, each used as its own documentation advises.
import * as Automerge from '@automerge/automerge';
import * as Y from 'yjs';
import { randomFrom } from '../machines/random.ts';
import {
  beginExchange,
  change,
  createObjects,
  createRepair,
  createTurn,
  findObject,
  formOf,
  formRepairMessage,
  hear,
  hearState,
  type Objects,
  onRepairMessage,
  packedForm,
  parseRepairMessage,
  type RepairState,
  type RepairTurn,
  repairTurn,
  replicatedTypes,
  restore,
} from '../machines/replicator/index.ts';
import type { LwwMapView } from '../machines/replicator/lww-map.ts';
import type { SetView } from '../machines/replicator/or-set.ts';
import { pack, unpack } from '../machines/wire/envelope.ts';
import type { Edit, Read, Step } from './replica-edits.ts';

export interface Replicated {
  /** Does it here; answers what others must be told, one update or several. */
  edit(step: Step): Uint8Array[];
  hear(updates: readonly Uint8Array[]): void;
  /** Everything, as it would be stored. */
  state(): Uint8Array;
  read(): Read;
  close(): void;
}

export interface Library {
  /** Two that know nothing of what the other did lately tell each other; answers the bytes of all messages. */
  sync(one: Replicated, other: Replicated): number;
  /** `counters`: those that there will be. */
  open(replica: number, counters: readonly string[]): Replicated;
  load(state: Uint8Array): Replicated;
}

export type LibraryName = 'polity' | 'yjs' | 'automerge';

const byKey = <Value>(entries: Iterable<readonly [string, Value]>): (readonly [string, Value])[] =>
  [...entries].sort(([a], [b]) => (a < b ? -1 : 1));

// ---------------------------------------------------------------- Polity

const doc = 'doc';

const changeOf = (edit: Edit): [type: string, key: string, change: unknown] => {
  switch (edit.type) {
    case 'put':
      return ['lww-map', doc, edit];
    case 'count':
      return ['pn-counter', edit.key, { type: 'add', by: edit.by }];
    case 'add':
      return ['or-set', doc, edit];
    case 'discard':
      return ['or-set', doc, { type: 'remove', element: edit.element }];
    default:
      return ['text', doc, edit];
  }
};

class PolityReplica implements Replicated {
  readonly #objects: Objects;
  readonly repair: RepairState;

  constructor(objects: Objects) {
    this.#objects = objects;
    const formOf = (name: string): Uint8Array | null => packedForm(objects.all, name);
    const store = { trie: objects.trie, formOf, join: (name: string, form: Uint8Array) => this.#join(name, form) };
    this.repair = createRepair({ self: objects.replica, store, random: randomFrom(1) });
  }

  #join(name: string, form: Uint8Array): 'joined' | 'refused' {
    const slash = name.indexOf('/');
    const joined = hearState(
      this.#objects,
      Date.now(),
      [name.slice(0, slash), name.slice(slash + 1), unpack(form)],
      form.byteLength,
    );
    return typeof joined === 'object' ? 'refused' : 'joined';
  }

  edit(step: Step): Uint8Array[] {
    return step.flatMap((edit) => {
      const changed = change(this.#objects, Date.now(), ...changeOf(edit));
      if (!changed.ok) throw new Error(changed.failure.message);
      return changed.record === null ? [] : [pack(changed.record).slice()];
    });
  }

  hear(updates: readonly Uint8Array[]): void {
    for (const update of updates) {
      const heard = hear(this.#objects, Date.now(), unpack(update), update.byteLength);
      if (heard === 'gap' || typeof heard === 'object') throw new Error(`an update was not taken: ${JSON.stringify(heard)}`);
    }
  }

  state(): Uint8Array {
    return pack(Array.from(this.#objects.all.values(), formOf)).slice();
  }

  read(): Read {
    const read = (type: string): unknown => {
      const object = findObject(this.#objects, type, doc);
      return object?.type.read(object.state);
    };
    const counters = [...this.#objects.all.values()].filter(({ type }) => type.type === 'pn-counter');
    const entries = [
      ...((read('lww-map') as LwwMapView | undefined) ?? []),
      ...Array.from((read('or-set') as SetView | undefined) ?? [], (element) => [element, 1] as const),
      ...counters.map(({ type, key, state }) => [key, type.read(state)] as const),
    ] as [string, string | number][];
    return { text: (read('text') as string | undefined) ?? '', entries: byKey(entries) };
  }

  close(): void {}
}

/** An exchange of repair, as two nodes have it. */
const exchange = (one: RepairState, other: RepairState): number => {
  const both = new Map([one, other].map((state) => [state.self, state] as const));
  const waiting: { from: string; to: string; bytes: Uint8Array }[] = [];
  const turnOf = (state: RepairState, run: (turn: RepairTurn) => void): void => {
    const turn = createTurn(0);
    run(turn);
    for (const { to, message } of turn.sends)
      waiting.push({ from: state.self, to, bytes: pack(formRepairMessage(message)).slice() });
    for (const { outcome } of turn.ended) if (outcome !== 'repaired') throw new Error(`an exchange ended as ${outcome}`);
  };
  let bytes = 0;
  turnOf(one, (turn) => beginExchange(one, turn, other.self));
  while (one.exchanges.size > 0) {
    const message = waiting.shift();
    for (const state of message === undefined ? both.values() : []) turnOf(state, (turn) => repairTurn(state, turn));
    if (message === undefined) continue;
    bytes += message.bytes.byteLength;
    const state = both.get(message.to)!;
    turnOf(state, (turn) => onRepairMessage(state, turn, message.from, parseRepairMessage(unpack(message.bytes))!));
  }
  return bytes;
};

const polity: Library = {
  sync: (one, other) => exchange((one as PolityReplica).repair, (other as PolityReplica).repair),
  open: (replica) => new PolityReplica(createObjects(`replica-of-bench${replica}`.slice(-16), replicatedTypes)),
  load(state) {
    const objects = createObjects('replica-of-load0', replicatedTypes);
    for (const record of unpack(state) as unknown[]) if (!restore(objects, record)) throw new Error('no state');
    return new PolityReplica(objects);
  },
};

// ---------------------------------------------------------------- Yjs

/** Shared types of a document's top level, an update for each transaction. It has no counters: each replica has a key for its sum. */
class YjsReplica implements Replicated {
  readonly doc: Y.Doc;
  #told: Uint8Array[] = [];

  constructor(given: Y.Doc) {
    this.doc = given;
    given.on('update', (update: Uint8Array, origin: unknown) => {
      if (origin !== 'heard') this.#told.push(update);
    });
  }

  edit(step: Step): Uint8Array[] {
    this.doc.transact(() => {
      for (const edit of step) this.#make(edit);
    });
    const told = this.#told;
    this.#told = [];
    return told;
  }

  #make(edit: Edit): void {
    switch (edit.type) {
      case 'insert':
        return this.doc.getText('text').insert(edit.at, edit.content);
      case 'remove':
        return this.doc.getText('text').delete(edit.at, edit.count);
      case 'put':
        return void this.doc.getMap('map').set(edit.key, edit.value);
      case 'add':
        return void this.doc.getMap('set').set(edit.element, true);
      case 'discard':
        return this.doc.getMap('set').delete(edit.element);
      case 'count': {
        const counters = this.doc.getMap<number>('counters');
        const own = `${edit.key}/${this.doc.clientID}`;
        return void counters.set(own, (counters.get(own) ?? 0) + edit.by);
      }
    }
  }

  hear(updates: readonly Uint8Array[]): void {
    this.doc.transact(() => {
      for (const update of updates) Y.applyUpdate(this.doc, update, 'heard');
    }, 'heard');
  }

  state(): Uint8Array {
    return Y.encodeStateAsUpdate(this.doc);
  }

  read(): Read {
    const sums = new Map<string, number>();
    for (const [key, sum] of this.doc.getMap<number>('counters')) {
      const counter = key.slice(0, key.indexOf('/'));
      sums.set(counter, (sums.get(counter) ?? 0) + sum);
    }
    const elements = [...this.doc.getMap('set').keys()].map((element) => [element, 1] as const);
    const entries = [...this.doc.getMap<string>('map'), ...elements, ...sums];
    return { text: this.doc.getText('text').toString(), entries: byKey<string | number>(entries) };
  }

  close(): void {
    this.doc.destroy();
  }
}

const yjs: Library = {
  sync: (one, other) => {
    const docs = [(one as YjsReplica).doc, (other as YjsReplica).doc] as const;
    const seen = docs.map((each) => Y.encodeStateVector(each));
    const missing = docs.map((each, at) => Y.encodeStateAsUpdate(each, seen[1 - at]!));
    for (const [at, each] of docs.entries()) Y.applyUpdate(each, missing[1 - at]!, 'heard');
    return [...seen, ...missing].reduce((sum, { byteLength }) => sum + byteLength, 0);
  },
  open: () => new YjsReplica(new Y.Doc()),
  load(state) {
    const loaded = new Y.Doc();
    Y.applyUpdate(loaded, state, 'heard');
    return new YjsReplica(loaded);
  },
};

// ---------------------------------------------------------------- Automerge

type Content = {
  text: string;
  map: Record<string, string>;
  set: Record<string, number>;
  counters: Record<string, Automerge.Counter>;
};

/** Everybody begins with the same document, counters included: two that are made at the same time would be two. */
const blank = (counters: readonly string[]): Uint8Array => {
  const none: Content = {
    ...{ text: '', map: {}, set: {} },
    counters: Object.fromEntries(counters.map((key) => [key, new Automerge.Counter()])),
  };
  // Of one author and time, so that it is the same document wherever it is made.
  const actor = '0'.repeat(32);
  const made = Automerge.change(Automerge.init<Content>(actor), { time: 0 }, (draft) => Object.assign(draft, none));
  return Automerge.save(made);
};

class AutomergeReplica implements Replicated {
  doc: Automerge.Doc<Content>;

  constructor(given: Automerge.Doc<Content>) {
    this.doc = given;
  }

  edit(step: Step): Uint8Array[] {
    this.doc = Automerge.change(this.doc, (draft) => {
      for (const edit of step) this.#make(draft, edit);
    });
    const told = Automerge.getLastLocalChange(this.doc);
    return told === undefined ? [] : [told];
  }

  #make(draft: Content, edit: Edit): void {
    switch (edit.type) {
      case 'insert':
        return Automerge.splice(draft, ['text'], edit.at, 0, edit.content);
      case 'remove':
        return Automerge.splice(draft, ['text'], edit.at, edit.count);
      case 'put':
        draft.map[edit.key] = edit.value;
        return;
      case 'add':
        draft.set[edit.element] = 1;
        return;
      case 'discard':
        delete draft.set[edit.element];
        return;
      case 'count':
        draft.counters[edit.key]!.increment(edit.by);
        return;
    }
  }

  hear(updates: readonly Uint8Array[]): void {
    [this.doc] = Automerge.applyChanges(this.doc, [...updates]);
  }

  state(): Uint8Array {
    return Automerge.save(this.doc);
  }

  read(): Read {
    const { text, map, set, counters } = this.doc;
    const sums = Object.entries(counters).map(([key, counter]) => [key, counter.value] as const);
    const entries = [...Object.entries(map), ...Object.entries(set), ...sums];
    return { text, entries: byKey<string | number>(entries) };
  }

  close(): void {
    Automerge.free(this.doc);
  }
}

/** Its own protocol, until neither has anything to say. */
const syncDocuments = (docs: [AutomergeReplica, AutomergeReplica]): number => {
  const states = [Automerge.initSyncState(), Automerge.initSyncState()];
  let bytes = 0;
  for (let silent = 0, at = 0; silent < 2; at = 1 - at) {
    const [state, message] = Automerge.generateSyncMessage(docs[at]!.doc, states[at]!);
    states[at] = state;
    silent = message === null ? silent + 1 : 0;
    if (message === null) continue;
    bytes += message.byteLength;
    const peer = docs[1 - at]!;
    [peer.doc, states[1 - at]] = Automerge.receiveSyncMessage(peer.doc, states[1 - at]!, message);
  }
  return bytes;
};

const automerge: Library = {
  sync: (one, other) => syncDocuments([one as AutomergeReplica, other as AutomergeReplica]),
  open: (replica, counters) => new AutomergeReplica(Automerge.load<Content>(blank(counters), `${replica + 1}`.repeat(32))),
  load: (state) => new AutomergeReplica(Automerge.load<Content>(state)),
};

export const libraries: Record<LibraryName, Library> = { polity, yjs, automerge };
