// Keys of a replicated actor in the keyspace of its group:
//   a<type/key> 0 h           what is known of it but for what follows
//   a<type/key> 0 s           its state, packed
//   a<type/key> 0 o<u64><u32> an effect that is to be run: entry and number
//   a<type/key> 0 b<u64>      a step that this replica has not folded, by its number
//   a<type/key> 0 d<u32>      delivery ids, so many to a record
//   a<type/key> 0 a           what was answered last
import { requireRegister } from '../register/fault.ts';
import { allocate, readUtf8, utf8Length, writeUtf8 } from '../wire/octets.ts';
import type { ActorName, EffectId } from './ledger-types.ts';

export const actorKind = 0x61;
const part = { head: 0x68, state: 0x73, effect: 0x6f, step: 0x62, window: 0x64, answers: 0x61 } as const;
const keyOf = (name: ActorName, kind: number, more: number): Uint8Array => {
  const length = utf8Length(name);
  const key = allocate(length + 3 + more);
  key[0] = actorKind;
  writeUtf8(name, key, 1);
  key[length + 2] = kind;
  return key;
};

const numbered = (name: ActorName, kind: number, first: number, second: number | null): Uint8Array => {
  const key = keyOf(name, kind, second === null ? 8 : 12);
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
  const at = key.byteLength - (second === null ? 8 : 12);
  view.setUint32(at, Math.floor(first / 0x1_0000_0000));
  view.setUint32(at + 4, first >>> 0);
  if (second !== null) view.setUint32(at + 8, second);
  return key;
};

export const headKey = (name: ActorName): Uint8Array => keyOf(name, part.head, 0);
export const stateKey = (name: ActorName): Uint8Array => keyOf(name, part.state, 0);
export const answersKey = (name: ActorName): Uint8Array => keyOf(name, part.answers, 0);
export const effectRecordKey = (name: ActorName, { index, n }: EffectId): Uint8Array => numbered(name, part.effect, index, n);
export const stepKey = (name: ActorName, seq: number): Uint8Array => numbered(name, part.step, seq, null);
export const windowKey = (name: ActorName, share: number): Uint8Array => numbered(name, part.window, share, null);

/** The name, if this is the key of a head. */
export const nameInHead = (key: Uint8Array): ActorName | null => {
  const end = key.indexOf(0);
  requireRegister(end > 1 && end + 1 < key.byteLength, 'KEYSPACE_SOUND', 'a record of an actor has a malformed key');
  if (key[end + 1] !== part.head || key.byteLength !== end + 2) return null;
  const name = readUtf8(key, 1, end);
  requireRegister(name !== null, 'KEYSPACE_SOUND', 'a record of an actor has a key that is not UTF-8');
  return name;
};
