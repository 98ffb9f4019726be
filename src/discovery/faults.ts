// What a source threw becomes a LookupFault, whatever it was. The words of a LookupFault were chosen by a source that knows what is
// secret; the words of any other error were not: a client library may have put a token or a password into them, so they stay here.
import { LookupFault, type LookupFaultCode } from './source.ts';

const wordsMax = 400;
const unreachable: ReadonlySet<string> = new Set([
  ...(['ECONNREFUSED', 'ECONNRESET', 'EHOSTUNREACH', 'ENETUNREACH', 'ENETDOWN', 'EPIPE', 'ENOTFOUND', 'EAI_AGAIN'] as const),
]);
const late: ReadonlySet<string> = new Set(['ETIMEDOUT', 'ABORT_ERR', 'AbortError', 'TimeoutError', 'UND_ERR_CONNECT_TIMEOUT']);

/** On one line and not endless: servers have a say in these words too. */
const oneLine = (text: string): string => {
  const line = text.replace(/\p{Cc}+/gu, ' ').trim();
  return line.length > wordsMax ? `${line.slice(0, wordsMax)}…` : line;
};

/** The names that an error goes by: of its class and of its cause in the operating system, if they are plain words. */
const namesOf = (error: unknown): string[] => {
  try {
    const { name, code } = error as { name?: unknown; code?: unknown };
    return [...new Set([name, code])]
      .filter((one) => typeof one === 'string')
      .filter((one) => /^[A-Za-z0-9_]{1,48}$/.test(one));
  } catch {
    // null and undefined have no names, and a getter may throw.
    return [];
  }
};

const codeOf = (names: readonly string[]): LookupFaultCode => {
  if (names.some((name) => late.has(name))) return 'SOURCE_TIMED_OUT';
  return names.some((name) => unreachable.has(name)) ? 'SOURCE_UNREACHABLE' : 'SOURCE_UNAVAILABLE';
};

export const faultOf = (error: unknown): LookupFault => {
  if (error instanceof LookupFault) return new LookupFault(error.code, oneLine(error.message));
  const names = namesOf(error);
  return new LookupFault(codeOf(names), `it failed as nobody foresaw (${names.join(', ') || typeof error})`);
};
