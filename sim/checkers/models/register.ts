// A register: read, write, compare-and-set. `kv` is the same for each key, where null is a key that is not there.
import type { Json } from '../history.ts';
import type { Answer, Model, Refused } from './model.ts';

/** Values as canonical JSON, so that equal means equal. */
type Value = string;

export type RegisterAction =
  | { readonly f: 'read'; readonly value: Value }
  | { readonly f: 'write'; readonly value: Value }
  | { readonly f: 'cas'; readonly old: Value; readonly value: Value };

const nothing: Value = 'null';

/** The same text for the same value, whatever order its names were written in. */
export const canonical = (value: Json): Value => {
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  const named = value as { readonly [name: string]: Json };
  const fields = Object.keys(named)
    .sort()
    .map((name) => `${JSON.stringify(name)}:${canonical(named[name]!)}`);
  return `{${fields.join()}}`;
};

const shownCharsMax = 40;
export const shown = (value: Value): string =>
  value.length <= shownCharsMax ? value : `${value.slice(0, shownCharsMax)}… (${value.length} characters)`;

const parseRead = (answer: Answer | null): RegisterAction | null | Refused => {
  if (answer === null) return null;
  if (answer.value === undefined) return { refused: "a read's ok must say what was read (null for nothing)" };
  return { f: 'read', value: canonical(answer.value) };
};

const parse = (f: string, asked: Json | undefined, answer: Answer | null): RegisterAction | null | Refused => {
  if (f === 'read') return parseRead(answer);
  if (f !== 'write' && f !== 'cas') return { refused: `f must be read, write or cas, not ${shown(JSON.stringify(f))}` };
  if (asked === undefined) return { refused: `a ${f} needs a value` };
  const value = canonical(asked);
  if (answer?.value !== undefined && canonical(answer.value) !== value)
    return {
      refused: `the ok of a ${f} repeats its value, ${shown(value)}, or has none, but says ${shown(canonical(answer.value))}`,
    };
  if (f === 'write') return { f, value };
  if (!Array.isArray(asked) || asked.length !== 2) return { refused: "a cas's value must be the pair [old, new]" };
  const [old, next] = asked as [Json, Json];
  return { f, old: canonical(old), value: canonical(next) };
};

const describe = (action: RegisterAction, none: string): string => {
  const word = (value: Value): string => (value === nothing ? none : shown(value));
  if (action.f === 'read') return `read ${word(action.value)}`;
  if (action.f === 'write') return `write ${word(action.value)}`;
  return `cas ${word(action.old)} → ${word(action.value)}`;
};

const changesNothing = (action: RegisterAction): boolean =>
  action.f === 'read' || (action.f === 'cas' && action.old === action.value);

const registerLike = (name: string, noun: string, keyed: boolean, none: string): Model<Value, RegisterAction> => ({
  ...{ name, noun, keyed, initial: nothing, parse },
  step(state, action) {
    if (action.f === 'write') return [action.value];
    if (action.f === 'read') return state === action.value ? [state] : [];
    return state === action.old ? [action.value] : [];
  },
  keyOf: (state) => state,
  classOf: (action) => (action.f === 'cas' ? `cas ${action.old} ${action.value}` : `${action.f} ${action.value}`),
  isRead: changesNothing,
  describe: (action) => describe(action, none),
  describeState: (state) => (state === nothing ? none : shown(state)),
  cell: {
    needs: (action) => (action.f === 'write' ? null : { state: action.f === 'cas' ? action.old : action.value }),
    puts: (action) => (changesNothing(action) ? null : { state: action.value }),
  },
});

export const registerModel = registerLike('register', 'register', false, 'null');
export const kvModel = registerLike('kv', 'key', true, 'nothing');
