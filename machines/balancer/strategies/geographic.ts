// The own zone first, then the own region, then anywhere; each while it works and has room.
import type { Place, Seat } from '../state.ts';
import type { Strategy } from '../strategy.ts';
import { pickFromTiers } from '../tiers.ts';

/** Zones are named within a region: an `a` elsewhere is another zone. */
const distance = (here: Place, { candidate }: Seat): number => {
  if (here.region !== candidate.region) return 2;
  if (here.zone !== null && here.zone === candidate.zone) return 0;
  return here.region === null ? 2 : 1;
};

export const geographic: Strategy = {
  byKey: false,
  pick: (usable, question) => pickFromTiers(usable, question, (seat) => distance(question.state.here, seat)),
};
