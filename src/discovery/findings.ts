// What a source answered, as the node may take it: shapes and ranges checked, this node itself left out, what is said twice merged,
// too much cut off. Sources read strangers' words; whatever one of them overlooks ends here.
import type { Finding } from '../../actors/ports/index.ts';
import { isNodeName } from '../../machines/genesis/messages.ts';
import { peerOfAddress } from '../address.ts';
import { isPeerId, ttlWithin, usable } from './record.ts';
import { type Answer, LookupFault, sourceLimits } from './source.ts';

/** Who asks: its peer id, and the addresses without peer id at which it would only find itself. */
export type Asker = { self: string; own: ReadonlySet<string> };

export type CheckedAnswer = {
  answer: Answer;
  /** Findings that were more than the limit, and entries that made no sense. */
  cut: number;
  invalid: number;
};

/** Entries that are looked at: more than that many of which most are nonsense are no answer. */
const entriesMax = 10 * sourceLimits.findingsMax;
const shareMax = 65_535;

const share = (value: unknown): number => (typeof value === 'number' && value > 0 ? Math.min(shareMax, Math.round(value)) : 0);

const ttlOf = (value: unknown, defaultMs: number): number =>
  ttlWithin(typeof value === 'number' && !Number.isNaN(value) ? value : defaultMs);

/** Null: nothing in it can be dialled. */
const findingOf = (value: unknown): Finding | null => {
  if (typeof value !== 'object' || value === null) return null;
  const given = value as Record<string, unknown>;
  if (!Array.isArray(given.addresses)) return null;
  if (given.peer !== null && given.peer !== undefined && !isPeerId(given.peer)) return null;
  const list: unknown[] = given.addresses.slice(0, entriesMax);
  const named = list.map((one) => (typeof one === 'string' ? peerOfAddress(one) : null)).find((one) => one !== null);
  const peer = given.peer ?? named ?? null;
  const addresses = usable(list, peer);
  if (addresses.length === 0) return null;
  return {
    ...{ peer, addresses, name: isNodeName(given.name) ? given.name : null, healthy: given.healthy !== false },
    ...{ priority: share(given.priority), weight: share(given.weight) },
    ttlMs: ttlOf(given.ttlMs, sourceLimits.ttlDefaultMs),
  };
};

/** Two entries about one place: what is said by either, believed as long as the shorter one (row D3), as good as the better one. */
const merged = (a: Finding, b: Finding): Finding => {
  const better = a.healthy === b.healthy ? (b.priority < a.priority ? b : a) : a.healthy ? a : b;
  return {
    ...better,
    name: a.name ?? b.name,
    addresses: [...new Set([...a.addresses, ...b.addresses])].slice(0, sourceLimits.addressesMax),
    ttlMs: Math.min(a.ttlMs, b.ttlMs),
  };
};

/** What is kept when there is too much: whoever works, then the lowest priority, then the order of the source. */
const byUse = (a: Finding, b: Finding): number => (a.healthy !== b.healthy ? (a.healthy ? -1 : 1) : a.priority - b.priority);

/** Throws a LookupFault SOURCE_MALFORMED for what is no answer at all. */
export const checkAnswer = (answer: unknown, { self, own }: Asker): CheckedAnswer => {
  const given = answer as Partial<Record<keyof Answer, unknown>> | null | undefined;
  if (typeof given !== 'object' || given === null || !Array.isArray(given.findings))
    throw new LookupFault('SOURCE_MALFORMED', 'it answered with no list of findings');
  const entries: unknown[] = given.findings.slice(0, entriesMax);
  const places = new Map<string, Finding>();
  let invalid = 0;
  for (const entry of entries) {
    const finding = findingOf(entry);
    if (finding === null) {
      invalid++;
      continue;
    }
    if (finding.peer === self) continue;
    const addresses = finding.peer === null ? finding.addresses.filter((one) => !own.has(one)) : finding.addresses;
    if (addresses.length === 0) continue;
    const place = finding.peer ?? addresses.toSorted().join(' ');
    const known = places.get(place);
    places.set(place, known === undefined ? { ...finding, addresses } : merged(known, { ...finding, addresses }));
  }
  const all = [...places.values()];
  const isTooMuch = all.length > sourceLimits.findingsMax;
  return {
    answer: {
      findings: isTooMuch ? all.toSorted(byUse).slice(0, sourceLimits.findingsMax) : all,
      emptyTtlMs: ttlOf(given.emptyTtlMs, sourceLimits.emptyTtlDefaultMs),
    },
    cut: given.findings.length - entries.length + Math.max(0, all.length - sourceLimits.findingsMax),
    invalid,
  };
};
