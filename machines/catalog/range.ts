// Ranges of versions in the words that developers know from npm: `^1.2`, `~1.2.3`, `>=1 <3`, `1.x`, `1.2 - 2`, `||`. Meant the same
// too: a pre-release is in a range only where a bound of the same alternative names a pre-release of the very same three numbers.
import { catalogLimits as max } from './limits.ts';
import { buildPattern, compareVersions, numberPattern, prePattern, sameTriple, type Version } from './version.ts';

type Operator = '<' | '<=' | '>' | '>=' | '=';
type Bound = { readonly operator: Operator; readonly version: Version };

export type Range = {
  readonly text: string;
  /** A version is in the range if all bounds of one of these hold; no bounds: any release. */
  readonly alternatives: readonly (readonly Bound[])[];
};

/** `1`, `1.x`, `1.2.3-rc.1`: numbers up to where it is left open. */
type Partial = { readonly numbers: readonly number[]; readonly pre: readonly string[] };

const part = `(${numberPattern}|[xX*])`;
const partial = `v?${part}(?:\\.${part}(?:\\.${part}(?:-(${prePattern}))?(?:\\+(?:${buildPattern}))?)?)?`;
const hyphenForm = new RegExp(`^${partial}\\s+-\\s+${partial}$`);
const boundForm = new RegExp(`\\s*(\\^|~>?|[<>]=?|=)?\\s*${partial}(?=\\s|$)`, 'y');

const partialOf = (parts: readonly (string | undefined)[], pre: string | undefined): Partial | null => {
  const numbers: number[] = [];
  let isOpen = false;
  for (const given of parts) {
    const isNumber = given !== undefined && /^\d/.test(given);
    // 1.x.3 says nothing that anybody could mean.
    if (isNumber && isOpen) return null;
    if (isNumber) numbers.push(Number(given));
    else isOpen = true;
  }
  if (pre !== undefined && isOpen) return null;
  return { numbers, pre: pre === undefined ? [] : pre.split('.') };
};

const versionOf = (major: number, minor: number, patch: number, pre: readonly string[] = []): Version => ({
  ...{ major, minor, patch, pre },
  text: `${major}.${minor}.${patch}${pre.length === 0 ? '' : `-${pre.join('.')}`}`,
});

const lowest = ({ numbers, pre }: Partial): Version => versionOf(numbers[0] ?? 0, numbers[1] ?? 0, numbers[2] ?? 0, pre);

/** The first version in which the number at `place` is one higher; its pre-releases are beyond it, too. */
const beyond = ({ numbers }: Partial, place: number, pre: readonly string[] = ['0']): Version => {
  const next = [0, 1, 2].map((at) => (at < place ? (numbers[at] ?? 0) : at === place ? (numbers[at] ?? 0) + 1 : 0));
  return versionOf(next[0]!, next[1]!, next[2]!, pre);
};

const nothing: readonly Bound[] = [{ operator: '<', version: versionOf(0, 0, 0, ['0']) }];

const between = (from: Version, to: Version): Bound[] => [
  { operator: '>=', version: from },
  { operator: '<', version: to },
];

const isWhole = ({ numbers }: Partial): boolean => numbers.length === 3;

/** Up to the next change of what may break: the first number that is not nought, or the last that is said. */
const caretPlace = ({ numbers }: Partial): number => {
  const at = numbers.findIndex((one) => one > 0);
  return at < 0 ? numbers.length - 1 : at;
};

const boundsOf = (operator: string, given: Partial): readonly Bound[] => {
  const last = given.numbers.length - 1;
  if (last < 0) return operator === '<' || operator === '>' ? nothing : [];
  switch (operator) {
    case '^':
      return between(lowest(given), beyond(given, caretPlace(given)));
    case '~':
    case '~>':
      return between(lowest(given), beyond(given, Math.min(1, last)));
    case '>=':
      return [{ operator: '>=', version: lowest(given) }];
    case '<':
      return [{ operator: '<', version: isWhole(given) ? lowest(given) : versionBelow(given) }];
    case '>':
      return [isWhole(given) ? { operator, version: lowest(given) } : { operator: '>=', version: beyond(given, last, []) }];
    case '<=':
      return [isWhole(given) ? { operator, version: lowest(given) } : { operator: '<', version: beyond(given, last) }];
    default:
      return isWhole(given) ? [{ operator: '=', version: lowest(given) }] : between(lowest(given), beyond(given, last));
  }
};

/** `<1` leaves out the pre-releases of 1.0.0 as well. */
const versionBelow = ({ numbers }: Partial): Version => versionOf(numbers[0]!, numbers[1] ?? 0, 0, ['0']);

const hyphenBounds = (found: RegExpExecArray): readonly Bound[] | null => {
  const from = partialOf(found.slice(1, 4), found[4]);
  const to = partialOf(found.slice(5, 8), found[8]);
  if (from === null || to === null) return null;
  return [...(from.numbers.length === 0 ? [] : boundsOf('>=', from)), ...boundsOf('<=', to)];
};

const parseAlternative = (text: string): readonly Bound[] | null => {
  const hyphen = hyphenForm.exec(text);
  if (hyphen !== null) return hyphenBounds(hyphen);
  const bounds: Bound[] = [];
  let at = 0;
  while (at < text.length) {
    boundForm.lastIndex = at;
    const found = boundForm.exec(text);
    if (found === null) return null;
    const given = partialOf(found.slice(2, 5), found[5]);
    if (given === null) return null;
    bounds.push(...boundsOf(found[1] ?? '=', given));
    at = boundForm.lastIndex;
  }
  return bounds;
};

/** Null: it is none. The empty text is any release, as `*` is. */
export const parseRange = (text: unknown): Range | null => {
  if (typeof text !== 'string' || text.length > max.rangeCharsMax) return null;
  const alternatives: (readonly Bound[])[] = [];
  for (const one of text.split('||')) {
    const bounds = parseAlternative(one.trim());
    if (bounds === null) return null;
    alternatives.push(bounds);
  }
  // What admits any release is the whole range, and pre-releases that another alternative names are not in it: npm says so.
  return { text, alternatives: alternatives.some((bounds) => bounds.every(isTrueOfReleases)) ? [[]] : alternatives };
};

const isTrueOfReleases = ({ operator, version }: Bound): boolean =>
  operator === '>=' && compareVersions(version, versionOf(0, 0, 0)) === 0;

const holds = ({ operator, version }: Bound, given: Version): boolean => {
  const order = compareVersions(given, version);
  switch (operator) {
    case '<':
      return order < 0;
    case '<=':
      return order <= 0;
    case '>':
      return order > 0;
    case '>=':
      return order >= 0;
    case '=':
      return order === 0;
  }
};

const admits = (bounds: readonly Bound[], version: Version): boolean =>
  bounds.every((bound) => holds(bound, version)) &&
  (version.pre.length === 0 || bounds.some((bound) => bound.version.pre.length > 0 && sameTriple(bound.version, version)));

export const isInRange = ({ alternatives }: Range, version: Version): boolean =>
  alternatives.some((bounds) => admits(bounds, version));
