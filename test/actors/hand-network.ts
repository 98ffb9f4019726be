// A network whose every message a test moves by hand: what was sent lies in a list until the test delivers, loses or repeats it.
import type { Lane, NetworkEvent, NetworkPort, PeerId } from '../../actors/ports/index.ts';

/** Over a lane, or published on a topic to who subscribed. */
export type Letter = { from: PeerId; to: PeerId; lane: Lane | 'topic'; topic?: string; bytes: Uint8Array };

/** What it was asked for, by the addresses or peers. */
export type HandPort = NetworkPort & {
  readonly dropped: string[];
  readonly dialled: string[];
  readonly released: string[];
  readonly disconnected: string[];
};

export type HandNetwork = {
  /** What is on its way, oldest first. */
  readonly letters: Letter[];
  port(self: PeerId): HandPort;
  /** Answers all dials that are under way. */
  answerDials(whoLives: (addresses: readonly string[], from: PeerId) => PeerId | null): void;
  /** Who is told of `peer-open`, messages and so on; `network.start` sets it, a test of a part may too. */
  listen(self: PeerId, emit: (event: NetworkEvent) => void): void;
  /** Takes the letter at `at` (the oldest if absent) from the list and hands it over; false if there is none. */
  deliver(at?: number): boolean;
  /** Delivers until nothing is on its way, running `between` after each letter. */
  deliverAll(between?: () => void): void;
  lose(at?: number): boolean;
  /** Hands a letter over and leaves it in the list. */
  repeat(at: number): boolean;
  /** Connects two nodes, or closes their connection: what is on its way between them is lost, both are told. */
  connect(a: PeerId, b: PeerId, facts?: Partial<Record<PeerId, { name?: string; epoch?: number; addresses?: string[] }>>): void;
  disconnect(a: PeerId, b: PeerId): void;
  connected(a: PeerId, b: PeerId): boolean;
  /** While it answers true, lanes refuse what is sent. */
  full: (letter: Letter) => boolean;
  /** An event of its port, as a test wants it. */
  tell(to: PeerId, event: NetworkEvent): void;
};

const deliveriesMax = 100_000;

export const createHandNetwork = (): HandNetwork => {
  const letters: Letter[] = [];
  const listeners = new Map<PeerId, (event: NetworkEvent) => void>();
  const links = new Set<string>();
  const dials: { from: PeerId; addresses: string[] }[] = [];
  const linkOf = (a: PeerId, b: PeerId): string => [a, b].sort().join('|');
  const emit = (to: PeerId, event: NetworkEvent): void => listeners.get(to)?.(event);
  const topics = new Map<PeerId, Set<string>>();
  const members = new Map<PeerId, (source: PeerId) => boolean>();
  const hand = ({ from, to, lane, topic = '', bytes }: Letter): void => {
    if (lane !== 'topic') return emit(to, { type: 'message', peer: from, lane, bytes: new Uint8Array(bytes) });
    if (members.get(to)?.(from) !== false) emit(to, { type: 'published', peer: from, topic, bytes: new Uint8Array(bytes) });
  };

  const network: HandNetwork = {
    letters,
    full: () => false,
    tell: emit,
    port(self) {
      const dropped: string[] = [];
      const dialled: string[] = [];
      const released: string[] = [];
      const disconnected: string[] = [];
      return {
        ...{ self, dropped, dialled, released, disconnected },
        start: (_hello, listener) => void listeners.set(self, listener),
        connect: (addresses) => void dialled.push(...addresses),
        dial: (addresses) => void dials.push({ from: self, addresses: [...addresses] }),
        release: (peer) => void released.push(peer),
        disconnect: (peer) => void disconnected.push(peer),
        drop: (peer) => void dropped.push(peer),
        send(to, lane, bytes) {
          if (!links.has(linkOf(self, to))) return 'unreachable';
          const letter = { from: self, to, lane, bytes: new Uint8Array(bytes) };
          if (network.full(letter)) return 'full';
          letters.push(letter);
          return 'queued';
        },
        subscribe: (topic) => void topics.set(self, new Set([...(topics.get(self) ?? []), topic])),
        hear: (isMember) => void members.set(self, isMember),
        publish(topic, bytes) {
          for (const [to, listens] of topics)
            if (listens.has(topic) && links.has(linkOf(self, to)))
              letters.push({ from: self, to, lane: 'topic', topic, bytes: new Uint8Array(bytes) });
          return 'queued';
        },
        stop(done) {
          listeners.delete(self);
          done();
        },
      };
    },
    answerDials(whoLives) {
      for (const { from, addresses } of dials.splice(0)) {
        const peer = whoLives(addresses, from);
        emit(from, { type: 'dialled', addresses, peer, reason: peer === null ? 'nobody answers' : null });
      }
    },
    listen: (self, listener) => void listeners.set(self, listener),
    deliver(at = 0) {
      const [letter] = letters.splice(at, 1);
      if (letter === undefined) return false;
      hand(letter);
      return true;
    },
    deliverAll(between = () => {}) {
      for (let count = 0; network.deliver(); count++) {
        if (count > deliveriesMax) throw new Error('they never stop writing to each other');
        between();
      }
    },
    lose: (at = 0) => letters.splice(at, 1).length > 0,
    repeat(at) {
      const letter = letters[at];
      if (letter !== undefined) hand(letter);
      return letter !== undefined;
    },
    connect(a, b, facts = {}) {
      links.add(linkOf(a, b));
      for (const [to, peer] of [
        [a, b],
        [b, a],
      ] as const)
        emit(to, { type: 'peer-open', peer, name: peer, epoch: 1, addresses: [], hello: {}, ...facts[peer] });
    },
    disconnect(a, b) {
      links.delete(linkOf(a, b));
      for (let at = letters.length - 1; at >= 0; at--) {
        const { from, to } = letters[at]!;
        if (linkOf(from, to) === linkOf(a, b)) letters.splice(at, 1);
      }
      emit(a, { type: 'peer-close', peer: b, reason: 'test' });
      emit(b, { type: 'peer-close', peer: a, reason: 'test' });
    },
    connected: (a, b) => links.has(linkOf(a, b)),
  };
  return network;
};
