// `polity actor shards`: which groups hold the actors of the cluster, who leads them and why; and where one of them is to be found.
import { parseAddress } from '../../machines/entity/address.ts';
import type { ShownShard, ShownShards } from '../client/inspection.ts';
import { UsageError } from './exit.ts';
import { cell, print, printJson, table } from './output.ts';
import { type ReachOptions, withClient } from './reach.ts';

const whys: Record<string, string> = { away: 'not there', 'not-ready': 'not ready', lacking: 'lacks types or versions' };

const othersOf = ({ voters }: ShownShard): string =>
  voters
    .filter(({ standing }) => standing !== 'able')
    .map(({ node, standing }) => `${node} ${whys[standing] ?? standing}`)
    .join(', ');

const whyOf = (group: ShownShard): string => {
  const { leader, preferred } = group;
  const others = othersOf(group);
  const but = others === '' ? '' : ` (${others})`;
  if (preferred === null) return leader === null ? `no leader is known${but}` : `it is not known here who should lead${but}`;
  if (leader === null) return `it is being elected; ${preferred} should lead${but}`;
  return leader === preferred
    ? `by capacity and zone${but}`
    : `${preferred} should lead, and is handed it when it can be${but}`;
};

const rowOf = (group: ShownShard): string[] => [
  ...[group.group, group.leader ?? '-', group.preferred ?? '-', group.token ?? '-'],
  ...[String(group.actors), String(group.remembered), cell(whyOf(group), 160)],
];

const placeText = ({ address, group, node, failure }: NonNullable<ShownShards['place']>): string => {
  const by = group === null ? 'it belongs to that node' : `its key belongs to '${group}', whose leader keeps its actors`;
  const at = node === null ? `${address} is nowhere now` : `${address} is at ${node}: ${by}`;
  return failure === null ? at : `${at}; ${failure.code}: ${failure.detail ?? ''}`;
};

export const shards = (address: string | undefined, options: ReachOptions): Promise<void> => {
  if (address !== undefined && parseAddress(address) === null)
    throw new UsageError(`'${address}' is no address of an actor: TYPE/KEY, or TYPE/KEY@NODE for one of a node`);
  return withClient(options, async (client) => {
    const found = await client.inspection.shards(address === undefined ? {} : { address });
    if (options.json === true) return printJson(found);
    if (found.place !== null) print(cell(placeText(found.place), 400));
    const groups = found.groups.filter(({ group }) => found.place === null || group === found.place.group);
    if (groups.length > 0)
      print(table(['GROUP', 'LEADER', 'PREFERRED', 'TOKEN', 'HERE', 'REMEMBERED', 'WHY'], groups.map(rowOf)));
    else if (found.place === null) print('no cluster is known here yet');
  });
};
