// `polity services`: who offers what, as one node knows it.
import { type OfferKind, offerKinds } from '../../machines/catalog/index.ts';
import { resourcesOfPairs } from '../catalog/resources.ts';
import type { Client, ServiceDescription, ServiceId, ServiceOffer, ServiceOwner, ServiceQuery } from '../client/index.ts';
import { CommandError, UsageError } from './exit.ts';
import { cell, print, printJson, table } from './output.ts';
import { countOf, type ReachOptions, withClient } from './reach.ts';

export type ServicesOptions = ReachOptions & {
  kind?: string;
  version?: string;
  capability?: string;
  resource?: string;
  tag?: string;
  on?: string;
  limit?: string;
  watch?: boolean;
};

const wordsOf = (text: string): string[] =>
  text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');

const resourcesOf = (text: string): Record<string, number | string> => {
  const resources = resourcesOfPairs(wordsOf(text));
  if (resources === null) throw new UsageError(`--resource must be NAME=AMOUNT or NAME=WORD, each once, not '${text}'`);
  return resources;
};

const kindOf = (text: string): OfferKind => {
  const kind = offerKinds.find((one) => one === text);
  if (kind === undefined) throw new UsageError(`--kind is one of ${offerKinds.join(', ')}, not '${text}'`);
  return kind;
};

const askedOf = ({ kind, version, capability, resource, tag, on }: ServicesOptions): Omit<ServiceQuery, 'name' | 'prefix'> => ({
  ...(kind === undefined ? {} : { kind: kindOf(kind) }),
  ...(version === undefined ? {} : { version }),
  ...(capability === undefined ? {} : { capabilities: wordsOf(capability) }),
  ...(resource === undefined ? {} : { resources: resourcesOf(resource) }),
  ...(tag === undefined ? {} : { tags: wordsOf(tag) }),
  ...(on === undefined ? {} : { node: on }),
});

// Words of other nodes: nothing in them may reach the terminal as a command.
const list = (words: readonly string[], charactersMax = 60): string =>
  words.length === 0 ? '-' : cell(words.join(','), charactersMax);
const pairs = (resources: ServiceOffer['resources']): string =>
  list(Object.entries(resources).map(([name, amount]) => `${name}=${amount}`));
const called = ({ node, peerId }: ServiceOwner): string => node ?? peerId;
const named = ({ kind, name, version }: ServiceId): string => `${kind} ${name} ${version}`;

/** Offers that say the same, of several nodes, are one row. */
const offersTable = (offers: readonly ServiceOffer[]): string => {
  const rows = new Map<string, { cells: string[]; nodes: string[] }>();
  for (const offer of offers) {
    const { name, version, kind, methods, capabilities, resources, tags } = offer;
    const cells = [cell(name, 128), cell(version), kind, list(methods), list(capabilities), pairs(resources), list(tags)];
    const key = JSON.stringify([name, version, kind, methods, capabilities, resources, tags]);
    const row = rows.get(key) ?? { cells, nodes: [] };
    rows.set(key, row);
    row.nodes.push(called(offer));
  }
  return table(
    ['NAME', 'VERSION', 'KIND', 'NODES', 'METHODS', 'CAPABILITIES', 'RESOURCES', 'TAGS'],
    [...rows.values()].map(({ cells, nodes }) => [...cells.slice(0, 3), list(nodes.sort()), ...cells.slice(3)]),
  );
};

const shown = (value: unknown): string => (value === null ? '-' : cell(JSON.stringify(value), 100));

const printDescription = ({ name, versions, versionsCount }: ServiceDescription): void => {
  for (const [at, one] of versions.entries()) {
    const { capabilities, resources, tags, owners, ownersCount } = one;
    const more = ownersCount > owners.length ? ` and ${ownersCount - owners.length} more` : '';
    const has = [
      capabilities.length === 0 ? '' : `  capabilities ${list(capabilities)}`,
      Object.keys(resources).length === 0 ? '' : `  resources ${pairs(resources)}`,
      tags.length === 0 ? '' : `  tags ${list(tags)}`,
    ].join('');
    print(`${at === 0 ? '' : '\n'}${cell(named(one), 300)}  on ${list(owners.map(called).sort(), 200)}${more}${has}`);
    if (one.differs) print('its owners describe its methods differently; these are those of one of them');
    const methods = Object.entries(one.methods);
    if (methods.length === 0) continue;
    const rows = methods.map(([method, { input, output, idempotent }]) => [
      ...[method, idempotent ? 'yes' : 'no', shown(input), shown(output)],
    ]);
    print(table(['METHOD', 'IDEMPOTENT', 'INPUT', 'OUTPUT'], rows));
  }
  if (versionsCount > versions.length) print(`\nand ${versionsCount - versions.length} more versions of ${cell(name)}`);
};

const describe = async (client: Client, name: string, options: ServicesOptions): Promise<void> => {
  const described = await client.services.describe(name, askedOf(options));
  if (described === null) throw new CommandError(`nobody offers '${name}' as it is asked for`);
  if (options.json === true) printJson(described);
  else printDescription(described);
};

const listAll = async (client: Client, options: ServicesOptions): Promise<void> => {
  let left = options.limit === undefined ? Number.POSITIVE_INFINITY : countOf(options.limit, '--limit');
  const offers: ServiceOffer[] = [];
  for await (const offer of client.services.list(askedOf(options))) {
    if (--left < 0) break;
    if (options.json === true) printJson(offer);
    else offers.push(offer);
  }
  if (options.json !== true) print(offersTable(offers));
};

const watch = async (client: Client, name: string | undefined, options: ServicesOptions): Promise<void> => {
  const end = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => end.abort());
  const asked = { ...askedOf(options), ...(name === undefined ? {} : { name }) };
  try {
    for await (const event of client.services.watch({ ...asked, signal: end.signal })) {
      const atTime = new Date().toISOString();
      if (options.json === true) printJson({ time: atTime, ...event });
      else if (event.type === 'offer')
        print(`${atTime}  ${cell(named(event.offer), 300)} is offered by ${cell(called(event.offer))}`);
      else if (event.type === 'end')
        print(`${atTime}  ${cell(named(event.offer), 300)} of ${cell(called(event.offer))} ended: ${event.why}`);
    }
  } catch (error) {
    if (!end.signal.aborted) throw error;
  }
};

export const services = (name: string | undefined, options: ServicesOptions): Promise<void> =>
  withClient(options, (client) => {
    if (options.watch === true) return watch(client, name, options);
    return name === undefined ? listAll(client, options) : describe(client, name, options);
  });
