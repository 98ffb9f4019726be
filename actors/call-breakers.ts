// What calls need of breakers (actors/breakers.ts), one for each peer and service: whether a call is made at all, and how it ended.
import type { Ticket } from '../machines/breaker/index.ts';
import { type ErrorCode, type Failure, failure } from '../machines/errors.ts';
import type { PeerId } from './ports/index.ts';

export interface CallBreakers {
  /** 0: refused. `nowMs`: on the clock port, if whoever asks has just looked. */
  admit(peer: PeerId, service: string, nowMs?: number): Ticket;
  settle(peer: PeerId, service: string, ticket: Ticket, code: ErrorCode | null, tookMs: number, nowMs?: number): void;
  at(peer: PeerId, service: string): { breaker: 'closed' | 'open' | 'half-open'; probes: number };
  refusal(peer: PeerId, service: string): Failure;
  onChanged(listener: () => void): () => void;
}

const closed = { breaker: 'closed', probes: 0 } as const;

/** Where there are none. */
export const noBreakers: CallBreakers = {
  admit: () => 1,
  settle: () => {},
  at: () => closed,
  refusal: (_peer, service) => failure('BREAKER_OPEN', `'${service}' is left alone`),
  onChanged: () => () => {},
};
