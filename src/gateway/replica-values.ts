// Replicated objects as JSON: which one a request asks for, and what it is here now. A value has a limit, since a set of a million
// elements is an answer that would hold up everything else; who has such sets reads them in a program (`node.replica`).
import type { ReplicaApi } from '../../actors/api.ts';
import type { LwwMapView } from '../../machines/replicator/lww-map.ts';
import type { InsideType as MachineInside, OrMapView } from '../../machines/replicator/or-map.ts';
import type { SetView } from '../../machines/replicator/or-set.ts';
import type { Sibling } from '../../machines/replicator/register.ts';
import { resolve, type strategyNames } from '../../machines/replicator/strategies.ts';
import type { Plain } from '../../machines/replicator/types.ts';
import { stampMs } from '../../machines/versions/hybrid-clock.ts';
import { jsonTextOf, machineTypes, type ReplicaType, replicaTypeOf } from '../replica-json.ts';
import type { GatewayLimits } from './limits.ts';
import { refuse } from './query.ts';

export type StrategyName = (typeof strategyNames)[number];

export type AskedObject = {
  type: ReplicaType;
  key: string;
  /** Keys from a tree down to what is asked for; none: the object itself. */
  at: readonly string[];
  /** One key of a map. */
  entry: string | undefined;
  /** Which of a register's siblings are shown. */
  conflicts: StrategyName;
};

export type ValueLimits = Pick<GatewayLimits, 'replicaItemsMax' | 'replicaCharsMax'>;

/** What is left of the limits while a value is written. */
class Room {
  readonly #limits: ValueLimits;
  #items: number;
  #chars: number;

  constructor(limits: ValueLimits) {
    this.#limits = limits;
    this.#items = limits.replicaItemsMax;
    this.#chars = limits.replicaCharsMax;
  }

  items(count: number): void {
    this.#items -= count;
    if (this.#items >= 0) return;
    refuse(`it has more than ${this.#limits.replicaItemsMax} items, too many for one answer`, 'TOO_LARGE');
  }

  text(text: string): string {
    this.#chars -= text.length;
    if (this.#chars >= 0) return text;
    return refuse(`it is longer than ${this.#limits.replicaCharsMax} characters of JSON`, 'TOO_LARGE');
  }

  list(values: readonly Plain[]): string {
    return `[${values.map((value) => this.text(jsonTextOf(value))).join()}]`;
  }

  record(fields: Iterable<readonly [string, string]>): string {
    return `{${Array.from(fields, ([name, json]) => `${this.text(JSON.stringify(name))}:${json}`).join()}}`;
  }
}

/** The tree that holds what is asked for, or undefined. */
const parentOf = (api: ReplicaApi, { key, at }: AskedObject): OrMapView | undefined => {
  let view = api.read(machineTypes.tree, key) as OrMapView | undefined;
  for (const step of at.slice(0, -1)) view = view?.get('or-map', step);
  return view;
};

/** What its type reads, or undefined where nothing is known. */
export const readObject = (api: ReplicaApi, asked: AskedObject): unknown =>
  asked.at.length === 0
    ? api.read(machineTypes[asked.type], asked.key)
    : parentOf(api, asked)?.get(machineTypes[asked.type] as MachineInside, asked.at.at(-1)!);

/** Undefined: it was cleared. */
const textOfRead = (type: ReplicaType, read: unknown, conflicts: StrategyName, room: Room): string | undefined => {
  switch (type) {
    case 'register': {
      const value = resolve(read as readonly Sibling[], conflicts);
      return value === undefined ? undefined : room.text(jsonTextOf(value));
    }
    case 'latest':
      return read === undefined ? undefined : room.text(jsonTextOf(read as Plain));
    case 'set': {
      const view = read as SetView;
      room.items(view.size);
      return room.list(view.sorted());
    }
    case 'map': {
      const view = read as LwwMapView;
      room.items(view.size);
      return room.record(view.sorted().map(([key, value]) => [key, room.text(jsonTextOf(value))]));
    }
    case 'tree':
      return textOfTree(read as OrMapView, conflicts, room);
    case 'list': {
      const values = read as readonly Plain[];
      room.items(values.length);
      return room.list(values);
    }
    default:
      return room.text(jsonTextOf(read as number | boolean | string));
  }
};

/** By type, then by key: under one key each type is an object of its own. */
const textOfTree = (view: OrMapView, conflicts: StrategyName, room: Room): string => {
  room.items(view.size);
  const types = new Map<ReplicaType, [string, string][]>();
  for (const [of, key, read] of view.sorted()) {
    const type = replicaTypeOf(of)!;
    const json = textOfRead(type, read, conflicts, room);
    if (json === undefined) continue;
    const keys = types.get(type);
    if (keys === undefined) types.set(type, [[key, json]]);
    else keys.push([key, json]);
  }
  return room.record(Array.from(types, ([type, keys]) => [type, room.record(keys)]));
};

const textOfSiblings = (siblings: readonly Sibling[], room: Room): string => {
  const texts = siblings.map(([replica, , stamp, value]) =>
    room.text(`{"value":${jsonTextOf(value)},"replica":${JSON.stringify(replica)},"atMs":${stampMs(stamp)}}`),
  );
  return `[${texts.join()}]`;
};

/** Which object it is, as the beginning of an object in JSON. */
export const headOf = ({ type, key, at, entry }: AskedObject): string =>
  `{"type":"${type}","key":${JSON.stringify(key)}${at.length === 0 ? '' : `,"at":${JSON.stringify(at)}`}${
    entry === undefined ? '' : `,"entry":${JSON.stringify(entry)}`
  }`;

/** The object as it is here now; null: nothing is known of it, or it was cleared. */
export const objectJson = (api: ReplicaApi, asked: AskedObject, limits: ValueLimits): string | null => {
  const read = readObject(api, asked);
  if (read === undefined) return null;
  const room = new Room(limits);
  const { type, entry, conflicts } = asked;
  if (entry !== undefined) {
    const value = (read as LwwMapView).get(entry);
    return value === undefined ? null : `${headOf(asked)},"value":${room.text(jsonTextOf(value))}}`;
  }
  const value = textOfRead(type, read, conflicts, room);
  if (value === undefined) return null;
  if (type !== 'register') return `${headOf(asked)},"value":${value}}`;
  const siblings = read as readonly Sibling[];
  const shown = siblings.length > 1 ? `,"siblings":${textOfSiblings(siblings, room)}` : '';
  return `${headOf(asked)},"value":${value},"conflicts":"${conflicts}"${shown}}`;
};
