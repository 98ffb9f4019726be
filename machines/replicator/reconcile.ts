// Anti-entropy for objects: whatever deltas did not bring, an exchange repairs. Two nodes compare the roots of their tries
// (Demers et al. 1987 for the exchange, Merkle 1987 and Dynamo §4.7 for the tree), descend only where digests differ, and exchange
// the states of the objects that differ, in both directions, so that the bytes follow the difference and not the data. Joining is
// idempotent and commutative, so nothing that is lost, repeated, reordered or left half-done does harm: the next exchange finds the rest.
// No digest is believed: whatever is said of an object, its digest here is made of its state here, after every join.

import { answerWaiting, forget, onAsk } from './repair-answer.ts';
import { askFirst, askFor, endExchange, onAnswer } from './repair-ask.ts';
import { repairLimits as max } from './repair-limits.ts';
import type { Ask, Busy, RepairMessage } from './repair-messages.ts';
import { createExchange, type PeerId, prepare, type RepairState, type RepairTurn } from './repair-state.ts';

export { repairLimits } from './repair-limits.ts';
export { type Answer, type Ask, formRepairMessage, parseRepairMessage, type RepairMessage } from './repair-messages.ts';
export * from './repair-state.ts';

/** Begins to compare everything with this peer; `takesOnly`: only to take what it has. False: there is an exchange with it already, or enough with others. */
export const beginExchange = (state: RepairState, turn: RepairTurn, peer: PeerId, takesOnly = false): boolean => {
  const { exchanges, self } = state;
  if (peer === self || exchanges.has(peer) || exchanges.size >= max.exchangesMax) return false;
  exchanges.set(peer, createExchange(state, turn.nowMs, takesOnly));
  repairTurn(state, turn);
  return true;
};

/**
 * Fetches these objects and gives back what the peer lacks of them, comparing nothing else: a delta came that builds on what is not
 * here. Goes along with an exchange that is under way. False: there are enough exchanges, or objects to fetch; comparing everything
 * later finds them too.
 */
export const fetchObjects = (state: RepairState, turn: RepairTurn, peer: PeerId, names: readonly string[]): boolean => {
  const { exchanges, self } = state;
  const known = exchanges.get(peer);
  if (known !== undefined) return askFor(state, turn, peer, known, names);
  if (peer === self || exchanges.size >= max.exchangesMax || names.length === 0) return false;
  const exchange = createExchange(state, turn.nowMs);
  // Roots are compared by ask 0, which this one leaves out.
  exchange.counts.asks = 1;
  exchanges.set(peer, exchange);
  if (askFor(state, turn, peer, exchange, names)) return true;
  exchanges.delete(peer);
  return false;
};

/** A part of a long message came or went: nobody is silent. */
export const onProgress = ({ exchanges, served }: RepairState, peer: PeerId, nowMs: number): void => {
  const exchange = exchanges.get(peer);
  if (exchange !== undefined) exchange.movedMs = nowMs;
  if (served.has(peer)) served.set(peer, nowMs);
};

/** Nothing more comes from this peer. */
export const onPeerGone = (state: RepairState, turn: RepairTurn, peer: PeerId): void => {
  forget(state, peer);
  endExchange(state, turn, peer, 'silent');
};

/** Digests are made, a share a turn, for first asks of both sides; whoever waited too long does with those that there are. */
const prepareTurn = (state: RepairState, turn: RepairTurn): void => {
  const { exchanges, waiting } = state;
  const beginning = [...exchanges].filter(([, { counts }]) => counts.asks === 0);
  if (beginning.length + waiting.size === 0) return;
  const isReady = prepare(state);
  for (const [peer, exchange] of beginning) if (isReady || --exchange.patience <= 0) askFirst(state, turn, peer, exchange);
  answerWaiting(state, turn, isReady);
};

/** What is due: digests to be made, first asks and answers, and the end of exchanges that nobody answers. */
export const repairTurn = (state: RepairState, turn: RepairTurn): void => {
  prepareTurn(state, turn);
  for (const [peer, { counts, movedMs }] of state.exchanges)
    if (counts.asks > 0 && turn.nowMs - movedMs >= max.exchangeTimeoutMs) endExchange(state, turn, peer, 'silent');
};

/** When `repairTurn` has something to do again; now, while digests are being made. */
export const repairDueMs = (state: RepairState, nowMs: number): number => {
  let dueMs = state.waiting.size > 0 ? nowMs : Number.POSITIVE_INFINITY;
  for (const { counts, movedMs } of state.exchanges.values())
    dueMs = Math.min(dueMs, counts.asks === 0 ? nowMs : movedMs + max.exchangeTimeoutMs);
  return dueMs;
};

/** Both began at the same moment: one exchange repairs both, so the one of the peer that sorts first goes on. */
const mayAnswer = (state: RepairState, turn: RepairTurn, from: PeerId, { ask, exchange }: Ask): boolean => {
  const own = state.exchanges.get(from);
  if (ask > 0 || own === undefined || own.counts.asks > 1) return true;
  if (own.counts.asks === 0 || from < state.self) {
    endExchange(state, turn, from, 'yielded');
    return true;
  }
  turn.sends.push({ to: from, message: { type: 'busy', exchange } });
  return false;
};

const onBusy = (state: RepairState, turn: RepairTurn, from: PeerId, { exchange }: Busy): void => {
  if (state.exchanges.get(from)?.id === exchange) endExchange(state, turn, from, 'busy');
};

export const onRepairMessage = (state: RepairState, turn: RepairTurn, from: PeerId, message: RepairMessage): void => {
  if (message.type === 'busy') onBusy(state, turn, from, message);
  else if (message.type === 'answer') onAnswer(state, turn, from, message);
  else if (mayAnswer(state, turn, from, message)) onAsk(state, turn, from, message);
};
