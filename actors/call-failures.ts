// How a call that failed tells it: which method at which node, how that node stands, through which calls it went, how often it was tried.
import { type Failure, failure } from '../machines/errors.ts';
import type { CallBreakers } from './call-breakers.ts';
import type { Candidates } from './call-candidates.ts';
import { addressOf } from './call-request.ts';
import type { OutgoingCall } from './outgoing-call.ts';
import type { PeerId } from './ports/index.ts';

const chainSeparator = ' > ';

export type FailureFacts = {
  candidates: Candidates;
  breakers: CallBreakers;
  nameOf: (peer: PeerId) => string | null;
};

export const chainOf = (chain: readonly string[], node: string, address: string): string =>
  [...chain, `${node} ${address}`].join(chainSeparator);

/** What whoever failed said of it stays; what this node knows is added. */
export const describeFailure = (out: OutgoingCall, why: Failure, facts: FailureFacts): Failure => {
  const { call, chain } = out.prepared;
  const address = addressOf(call);
  const { last: peer } = out;
  if (peer === null) return failure(why.code, why.message, { address, attempts: out.attempts, ...why.details });
  const member = facts.candidates.memberOf(peer);
  const node = facts.nameOf(peer) ?? member?.name ?? peer;
  const { breaker } = facts.breakers.at(peer, call.service);
  return failure(why.code, why.message, {
    ...{ address, node, state: member?.status ?? 'unknown', breaker },
    ...{ chain: chainOf(chain, node, address), attempts: out.attempts },
    ...why.details,
  });
};
