// The cheapest first, while it has room. Who names no price is dearer than all who do.

import type { Strategy } from '../strategy.ts';
import { pickFromTiers } from '../tiers.ts';

export const cost: Strategy = {
  byKey: false,
  pick: (usable, question) => pickFromTiers(usable, question, ({ candidate }) => candidate.cost ?? Number.POSITIVE_INFINITY),
};
