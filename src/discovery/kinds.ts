// The kinds of sources that there are, and how a text names one: `SCHEME:…`. A kind is one import and one entry here.
import { consul } from './consul.ts';
import { dhtKind } from './dht.ts';
import { dns } from './dns.ts';
import { etcd } from './etcd.ts';
import { file } from './file.ts';
import { kubernetes } from './kubernetes.ts';
import { mdnsKind } from './mdns.ts';
import type { SourceKind, SourcePlan } from './source.ts';
import { staticList } from './static.ts';
import { wellKnown, wellKnownPlain } from './well-known.ts';

export const sourceKinds: readonly SourceKind[] = [
  ...[staticList, file, wellKnown, wellKnownPlain, dns, mdnsKind, etcd, consul, kubernetes, dhtKind],
];

/** How a source is written, for the help and for mistakes. */
export const formsOf = (kinds: readonly SourceKind[] = sourceKinds): string => kinds.map(({ form }) => form).join(', ');

const textCharsMax = 16_384;
const shownMax = 80;

/** A text of the configuration as it may be repeated: without what could be a password before an @ or a token behind a ?. */
export const shownSource = (text: string): string => {
  const bare = text.replace(/^([a-z]+:)?.*@/is, '$1…@').replace(/\?.*$/s, '?…');
  const line = bare.replace(/\p{Cc}/gu, ' ');
  return line.length > shownMax ? `${line.slice(0, shownMax)}…` : line;
};

/** The problem is a whole sentence that repeats no secret. */
export const parseSource = (
  text: string,
  kinds: readonly SourceKind[] = sourceKinds,
): { plan: SourcePlan } | { problem: string } => {
  const [, scheme, rest] = /^([a-z]+):(.*)$/is.exec(text) ?? [];
  const kind = kinds.find((one) => one.scheme === scheme?.toLowerCase());
  if (kind === undefined || rest === undefined)
    return { problem: `'${shownSource(text)}' is no source of discovery; these are: ${formsOf(kinds)}` };
  if (rest.length > textCharsMax) return { problem: `'${shownSource(text)}' has more than ${textCharsMax} characters` };
  if (/\p{Cc}/u.test(rest)) return { problem: `'${shownSource(text)}' holds a character that cannot be seen` };
  // No kind takes them, and a name must not hold them.
  if (/\/\/[^/?#]*@/.test(rest))
    return { problem: `'${shownSource(text)}' holds a user or password: those are named by files` };
  const parsed = kind.parse(rest);
  if ('problem' in parsed) return { problem: `'${shownSource(text)}' ${parsed.problem} (${kind.form})` };
  return { plan: parsed };
};

/** `https://…` and `http://…` behind a comma continue a source that is a list of URLs itself: `etcd:http://a:2379,http://b:2379`. */
const isUrl = /^https?:/i;
const isListOfUrls = /^[a-z]+:https?:\/\/[^?]*$/i;

/**
 * The sources in one text, as in the environment: a comma or white space before the scheme of a source separates. Any other comma
 * belongs to the source that it stands in.
 */
export const splitSources = (text: string, kinds: readonly SourceKind[] = sourceKinds): string[] => {
  const schemes = kinds.map(({ scheme }) => scheme).join('|');
  const [first = '', ...rest] = text.trim().split(new RegExp(`([\\s,]+)(?=(?:${schemes}):)`, 'i'));
  const sources = [first];
  for (let at = 0; at + 1 < rest.length; at += 2) {
    const [separator, piece] = [rest[at]!, rest[at + 1]!];
    const before = sources.at(-1)!;
    if (separator === ',' && isUrl.test(piece) && isListOfUrls.test(before)) sources[sources.length - 1] = `${before},${piece}`;
    else sources.push(piece);
  }
  return sources.map((one) => one.replace(/^[\s,]+|[\s,]+$/g, '')).filter((one) => one !== '');
};
