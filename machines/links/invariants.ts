// What must be true of the links after every step.
import { InvariantBroken } from '../invariant.ts';
import { addressesOf, type LinksState } from './state.ts';
import { linksLow, strangersMax } from './types.ts';

const demand = (invariant: string, holds: boolean, what: () => string): void => {
  if (!holds) throw new InvariantBroken(invariant, what());
};

export const checkLinks = (state: LinksState): void => {
  const { regime, live, options, neighbours, kept, known, self, needed } = state;
  const most = regime === 'all' ? options.linksMax : Number.POSITIVE_INFINITY;
  demand('regime-by-size', live.length <= most, () => `${live.length} live members, everybody is kept`);
  const least = regime === 'some' ? linksLow(options) : 0;
  demand('regime-by-size', live.length >= least, () => `${live.length} live members, only some are kept`);
  const reachable = live.filter((peer) => addressesOf(state, peer).length > 0);
  const wanted = regime === 'all' ? 0 : Math.min(options.neighbours, reachable.length);
  demand('neighbours-drawn', neighbours.size === wanted, () => `${neighbours.size} neighbours, not ${wanted}`);
  for (const peer of neighbours)
    demand('neighbours-live', known.get(peer)?.standing === 'live', () => `${peer} is a neighbour`);
  for (const [peer, addresses] of kept) {
    demand('kept-can-be-dialled', addresses !== '' && known.has(peer), () => `${peer} has no address`);
    demand('kept-not-evicted', known.get(peer)?.standing !== 'evicted', () => `${peer} was thrown out`);
    demand('not-to-itself', peer !== self, () => 'it keeps a connection to itself');
  }
  const named = [...known.values()].filter(({ name, standing }) => standing === 'live' && state.neededNames.has(name ?? ''));
  const bound = needed.size + named.length + (regime === 'all' ? 2 * options.linksMax : options.neighbours);
  demand('kept-bounded', kept.size <= bound, () => `${kept.size} are kept, at most ${bound}`);
  const strangers = [...known.values()].filter(({ standing }) => standing === 'stranger').length;
  demand('strangers-bounded', strangers <= strangersMax + needed.size, () => `${strangers} strangers are remembered`);
};
