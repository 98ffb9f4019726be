// Dials that are tried once (`NetworkPort.dial`): so many at a time, so many waiting, each answered exactly once and in a later turn;
// who asks for what is being tried already gets the answer of that attempt.
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
/** Answered by one attempt. */
const askedMax = 16;

/** The peer id that a multiaddr ends with, or null. */
export const peerOfAddress = (address: string): PeerId | null => {
  const at = address.lastIndexOf('/p2p/');
  return at === -1 ? null : address.slice(at + '/p2p/'.length);
};

/** Addresses of one peer, each once and with its id: what several people tell of one peer is a mixed list. */
export const addressesOf = (peer: PeerId, addresses: readonly string[]): string[] => [
  ...new Set(addresses.map((address) => (peerOfAddress(address) === null ? `${address}/p2p/${peer}` : address))),
];

/** `asked`: by everybody who wants to reach these very addresses, as each wrote them. */
type Attempt = { asked: string[][]; addresses: string[]; wanted: PeerId | null };

const isSame = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((address) => b.includes(address));

export const createDials = (options: DialsOptions): Dials => {
  const { self, isOpen } = options;
  const waiting: Attempt[] = [];
  const underWay = new Set<Attempt>();
  let stopped = false;

  const answer = (given: string[], peer: PeerId | null, reason: string | null): void =>
    options.later(() => {
      if (!stopped) options.tell({ type: 'dialled', addresses: given, peer, reason: reason?.slice(0, reasonCharsMax) ?? null });
    });

  const next = (): void => {
    while (!stopped && underWay.size < dialLimits.atOnceMax && waiting.length > 0) begin(waiting.shift()!);
  };

  const begin = (attempt: Attempt): void => {
    const { asked, addresses, wanted } = attempt;
    const end = (peer: PeerId | null, reason: string | null): void => {
      for (const given of asked) answer(given, peer, reason);
    };
    if (wanted !== null && isOpen(wanted)) return end(wanted, null);
    underWay.add(attempt);
    options.dial(addresses, wanted, (peer, reason) => {
      if (!underWay.delete(attempt)) return;
      // Also when the other end's dial won meanwhile and this one was closed as a spare.
      if (peer === null && wanted !== null && isOpen(wanted)) end(wanted, null);
      else end(peer, peer === null ? (reason ?? 'nobody answered') : null);
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
      const own = wanted === null ? [...new Set(given)] : addressesOf(wanted, given);
      const tried = own.slice(0, dialLimits.addressesMax);
      // Joining, discovery and membership want the same one address of a node that is alone. Knocking there several times at once helps
      // nobody, and keeps a member from answering whom many look for at once.
      const isJoinable = ({ asked, addresses }: Attempt): boolean => asked.length < askedMax && isSame(addresses, tried);
      const same = [...underWay, ...waiting].find(isJoinable);
      if (same !== undefined) return void same.asked.push(given);
      if (waiting.length >= dialLimits.waitingMax)
        return answer(given, null, `TOO_MANY_DIALS: ${underWay.size} are under way and ${waiting.length} wait`);
      waiting.push({ asked: [given], addresses: tried, wanted });
      next();
    },
    stop() {
      stopped = true;
      waiting.length = 0;
    },
  };
};
