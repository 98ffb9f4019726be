// What a person who looks on is shown of events and contexts: plain data, bounded, with what is secret left out. Nothing of a program
// runs for it: no getter, no `toJSON`; and whatever somebody keeps in a context, to show it neither throws nor takes long.
import { addressText, isActorAddress } from '../machines/entity/address.ts';
import { refMark } from './actor-api.ts';

export const shownLimits = {
  depthMax: 16,
  nodesMax: 1_000,
  charsMax: 16 << 10,
  textCharsMax: 1_000,
  nameCharsMax: 128,
} as const;

export type ShownBudget = { nodes: number; chars: number };

export const redacted = '[redacted]';

/** In the middle of a name, too: `userPassword`, `x-api-key`, `sessionTokens`. Rather too much is hidden than too little. */
const secretParts = [
  ...['password', 'passwd', 'passphrase', 'secret', 'token', 'authorization', 'cookie', 'credential', 'apikey'],
  ...['privatekey', 'signingkey', 'encryptionkey', 'bearer'],
];
const secretNames = new Set(['pwd', 'pin', 'otp', 'jwt', 'cvc', 'cvv', 'auth']);
const namesKept = 4_096;
const judged = new Map<string, boolean>();

/** By its name alone; what an actor's definition names besides is its own. */
export const isSecretName = (name: string): boolean => {
  const known = judged.get(name);
  if (known !== undefined) return known;
  const bare = name.toLowerCase().replace(/[^a-z0-9]/g, '');
  const isSecret = secretNames.has(bare) || secretParts.some((part) => bare.includes(part));
  if (judged.size >= namesKept) judged.clear();
  if (name.length <= shownLimits.nameCharsMax) judged.set(name, isSecret);
  return isSecret;
};

/** A value of the header `Authorization`, wherever it stands. */
const isCredential = (text: string): boolean => /^(bearer|basic|digest)\s+\S{8,}/i.test(text.slice(0, 100));

/** What nobody sees who may not look on: fields that the actor's definition names, and those whose names say so. */
const isHidden = (name: unknown, redact: ReadonlySet<string>): boolean =>
  typeof name === 'string' && (redact.has(name) || isSecretName(name));

/** Half of a pair of surrogates is no text that UTF-8 could carry. */
export const wellFormed = (text: string): string => text.replace(/\p{Cs}/gu, '\ufffd');

class Show {
  readonly #redact: ReadonlySet<string>;
  readonly #budget: ShownBudget;
  /** The objects that lead to where we are. */
  readonly #path: object[] = [];

  constructor(redact: ReadonlySet<string>, budget: ShownBudget) {
    this.#redact = redact;
    this.#budget = budget;
  }

  #isHidden(name: unknown): boolean {
    return isHidden(name, this.#redact);
  }

  text(text: string, charsMax: number = shownLimits.textCharsMax): string {
    if (isCredential(text)) return redacted;
    const most = Math.max(0, Math.min(charsMax, this.#budget.chars));
    const cut = text.length <= most ? text : `${text.slice(0, most)}… (${text.length} characters)`;
    this.#budget.chars -= Math.min(text.length, most);
    return wellFormed(cut);
  }

  value(value: unknown): unknown {
    this.#budget.nodes--;
    switch (typeof value) {
      case 'string':
        return this.text(value);
      case 'number':
        // No -0, which JSON does not have.
        return Number.isFinite(value) ? value + 0 : String(value);
      case 'bigint':
        return `${this.text(value.toString())}n`;
      case 'boolean':
        return value;
      case 'undefined':
        return null;
      case 'symbol':
        return '[symbol]';
      case 'function':
        return '[function]';
      default:
        return value === null ? null : this.#object(value as object);
    }
  }

  #object(value: object): unknown {
    if (this.#budget.nodes <= 0 || this.#budget.chars <= 0 || this.#path.length >= shownLimits.depthMax) return '[…]';
    if (this.#path.includes(value)) return '[circular]';
    this.#path.push(value);
    try {
      return this.#known(value) ?? this.#fields(value);
    } catch {
      // A proxy may throw at anything.
      return '[unreadable]';
    } finally {
      this.#path.pop();
    }
  }

  /** Undefined: nothing special. */
  #known(value: object): unknown {
    if (Array.isArray(value)) return this.#list(value, value.length);
    if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
    if (value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`;
    if (value instanceof Map) return this.#map(value);
    if (value instanceof Set) return this.#list(value, value.size);
    if (value instanceof Error) return { name: this.text(String(value.name)), message: this.text(String(value.message)) };
    // A Date has no fields, and its name may not be said where chance and time come from ports.
    if (Object.prototype.toString.call(value) === '[object Date]') return this.text(JSON.stringify(value).replaceAll('"', ''));
    const address = (value as { [refMark]?: unknown })[refMark];
    if (isActorAddress(address)) return { $ref: addressText(address) };
    if (isActorRef(value)) return `[actor ${this.text(String(own(value, 'id') ?? ''))}]`;
    return undefined;
  }

  #list(items: Iterable<unknown>, length: number): unknown[] {
    const list: unknown[] = [];
    // A pair that a list of headers or a map is made of.
    const isPair = Array.isArray(items) && length === 2 && this.#isHidden(items[0]);
    for (const item of items) {
      if (this.#budget.nodes <= 0 || this.#budget.chars <= 0) {
        list.push(`[… ${length - list.length} more]`);
        break;
      }
      list.push(isPair && list.length === 1 ? redacted : this.value(item));
    }
    return list;
  }

  #map(map: Map<unknown, unknown>): unknown[] {
    return this.#list(map, map.size);
  }

  #fields(value: object): Record<string, unknown> {
    const fields: Record<string, unknown> = {};
    const names = Object.keys(value);
    let left = names.length;
    for (const name of names) {
      if (this.#budget.nodes <= 0 || this.#budget.chars <= 0) {
        fields['…'] = `[${left} more]`;
        break;
      }
      left--;
      const field = this.#field(value, name);
      if (field !== undefined) define(fields, this.text(name, shownLimits.nameCharsMax), field);
    }
    return fields;
  }

  #field(value: object, name: string): unknown {
    if (this.#isHidden(name)) return redacted;
    const property = Object.getOwnPropertyDescriptor(value, name);
    if (property === undefined) return undefined;
    if (!('value' in property)) return '[getter]';
    // As in JSON.
    return property.value === undefined ? undefined : this.value(property.value);
  }
}

const own = (value: object, name: string | symbol): unknown => Object.getOwnPropertyDescriptor(value, name)?.value;

/** `__proto__` is a name like any other. */
const define = (fields: Record<string, unknown>, name: string, value: unknown): void => {
  if (name !== '__proto__') fields[name] = value;
  else Object.defineProperty(fields, name, { value, enumerable: true, configurable: true, writable: true });
};

/** One of XState's: it holds its whole system, which nobody wants to see. */
const isActorRef = (value: object): boolean =>
  typeof own(value, 'sessionId') === 'string' && typeof (value as { send?: unknown }).send === 'function';

const noNames: ReadonlySet<string> = new Set();

/** `budget` is used up. */
export const shown = (
  value: unknown,
  redact: ReadonlySet<string> = noNames,
  budget: ShownBudget = { nodes: shownLimits.nodesMax, chars: shownLimits.charsMax },
): unknown => new Show(redact, budget).value(value);

/** The same hidden in what a program is answered that may not look on: nothing is cut, and plain data comes out as it was. */
export const withoutSecrets = (plain: unknown, redact: ReadonlySet<string>): unknown => {
  if (typeof plain === 'string') return isCredential(plain) ? redacted : plain;
  if (typeof plain !== 'object' || plain === null || plain instanceof Uint8Array) return plain;
  if (Array.isArray(plain)) {
    const isPair = plain.length === 2 && isHidden(plain[0], redact);
    return plain.map((item, at) => (isPair && at === 1 ? redacted : withoutSecrets(item, redact)));
  }
  const fields: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(plain))
    define(fields, name, isHidden(name, redact) ? redacted : withoutSecrets(value, redact));
  return fields;
};

/** A path leads to or through what is hidden. */
export const isHiddenPath = (words: readonly string[], redact: ReadonlySet<string>): boolean =>
  words.some((word) => isHidden(word, redact));
