// What nodes say to each other for those who look on: questions with their answers, at the address `inspect` of the calls lane. What a
// member answers is checked like anything that comes from outside, and is his own word: it is told as seen at his node.
import { type ActorAddress, isActorAddress, isActorType, parseAddress } from '../machines/entity/address.ts';
import { errorTable, type Failure, failure } from '../machines/errors.ts';
import { pack } from '../machines/wire/envelope.ts';
import type { Outcome } from './api.ts';
import {
  type ActorDescription,
  type InspectBatch,
  type InspectItem,
  type InspectQuery,
  inspectLimits,
  type ListedActor,
} from './inspect-api.ts';
import { type Chart, chartLimits } from './inspect-chart.ts';
import type { LocalWanted } from './inspect-follow.ts';

export const inspectAddress = 'inspect';

/** An answer larger than this is made smaller, as far as it is a list. */
export const answerBytesMax = 1 << 20;

const failureCharsMax = 1_000;
const prefixCharsMax = 256;
const afterCharsMax = 1_024;

// ---------------------------------------------------------------- plain data of others

type Budget = { nodes: number };

const nodesMax = 100_000;

/** As JSON would carry it, whatever MessagePack carried. */
const plainIn = (value: unknown, budget: Budget = { nodes: nodesMax }, depth = 0): unknown => {
  if (--budget.nodes < 0 || depth > chartLimits.depthMax + 4) return null;
  if (typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value !== 'object' || value === null) return null;
  if (Array.isArray(value)) return value.map((item) => plainIn(item, budget, depth + 1));
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  const fields: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(value)) if (name !== '__proto__') fields[name] = plainIn(field, budget, depth + 1);
  return fields;
};

type Fields = Record<string, unknown>;

const fieldsOf = (value: unknown): Fields | null =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : null;

const isText = (value: unknown, charsMax: number): value is string => typeof value === 'string' && value.length <= charsMax;
const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);
const isAddressText = (value: unknown): value is string => parseAddress(value) !== null;

// ---------------------------------------------------------------- outcomes

export const formOutcome = (outcome: Outcome<unknown>): unknown =>
  outcome.ok ? ['ok', outcome.value] : ['failed', outcome.failure.code, outcome.failure.message.slice(0, failureCharsMax)];

/** Null: it is none. */
export const parseOutcome = <Value>(body: unknown, parse: (value: unknown) => Value | null): Outcome<Value> | null => {
  if (!Array.isArray(body)) return null;
  const [how, first, message] = body as unknown[];
  if (how === 'ok') {
    const value = parse(first);
    return value === null ? null : { ok: true, value };
  }
  if (how !== 'failed' || typeof first !== 'string' || !Object.hasOwn(errorTable, first) || !isText(message, failureCharsMax))
    return null;
  return { ok: false, failure: failure(first as Failure['code'], message) };
};

// ---------------------------------------------------------------- lists

export type CheckedQuery = { type: string | null; prefix: string; after: string | null; limit: number };

/** What is wrong with it, or all of it. */
export const checkQuery = ({ type, prefix, after, limit }: InspectQuery): Outcome<CheckedQuery> => {
  const refuse = (message: string): Outcome<CheckedQuery> => ({ ok: false, failure: failure('INVALID_REQUEST', message) });
  if (type !== undefined && !isActorType(type)) return refuse(`'${String(type).slice(0, 40)}' is no type of actors`);
  if (prefix !== undefined && !isText(prefix, prefixCharsMax)) return refuse(`prefix has at most ${prefixCharsMax} characters`);
  if (after !== undefined && !isText(after, afterCharsMax)) return refuse('after is the address of an actor, as text');
  if (limit !== undefined && !(Number.isSafeInteger(limit) && limit >= 1 && limit <= inspectLimits.listMax))
    return refuse(`limit is a whole number from 1 to ${inspectLimits.listMax}`);
  return {
    ok: true,
    value: { type: type ?? null, prefix: prefix ?? '', after: after ?? null, limit: limit ?? inspectLimits.listDefault },
  };
};

export const formQuery = ({ type, prefix, after, limit }: CheckedQuery): unknown => [type, prefix, after, limit];

export const parseQuery = (body: unknown): CheckedQuery | null => {
  if (!Array.isArray(body) || body.length !== 4) return null;
  const [type, prefix, after, limit] = body as unknown[];
  const checked = checkQuery({
    ...(type === null ? {} : { type: type as string }),
    ...(after === null ? {} : { after: after as string }),
    ...{ prefix: prefix as string, limit: limit as number },
  });
  return checked.ok ? checked.value : null;
};

export type LocalPage = { actors: readonly ListedActor[]; more: boolean };

/** Fewer, and there are more, if all of them would be too large. */
export const formPage = ({ actors, more }: LocalPage): unknown => {
  let some = actors;
  while (some.length > 1 && pack(some).byteLength > answerBytesMax) some = some.slice(0, some.length >> 1);
  return [some, more || some.length < actors.length];
};

const parseListed = (value: unknown, node: string): ListedActor | null => {
  const fields = fieldsOf(plainIn(value));
  if (fields === null || !isAddressText(fields.address)) return null;
  const { address, durability, placement, version, state, handled, waiting, restarts, reason, token, children } = fields;
  const numbers = [version, handled, waiting, restarts];
  const words = [durability, placement, state];
  if (!numbers.every(isNumber) || !words.every((word) => isText(word, 32))) return null;
  if (reason !== null && typeof reason !== 'string') return null;
  const of = fieldsOf(token);
  if (token !== null && !(of !== null && isNumber(of.term) && isNumber(of.index))) return null;
  if (!Array.isArray(children) || !children.every((child) => typeof child === 'string')) return null;
  const view = { address, durability, placement, version, state, handled, waiting, restarts, reason, token, children };
  return { ...view, node, value: fields.value ?? null } as ListedActor;
};

/** `node`: of whose word it is. */
export const parsePage =
  (node: string) =>
  (value: unknown): LocalPage | null => {
    if (!Array.isArray(value) || !Array.isArray(value[0]) || typeof value[1] !== 'boolean') return null;
    if (value[0].length > inspectLimits.listMax) return null;
    const actors = (value[0] as unknown[]).map((actor) => parseListed(actor, node));
    return actors.some((actor) => actor === null) ? null : { actors: actors as ListedActor[], more: value[1] };
  };

// ---------------------------------------------------------------- what happens

const parseSnapshot = (value: unknown): boolean => isText(fieldsOf(value)?.status, 32);

const parseItem = (value: unknown, node: string): InspectItem | null => {
  const fields = fieldsOf(value);
  if (fields === null || !isAddressText(fields.address) || !isText(fields.path, 4_096) || !isNumber(fields.atMs)) return null;
  const { address, path, atMs } = fields;
  const at = { address, node, path, atMs };
  switch (fields.type) {
    case 'actor': {
      const { src, chart, snapshot } = fields;
      if (!isText(src, 4_096) || !(chart === null || isText(chart, 128)) || !parseSnapshot(snapshot)) return null;
      return { ...at, type: 'actor', src, chart, snapshot } as InspectItem;
    }
    case 'event': {
      const { event, source, correlation } = fields;
      if (!isText(source, 1_024) || !isText(correlation, 1_024)) return null;
      return { ...at, type: 'event', event, source, correlation };
    }
    case 'snapshot': {
      const { snapshot, event, correlation } = fields;
      if (!parseSnapshot(snapshot) || !isText(correlation, 1_024)) return null;
      return { ...at, type: 'snapshot', snapshot, event, correlation } as InspectItem;
    }
    case 'ended':
      return isText(fields.reason, 64) ? { ...at, type: 'ended', reason: fields.reason } : null;
    default:
      return null;
  }
};

const parseItems = (value: unknown, node: string): InspectItem[] | null => {
  if (!Array.isArray(value)) return null;
  const items = value.map((item) => parseItem(item, node));
  return items.some((item) => item === null) ? null : (items as InspectItem[]);
};

export const formDescription = (described: ActorDescription): unknown => {
  let { recent } = described;
  const { charts } = described;
  while (recent.length > 0 && pack([charts, recent]).byteLength > answerBytesMax)
    recent = recent.slice((recent.length >> 1) + 1);
  return { ...described, recent };
};

export const parseDescription =
  (node: string) =>
  (value: unknown): ActorDescription | null => {
    const fields = fieldsOf(plainIn(value));
    if (fields === null) return null;
    const view = parseListed(fields.view, node);
    const recent = parseItems(fields.recent, node);
    const { definition, snapshot, children } = fields;
    const charts = fieldsOf(fields.charts);
    if (view === null || recent === null || !parseSnapshot(snapshot)) return null;
    if (definition !== null && fieldsOf(definition) === null) return null;
    if (charts === null || Object.values(charts).some((chart) => fieldsOf(chart) === null)) return null;
    const isChild = (child: unknown): boolean => {
      const of = fieldsOf(child);
      const isNamed = of?.chart === null || isText(of?.chart, 128);
      return of !== null && isNamed && isText(of.path, 4_096) && isText(of.src, 4_096) && parseSnapshot(of.snapshot);
    };
    if (!Array.isArray(children) || !children.every(isChild)) return null;
    return { view, definition, snapshot, children, charts, recent } as ActorDescription;
  };

/** Who follows names his reading, and each time what he wants: a node that has begun anew knows nothing of him. */
export const formNext = (id: number, { addresses, types, correlation, perSecond }: LocalWanted): unknown => [
  ...[id, addresses.map(({ type, key, node }) => [type, key, node]), types, correlation, perSecond],
];

export const areTypes = (value: unknown): value is string[] =>
  Array.isArray(value) && value.length <= inspectLimits.typesMax && value.every(isActorType);

export const isRate = (value: unknown): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= inspectLimits.perSecondMax;

const parseAddresses = (value: unknown): ActorAddress[] | null => {
  if (!Array.isArray(value) || value.length > inspectLimits.addressesMax) return null;
  const addresses = value.map((one): ActorAddress | null => {
    if (!Array.isArray(one)) return null;
    const [type, key, node] = one as unknown[];
    const address = { type, key, node };
    return isActorAddress(address) ? address : null;
  });
  return addresses.includes(null) ? null : (addresses as ActorAddress[]);
};

export const parseNext = (body: unknown): { id: number; wanted: LocalWanted } | null => {
  if (!Array.isArray(body) || body.length !== 5) return null;
  const [id, given, types, correlation, perSecond] = body as unknown[];
  const addresses = parseAddresses(given);
  if (!Number.isSafeInteger(id) || addresses === null || !areTypes(types)) return null;
  if (correlation !== null && !isText(correlation, inspectLimits.correlationCharsMax)) return null;
  if (!isRate(perSecond)) return null;
  return { id: id as number, wanted: { addresses, types, correlation, perSecond } };
};

export const formBatch = ({ items, charts, leftOut }: InspectBatch): unknown => [items, charts, leftOut];

export const parseBatch =
  (node: string) =>
  (value: unknown): InspectBatch | null => {
    const plain = plainIn(value);
    if (!Array.isArray(plain)) return null;
    const items = parseItems(plain[0], node);
    const charts = fieldsOf(plain[1]);
    if (items === null || charts === null || !isNumber(plain[2])) return null;
    if (Object.values(charts).some((chart) => fieldsOf(chart) === null)) return null;
    return { items, charts: charts as Record<string, Chart>, leftOut: Math.max(0, plain[2]) };
  };
