// Whether something that came for another node is passed on, and to whom (row R4). Everybody on its path adds who handed it to him, whom
// the connection proves; so a path can be lied about by those on it, but nobody is made to send in a circle: whoever finds
// himself on the path refuses, and no path is longer than the budget.
import type { RoutesState } from './state.ts';
import type { PeerId } from './types.ts';
import { wayAvoiding, wayTo } from './ways.ts';

export type Crossing = {
  readonly target: PeerId;
  /** Over whom it came, first who began, last who handed it over; with the one whom the connection proves. */
  readonly travelled: readonly PeerId[];
};

export type Verdict =
  /** It is for this node. */
  | { type: 'here' }
  | { type: 'pass'; to: PeerId }
  /** A way may be found: ask, and judge again. */
  | { type: 'ask' }
  | { type: 'refused'; code: 'LOOP_DETECTED' | 'UNREACHABLE'; message: string };

const told = (travelled: readonly PeerId[]): string => travelled.map((peer) => peer.slice(-8)).join(' → ');

export const judgeCrossing = (state: RoutesState, { target, travelled }: Crossing, nowMs: number): Verdict => {
  const { self, options } = state;
  if (travelled.includes(self) || new Set(travelled).size !== travelled.length)
    return { type: 'refused', code: 'LOOP_DETECTED', message: `it was here already: ${told(travelled)}` };
  if (target === self) return { type: 'here' };
  const linksLeft = options.hopsMax - travelled.length;
  if (linksLeft < 1)
    return {
      type: 'refused',
      code: 'LOOP_DETECTED',
      message: `over ${travelled.length} nodes and not there: ${told(travelled)}`,
    };
  if (travelled.includes(target))
    return { type: 'refused', code: 'LOOP_DETECTED', message: `it is for one over whom it came: ${told(travelled)}` };
  const way = wayAvoiding(state, target, travelled, linksLeft, nowMs);
  if (way !== null) return { type: 'pass', to: way.path[0]! };
  if (wayTo(state, target, nowMs) === 'unknown') return { type: 'ask' };
  return { type: 'refused', code: 'UNREACHABLE', message: 'no way on that does not lead back' };
};
