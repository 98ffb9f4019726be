// What this node offers: said once to all when it changes, and now and then that it all still holds.
import { catalogLimits as max } from './limits.ts';
import { copyOffer, idText, isId, offerBytes, whyUnfit } from './offer.ts';
import { putNothing, putOffer, putWithdrawn, toldOf, whyFull } from './owners.ts';
import { about, type CatalogState, type Turn } from './state.ts';
import type { Offer, OfferId, OfferRefusal, Word } from './types.ts';

const unoffered = (turn: Turn, code: OfferRefusal, message: string): void =>
  void turn.effects.push({ type: 'unoffered', code, message });

const announce = (state: CatalogState, turn: Turn, word: Word): void => {
  state.own.told = word.told;
  turn.effects.push({ type: 'announce', word, ttlMs: state.options.ttlMs });
  state.nextRenewMs = state.own.count === 0 ? Number.POSITIVE_INFINITY : turn.nowMs + about(state, state.options.renewMs);
};

export const onOffer = (state: CatalogState, turn: Turn, given: Offer): void => {
  const unfit = whyUnfit(given);
  if (unfit !== null) return unoffered(turn, 'OFFER_INVALID', unfit);
  const bytes = offerBytes(given);
  if (bytes > max.offerBytesMax)
    return unoffered(turn, 'OFFER_TOO_LARGE', `${given.name} takes ${bytes} bytes, at most ${max.offerBytesMax}`);
  const { own } = state;
  const id = idText(given);
  if (whyFull(state, own, id, bytes) !== null)
    return unoffered(turn, 'TOO_MANY_OFFERS', `this node offers ${own.count} with ${own.bytes} bytes already`);
  const offer = copyOffer(given);
  const known = own.kept.get(id);
  if (known !== undefined && known.entry !== null && JSON.stringify(known.entry.offer) === JSON.stringify(offer))
    return void turn.effects.push({ type: 'offered', sequence: known.sequence });
  const sequence = ++state.said;
  putOffer(state, turn, own, offer, { sequence, endsMs: Number.POSITIVE_INFINITY, from: state.self });
  turn.effects.push({ type: 'offered', sequence });
  announce(state, turn, { type: 'offer', told: toldOf(own, sequence), offer });
};

export const onWithdraw = (state: CatalogState, turn: Turn, id: OfferId): void => {
  const { own } = state;
  const known = isId(id) ? own.kept.get(idText(id)) : undefined;
  if (known === undefined || known.entry === null) return unoffered(turn, 'NOT_OFFERED', 'this node does not offer it');
  const sequence = ++state.said;
  putWithdrawn(state, turn, own, known.id, { sequence, endsMs: turn.nowMs + state.options.ttlMs, from: state.self });
  turn.effects.push({ type: 'withdrawn', sequence });
  announce(state, turn, { type: 'withdraw', told: toldOf(own, sequence), id: known.id });
};

export const renewTurn = (state: CatalogState, turn: Turn): void => {
  if (turn.nowMs < state.nextRenewMs) return;
  announce(state, turn, { type: 'renew', told: toldOf(state.own, state.said) });
};

/** One word for all: who hears it need not be told of each. */
export const onLeave = (state: CatalogState, turn: Turn): void => {
  if (state.own.count === 0) return;
  const sequence = ++state.said;
  putNothing(state, turn, state.own, { sequence, endsMs: turn.nowMs + state.options.ttlMs, from: state.self });
  announce(state, turn, { type: 'renew', told: toldOf(state.own, sequence) });
};

export const renewSoon = (state: CatalogState, turn: Turn): void => {
  state.nextRenewMs = Math.min(state.nextRenewMs, turn.nowMs + about(state, state.options.settleMs));
};
