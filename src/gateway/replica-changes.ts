// Changes of replicated data as requests say them, in the words of the machines. What is forgotten or misspelt is named here; whether the
// change can be made, its type says.
import { insideTypes, isInsideType, machineTypes, plainOf, type ReplicaType } from '../replica-json.ts';
import { refuse } from './query.ts';

type Kinds = Readonly<Record<string, readonly Field[]>>;
type Field = { name: string; instead?: unknown; isPlain?: true };

const plain = (name: string): Field => ({ name, isPlain: true });
const by: Field = { name: 'by', instead: 1 };
const element = plain('element');
const value = plain('value');
const key: Field = { name: 'key' };
const place: readonly Field[] = [{ name: 'of' }, key];

const register: Kinds = { set: [value], clear: [] };
const counter: Kinds = { add: [by] };
const flag: Kinds = { enable: [], disable: [] };
const sequence: Kinds = {
  insert: [{ name: 'at', instead: 'end' }, plain('content')],
  remove: [{ name: 'at' }, { name: 'count', instead: 1 }],
};

/** Of each type the changes that it takes, and of each of those the fields. */
export const changeKinds: Readonly<Record<ReplicaType, Kinds>> = {
  register,
  latest: register,
  counter,
  tally: counter,
  flag,
  'off-flag': flag,
  set: { add: [element], remove: [element], clear: [] },
  map: { put: [key, value], remove: [key] },
  tree: { update: [...place, { name: 'change' }], remove: place, clear: [] },
  list: sequence,
  text: sequence,
};

const textOf = (given: unknown): string => (typeof given === 'string' ? `'${given.slice(0, 40)}'` : 'nothing');

const isRecord = (given: unknown): given is Readonly<Record<string, unknown>> =>
  typeof given === 'object' && given !== null && !Array.isArray(given);

const fieldsOf = (
  kind: string,
  fields: readonly Field[],
  given: Readonly<Record<string, unknown>>,
): Record<string, unknown> => {
  for (const name of Object.keys(given))
    if (name !== 'type' && !fields.some((field) => field.name === name))
      refuse(
        `'${kind}' has no field '${name.slice(0, 40)}'; it has ${['type', ...fields.map((field) => field.name)].join(', ')}`,
      );
  const taken: Record<string, unknown> = { type: kind };
  for (const { name, instead, isPlain } of fields) {
    const one = Object.hasOwn(given, name) ? given[name] : instead;
    if (one === undefined) refuse(`'${kind}' needs '${name}'`);
    taken[name] = isPlain === true ? plainOf(one) : one;
  }
  return taken;
};

/** The type of something inside of a tree, in the words of the machines. */
const insideOf = (of: unknown): string =>
  isInsideType(of) ? machineTypes[of] : refuse(`'of' must be one of ${insideTypes.join(', ')}, not ${textOf(of)}`);

/** A body, parsed, as the change that its type takes. Maps inside each other are no deeper than a body. */
export const changeOf = (type: ReplicaType, given: unknown): unknown => {
  const kinds = changeKinds[type];
  if (!isRecord(given)) return refuse(`a change is an object like {"type":"${Object.keys(kinds)[0]}"}`);
  const kind = given.type;
  if (typeof kind !== 'string' || !Object.hasOwn(kinds, kind))
    return refuse(`a ${type} takes the changes ${Object.keys(kinds).join(', ')}, not ${textOf(kind)}`);
  const change = fieldsOf(kind, kinds[kind]!, given);
  if (type !== 'tree' || kind === 'clear') return change;
  const inside = { ...change, of: insideOf(change.of) };
  return kind === 'remove' ? inside : { ...inside, change: changeOf(given.of as ReplicaType, change.change) };
};

/** A change of what is at a path of keys inside a tree, as a change of the tree. */
export const changeInside = (at: readonly string[], type: ReplicaType, change: unknown): unknown =>
  at.reduceRight<unknown>(
    (inside, step, depth) => ({
      ...{ type: 'update', of: depth === at.length - 1 ? machineTypes[type] : machineTypes.tree, key: step, change: inside },
    }),
    change,
  );
