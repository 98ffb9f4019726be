// Who is known, where they live, who is connected, and how a message gets to a member: over the connection that is there, or over one
// that is opened for it. machines/links decides which connections there are; this room carries that out and remembers names (decision 3).
import {
  createLinks,
  isProved,
  type LinkMember,
  type LinksEffect,
  type LinksEvent,
  mayPart,
  noteUse,
  step,
  wayTo,
} from '../machines/links/index.ts';
import type { MemberView } from '../machines/membership/index.ts';
import { createAddressBook } from './address-book.ts';
import { createAlarm } from './alarm.ts';
import type { PeerStatus } from './api.ts';
import { peerOfAddress } from './dials.ts';
import { usableAddresses } from './identity.ts';
import { createJoining } from './joining.ts';
import type { NetworkEvent, PeerId, Ports } from './ports/index.ts';
import type { Delivery, Post, Router } from './router.ts';
import type { NodeSettings } from './settings.ts';
import { createWaiting, type WaitingMessage } from './waiting.ts';
import type { Writer } from './writer.ts';

/** Of those that were here once, so many stay in the status. */
const statusesMax = 1_000;
/** News of members is looked at together, at most so often. */
const membersEveryMs = 50;
const partTimeoutMs = 2_000;

export type PeersArguments = {
  settings: Pick<NodeSettings, 'join' | 'links'>;
  ports: Ports;
  writer: Writer;
  router: () => Router;
  /** Address of the node's own actor, to which peers say that they would part, and of the one whose messages are mere beats. */
  nodeAddress: string;
  beatAddress: string;
  /** Something other than questions of the router is under way between this node and that one, in silence perhaps. */
  isBusy?: (peer: PeerId) => boolean;
  /** A member could not be dialled: it may be dead. */
  onUnreachable: (peer: PeerId) => void;
};

export interface Peers {
  /** Those that are or were connected. */
  statuses(): PeerStatus[];
  nameOf(peer: PeerId): string | null;
  connected(): PeerId[];
  isConnected(peer: PeerId): boolean;
  /** Starts of its process, by the connection that there is; 0: there is none. */
  epochOf(peer: PeerId): number;
  /** 'wait': a message opens a connection. 'none': it cannot be told anything straight on, at the moment. */
  reach(peer: PeerId): 'open' | 'wait' | 'none';
  /** Who has this name and can be reached: connected, or a member to whom a message opens a connection. */
  named(name: string): PeerId | null;
  /** Somebody to ask the way: mostly one of these, for they may know it, but not always, for they may not. */
  guide(among: readonly PeerId[]): PeerId | null;
  /** As many as these, to whom nothing has to be opened; for what anybody may be told first. */
  nearby(peers: readonly PeerId[]): readonly PeerId[];
  /** As `NetworkPort.send`, or the message waits for a connection. */
  readonly send: Post['send'];
  /** A message for this address came. */
  heard(peer: PeerId, target: string | null): void;
  measured(peer: PeerId, rttMs: number): void;
  /** What membership knows now, whenever it is asked. */
  members(view: () => MemberView[]): void;
  /** Members of this node's groups; names of those with whom it forms the cluster. */
  need(peers: readonly PeerId[], names: readonly string[]): void;
  /** Tries once to find somebody there: this peer, if it says one. The network tells what came of it by these very addresses. */
  dial(peer: PeerId | null, addresses: readonly string[]): void;
  /** The same for membership, which asks again and again: not where a live member answered a moment ago. */
  seek(peer: PeerId | null, addresses: readonly string[]): void;
  begin(): void;
  opened(event: Extract<NetworkEvent, { type: 'peer-open' }>): void;
  /** `unknown`: nobody was told of it. `parted`: both ends agreed. */
  closed(peer: PeerId, reason: string): 'unknown' | 'parted' | 'lost';
  dialled(event: Extract<NetworkEvent, { type: 'dialled' }>): void;
  /** A peer would end the connection. */
  onPart(delivery: Delivery): void;
  stop(): void;
}

const standings: Record<MemberView['status'], LinkMember['standing']> = {
  ...{ alive: 'live', suspect: 'live', failed: 'gone', left: 'gone', evicted: 'evicted' },
};

export const createPeers = (args: PeersArguments): Peers => {
  const { ports, settings, router, nodeAddress, beatAddress, isBusy = () => false } = args;
  const { clock, network, random, sink } = ports;
  const links = createLinks({ self: network.self, options: settings.links, seed: random.uint32(), nowMs: clock.nowMs() });
  const statuses = new Map<PeerId, PeerStatus>();
  const book = createAddressBook(links, { ...ports, writer: args.writer });
  const joining = createJoining(settings.join, { clock, random, sink, dial: (address) => dial(null, [address], false) });
  /** Asked to end the connection, and not yet answered: what is to be said waits, lest it gets lost. */
  const parting = new Set<PeerId>();
  /** Ended by this end because the other asked for it. */
  const letGo = new Set<PeerId>();
  /** Dials under way; `demand`: for messages that wait. */
  const dials: { key: string; peer: PeerId | null; demand: boolean }[] = [];
  const alarm = createAlarm(clock, clock.after, () => run({ type: 'wake' }));
  let viewNow: (() => MemberView[]) | null = null;
  let membersAtMs = Number.NEGATIVE_INFINITY;
  let stopped = false;

  // -------------------------------------------------------------- messages that wait

  const drop = (messages: readonly WaitingMessage[], why: string): void => {
    if (messages.length > 0) sink.count('messages_unsent_total', { why }, messages.length);
    for (const { fate } of messages) fate.dropped();
  };
  const waiting = createWaiting(clock, (_peer, messages) => drop(messages, 'late'));

  const flush = (peer: PeerId): void => {
    for (const message of waiting.take(peer))
      if (network.send(peer, message.lane, message.bytes) === 'queued') message.fate.left();
      else drop([message], 'full');
  };

  const wait = (peer: PeerId, message: WaitingMessage): 'waits' | 'unreachable' => {
    if (waiting.add(peer, message)) return 'waits';
    sink.count('messages_unsent_total', { why: 'full' });
    return 'unreachable';
  };

  // -------------------------------------------------------------- which connections there are

  const dial = (peer: PeerId | null, addresses: readonly string[], demand: boolean): void => {
    dials.push({ key: addresses.join(' '), peer, demand });
    network.dial(addresses);
  };

  /** Ends a connection that is of no use, in agreement with the other end. */
  const part = (peer: PeerId): void => {
    // Whoever waits for an answer uses it.
    if (router().isAsking(peer) || isBusy(peer)) return noteUse(links, peer, clock.nowMs());
    let isOver = false;
    const question = { peer, lane: 'control' as const, source: nodeAddress, target: nodeAddress, type: 'part', body: null };
    router().ask({ ...question, timeoutMs: partTimeoutMs }, (why) => {
      isOver = true;
      parting.delete(peer);
      if (why === null) run({ type: 'stays', peer });
      if (links.open.has(peer)) flush(peer);
    });
    if (!isOver) parting.add(peer);
  };

  const fulfil = (effect: LinksEffect): void => {
    switch (effect.type) {
      case 'keep':
        return network.connect(effect.addresses);
      case 'release':
        return network.release(effect.peer);
      case 'dial':
        return dial(effect.peer, effect.addresses, true);
      case 'part':
        return part(effect.peer);
      case 'disconnect':
        return network.disconnect(effect.peer);
    }
  };

  const run = (event: LinksEvent): void => {
    if (stopped) return;
    for (const effect of step(links, clock.nowMs(), event)) fulfil(effect);
    if (!stopped) alarm.at(links.deadlineMs);
  };

  const takeMembers = (): void => {
    const view = viewNow;
    viewNow = null;
    if (stopped || view === null) return;
    membersAtMs = clock.nowMs();
    const members = view().filter(({ self }) => !self);
    run({
      type: 'members',
      members: members.map(({ peer, name, addresses, status }) => ({
        ...{ peer, name, addresses: usableAddresses(addresses), standing: standings[status] },
      })),
    });
    book.note();
  };

  // -------------------------------------------------------------- who is there

  const connected = (): PeerId[] => [...statuses.values()].filter((peer) => peer.connected).map(({ peerId }) => peerId);
  const pick = (among: readonly PeerId[]): PeerId | null => among[random.uint32() % Math.max(1, among.length)] ?? null;
  const canBeReached = (peer: PeerId): boolean => wayTo(links, peer, clock.nowMs()) !== 'none';

  /** Peers that were here once stay, but not without end: who holds the secret can make as many as he likes. */
  const forgetOldest = (): void => {
    if (statuses.size <= statusesMax) return;
    for (const { peerId, connected: isHere } of statuses.values()) if (!isHere) return void statuses.delete(peerId);
  };

  /** What happens all the time among many is no news. */
  const levelOf = (peer: PeerId): 'info' | 'debug' => (links.regime === 'all' || links.kept.has(peer) ? 'info' : 'debug');

  return {
    connected,
    isConnected: (peer) => links.open.has(peer),
    epochOf(peer) {
      const known = statuses.get(peer);
      return known?.connected === true ? known.epoch : 0;
    },
    reach: (peer) => wayTo(links, peer, clock.nowMs()),
    statuses: () => [...statuses.values()],
    nameOf: (peer) => statuses.get(peer)?.name ?? links.known.get(peer)?.name ?? null,

    named(name) {
      for (const status of statuses.values()) if (status.connected && status.name === name) return status.peerId;
      for (const peer of links.live) if (links.known.get(peer)?.name === name && canBeReached(peer)) return peer;
      return null;
    },

    guide(among) {
      const others = among.filter((peer) => peer !== network.self && canBeReached(peer));
      return others.length > 0 && random.uint32() % 4 > 0 ? pick(others) : pick(connected());
    },

    nearby(peers) {
      if (links.regime === 'all' || peers.every((peer) => links.open.has(peer))) return peers;
      const near = links.live.filter((peer) => links.open.has(peer) && !peers.includes(peer));
      return peers.flatMap((peer) => {
        if (links.open.has(peer)) return [peer];
        const [other = peer] = near.splice(random.uint32() % Math.max(1, near.length), 1);
        return [other];
      });
    },

    send(peer, lane, bytes, target, fate) {
      const nowMs = clock.nowMs();
      if (target === beatAddress) return network.send(peer, lane, bytes);
      if (parting.has(peer)) return wait(peer, { lane, bytes, fate });
      const way = wayTo(links, peer, nowMs);
      if (way === 'none') return 'unreachable';
      if (way === 'open') {
        noteUse(links, peer, nowMs);
        return network.send(peer, lane, bytes);
      }
      const sent = wait(peer, { lane, bytes, fate });
      run({ type: 'wanted', peer });
      return sent;
    },

    heard(peer, target) {
      if (target !== beatAddress) noteUse(links, peer, clock.nowMs());
    },

    measured(peer, rttMs) {
      const known = statuses.get(peer);
      if (known !== undefined) statuses.set(peer, { ...known, rttMs: Math.round(rttMs * 100) / 100 });
    },

    members(view) {
      const isDue = viewNow !== null;
      viewNow = view;
      if (isDue) return;
      const waitMs = membersAtMs + membersEveryMs - clock.nowMs();
      if (waitMs <= 0) clock.soon(takeMembers);
      else clock.after(waitMs, takeMembers);
    },

    need(peers, names) {
      run({ type: 'needed', peers, names });
      book.note();
    },

    dial: (peer, addresses) => dial(peer, addresses, false),

    seek(peer, addresses) {
      const nowMs = clock.nowMs();
      if (peer !== null || !addresses.every((address) => isProved(links, address, nowMs))) dial(peer, addresses, false);
    },

    begin() {
      for (const [peer, addresses] of book.read()) run({ type: 'told', peer, addresses });
      joining.begin();
    },

    opened({ peer, name, epoch, addresses }) {
      for (const other of statuses.values())
        if (other.connected && other.name === name && other.peerId !== peer)
          sink.log('warn', 'NAME_TAKEN', `${name} is also the name of ${other.peerId}`, { peer });
      statuses.set(peer, { name, peerId: peer, connected: true, epoch, addresses, rttMs: null });
      letGo.delete(peer);
      run({ type: 'opened', peer });
      run({ type: 'told', peer, addresses: usableAddresses(addresses) });
      sink.log(levelOf(peer), 'PEER_OPEN', `${name} is connected`, { peer, epoch });
      flush(peer);
      book.note();
    },

    closed(peer, reason) {
      const known = statuses.get(peer);
      if (known === undefined) return 'unknown';
      const hasParted = parting.delete(peer) || letGo.delete(peer);
      statuses.set(peer, { ...known, connected: false, rttMs: null });
      sink.log(levelOf(peer), 'PEER_CLOSED', `${known.name} is gone: ${reason}`, { peer });
      forgetOldest();
      run({ type: 'closed', peer });
      if (waiting.has(peer)) run({ type: 'wanted', peer });
      return hasParted ? 'parted' : 'lost';
    },

    dialled(event) {
      const key = event.addresses.join(' ');
      const at = dials.findIndex((one) => one.key === key);
      const [asked] = at === -1 ? [] : dials.splice(at, 1);
      joining.dialled(event);
      if (event.peer !== null && event.peer !== network.self) {
        run({ type: 'dialled', peer: event.peer, ok: true });
        const [only, more] = event.addresses;
        if (only !== undefined && more === undefined && peerOfAddress(only) === null)
          run({ type: 'proved', peer: event.peer, address: `${only}/p2p/${event.peer}` });
      }
      if (asked === undefined || asked.peer === null || asked.peer === event.peer) return;
      const { peer, demand } = asked;
      if (demand) {
        run({ type: 'dialled', peer, ok: false });
        drop(waiting.take(peer), 'unreachable');
      }
      args.onUnreachable(peer);
    },

    onPart({ peer, answer }) {
      const isUsed = !mayPart(links, peer) || isBusy(peer) || (router().isAsking(peer) && !parting.has(peer));
      if (isUsed) return answer(null);
      letGo.add(peer);
      network.disconnect(peer);
    },

    stop() {
      stopped = true;
      alarm.cancel();
      joining.stop();
      waiting.stop();
      book.stop();
    },
  };
};
