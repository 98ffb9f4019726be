// Dials that are tried once (`NetworkPort.dial`): so many at a time, so many waiting, each answered exactly once and in a later turn.
// Every implementation of the network port dials in its own way and takes the rest from here.
import { dialLimits, type NetworkEvent, type PeerId } from './ports/network.ts';

export type DialsOptions = {
  self: PeerId;
  isOpen(peer: PeerId): boolean;
  /** Tries these addresses one after the other; answers once, at any time. `wanted`: who lives there, if they say. */
  dial(addresses: readonly string[], wanted: PeerId | null, done: (peer: PeerId | null, reason: string | null) => void): void;
  /** Does it in a later turn. */
  later(run: () => void): void;
  tell(event: Extract<NetworkEvent, { type: 'dialled' }>): void;
};

export interface Dials {
  dial(addresses: readonly string[]): void;
  /** What waits is not tried any more, and nobody is told. */
  stop(): void;
}

const reasonCharsMax = 256;

/** The peer id that a multiaddr ends with, or null. */
export const peerOfAddress = (address: string): PeerId | null => {
  const at = address.lastIndexOf('/p2p/');
  return at === -1 ? null : address.slice(at + '/p2p/'.length);
};

/** Addresses of one peer, each once and with its id: what several people tell of one peer is a mixed list. */
export const addressesOf = (peer: PeerId, addresses: readonly string[]): string[] => [
  ...new Set(addresses.map((address) => (peerOfAddress(address) === null ? `${address}/p2p/${peer}` : address))),
];

type Waiting = { given: string[]; addresses: string[]; wanted: PeerId | null };

export const createDials = (options: DialsOptions): Dials => {
  const { self, isOpen } = options;
  const waiting: Waiting[] = [];
  let underWay = 0;
  let stopped = false;

  const answer = (given: string[], peer: PeerId | null, reason: string | null): void =>
    options.later(() => {
      if (!stopped) options.tell({ type: 'dialled', addresses: given, peer, reason: reason?.slice(0, reasonCharsMax) ?? null });
    });

  const next = (): void => {
    while (!stopped && underWay < dialLimits.atOnceMax && waiting.length > 0) begin(waiting.shift()!);
  };

  const begin = ({ given, addresses, wanted }: Waiting): void => {
    if (wanted !== null && isOpen(wanted)) return answer(given, wanted, null);
    underWay++;
    let isOver = false;
    options.dial(addresses, wanted, (peer, reason) => {
      if (isOver) return;
      isOver = true;
      underWay--;
      // Also when the other end's dial won meanwhile and this one was closed as a spare.
      if (peer === null && wanted !== null && isOpen(wanted)) answer(given, wanted, null);
      else answer(given, peer, peer === null ? (reason ?? 'nobody answered') : null);
      next();
    });
  };

  return {
    dial(addresses) {
      if (stopped) return;
      const given = [...addresses];
      const named = new Set(given.map(peerOfAddress).filter((peer) => peer !== null));
      const [wanted = null] = named;
      if (given.length === 0) return answer(given, null, 'NO_ADDRESS: there is no address to dial');
      if (named.size > 1) return answer(given, null, 'SEVERAL_PEERS: these are addresses of more than one peer');
      if (wanted === self || (wanted !== null && isOpen(wanted))) return answer(given, wanted, null);
      if (waiting.length >= dialLimits.waitingMax)
        return answer(given, null, `TOO_MANY_DIALS: ${underWay} are under way and ${waiting.length} wait`);
      const own = wanted === null ? [...new Set(given)] : addressesOf(wanted, given);
      waiting.push({ given, addresses: own.slice(0, dialLimits.addressesMax), wanted });
      next();
    },
    stop() {
      stopped = true;
      waiting.length = 0;
    },
  };
};
