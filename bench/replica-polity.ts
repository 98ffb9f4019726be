// Polity's types as they stand in a node, without its disk and network: machines/replicator, records packed as they are told, and repair.
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
import { byKey, type Edit, type Read, type Step } from './replica-edits.ts';
import type { Library, Replicated } from './replica-library.ts';

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
    const store = {
      trie: objects.trie,
      formOf: (name: string) => packedForm(objects.all, name),
      join: (name: string, form: Uint8Array) => this.#join(name, form),
    };
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

export const polity: Library = {
  sync: (one, other) => exchange((one as PolityReplica).repair, (other as PolityReplica).repair),
  open: (replica) => new PolityReplica(createObjects(`replica-of-bench${replica}`.slice(-16), replicatedTypes)),
  load(state) {
    const objects = createObjects('replica-of-load0', replicatedTypes);
    for (const record of unpack(state) as unknown[]) if (!restore(objects, record)) throw new Error('no state');
    return new PolityReplica(objects);
  },
};
