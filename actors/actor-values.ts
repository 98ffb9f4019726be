// Events, replies and snapshots as plain data: what MessagePack carries, with references to actors as `{ $ref: 'type/key@node' }`, so that
// a reference in a message still works at the other side. What no message carries is refused by its path: nobody finds out only when the
// actor has moved to another machine. A value is copied only where something in it is another as plain data.
import type { AnyActorRef, Snapshot } from 'xstate';
import { type ActorAddress, addressText, isActorAddress, parseAddress } from '../machines/entity/address.ts';
import { type Failure, failure } from '../machines/errors.ts';
import { isWellFormed } from '../machines/wire/octets.ts';
import { refMark } from './actor-api.ts';
import type { Outcome } from './api.ts';
import { isHiddenPath, redacted, withoutSecrets } from './inspect-shown.ts';

export const valueLimits = {
  /** Lists and objects in each other. */
  depthMax: 64,
  /** Values in a value: a shared part counts wherever it is. */
  nodesMax: 1 << 20,
  pathCharsMax: 256,
  /** Of a path into a snapshot. */
  selectWordsMax: 32,
} as const;

/** A snapshot as those see it who look on from anywhere. `error`: { name, message } where it is an Error. */
export type PlainSnapshot = {
  status: Snapshot<unknown>['status'];
  value?: unknown;
  context?: unknown;
  output?: unknown;
  error?: unknown;
};

/** What stands for a child in a snapshot: XState writes it so, too. */
const childOf = (ref: AnyActorRef): unknown => ({ xstate$$type: 1, id: ref.id });

type Walk = {
  nodes: number;
  path: string;
  what: string;
  code: 'INVALID_REQUEST' | 'TOO_LARGE';
  readonly takesChildren: boolean;
};

const refused: unique symbol = Symbol('refused');

const refuse = (walk: Walk, what: string): typeof refused => {
  walk.what = what;
  return refused;
};

const isBare = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
};

const kindOf = (value: object): string => {
  const made: unknown = value.constructor;
  return typeof made === 'function' && made.name !== '' ? `a ${made.name}` : 'an object without a plain prototype';
};

const isChild = (value: object): value is AnyActorRef => {
  const { sessionId, id, getSnapshot } = value as Partial<AnyActorRef>;
  return typeof sessionId === 'string' && typeof id === 'string' && typeof getSnapshot === 'function';
};

/** Undefined: it is no reference. */
const referenceOf = (value: object): ActorAddress | undefined => (value as { [refMark]?: ActorAddress })[refMark];

const plainList = (walk: Walk, list: readonly unknown[], depth: number): unknown => {
  let made: unknown[] | null = null;
  for (let at = 0; at < list.length; at++) {
    const value = list[at];
    const plain = value === undefined ? refuse(walk, 'undefined in a list') : plainIn(walk, value, depth);
    if (plain === refused) {
      walk.path = `[${at}]${walk.path}`;
      return refused;
    }
    if (made !== null) made.push(plain);
    else if (plain !== value) made = [...list.slice(0, at), plain];
  }
  return made ?? list;
};

const plainRecord = (walk: Walk, record: Record<string, unknown>, depth: number): unknown => {
  let made: Record<string, unknown> | null = null;
  const keys = Object.keys(record);
  for (let at = 0; at < keys.length; at++) {
    const key = keys[at]!;
    const value = record[key];
    let plain: unknown;
    if (key === '__proto__') plain = refuse(walk, 'a property that no object may have');
    else if (!isWellFormed(key)) plain = refuse(walk, 'named by a text that is no Unicode');
    else plain = plainIn(walk, value, depth);
    if (plain === refused) {
      walk.path = `.${key}${walk.path}`;
      return refused;
    }
    // A property that is undefined is left out, as JSON does.
    if (made === null && (plain !== value || plain === undefined)) {
      made = {};
      for (const before of keys.slice(0, at)) made[before] = record[before];
    }
    if (made !== null && plain !== undefined) made[key] = plain;
  }
  return made ?? record;
};

const plainObject = (walk: Walk, value: object, depth: number): unknown => {
  if (depth >= valueLimits.depthMax) return refuse(walk, `more than ${valueLimits.depthMax} levels deep, or part of itself`);
  if (Array.isArray(value)) return plainList(walk, value, depth + 1);
  if (value instanceof Uint8Array) return value;
  const address = referenceOf(value);
  if (address !== undefined)
    return isActorAddress(address) ? { $ref: addressText(address) } : refuse(walk, 'a reference to no actor');
  if (isBare(value)) return plainRecord(walk, value as Record<string, unknown>, depth + 1);
  return walk.takesChildren && isChild(value) ? childOf(value) : refuse(walk, kindOf(value));
};

const plainIn = (walk: Walk, value: unknown, depth: number): unknown => {
  if (++walk.nodes > valueLimits.nodesMax) {
    walk.code = 'TOO_LARGE';
    return refuse(walk, `one of more than ${valueLimits.nodesMax} values`);
  }
  switch (typeof value) {
    case 'string':
      return isWellFormed(value) ? value : refuse(walk, 'a text that is no Unicode (a lone surrogate)');
    case 'number':
    case 'boolean':
    case 'undefined':
      return value;
    case 'object':
      return value === null ? null : plainObject(walk, value, depth);
    default:
      return refuse(walk, `a ${typeof value}`);
  }
};

const walked = (value: unknown, name: string, takesChildren: boolean): Outcome<unknown> => {
  const walk: Walk = { nodes: 0, path: '', what: '', code: 'INVALID_REQUEST', takesChildren };
  let plain: unknown;
  try {
    plain = plainIn(walk, value, 0);
  } catch {
    plain = refuse(walk, 'something that throws when it is read');
  }
  if (plain !== refused) return { ok: true, value: plain };
  const path = `${name}${walk.path}`.slice(0, valueLimits.pathCharsMax);
  return { ok: false, failure: failure(walk.code, `${path} is ${walk.what}, which no message carries`, { path }) };
};

/**
 * The same value if all of it is plain data, else one in which references are `{ $ref }`. `name` is what a refusal calls it: INVALID_REQUEST
 * (`event.items[3].when is a Date, which no message carries`) or TOO_LARGE, with `path`.
 */
export const plainOf = (value: unknown, name = 'it'): Outcome<unknown> => walked(value, name, false);

/** What was thrown, as far as it may leave its actor: no stack, no properties of its own. */
export const plainError = (error: unknown): unknown => {
  if (!(error instanceof Error)) {
    const plain = walked(error, 'error', true);
    return plain.ok ? plain.value : { name: 'Error', message: typeof error };
  }
  try {
    return { name: String(error.name), message: String(error.message) };
  } catch {
    return { name: 'Error', message: 'what was thrown cannot be read' };
  }
};

/** Its parts that people see, not looked at yet. */
const partsOf = (snapshot: Snapshot<unknown>): PlainSnapshot => {
  const { status, value, context, output, error } = snapshot as PlainSnapshot;
  return {
    status,
    ...(value === undefined ? {} : { value }),
    ...(context === undefined ? {} : { context }),
    ...(output === undefined ? {} : { output }),
    ...(error === undefined ? {} : { error: plainError(error) }),
  };
};

/** As plain data, children as XState writes them. Fails as `plainOf` does. */
export const snapshotOf = (snapshot: Snapshot<unknown>): Outcome<PlainSnapshot> =>
  walked(partsOf(snapshot), 'snapshot', true) as Outcome<PlainSnapshot>;

const parts: ReadonlySet<string> = new Set(['status', 'value', 'context', 'output', 'error']);

/** A path into a snapshot: `context.items.0.name`. */
export const isSelection = (path: unknown): path is string => {
  if (typeof path !== 'string' || path.length > valueLimits.pathCharsMax || !isWellFormed(path)) return false;
  const words = path.split('.');
  return parts.has(words[0]!) && words.length <= valueLimits.selectWordsMax && words.every((word) => word.length > 0);
};

/** What is there; undefined where nothing is. Only what a value has of its own is found. */
export const select = (value: unknown, path: string): unknown => {
  let at: unknown = value;
  for (const word of path.split('.')) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, word)) return undefined;
    at = (at as Record<string, unknown>)[word];
  }
  return at;
};

/** States' names are no secrets, whatever they are. */
const openParts: ReadonlySet<string> = new Set(['status', 'value']);

const hidden = ({ status, value, ...rest }: PlainSnapshot, redact: ReadonlySet<string>): unknown => ({
  status,
  ...(value === undefined ? {} : { value }),
  ...(withoutSecrets(rest, redact) as object),
});

const hiddenAt = (value: unknown, path: string, redact: ReadonlySet<string>): unknown => {
  const [part, ...words] = path.split('.');
  if (openParts.has(part!)) return value;
  return isHiddenPath(words, redact) ? redacted : withoutSecrets(value, redact);
};

/**
 * What a subscriber is shown: all of it, or what is at the path, which alone is looked at then. `redact`: he may not look on, and is not
 * shown what those who may not are not; null: he is shown everything.
 */
export const shownOf = (
  snapshot: Snapshot<unknown>,
  path: string | null,
  redact: ReadonlySet<string> | null = null,
): Outcome<unknown> => {
  const shown = allOf(snapshot, path);
  if (!shown.ok || redact === null || shown.value === undefined) return shown;
  const value = path === null ? hidden(shown.value as PlainSnapshot, redact) : hiddenAt(shown.value, path, redact);
  return { ok: true, value };
};

const allOf = (snapshot: Snapshot<unknown>, path: string | null): Outcome<unknown> => {
  if (path === null) return snapshotOf(snapshot);
  let selected: unknown;
  try {
    selected = select(partsOf(snapshot), path);
  } catch {
    return { ok: false, failure: failure('INVALID_REQUEST', `${path} throws when it is read`, { path }) };
  }
  return walked(selected, path, true);
};

/** Undefined: it is none. */
const writtenReference = (record: Record<string, unknown>, keys: readonly string[]): ActorAddress | undefined => {
  if (keys.length !== 1 || keys[0] !== '$ref') return undefined;
  return parseAddress(record.$ref) ?? undefined;
};

/**
 * What was made by `plainOf`, with references that work. Takes what has passed `plainOf` or came over the wire: deeper than the wire carries
 * it is left as it is.
 */
export const revive = (value: unknown, formRef: (address: ActorAddress) => unknown, depth = 0): unknown => {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array || depth > 2 * valueLimits.depthMax)
    return value;
  if (Array.isArray(value)) {
    let made: unknown[] | null = null;
    for (let at = 0; at < value.length; at++) {
      const one = revive(value[at], formRef, depth + 1);
      if (made === null && one !== value[at]) made = value.slice();
      if (made !== null) made[at] = one;
    }
    return made ?? value;
  }
  const record = value as Record<string, unknown>;
  const keys = Object.keys(record);
  const address = writtenReference(record, keys);
  if (address !== undefined) return formRef(address);
  let made: Record<string, unknown> | null = null;
  for (const key of keys) {
    const one = revive(record[key], formRef, depth + 1);
    if (made === null && one !== record[key]) made = { ...record };
    if (made !== null) made[key] = one;
  }
  return made ?? record;
};

/** The same as data: two values that a subscriber need not be told one after the other. */
export const isSame = (a: unknown, b: unknown, depth = 0): boolean => {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null || depth > 2 * valueLimits.depthMax)
    return false;
  if (a instanceof Uint8Array || b instanceof Uint8Array)
    return a instanceof Uint8Array && b instanceof Uint8Array && a.length === b.length && a.every((byte, at) => byte === b[at]);
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every(
    (key) =>
      Object.hasOwn(b, key) && isSame((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key], depth + 1),
  );
};

/** What no event may be that comes from outside: `xstate.done.actor.pay` says that something ended inside, which nobody else says. */
export const whyNoEvent = (event: unknown, typeCharsMax: number): Failure | null => {
  const type: unknown = typeof event === 'object' && event !== null ? (event as { type?: unknown }).type : undefined;
  if (typeof type !== 'string' || type.length === 0 || type.length > typeCharsMax)
    return failure('INVALID_REQUEST', `an event is an object with a type: a text of 1 to ${typeCharsMax} characters`);
  return type.startsWith('xstate.')
    ? failure('INVALID_REQUEST', "events whose type begins with 'xstate.' are XState's own")
    : null;
};

/** Of what is either an event, an address or bytes, or why there is none. */
export const isFailure = <Value>(value: Value | Failure): value is Failure =>
  typeof value === 'object' && value !== null && 'code' in value && 'message' in value && !('type' in value);
