// The actors of a node as whoever looks on sees them, the runtime's own among them, in the order of their addresses and a page at a time.
import { type ActorAddress, addressText, runtimeType } from '../machines/entity/address.ts';
import type { ActorState, ActorsApi, ActorView, Backing } from './actor-api.ts';
import type { CellReport } from './supervise.ts';

const pageMax = 1_000;

export type ActorListArguments = {
  name: string;
  backings: () => readonly Backing[];
  reports: () => Iterable<CellReport>;
};

type Row = { readonly text: string; readonly view: () => ActorView };

const viewOf = (name: string, { address, state, restarts, reason }: CellReport): ActorView => ({
  ...{ address: { type: runtimeType, key: address, node: name }, durability: 'runtime', placement: 'node', version: 1 },
  ...{ state: state satisfies ActorState, handled: 0, waiting: 0, restarts, reason, token: null, children: [] },
});

export const createActorList = ({ name, backings, reports }: ActorListArguments): ActorsApi['list'] => {
  const rows = function* (type: string | undefined): Iterable<readonly [ActorAddress, () => ActorView]> {
    for (const backing of backings())
      for (const live of backing.live())
        if (type === undefined || live.address.type === type) yield [live.address, () => live.view()];
    if (type !== undefined && type !== runtimeType) return;
    for (const report of reports()) yield [{ type: runtimeType, key: report.address, node: name }, () => viewOf(name, report)];
  };

  return ({ type, prefix = '', after = '', limit }) => {
    const found: Row[] = [];
    for (const [address, view] of rows(type)) {
      if (!address.key.startsWith(prefix)) continue;
      const text = addressText(address);
      if (text > after) found.push({ text, view });
    }
    found.sort((a, b) => (a.text < b.text ? -1 : 1));
    return found.slice(0, Math.max(0, Math.min(limit, pageMax))).map(({ view }) => view());
  };
};
