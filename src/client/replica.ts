// Replicated data as seen from a program that is no member: what one node has heard of it, which asks no other. With several urls, the
// node that answered last goes on being asked; another may know less, or more.
import type { ReplicasView } from '../../actors/api.ts';
import { failure } from '../../machines/errors.ts';
import { replicatorLimits } from '../../machines/replicator/limits.ts';
import { isPlain } from '../../machines/replicator/plain.ts';
import type { Plain } from '../../machines/replicator/types.ts';
import { PolityError } from '../errors.ts';
import { type InsideType, isInsideType, isReplicaType, jsonTextOf, plainOf, type ReplicaType } from '../replica-json.ts';
import type { Attempted, Attempts } from './attempts.ts';
import { isFields } from './entry.ts';
import type { Call } from './http.ts';
import { encode, invalid, queryOf } from './query.ts';
import { fieldsOfEvent, openEvents } from './stream.ts';

export type { Plain } from '../../machines/replicator/types.ts';
export type { InsideType, ReplicaType } from '../replica-json.ts';

type Register = { value: Plain; change: { type: 'set'; value: Plain } | { type: 'clear' } };
type Counter = { value: number; change: { type: 'add'; by?: number } };
type Flag = { value: boolean; change: { type: 'enable' | 'disable' } };
type Sequence<Content> =
  /** Without `at`: at the end. */
  { type: 'insert'; at?: number; content: Content } | { type: 'remove'; at: number; count?: number };

/** By type, what it is read as and how it is changed. */
export interface ReplicaTypes {
  register: Register;
  latest: Register;
  counter: Counter;
  tally: Counter;
  flag: Flag;
  'off-flag': Flag;
  set: { value: Plain[]; change: { type: 'add' | 'remove'; element: Plain } | { type: 'clear' } };
  map: {
    value: Map<string, Plain>;
    change: { type: 'put'; key: string; value: Plain } | { type: 'remove'; key: string };
  };
  tree: { value: ReplicaTree; change: TreeChange };
  list: { value: Plain[]; change: Sequence<readonly Plain[]> };
  text: { value: string; change: Sequence<string> };
}

/** By type, then by key: under one key each type is something of its own. */
export type ReplicaTree = { [Of in InsideType]?: Map<string, ReplicaTypes[Of]['value']> };

export type TreeChange =
  | { [Of in InsideType]: { type: 'update'; of: Of; key: string; change: ReplicaTypes[Of]['change'] } }[InsideType]
  | { type: 'remove'; of: InsideType; key: string }
  | { type: 'clear' };

export type ReplicaSibling = { value: Plain; replica: string; atMs: number };

export type ReplicaValue<Of extends ReplicaType> = {
  type: Of;
  key: string;
  value: ReplicaTypes[Of]['value'];
  /** All values of a register that has several. */
  siblings?: ReplicaSibling[];
};

/** What a change answers: the number or switch that came of it. */
export type ReplicaChanged<Of extends ReplicaType> = ReplicaTypes[Of]['value'] extends number | boolean
  ? ReplicaTypes[Of]['value']
  : undefined;

export type ReplicaConflicts = 'last-writer' | 'highest-node' | 'union' | 'keep-all';

export type ReplicaCallOptions = { timeoutMs?: number; signal?: AbortSignal };
/** `at`: keys from the tree of this name down to what is meant. */
export type ReplicaPlace = { at?: readonly string[] };
export type ReplicaReadOptions = ReplicaPlace & {
  /** Which of a register's siblings is the value; 'last-writer' if nothing is said. */
  conflicts?: ReplicaConflicts;
};

export type ReplicaName = { type: ReplicaType; key: string };
export type ReplicaListing =
  | { type?: ReplicaType; prefix?: string; after?: ReplicaName; limit?: number; key?: never }
  | { key: string; type?: never; prefix?: never; after?: never; limit?: never };

/** Rejections are PolityErrors: INVALID_REQUEST, TOO_LARGE, OVERLOADED, NOT_READY, UNREACHABLE … */
export interface ReplicaClient {
  /** As it is at the node that answers; null: nothing is known there, or it was cleared. */
  get<Of extends ReplicaType>(
    type: Of,
    key: string,
    options?: ReplicaReadOptions & ReplicaCallOptions,
  ): Promise<ReplicaValue<Of> | null>;
  /** One value of a map; null: there is none. */
  entry(key: string, entry: string, options?: ReplicaCallOptions): Promise<{ value: Plain } | null>;
  /**
   * Resolves when it is on the disk of the node that answers. After OUTCOME_UNKNOWN it may have happened: it is not repeated by itself,
   * since an `add` or `insert` that is made twice counts twice.
   */
  change<Of extends ReplicaType>(
    type: Of,
    key: string,
    change: ReplicaTypes[Of]['change'],
    options?: ReplicaPlace & ReplicaCallOptions,
  ): Promise<ReplicaChanged<Of>>;
  /** What it is, at once and after it changed, for ever; null: nothing is known. Who is slow misses values in between, never the last. */
  watch<Of extends ReplicaType>(
    type: Of,
    key: string,
    options?: ReplicaReadOptions & { signal?: AbortSignal },
  ): AsyncIterable<ReplicaValue<Of> | null>;
  /**
   * A page of the objects at the node that answers, by type and key: at most `limit` (1 to 1000, default 100) `after` one of these. A page
   * of fewer is the last. Or the objects that have exactly this `key`.
   */
  list(wanted?: ReplicaListing & ReplicaCallOptions): Promise<ReplicaName[]>;
  /** Who takes part in the rounds by which removed things are forgotten, as the node that answers knows it. */
  replicas(options?: ReplicaCallOptions): Promise<ReplicasView>;
  /**
   * For good: nobody takes anything of this replica any more. By its id, or its node's name; rejects with NOT_FOUND. What only it had may
   * be lost.
   */
  retire(named: string, options?: ReplicaCallOptions): Promise<{ replica: string; name: string }>;
  /** What the node that answers holds. */
  summary(options?: ReplicaCallOptions): Promise<Record<string, unknown>>;
}

type Fields = Record<string, unknown>;

export type ReplicaPorts = {
  run: (attempted: Attempted, options: ReplicaCallOptions) => Promise<Fields>;
  /** Of its own, so that a watch moves from node to node without moving the other calls. */
  attempts: () => Attempts;
};

const pathOf = (what: 'get' | 'watch', type: ReplicaType, key: string): string => {
  if (key === '') throw invalid('the key must not be empty');
  return `/v1/replica/${what === 'watch' ? 'watch/' : ''}${encode('the type', type)}/${encode('the key', key)}`;
};

const placeOf = ({ at = [] }: ReplicaPlace): string | undefined =>
  at.length === 0 ? undefined : at.map((step) => encode('a key in at', step)).join('/');

const readingOf = (options: ReplicaReadOptions) => ({ at: placeOf(options), conflicts: options.conflicts });

// ---------------------------------------------------------------- values

const plainsOf = (value: unknown): Plain[] => (value as unknown[]).map((one) => plainOf(one));

const entriesOf = <Value>(fields: unknown, as: (value: unknown) => Value): Map<string, Value> =>
  new Map(Object.entries(fields as Fields).map(([key, value]) => [key, as(value)]));

const treeOf = (fields: unknown): ReplicaTree => {
  const tree: Record<string, unknown> = {};
  for (const [of, keys] of Object.entries(fields as Fields))
    if (isInsideType(of)) tree[of] = entriesOf(keys, (value) => readOf(of, value));
  return tree as ReplicaTree;
};

/** As its type is read; throws for what no node of ours says. */
const readOf = (type: ReplicaType, value: unknown): unknown => {
  switch (type) {
    case 'set':
    case 'list':
      return plainsOf(value);
    case 'map':
      return entriesOf(value, (one) => plainOf(one));
    case 'tree':
      return treeOf(value);
    default:
      return plainOf(value);
  }
};

const siblingsOf = (siblings: unknown): ReplicaSibling[] =>
  (siblings as Fields[]).map(({ value, replica, atMs }) => ({
    ...{ value: plainOf(value), replica: String(replica), atMs: Number(atMs) },
  }));

/** Fields of an answer or event. */
const objectOf = <Of extends ReplicaType>(type: Of, { key, value, conflicts, siblings }: Fields): ReplicaValue<Of> => {
  try {
    return {
      ...{ type, key: String(key) },
      value: (conflicts === 'keep-all' ? plainsOf(value) : readOf(type, value)) as ReplicaTypes[Of]['value'],
      ...(siblings === undefined ? {} : { siblings: siblingsOf(siblings) }),
    };
  } catch (error) {
    throw new PolityError(failure('INTERNAL', `a node answered with what is no ${type}`), { cause: error });
  }
};

/** A value may be as deep in a change as alone. */
const changeDepth = -(replicatorLimits.mapsDepthMax + 1);

const bodyOf = (change: unknown): Uint8Array => {
  if (!isPlain(change, changeDepth)) throw invalid('the change holds what is no plain data');
  return new TextEncoder().encode(jsonTextOf(change));
};

// ---------------------------------------------------------------- calls

class HttpReplica implements ReplicaClient {
  readonly #ports: ReplicaPorts;

  constructor(ports: ReplicaPorts) {
    this.#ports = ports;
  }

  #read(path: string, options: ReplicaCallOptions): Promise<Fields> {
    return this.#ports.run({ call: () => ({ method: 'GET', path }), effect: false, repeatable: true }, options);
  }

  async #readIfThere(path: string, options: ReplicaCallOptions): Promise<Fields | null> {
    try {
      return await this.#read(path, options);
    } catch (error) {
      if (error instanceof PolityError && error.code === 'KEY_NOT_FOUND') return null;
      throw error;
    }
  }

  async get<Of extends ReplicaType>(type: Of, key: string, options: ReplicaReadOptions & ReplicaCallOptions = {}) {
    const fields = await this.#readIfThere(`${pathOf('get', type, key)}${queryOf(readingOf(options))}`, options);
    return fields === null ? null : objectOf(type, fields);
  }

  async entry(key: string, entry: string, options: ReplicaCallOptions = {}) {
    const query = queryOf({ entry: encode('the entry', entry) });
    const fields = await this.#readIfThere(`${pathOf('get', 'map', key)}${query}`, options);
    return fields === null ? null : { value: objectOf('latest', fields).value };
  }

  async change<Of extends ReplicaType>(
    type: Of,
    key: string,
    change: ReplicaTypes[Of]['change'],
    options: ReplicaPlace & ReplicaCallOptions = {},
  ) {
    const path = pathOf('get', type, key);
    const body = bodyOf(change);
    const at = placeOf(options);
    const call = (timeLimitMs: number): Call => ({
      ...{ method: 'POST', path: `${path}${queryOf({ at, 'timeout-ms': timeLimitMs })}`, body },
    });
    const { value } = await this.#ports.run({ call, effect: true, repeatable: false }, options);
    return value as ReplicaChanged<Of>;
  }

  async *watch<Of extends ReplicaType>(type: Of, key: string, options: ReplicaReadOptions & { signal?: AbortSignal } = {}) {
    const path = `${pathOf('watch', type, key)}${queryOf(readingOf(options))}`;
    let last = '';
    for await (const sent of openEvents(this.#ports.attempts(), { path: () => path, signal: options.signal })) {
      const fields = fieldsOfEvent(sent);
      // The same at another node is no news.
      if (sent.data === last || !isFields(fields)) continue;
      last = sent.data;
      if (sent.event === 'nothing') yield null;
      else if (sent.event === 'value') yield objectOf(type, fields);
    }
  }

  async list(wanted: ReplicaListing & ReplicaCallOptions = {}) {
    const { type, prefix, after, limit, key } = wanted;
    const query = queryOf({
      ...{ type: type === undefined ? undefined : encode('the type', type), limit },
      prefix: prefix === undefined ? undefined : encode('the prefix', prefix),
      after: after === undefined ? undefined : `${encode('the type', after.type)}/${encode('the key', after.key)}`,
      key: key === undefined ? undefined : encode('the key', key),
    });
    const { items } = await this.#read(`/v1/replica${query}`, wanted);
    if (!Array.isArray(items)) return [];
    // Types that only a later version knows are left out.
    return items
      .filter(isFields)
      .flatMap(({ type: of, key: name }) => (isReplicaType(of) ? [{ type: of, key: String(name) }] : []));
  }

  async replicas(options: ReplicaCallOptions = {}): Promise<ReplicasView> {
    const { replica, standing, round, stable, replicas } = await this.#read('/v1/replicas', options);
    const rows = Array.isArray(replicas) ? replicas.filter(isFields) : [];
    return { replica, standing, round, stable, replicas: rows } as ReplicasView;
  }

  async retire(named: string, options: ReplicaCallOptions = {}): Promise<{ replica: string; name: string }> {
    const path = `/v1/replicas/${encode('the replica', named)}/retire`;
    const call = (): Call => ({ method: 'POST', path });
    const { replica, name } = await this.#ports.run({ call, effect: true, repeatable: false }, options);
    return { replica: String(replica), name: String(name) };
  }

  summary(options: ReplicaCallOptions = {}): Promise<Fields> {
    return this.#read('/v1/replica/summary', options);
  }
}

export const createReplica = (ports: ReplicaPorts): ReplicaClient => new HttpReplica(ports);
