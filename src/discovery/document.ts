// A list of members as a person or a script writes it: `{"members":[…],"ttlSeconds":30}`, in a file or behind a URL. What is wrong is
// said with its place and never with its text: the path may be mistyped and the text be somebody's secret.
import { parseRecord, ttlWithin } from './record.ts';
import { type Answer, LookupFault, sourceLimits } from './source.ts';

export type Document = {
  answer: Answer;
  /** What the document itself says; null if it says nothing. */
  ttlMs: number | null;
};

const token =
  /[ \t\r\n]*(?:("(?:[ !#-[\]-\u{10ffff}]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)|([[\]{},:])|$)/uy;

type Expected = 'value' | 'value or ]' | 'key' | 'key or }' | ':' | ', or end' | 'nothing';

/** What may come after this token, where `expected` was expected inside the brackets `open`; null: this may not come here. */
const after = (expected: Expected, mark: string, open: string[]): Expected | null => {
  const closed = (): Expected => {
    open.pop();
    return open.length === 0 ? 'nothing' : ', or end';
  };
  const isValue = expected === 'value' || expected === 'value or ]';
  if (isValue && (mark === '[' || mark === '{')) {
    open.push(mark);
    return mark === '[' ? 'value or ]' : 'key or }';
  }
  if (isValue && (mark === 'text' || mark === 'word')) return open.length === 0 ? 'nothing' : ', or end';
  if ((expected === 'key' || expected === 'key or }') && mark === 'text') return ':';
  if (expected === ':' && mark === ':') return 'value';
  const inList = open.at(-1) === '[';
  if (expected === ', or end' && mark === ',') return inList ? 'value' : 'key';
  if ((expected === ', or end' || expected === 'value or ]') && mark === ']' && inList) return closed();
  if ((expected === ', or end' || expected === 'key or }') && mark === '}' && !inList) return closed();
  return null;
};

/** The line in which a text stops being JSON (RFC 8259), from 1: JSON.parse says it for some mistakes only, and quotes the text. */
export const brokenLine = (text: string): number => {
  const open: string[] = [];
  let expected: Expected | null = 'value';
  let at = 0;
  while (expected !== null) {
    token.lastIndex = at;
    const found = token.exec(text);
    const [, string, word, mark] = found ?? [];
    // Neither a token nor the end.
    const kind = string !== undefined ? 'text' : word !== undefined ? 'word' : mark;
    if (found === null || kind === undefined) break;
    expected = after(expected, kind, open);
    if (expected !== null) at = token.lastIndex;
  }
  const blank = /[ \t\r\n]*/y;
  blank.lastIndex = at;
  blank.exec(text);
  return text.slice(0, blank.lastIndex).split('\n').length;
};

const malformed = (words: string): LookupFault => new LookupFault('SOURCE_MALFORMED', words);

const parseJson = (bytes: Uint8Array, what: string): unknown => {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw malformed(`${what} is not UTF-8`);
  }
  try {
    return JSON.parse(text);
  } catch {
    throw malformed(`${what} is not JSON: look at line ${brokenLine(text)}`);
  }
};

/** Reads a whole document; `what` stands at the beginning of the words of a fault. Members of other clusters are left out. */
export const parseDocument = (bytes: Uint8Array, what: string, cluster: string): Document => {
  const value = parseJson(bytes, what);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed(`${what} is no object`);
  const { members, ttlSeconds = null } = value as Record<string, unknown>;
  if (!Array.isArray(members)) throw malformed(`${what} has no list of members`);
  if (ttlSeconds !== null && !(typeof ttlSeconds === 'number' && ttlSeconds >= 0))
    throw malformed(`${what} has a ttlSeconds that is no number from 0`);
  const ttlMs = ttlSeconds === null ? null : ttlWithin(ttlSeconds * 1_000);
  const findings = members.map((member, index) => {
    const parsed = parseRecord(member, cluster, ttlMs ?? sourceLimits.ttlDefaultMs);
    if (parsed !== null && 'problem' in parsed) throw malformed(`${what}: members[${index}] ${parsed.problem}`);
    return parsed;
  });
  const emptyTtlMs = ttlMs ?? sourceLimits.emptyTtlDefaultMs;
  return { answer: { findings: findings.filter((finding) => finding !== null), emptyTtlMs }, ttlMs };
};
