// `polity route`: how a node reaches another, and why.
import { print, printJson, table } from './output.ts';
import { type ReachOptions, withClient } from './reach.ts';

export type RouteOptions = ReachOptions & { ask?: boolean };

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

export const route = (node: string, options: RouteOptions): Promise<void> =>
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
