// What a node knows for its relay, whatever becomes of that: how calls leave, straight on as long as nobody carries them.
import type { CallsEvent } from './calls.ts';
import type { Carrier } from './calls-post.ts';
import type { PeerId } from './ports/index.ts';
import type { CallsEnd, RelayCore } from './relay.ts';
import { originOf } from './relay-parcel.ts';
import type { Delivery } from './router.ts';
import type { Cell } from './supervise.ts';

export type RelayDoorArguments = {
  direct: Carrier;
  receive: (delivery: Delivery) => void;
  calls: () => Cell<CallsEvent> | null;
  nameOf: (peer: PeerId) => string | null;
};

export interface RelayDoor {
  readonly carrier: Carrier;
  readonly end: CallsEnd;
  /** Of a peer, or of whoever calls over others. */
  nameOf(peer: PeerId): string | null;
  onCore(core: RelayCore | null): void;
}

export const createRelayDoor = ({ direct, receive, calls, nameOf }: RelayDoorArguments): RelayDoor => {
  let core: RelayCore | null = null;
  return {
    carrier: {
      send(peer, type, body, timeLeftMs, trace, fate) {
        // Nobody but the relay knows a way to who calls over others.
        if (core === null && originOf(peer) !== null) return 'unreachable';
        return (core ?? direct).send(peer, type, body, timeLeftMs, trace, fate);
      },
    },
    end: {
      receive,
      undelivered: (peer, number, why) => calls()?.send({ type: 'undelivered', peer, number, why }),
      closed: (peer) => calls()?.send({ type: 'peer-close', peer }),
      gone: (peer) => calls()?.send({ type: 'members', changes: [{ peer, before: 'alive', after: null, why: 'said' }] }),
      drained: (peer) => calls()?.send({ type: 'drain', peer }),
    },
    nameOf: (peer) => core?.nameOf(peer) ?? nameOf(peer),
    onCore(now) {
      core = now;
    },
  };
};
