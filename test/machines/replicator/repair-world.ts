// Stores of a toy type, repaired over a wire that counts bytes and loses, repeats and reorders messages.
import assert from 'node:assert/strict';
import { nextBetween, type RandomState, randomFrom } from '../../../machines/random.ts';
import type { Place } from '../../../machines/replicator/places.ts';
import {
  beginExchange,
  createRepair,
  createTurn,
  formRepairMessage,
  onRepairMessage,
  parseRepairMessage,
  type RepairMessage,
  type RepairState,
  type RepairStore,
  type RepairTurn,
  repairTurn,
} from '../../../machines/replicator/reconcile.ts';
import { type Slot, Trie } from '../../../machines/replicator/trie.ts';
import { pack, unpack } from '../../../machines/wire/envelope.ts';

type Toy = { bits: number; slot: Slot };

/** Sets of numbers below 30, joined by union: some states know more than others, and some neither more nor less. */
export class ToyStore {
  readonly objects = new Map<string, Toy>();
  readonly trie: Trie;
  padding: Uint8Array;
  readonly buried = new Set<string>();
  refuses: (key: string) => boolean = () => false;
  /** What a join does besides joining, to be changed by a test. */
  meanwhile: (key: string) => void = () => {};

  constructor({ valueBytes = 8, placeOf }: { valueBytes?: number; placeOf?: (key: string) => Place } = {}) {
    const formOf = (key: string): Uint8Array | null => this.formOf(key);
    this.trie = new Trie(placeOf === undefined ? { formOf } : { formOf, placeOf });
    this.padding = new Uint8Array(valueBytes).fill(7);
  }

  readonly formOf = (key: string): Uint8Array | null => {
    const object = this.objects.get(key);
    if (object === undefined) return null;
    const form = new Uint8Array(4 + this.padding.byteLength);
    new DataView(form.buffer).setUint32(0, object.bits);
    form.set(this.padding, 4);
    return form;
  };

  readonly join = (key: string, form: Uint8Array): 'joined' | 'unwanted' | 'refused' => {
    if (form.byteLength < 4 || this.refuses(key)) return 'refused';
    if (this.buried.has(key)) return 'unwanted';
    this.add(key, new DataView(form.buffer, form.byteOffset).getUint32(0));
    this.meanwhile(key);
    return 'joined';
  };

  add(key: string, bits: number): void {
    const object = this.objects.get(key);
    if (object === undefined) this.objects.set(key, { bits, slot: this.trie.add(key) });
    else if ((object.bits | bits) !== object.bits) {
      object.bits |= bits;
      this.trie.touch(object.slot);
    }
  }

  drop(key: string): void {
    const object = this.objects.get(key);
    if (object !== undefined) this.trie.remove(object.slot);
    this.objects.delete(key);
  }

  /** A few keys of which the two know different things. */
  unlike({ objects }: ToyStore): string[] {
    const keys = [...new Set([...this.objects.keys(), ...objects.keys()])];
    const unlike = keys.filter((key) => this.objects.get(key)?.bits !== objects.get(key)?.bits);
    return unlike.slice(0, 5).map((key) => `${key}: ${this.objects.get(key)?.bits}, ${objects.get(key)?.bits}`);
  }
}

type Letter = { from: string; to: string; bytes: Uint8Array; type: RepairMessage['type'] };

export class RepairWorld<Store extends RepairStore = ToyStore> {
  readonly sides = new Map<string, RepairState>();
  readonly stores = new Map<string, Store>();
  readonly ended: (RepairTurn['ended'][number] & { at: string })[] = [];
  readonly random: RandomState;
  letters: Letter[] = [];
  nowMs = 0;
  /** Of a hundred messages. */
  lost = 0;
  repeated = 0;
  reorders = false;
  bytes = 0;
  messages = 0;
  largest = 0;

  constructor(stores: Record<string, Store>, seed = 1) {
    this.random = randomFrom(seed);
    for (const [name, store] of Object.entries(stores)) this.join(name, store);
  }

  /** Also after a restart, which keeps the store alone. */
  join(name: string, store: Store): void {
    this.stores.set(name, store);
    const random = randomFrom(nextBetween(this.random, 1, 2 ** 31));
    this.sides.set(name, createRepair({ self: name, store, random }));
  }

  side(name: string): RepairState {
    return this.sides.get(name)!;
  }

  act(name: string, what: (state: RepairState, turn: RepairTurn) => void): void {
    const turn = createTurn(this.nowMs);
    what(this.side(name), turn);
    for (const { to, message } of turn.sends) this.post(name, to, message);
    for (const end of turn.ended) this.ended.push({ at: name, ...end });
  }

  begin(from: string, to: string): void {
    this.act(from, (state, turn) => beginExchange(state, turn, to));
  }

  post(from: string, to: string, message: RepairMessage): void {
    const bytes = pack(formRepairMessage(message)).slice();
    this.bytes += bytes.byteLength;
    this.messages++;
    this.largest = Math.max(this.largest, bytes.byteLength);
    const copies = this.chance(this.lost) ? 0 : this.chance(this.repeated) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) this.letters.push({ from, to, bytes, type: message.type });
  }

  /** Delivers until nothing is under way, then lets time pass until nothing is waited for. */
  settle(stepsMax = 100_000, mustEnd = true): void {
    for (let step = 0; step < stepsMax; step++) {
      const at = this.reorders ? nextBetween(this.random, 0, Math.max(1, this.letters.length)) : 0;
      const [letter] = this.letters.splice(at, 1);
      if (letter !== undefined) this.deliver(letter);
      else if ([...this.sides.values()].some(({ exchanges, waiting }) => exchanges.size + waiting.size > 0)) this.wait(1_000);
      else return;
    }
    if (mustEnd) assert.fail('it never ends');
  }

  wait(ms: number): void {
    this.nowMs += ms;
    for (const name of this.sides.keys()) this.act(name, repairTurn);
  }

  deliver({ from, to, bytes }: Letter): void {
    if (!this.sides.has(to)) return;
    const message = parseRepairMessage(unpack(bytes.slice()));
    assert.ok(message !== null, 'its own message is none');
    this.act(to, (state, turn) => onRepairMessage(state, turn, from, message));
  }

  chance(percent: number): boolean {
    return percent > 0 && nextBetween(this.random, 0, 100) < percent;
  }

  /** One exchange with nothing lost; how it ended, and what it cost. */
  exchange(from: string, to: string): { outcome: string; bytes: number; messages: number } {
    const [bytes, messages] = [this.bytes, this.messages];
    this.begin(from, to);
    this.settle();
    return { outcome: this.ended.at(-1)!.outcome, bytes: this.bytes - bytes, messages: this.messages - messages };
  }
}
