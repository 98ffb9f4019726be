// The path and the query of a request, read from its own bytes: keys may hold any character, slashes and percent signs included,
// and a condition's value any byte, so nothing is decoded twice or normalised on the way. What nobody knows is refused, since a
// misspelt `if-indx` must not become an unconditional write.
import { isUtf8 } from 'node:buffer';
import { type ActorAddress, addressProblem } from '../../machines/entity/address.ts';
import { type ErrorCode, failure } from '../../machines/errors.ts';
import { PolityError } from '../errors.ts';

export const refuse = (message: string, code: ErrorCode = 'INVALID_REQUEST'): never => {
  throw new PolityError(failure(code, message));
};

const hexOf = (unit: number): number => {
  if (unit >= 0x30 && unit <= 0x39) return unit - 0x30;
  const lower = unit | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
};

const percent = 0x25;
const plus = 0x2b;

/** Undoes percent-encoding. Unencoded bytes stand for themselves: Node hands the request line over as Latin-1. */
export const decodePercent = (text: string, what: string, plusIsSpace: boolean): Buffer => {
  const bytes = Buffer.from(text, 'latin1');
  let length = 0;
  for (let at = 0; at < bytes.length; at++) {
    let byte = bytes[at]!;
    if (byte === percent) {
      const high = hexOf(bytes[at + 1] ?? 0);
      const low = hexOf(bytes[at + 2] ?? 0);
      if (high < 0 || low < 0) refuse(`${what} has a '%' that two hexadecimal digits do not follow`);
      byte = high * 16 + low;
      at += 2;
    } else if (plusIsSpace && byte === plus) byte = 0x20;
    bytes[length++] = byte;
  }
  return bytes.subarray(0, length);
};

const textOf = (bytes: Buffer, what: string): string => {
  if (!isUtf8(bytes)) refuse(`${what} is not valid UTF-8`);
  return bytes.toString('utf8');
};

/** The path of a URL after its first `segments` segments, decoded: `/v1/kv/a%2Fb` after 2 is `a/b`. */
export const restOfPath = (url: string, segments: number, what: string): string => {
  let from = 1;
  for (let passed = 0; passed < segments; passed++) {
    const slash = url.indexOf('/', from);
    if (slash === -1) return '';
    from = slash + 1;
  }
  const end = url.indexOf('?', from);
  return textOf(decodePercent(end === -1 ? url.slice(from) : url.slice(from, end), what, false), what);
};

/** One segment of the path, decoded; 0 is the first. */
export const segmentOfPath = (url: string, segment: number, what: string): string => {
  const end = url.indexOf('?');
  const path = end === -1 ? url : url.slice(0, end);
  return textOf(decodePercent(path.split('/')[segment + 1] ?? '', what, false), what);
};

/** Of an actor, as it was written in a path and its parameters. */
export const checkedAddress = (address: ActorAddress): ActorAddress => {
  const problem = addressProblem(address);
  if (problem === null) return address;
  return refuse(`'${address.type.slice(0, 64)}/${address.key.slice(0, 64)}' is no address of an actor: ${problem}`);
};

const none: ReadonlyMap<string, string> = new Map();

export class Query {
  readonly #raw: ReadonlyMap<string, string>;

  private constructor(raw: ReadonlyMap<string, string>) {
    this.#raw = raw;
  }

  static readonly #empty = new Query(none);

  /** Refuses parameters that are not `known`, and any that comes twice. */
  static of(url: string, known: readonly string[]): Query {
    const mark = url.indexOf('?');
    if (mark === -1 || mark === url.length - 1) return Query.#empty;
    const raw = new Map<string, string>();
    for (const part of url.slice(mark + 1).split('&')) {
      if (part === '') continue;
      const equals = part.indexOf('=');
      const name = textOf(decodePercent(equals === -1 ? part : part.slice(0, equals), 'a parameter', true), 'a parameter');
      if (!known.includes(name))
        refuse(
          `there is no parameter '${name.slice(0, 40)}' here${known.length === 0 ? '' : `; there is ${known.join(', ')}`}`,
        );
      if (raw.has(name)) refuse(`the parameter '${name}' is given twice`);
      raw.set(name, equals === -1 ? '' : part.slice(equals + 1));
    }
    return new Query(raw);
  }

  bytes(name: string): Buffer | undefined {
    const raw = this.#raw.get(name);
    return raw === undefined ? undefined : decodePercent(raw, name, true);
  }

  text(name: string): string | undefined {
    const bytes = this.bytes(name);
    return bytes === undefined ? undefined : textOf(bytes, name);
  }

  /** Texts with `/` between them; one that holds a slash has it as `%2F`. */
  steps(name: string, stepsMax: number): string[] | undefined {
    const raw = this.#raw.get(name);
    if (raw === undefined) return undefined;
    const steps = raw.split('/').map((step) => textOf(decodePercent(step, name, true), name));
    if (steps.length > stepsMax) refuse(`${name} has more than ${stepsMax} steps`);
    return steps.includes('') ? refuse(`${name} has a step that is empty`) : steps;
  }

  /** Texts with commas between them; one that holds a comma has it as `%2C`. */
  words(name: string): string[] | undefined {
    const raw = this.#raw.get(name);
    if (raw === undefined) return undefined;
    return raw.split(',').flatMap((word) => (word === '' ? [] : [textOf(decodePercent(word, name, true), name)]));
  }

  /** A whole number in [min, max]. */
  count(name: string, min: number, max: number): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max))
      refuse(`${name} must be a whole number from ${min} to ${max}, not '${text.slice(0, 40)}'`);
    return value;
  }

  /** `?raw`, `?raw=true` or `?raw=1`. */
  flag(name: string): boolean {
    const text = this.text(name);
    if (text === undefined || text === 'false' || text === '0') return false;
    return text === '' || text === 'true' || text === '1' ? true : refuse(`${name} must be true or false`);
  }

  oneOf<Choice extends string>(name: string, choices: readonly Choice[]): Choice | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const choice = choices.find((one) => one === text);
    return choice ?? refuse(`${name} must be ${choices.join(', ')}, not '${text.slice(0, 40)}'`);
  }
}
