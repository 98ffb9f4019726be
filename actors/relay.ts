// Calls of peers that cannot reach each other, and what they say of actors, carried by those between them (row R4). Nobody on the way
// remembers anything of it: a parcel says whom it is for and over whom it came, and answers go back the same way. Who is spoken to is told
// who speaks by whoever hands it over, and treats that as what it is, somebody's word; who began takes an answer only from the neighbour to
// whom he gave the question.
import type { Carrier } from './calls-post.ts';
import type { PeerId } from './ports/index.ts';
import { type Parcel, parseUndelivered, undeliveredType } from './relay-parcel.ts';
import { actorRules, callRules, rulesOf, type TalkRules } from './relay-rules.ts';
import { createTalk, type Talk, type TalkCore, type TalkEnd } from './relay-talk.ts';
import { createTransit, type TransitArguments } from './relay-transit.ts';
import type { Delivery } from './router.ts';
import type { Component, Scope } from './supervise.ts';

export type RelayEvent =
  | { type: 'delivery'; delivery: Delivery }
  | { type: 'peer-close' | 'drain'; peer: PeerId }
  /** Failed, left or thrown out. */
  | { type: 'gone'; peer: PeerId };

/** One kind of conversation, outside of the relay. */
export type TalkSide = {
  readonly direct: Carrier;
  readonly end: TalkEnd;
  readonly onCore: (core: TalkCore | null) => void;
};

export type RelayArguments = Omit<TransitArguments, 'arrive'> & { calls: TalkSide; actors: TalkSide };

export const createRelay = (scope: Scope, args: RelayArguments): Component<RelayEvent> => {
  const { router } = args;
  const { sink } = args.ports;
  const transit = createTransit(scope, { ...args, arrive: (...given) => arrive(...given) });

  const talkOf = (rules: TalkRules, { direct, end }: TalkSide): Talk =>
    createTalk(scope, { ...args, rules, transit, direct, end });
  const calls = talkOf(callRules, args.calls);
  const actors = talkOf(actorRules, args.actors);
  const talks = [calls, actors];
  const of = (type: string): Talk => (rulesOf(type) === actorRules ? actors : calls);

  const arrive = (parcel: Parcel, timeLeftMs: number, trace: string): void => {
    const { type, body, travelled } = parcel;
    sink.count('relay_parcels_total', { what: 'received' });
    if (type !== undeliveredType) return of(type).arrive(parcel, timeLeftMs, trace);
    const via = travelled.at(-1)!;
    const news = parseUndelivered(body);
    if (news === null) return router.refuse(via, 'MESSAGE_MALFORMED', 'news of a parcel that are none');
    of(news.type).undelivered(via, news);
  };

  args.calls.onCore(calls.core);
  args.actors.onCore(actors.core);

  return {
    receive(event) {
      switch (event.type) {
        case 'delivery':
          return transit.receive(event.delivery);
        case 'peer-close':
          for (const talk of talks) talk.closed(event.peer);
          return;
        case 'drain':
          for (const talk of talks) talk.drained(event.peer);
          return;
        case 'gone':
          for (const talk of talks) talk.gone(event.peer);
      }
    },
    stop() {
      args.calls.onCore(null);
      args.actors.onCore(null);
      transit.stop();
      for (const talk of talks) talk.stop();
    },
  };
};
