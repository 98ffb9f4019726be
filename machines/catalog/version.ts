// Versions of services: Semantic Versioning 2.0.0, strictly. What is build metadata is kept for people and never compared (§10).
import { catalogLimits as max } from './limits.ts';

export type Version = {
  readonly text: string;
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
  /** Identifiers behind the hyphen; none: it is a release. */
  readonly pre: readonly string[];
};

const number = '0|[1-9]\\d{0,14}';
const preIdentifier = '(?:0|[1-9]\\d*|\\d*[a-zA-Z-][0-9a-zA-Z-]*)';
export const prePattern = `${preIdentifier}(?:\\.${preIdentifier})*`;
export const buildPattern = '[0-9a-zA-Z-]+(?:\\.[0-9a-zA-Z-]+)*';
export const numberPattern = number;

const versionForm = new RegExp(`^(${number})\\.(${number})\\.(${number})(?:-(${prePattern}))?(?:\\+(?:${buildPattern}))?$`);

/** Null: it is none. No leading `v`: that is a name for a version, not one (semver.org, FAQ). */
export const parseVersion = (text: unknown): Version | null => {
  if (typeof text !== 'string' || text.length > max.versionCharsMax) return null;
  const found = versionForm.exec(text);
  if (found === null) return null;
  const [, major, minor, patch, pre] = found;
  return {
    ...{ text, major: Number(major), minor: Number(minor), patch: Number(patch) },
    pre: pre === undefined ? [] : pre.split('.'),
  };
};

const isNumeric = (identifier: string): boolean => /^\d+$/.test(identifier);

/** Numbers by size, however long, and below words; words in ASCII order (§11.4). */
const compareIdentifiers = (a: string, b: string): number => {
  const isNumber = isNumeric(a);
  if (isNumber !== isNumeric(b)) return isNumber ? -1 : 1;
  if (isNumber && a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : a > b ? 1 : 0;
};

const comparePre = (a: readonly string[], b: readonly string[]): number => {
  // A release is above all its pre-releases (§11.3).
  if (a.length === 0 || b.length === 0) return b.length - a.length;
  for (let at = 0; at < Math.min(a.length, b.length); at++) {
    const order = compareIdentifiers(a[at]!, b[at]!);
    if (order !== 0) return order;
  }
  return a.length - b.length;
};

/** Below nought: `a` comes before `b` (§11). */
export const compareVersions = (a: Version, b: Version): number =>
  a.major - b.major || a.minor - b.minor || a.patch - b.patch || comparePre(a.pre, b.pre);

export const sameTriple = (a: Version, b: Version): boolean =>
  a.major === b.major && a.minor === b.minor && a.patch === b.patch;
