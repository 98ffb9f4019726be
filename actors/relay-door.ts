// What a node knows for its relay, whatever becomes of that: how calls and messages of actors leave, straight on as long as nobody carries
// them.
import { callTypes, formAnswer } from '../machines/rpc/index.ts';
import type { CallsEvent } from './calls.ts';
import type { Carrier } from './calls-post.ts';
import type { PeerId } from './ports/index.ts';
import type { TalkSide } from './relay.ts';
import { originOf } from './relay-parcel.ts';
import type { TalkCore, TalkEnd } from './relay-talk.ts';
import type { Delivery } from './router.ts';
import type { Cell } from './supervise.ts';

export interface TalkDoor {
  readonly carrier: Carrier;
  /** For the relay. */
  side(end: TalkEnd): TalkSide;
  /** Of a peer, or of whoever speaks over others. */
  nameOf(peer: PeerId): string | null;
  isOver(number: number): boolean;
}

export const createTalkDoor = (direct: Carrier, nameOf: (peer: PeerId) => string | null): TalkDoor => {
  let core: TalkCore | null = null;
  return {
    carrier: {
      send(peer, type, body, timeLeftMs, trace, fate) {
        // Nobody but the relay knows a way to who speaks over others.
        if (core === null && originOf(peer) !== null) return 'unreachable';
        return (core ?? direct).send(peer, type, body, timeLeftMs, trace, fate);
      },
    },
    side: (end) => ({
      ...{ direct, end },
      onCore(now) {
        core = now;
      },
    }),
    nameOf: (peer) => core?.nameOf(peer) ?? nameOf(peer),
    isOver: (number) => core?.isOver(number) === true,
  };
};

/** Where calls are made and executed. */
export const callsEnd = (receive: (delivery: Delivery) => void, calls: () => Cell<CallsEvent> | null): TalkEnd => {
  const say = (peer: PeerId, type: string, body: unknown): void =>
    receive({ peer, type, body, timeLeftMs: 0, trace: '', answer: () => {} });
  return {
    receive,
    undelivered: (peer, _type, number, why) => calls()?.send({ type: 'undelivered', peer, number, why }),
    lost: (peer, _type, number, why) =>
      say(peer, callTypes.answer, formAnswer({ number, serial: 0, result: { failure: why } })),
    cut: (peer, number) => say(peer, callTypes.cancel, number),
    closed: (peer) => calls()?.send({ type: 'peer-close', peer }),
    gone: (peer) => calls()?.send({ type: 'members', changes: [{ peer, before: 'alive', after: null, why: 'said' }] }),
    drained: (peer) => calls()?.send({ type: 'drain', peer }),
  };
};
