// `polity route`: how a node reaches another, and why; or where it would go for something that is offered.
import { CommandError, UsageError } from './exit.ts';
import { print, printJson, table } from './output.ts';
import { type ReachOptions, withClient } from './reach.ts';

export type RouteOptions = ReachOptions & { ask?: boolean; offers?: string; range?: string; prefer?: string };

type Fields = Record<string, unknown>;

const ms = (value: unknown): string => (typeof value === 'number' ? `${Math.round(value * 100) / 100} ms` : '-');
const seconds = (value: unknown): string => (typeof value === 'number' ? `${Math.round(value / 100) / 10}s` : '-');
const pathOf = ({ over }: Fields): string => (Array.isArray(over) && over.length > 0 ? over.join(' → ') : '-');

const whys: Record<string, string> = {
  self: 'it is this node',
  direct: 'they are connected',
  relayed: 'there is no connection, and these take it there',
  none: 'nobody reached it a moment ago',
  unknown: 'nobody was asked; --ask asks',
};

const whyOf = ({ how, isDialable, isAsking }: Fields): string => {
  if (isAsking === true) return 'others are being asked';
  if (how === 'unknown' && isDialable === true) return 'not connected; a message opens a connection';
  return whys[String(how)] ?? '-';
};

const places = (name: string, options: RouteOptions): Promise<void> =>
  withClient(options, async (client) => {
    const { range, prefer } = options;
    const found = await client.locate(name, {
      ...(range === undefined ? {} : { range }),
      ...(prefer === undefined ? {} : { prefer }),
    });
    if (options.json === true) printJson({ places: found });
    else if (found.length > 0)
      print(
        table(
          ['NODE', 'VERSION', 'LATENCY', 'PEER'],
          found.map(({ node, version, latencyMs, owner }) => [
            ...[String(node ?? '-'), String(version ?? '-'), ms(latencyMs), String(owner ?? '-')],
          ]),
        ),
      );
    if (found.length === 0) throw new CommandError(`nobody offers ${name}`);
  });

export const route = (node: string | undefined, options: RouteOptions): Promise<void> => {
  const { offers, range, prefer } = options;
  if ((node === undefined) === (offers === undefined)) throw new UsageError('name a node, or --offers what is looked for');
  if (offers !== undefined) return places(offers, options);
  if (node === undefined || range !== undefined || prefer !== undefined)
    throw new UsageError('--range and --prefer are for --offers');
  return toNode(node, options);
};

const toNode = (node: string, options: RouteOptions): Promise<void> =>
  withClient(options, async (client) => {
    const found = await client.route(node, { ask: options.ask === true });
    if (options.json === true) return printJson(found);
    print(
      table(
        ['NODE', 'HOW', 'PATH', 'LATENCY', 'AGE', 'HOLDS', 'OTHERS', 'WHY'],
        [
          [
            ...[String(found.node ?? found.peer ?? node), String(found.how ?? '-'), pathOf(found), ms(found.latencyMs)],
            ...[seconds(found.ageMs), seconds(found.leftMs), String(found.others ?? 0), whyOf(found)],
          ],
        ],
      ),
    );
  });
