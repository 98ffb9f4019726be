// What the cells of a node share, and what each of them asks of the place where it lives.
import type { FencingToken } from '../machines/register/types.ts';
import type { ActorEnd, Placing } from './actor-api.ts';
import type { ActorCell } from './actor-cell.ts';
import type { Ask } from './actor-cell-asks.ts';
import type { DeadLetters } from './actor-dead-letters.ts';
import type { Family } from './actor-family.ts';
import type { Turns } from './actor-turns.ts';
import type { Deadlines } from './deadlines.ts';
import type { ClockPort, RandomPort, SinkPort } from './ports/index.ts';

export interface CellPlace {
  readonly clock: ClockPort;
  readonly random: RandomPort;
  readonly sink: SinkPort;
  readonly turns: Turns;
  readonly deadLetters: DeadLetters;
  /** For XState: one object for all. */
  readonly xstateClock: unknown;
  readonly holds: Placing['holds'];
  /** When nobody waits any more for an answer that has not come. */
  readonly overdue: Deadlines<Ask>;
  /** It has something to do, and its token does not hold now: it has its turn again a little later. */
  held(cell: ActorCell): void;
  /** It has been made, well or not. */
  began(cell: ActorCell): void;
  /** It has failed and begins anew after so long, or not at all. */
  failed(cell: ActorCell, thrown: unknown, reason: string, delayMs: number | null): void;
  /** Whoever looks on it threw. */
  onlookerThrew(cell: ActorCell, thrown: unknown): void;
  over(cell: ActorCell): void;
  /** It has ended, or lives here no more. */
  gone(cell: ActorCell, why: ActorEnd | 'passivated' | 'moved'): void;
  /** With whom it stands and falls; null: it stands alone. */
  familyOf(cell: ActorCell): Family<ActorCell> | null;
  givenUp(cell: ActorCell, end: ActorEnd): void;
  /** Hosted actors that are children of this one, in the order in which they were made. */
  childrenOf(cell: ActorCell): Iterable<ActorCell>;
}

export type CellToken = FencingToken | null;
