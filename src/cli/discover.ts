// `polity discover`: where members may live. With sources, asks those side by side, no node needed; without, what a node knows.

import type { SinkPort } from '../../actors/ports/index.ts';
import { isNodeName } from '../../machines/genesis/messages.ts';
import type { Client } from '../client/index.ts';
import { readSecretFile, secretBytesMin } from '../config/index.ts';
import { type Asked, askSources, contextOf, lookupLimits, parseSource, type SourcePlan } from '../discovery/index.ts';
import { CommandError, UsageError } from './exit.ts';
import { cell, print, printJson, table } from './output.ts';
import { countOf, durationOf, type ReachOptions, withClient } from './reach.ts';

export type DiscoverOptions = ReachOptions & { max?: string; ask?: boolean; cluster?: string; secretFile?: string };

const clusterDefault = 'polity';
const resultsDefault = 10;
const resultsMax = 100;
const timeoutDefaultMs = 5_000;
const timeoutMaxMs = 60_000;
/** A source that does not let go must not keep the process. */
const lingerMs = 500;

const maxOf = ({ max }: DiscoverOptions): number => {
  const wanted = max === undefined ? resultsDefault : countOf(max, '--max');
  if (wanted < 1 || wanted > resultsMax) throw new UsageError(`--max is from 1 to ${resultsMax}`);
  return wanted;
};

const note = (text: string): void => void process.stderr.write(`polity: ${text}\n`);
const seconds = (ms: unknown): string => (typeof ms === 'number' ? `${Math.round(ms / 100) / 10}s` : '-');
const shown = (value: unknown): string => (value === null || value === undefined || value === '' ? '-' : cell(String(value)));
const list = (value: unknown): string => (Array.isArray(value) && value.length > 0 ? cell(value.join(' '), 240) : '-');
const yesOrNo = (value: unknown): string => (value === true ? 'yes' : 'no');

const finish = (shownRows: number, rows: number, somebody: boolean): void => {
  if (shownRows < rows) note(`${rows - shownRows} more: --max ${Math.min(resultsMax, rows)} shows them`);
  if (!somebody) throw new CommandError('nobody was found');
};

// ------------------------------------------------------------------ sources, without a node

const plansOf = (texts: readonly string[]): SourcePlan[] => {
  if (texts.length > lookupLimits.sourcesMax) throw new UsageError(`at most ${lookupLimits.sourcesMax} sources at a time`);
  const plans = new Map<string, SourcePlan>();
  for (const text of texts) {
    const parsed = parseSource(text.trim());
    if ('problem' in parsed) throw new UsageError(parsed.problem);
    if (plans.has(parsed.plan.name)) throw new UsageError(`'${parsed.plan.name}' is named twice`);
    plans.set(parsed.plan.name, parsed.plan);
  }
  return [...plans.values()];
};

/** From the flag, or as a node would find it in the environment; null if it is nowhere. */
const secretOf = ({ secretFile }: DiscoverOptions): Uint8Array | null => {
  const path = secretFile ?? process.env.POLITY_SECRET_FILE?.trim();
  let bytes: Uint8Array;
  if (path !== undefined && path !== '') {
    const read = readSecretFile(path);
    if ('problem' in read) throw new CommandError(`the secret: ${read.problem}`, 'usage');
    bytes = read.bytes;
  } else {
    const text = process.env.POLITY_SECRET?.trim() ?? '';
    if (text === '') return null;
    bytes = new TextEncoder().encode(text);
  }
  if (bytes.byteLength < secretBytesMin)
    throw new CommandError(`the secret has ${bytes.byteLength} bytes; it needs at least ${secretBytesMin}`, 'usage');
  return bytes;
};

type Row = Extract<Asked, { findings: unknown }>['findings'][number] & { source: string };

/** As they would be dialled: who works first, then RFC 2782's priority, then the weightier. */
const byUse = (a: Row, b: Row): number =>
  a.healthy !== b.healthy ? (a.healthy ? -1 : 1) : a.priority - b.priority || b.weight - a.weight;

const printRows = (rows: readonly Row[]): void =>
  print(
    table(
      ['PEER', 'NAME', 'SOURCE', 'PRIORITY', 'WEIGHT', 'HEALTHY', 'TTL', 'ADDRESSES'],
      rows.map(({ peer, name, source, priority, weight, healthy, ttlMs, addresses }) => [
        ...[shown(peer), shown(name), shown(source), String(priority), String(weight), yesOrNo(healthy), seconds(ttlMs)],
        list(addresses),
      ]),
    ),
  );

const ofSources = async (texts: readonly string[], options: DiscoverOptions): Promise<void> => {
  const timeoutMs = options.timeout === undefined ? timeoutDefaultMs : durationOf(options.timeout, '--timeout');
  if (timeoutMs > timeoutMaxMs) throw new UsageError('--timeout is at most 60s');
  const max = maxOf(options);
  const cluster = options.cluster ?? (process.env.POLITY_CLUSTER?.trim() || clusterDefault);
  if (!isNodeName(cluster)) throw new UsageError(`--cluster '${cluster}' is no cluster's name`);
  if (options.ask === true) throw new UsageError('--ask is for a node; sources that are named are asked anyway');
  const sink: SinkPort = {
    log(level, code, message) {
      if (level === 'warn' || level === 'error') note(`${code}: ${message}`);
    },
    count() {},
  };
  const context = contextOf({ cluster, self: '', secret: secretOf(options), sink });
  const asked = await askSources(plansOf(texts), context, timeoutMs);
  setTimeout(() => process.exit(), lingerMs).unref();
  const rows = asked
    .flatMap((one): Row[] => ('findings' in one ? one.findings.map((finding) => ({ ...finding, source: one.source })) : []))
    .sort(byUse);
  if (options.json === true) {
    const sources = asked.map((one) =>
      'fault' in one
        ? { source: one.source, code: one.fault.code, message: one.fault.message }
        : { source: one.source, findings: one.findings.length, cut: one.cut, invalid: one.invalid },
    );
    printJson({ peers: rows.slice(0, max), sources });
  } else {
    if (rows.length > 0) printRows(rows.slice(0, max));
    for (const one of asked)
      if ('fault' in one) note(`${one.fault.code}: ${one.source}: ${one.fault.message}`);
      else if (one.cut + one.invalid > 0)
        note(`${one.source}: left out ${one.invalid} that nobody can dial, ${one.cut} too many`);
  }
  finish(Math.min(max, rows.length), rows.length, rows.length > 0);
};

// ------------------------------------------------------------------ what a node knows

type Fields = Record<string, unknown>;

const placesTable = (places: readonly Fields[]): string =>
  table(
    ['PEER', 'NAME', 'STATE', 'FOR', 'SOURCES', 'PRIORITY', 'WEIGHT', 'HEALTHY', 'ADDRESSES'],
    places.map((place) => [
      ...[shown(place.peer), shown(place.name), shown(place.state), seconds(place.forMs), list(place.sources)],
      ...[shown(place.priority), shown(place.weight), yesOrNo(place.healthy), list(place.addresses)],
    ]),
  );

const errorOf = (value: unknown): string => {
  if (typeof value !== 'object' || value === null) return '-';
  const { code, message } = value as Fields;
  return cell(`${code}: ${message}`, 120);
};

const sourcesTable = (sources: readonly Fields[]): string =>
  table(
    ['SOURCE', 'STATE', 'ANSWERED', 'FINDINGS', 'LAST ERROR'],
    sources.map((source) => [
      ...[shown(source.source), shown(source.state)],
      ...[source.answeredMsAgo === null ? 'never' : `${seconds(source.answeredMsAgo)} ago`, shown(source.findings)],
      errorOf(source.lastError),
    ]),
  );

/** Whom nobody could reach for long is remembered, but not found. */
const isFound = ({ state }: Fields): boolean => state !== 'lost';

const printLookup = ({ peers, failures }: Awaited<ReturnType<Client['lookup']>>, json: boolean): void => {
  if (json) printJson({ peers, failures });
  else {
    if (peers.length > 0) print(placesTable(peers));
    for (const { source, code, message } of failures) note(cell(`${code}: ${source}: ${message}`, 240));
  }
  finish(peers.length, peers.length, peers.some(isFound));
};

const ofNode = (options: DiscoverOptions): Promise<void> => {
  if (options.cluster !== undefined || options.secretFile !== undefined)
    throw new UsageError('--cluster and --secret-file are for sources that are named; a node has its own');
  const max = maxOf(options);
  return withClient(options, async (client) => {
    if (options.ask === true) return printLookup(await client.lookup({ max }), options.json === true);
    const { peers, sources } = await client.discovery();
    if (options.json === true) printJson({ peers: peers.slice(0, max), sources });
    else {
      if (peers.length > 0) print(placesTable(peers.slice(0, max)));
      if (sources.length > 0) print(`${peers.length > 0 ? '\n' : ''}${sourcesTable(sources)}`);
    }
    finish(Math.min(max, peers.length), peers.length, peers.some(isFound));
  });
};

export const discover = async (texts: readonly string[], options: DiscoverOptions): Promise<void> =>
  texts.length === 0 ? ofNode(options) : ofSources(texts, options);
