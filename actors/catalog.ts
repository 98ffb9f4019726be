// Who offers what (row K1): drives machines/catalog. What this node offers is announced through gossip, what others announce is heard
// there; what was missed is asked for over the bulk lanes.
import {
  type CatalogEffect,
  type CatalogEvent,
  type CatalogOptions,
  type CatalogState,
  createCatalog,
  formCatalogMessage,
  formWord,
  type Offer,
  type OfferId,
  type OfferRefusal,
  parseCatalogMessage,
  parseWord,
  step,
} from '../machines/catalog/index.ts';
import { type ErrorCode, failure } from '../machines/errors.ts';
import { createAlarm } from './alarm.ts';
import type { Announced, GossipApi, Outcome } from './api.ts';
import type { PeerId, Ports } from './ports/index.ts';
import type { Delivery, Router } from './router.ts';
import type { Component, Scope } from './supervise.ts';

export const catalogAddress = 'catalog';
/** What gossip calls a topic, inside the one topic of the cluster. */
export const catalogTopic = 'polity.catalog';
const messageType = 'catalog';

type Done = (outcome: Outcome<null>) => void;

/** What a caller waits for. */
export type CatalogRequest = { type: 'offer'; offer: Offer; done: Done } | { type: 'withdraw'; id: OfferId; done: Done };

export type CatalogActorEvent =
  | CatalogRequest
  | { type: 'leave' }
  | { type: 'announced'; announced: Announced }
  | { type: 'delivery'; delivery: Delivery }
  | { type: 'peer-open'; peer: PeerId; epoch: number }
  | { type: 'peer-close' | 'left' | 'evicted' | 'readmitted'; peer: PeerId };

export type CatalogArguments = {
  options: CatalogOptions;
  /** Starts of this process. */
  epoch: number;
  /** Number of the last word of an earlier incarnation of this actor in this process. */
  said: () => number;
  onSaid: (said: number) => void;
  connected: readonly { peer: PeerId; epoch: number }[];
  evicted: readonly PeerId[];
  /** What this node offers, whatever became of an earlier incarnation; and what was asked while there was none. */
  own: readonly Offer[];
  waiting: readonly CatalogRequest[];
  ports: Ports;
  router: Router;
  publish: GossipApi['publish'];
  /** From now on what is announced comes as an event; first what still holds. */
  listen: () => void;
  checkAll: boolean;
  /** What is known; looked into without this actor, which alone changes it. */
  onState: (state: CatalogState) => void;
  onChanged: (changed: Extract<CatalogEffect, { type: 'changed' }>) => void;
};

type Answer = Extract<CatalogEffect, { type: 'offered' | 'withdrawn' | 'unoffered' }>;

const codeOf: Record<OfferRefusal, ErrorCode> = {
  OFFER_INVALID: 'INVALID_REQUEST',
  OFFER_TOO_LARGE: 'TOO_LARGE',
  TOO_MANY_OFFERS: 'OVERLOADED',
  NOT_OFFERED: 'NOT_FOUND',
};

const outcomeOf = (answer: Answer): Outcome<null> =>
  answer.type === 'unoffered'
    ? { ok: false, failure: failure(codeOf[answer.code], answer.message) }
    : { ok: true, value: null };

export const createCatalogActor = (scope: Scope, args: CatalogArguments): Component<CatalogActorEvent> => {
  const { ports, router } = args;
  const { clock, network, random, sink } = ports;
  const state = createCatalog({
    ...{ self: network.self, epoch: args.epoch, said: args.said(), options: args.options },
    ...{ seed: random.uint32(), nowMs: clock.nowMs(), checkAll: args.checkAll },
  });
  const alarm = createAlarm(clock, scope.after, () => run({ type: 'wake' }));
  const onPublished = scope.guard((outcome: Outcome<{ sequence: number }>) => {
    if (outcome.ok) return;
    sink.count('catalog_unannounced_total', { code: outcome.failure.code });
    run({ type: 'unannounced' });
  });

  const fulfil = (effect: CatalogEffect, answer: (effect: Answer) => void): void => {
    switch (effect.type) {
      case 'announce':
        return args.publish(catalogTopic, formWord(effect.word), { ttlMs: effect.ttlMs }, onPublished);
      case 'send': {
        const { to, message } = effect;
        if (message.type === 'ask') sink.count('catalog_asks_total', { about: message.owner === null ? 'all' : 'owner' });
        router.send(to, 'bulk', catalogAddress, catalogAddress, messageType, formCatalogMessage(message));
        return;
      }
      case 'changed':
        return args.onChanged(effect);
      case 'refused':
        return sink.count('catalog_refused_total', { code: effect.code });
      case 'offered':
      case 'withdrawn':
      case 'unoffered':
        return answer(effect);
    }
  };

  const run = (event: CatalogEvent, answer: (effect: Answer) => void = () => {}): void => {
    const effects = step(state, clock.nowMs(), event);
    args.onSaid(state.said);
    for (const effect of effects) fulfil(effect, answer);
    alarm.at(state.deadlineMs);
  };

  const onRequest = (request: CatalogRequest): void => {
    const answer = (effect: Answer): void => request.done(outcomeOf(effect));
    if (request.type === 'offer') run({ type: 'offer', offer: request.offer }, answer);
    else run({ type: 'withdraw', id: request.id }, answer);
  };

  const onAnnounced = ({ source, epoch, body, leftMs }: Announced): void => {
    // Its own word, told to all who listen here.
    if (source === network.self) return;
    const parsed = parseWord(body);
    if (!parsed.ok) return router.refuse(source, parsed.refused, parsed.message);
    run({ type: 'heard', source, epoch, word: parsed.word, leftMs });
  };

  const onDelivery = ({ peer, type, body }: Delivery): void => {
    if (type !== messageType)
      return router.refuse(peer, 'TYPE_UNKNOWN', `no such message to the catalog: ${type.slice(0, 32)}`);
    const parsed = parseCatalogMessage(body);
    if (!parsed.ok) return router.refuse(peer, parsed.refused, parsed.message);
    run({ type: 'message', from: peer, message: parsed.message });
  };

  args.onState(state);
  for (const peer of args.evicted) run({ type: 'evicted', peer });
  for (const { peer, epoch } of args.connected) run({ type: 'met', peer, epoch });
  for (const offer of args.own) run({ type: 'offer', offer });
  for (const request of args.waiting) onRequest(request);
  args.listen();

  return {
    receive(event) {
      switch (event.type) {
        case 'offer':
        case 'withdraw':
          return onRequest(event);
        case 'announced':
          return onAnnounced(event.announced);
        case 'delivery':
          return onDelivery(event.delivery);
        case 'peer-open':
          return run({ type: 'met', peer: event.peer, epoch: event.epoch });
        case 'peer-close':
          return run({ type: 'lost', peer: event.peer });
        case 'left':
          return run({ type: 'left', peer: event.peer });
        case 'evicted':
          return run({ type: 'evicted', peer: event.peer });
        case 'readmitted':
          return run({ type: 'readmitted', peer: event.peer });
        case 'leave':
          return run(event);
      }
    },
    stop() {},
  };
};
