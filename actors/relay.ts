// Calls of peers that cannot reach each other, carried by those between them (row R4). Nobody on the way remembers anything of a call: a
// parcel says whom it is for and over whom it came, and answers go back the same way. Who is called is told who calls by whoever hands
// it over, and treats that as what it is, somebody's word; who called takes an answer only from the neighbour to whom he gave the call.
import { type Failure, failure } from '../machines/errors.ts';
import { callTypes, formAnswer } from '../machines/rpc/index.ts';
import type { Carrier } from './calls-post.ts';
import type { PeerId } from './ports/index.ts';
import { createCallers } from './relay-callers.ts';
import { numberOf, originOf, type Parcel, parseUndelivered, toldPeer, undeliveredType } from './relay-parcel.ts';
import { createTransit, type TransitArguments } from './relay-transit.ts';
import type { Delivery, Fate } from './router.ts';
import type { Component, Scope } from './supervise.ts';

export const relayLimits = {
  /** Calls of this node that are under way over others. */
  overMax: 8_192,
  /** Said of a call that still waits for its way. */
  afterMax: 16,
} as const;

export type RelayEvent =
  | { type: 'delivery'; delivery: Delivery }
  | { type: 'peer-close' | 'drain'; peer: PeerId }
  /** Failed, left or thrown out. */
  | { type: 'gone'; peer: PeerId };

/** Where calls are made and executed. */
export interface CallsEnd {
  receive(delivery: Delivery): void;
  /** The call of this number was surely not handed to its target. */
  undelivered(peer: PeerId, number: number, why: Failure): void;
  closed(peer: PeerId): void;
  /** It is no member any more. */
  gone(peer: PeerId): void;
  drained(peer: PeerId): void;
}

export interface RelayCore extends Carrier {
  /** As people name whoever calls over others; null: it is no such one. */
  nameOf(peer: PeerId): string | null;
}

export type RelayArguments = Omit<TransitArguments, 'arrive'> & {
  direct: Carrier;
  calls: CallsEnd;
  onCore: (core: RelayCore | null) => void;
};

/** A call of this node's that went to `target` over `via`. */
type Over = { readonly target: PeerId; readonly via: PeerId; readonly untilMs: number };
/** A call that waits until its way is known, and what was said of it meanwhile. */
type Held = {
  readonly target: PeerId;
  isCancelled: boolean;
  readonly after: { readonly type: string; readonly body: unknown }[];
};
type Sent = ReturnType<Carrier['send']>;

const whatever: Fate = { left() {}, dropped() {} };
const onWayDown: ReadonlySet<string> = new Set([callTypes.call, callTypes.more, callTypes.cancel]);

export const createRelay = (scope: Scope, args: RelayArguments): Component<RelayEvent> => {
  const { router, routes, direct, calls } = args;
  const { clock, network, sink } = args.ports;
  const over = new Map<number, Over>();
  const held = new Map<number, Held>();
  const callers = createCallers({
    ...{ closed: calls.closed, gone: calls.gone, drained: calls.drained },
    cancel: (peer, number) => deliver(peer, callTypes.cancel, number, 0, ''),
  });
  const transit = createTransit(scope, { ...args, arrive: (...given) => arrive(...given) });
  const { post, waitForWay } = transit;
  const named = (peer: PeerId): string => args.nameOf(peer) ?? peer;

  // ---------------------------------------------------------------- calls of this node

  const noteOver = (number: number, entry: Over): void => {
    for (const [oldest, { untilMs }] of over) {
      if (untilMs > clock.nowMs()) break;
      over.delete(oldest);
    }
    over.set(number, entry);
  };

  const callOver = (target: PeerId, via: PeerId, body: unknown, timeLeftMs: number, trace: string, fate: Fate): Sent => {
    const number = numberOf(body);
    if (number === null || over.size >= relayLimits.overMax) return 'full';
    const parcel = { target, travelled: [], back: null, type: callTypes.call, body };
    const sent = post(via, parcel, timeLeftMs, trace, fate);
    if (sent === 'unreachable') routes.broken(target, via);
    if (sent === 'full' || sent === 'unreachable') return sent;
    noteOver(number, { target, via, untilMs: clock.nowMs() + timeLeftMs });
    sink.count('relay_parcels_total', { what: 'sent' });
    return sent;
  };

  /** Over whom it is handed is known. */
  const callBy = (target: PeerId, via: PeerId, body: unknown, timeLeftMs: number, trace: string, fate: Fate): Sent =>
    via === target
      ? direct.send(target, callTypes.call, body, timeLeftMs, trace, fate)
      : callOver(target, via, body, timeLeftMs, trace, fate);

  const call: Carrier['send'] = (target, type, body, timeLeftMs, trace, fate) => {
    const way = routes.wayTo(target);
    // Where it was asked before it was this node that asked; over others it is only somebody who says so, and would be executed again.
    const isSecond = Array.isArray(body) && body[epochAt] !== 0;
    if (way !== 'asking' && way !== 'none' && way.via === target)
      return direct.send(target, type, body, timeLeftMs, trace, fate);
    if (way === 'none' || isSecond) return 'unreachable';
    if (way !== 'asking') return callOver(target, way.via, body, timeLeftMs, trace, fate);
    return hold(target, body, clock.nowMs() + timeLeftMs, trace, fate) ? 'waits' : 'full';
  };

  const hold = (target: PeerId, body: unknown, deadlineMs: number, trace: string, fate: Fate): boolean => {
    const number = numberOf(body) ?? 0;
    const waits = waitForWay(target, deadlineMs, (via) => {
      const { isCancelled = false, after = [] } = held.get(number) ?? {};
      held.delete(number);
      const leftMs = Math.floor(deadlineMs - clock.nowMs());
      const canGo = via !== null && leftMs >= 1 && !isCancelled;
      const sent = canGo ? callBy(target, via, body, leftMs, trace, fate) : 'unreachable';
      if (sent === 'queued') fate.left();
      else if (sent !== 'waits') return fate.dropped();
      for (const said of after) core.send(target, said.type, said.body, 0, '', whatever);
    });
    if (waits) held.set(number, { target, isCancelled: false, after: [] });
    return waits;
  };

  /** Null: the call does not wait. */
  const sayOfHeld = (target: PeerId, type: string, body: unknown): Sent | null => {
    const call = held.get(numberOf(body) ?? 0);
    if (call === undefined || call.target !== target) return null;
    if (type === callTypes.cancel) call.isCancelled = true;
    else if (call.after.length >= relayLimits.afterMax) return 'unreachable';
    else call.after.push({ type, body });
    return 'queued';
  };

  /** To who called over others: back the way it came. */
  const reply = (origin: PeerId, type: string, body: unknown): Sent => {
    const number = numberOf(body) ?? 0;
    const way = callers.backOf(origin, number);
    if (way === null) return 'unreachable';
    const [via, ...back] = way;
    const sent = post(via!, { target: origin, travelled: [], back, type, body }, 0, '');
    if (type === callTypes.answer && sent !== 'full') callers.answered(origin, number);
    return sent;
  };

  const core: RelayCore = {
    send(peer, type, body, timeLeftMs, trace, fate) {
      const origin = originOf(peer);
      if (origin !== null) return reply(origin, type, body);
      if (type === callTypes.call) return call(peer, type, body, timeLeftMs, trace, fate);
      if (!onWayDown.has(type)) return direct.send(peer, type, body, timeLeftMs, trace, fate);
      const ofHeld = sayOfHeld(peer, type, body);
      if (ofHeld !== null) return ofHeld;
      const entry = over.get(numberOf(body) ?? 0);
      if (entry === undefined || entry.target !== peer) return direct.send(peer, type, body, timeLeftMs, trace, fate);
      // What belongs to a call goes the way of the call.
      return post(entry.via, { target: peer, travelled: [], back: null, type, body }, timeLeftMs, trace, fate);
    },
    nameOf(peer) {
      const origin = originOf(peer);
      if (origin === null) return null;
      const between = callers.latest(origin).slice(0, -1).map(named);
      return between.length === 0 ? named(origin) : `${named(origin)} over ${between.toReversed().join(', ')}`;
    },
  };

  // ---------------------------------------------------------------- parcels for this node

  const deliver = (peer: PeerId, type: string, body: unknown, timeLeftMs: number, trace: string): void =>
    calls.receive({ peer, type, body, timeLeftMs, trace, answer: () => {} });

  const arrive = (parcel: Parcel, timeLeftMs: number, trace: string): void => {
    const { type, body, travelled } = parcel;
    const origin = travelled[0]!;
    const via = travelled.at(-1)!;
    sink.count('relay_parcels_total', { what: 'received' });
    if (type === undeliveredType) return onUndelivered(via, body);
    if (onWayDown.has(type)) {
      callers.note(origin, travelled.toReversed(), type, numberOf(body) ?? 0);
      return deliver(toldPeer(origin), type, body, timeLeftMs, trace);
    }
    const number = numberOf(body) ?? 0;
    const entry = over.get(number);
    if (entry === undefined) return sink.count('answers_late_total');
    if (entry.target !== origin || entry.via !== via)
      return router.refuse(via, 'SPOKE_FOR_ANOTHER', `answered for ${named(origin)} a call that was not given to it`);
    if (type === callTypes.answer) over.delete(number);
    deliver(origin, type, body, 0, '');
  };

  /** It was handed over, and nobody will say what became of it. */
  const lose = (number: number, { target, via }: Over, why: string): void => {
    over.delete(number);
    const unknown = failure('OUTCOME_UNKNOWN', `${why}, over whom ${named(target)} was called; it may have happened`, {
      via: named(via),
    });
    deliver(target, callTypes.answer, formAnswer({ number, serial: 0, result: { failure: unknown } }), 0, '');
  };

  const onUndelivered = (via: PeerId, body: unknown): void => {
    const news = parseUndelivered(body);
    if (news === null) return router.refuse(via, 'MESSAGE_MALFORMED', 'news of a parcel that are none');
    const { target, type, number, code, message } = news;
    if (!onWayDown.has(type)) {
      return callers.undelivered(target, via, type, number);
    }
    const entry = over.get(number);
    if (entry === undefined || entry.target !== target || entry.via !== via) return;
    if (code === 'UNREACHABLE' || code === 'LOOP_DETECTED') routes.broken(target, via);
    if (type !== callTypes.call) return lose(number, entry, `the way broke at ${message}`);
    over.delete(number);
    calls.undelivered(target, number, failure(code, `${named(target)} was not reached over ${named(via)}: ${message}`));
  };

  const onClose = (peer: PeerId): void => {
    for (const [number, entry] of [...over]) if (entry.via === peer) lose(number, entry, `${named(peer)} was lost`);
    callers.lost(peer);
  };

  const onDrain = (peer: PeerId): void => {
    callers.drained(peer);
    for (const target of new Set([...over.values()].filter(({ via }) => via === peer).map((entry) => entry.target)))
      calls.drained(target);
  };

  args.onCore(core);

  return {
    receive(event) {
      switch (event.type) {
        case 'delivery':
          return transit.receive(event.delivery);
        case 'peer-close':
          return onClose(event.peer);
        case 'drain':
          return onDrain(event.peer);
        case 'gone':
          return callers.gone(event.peer);
      }
    },
    stop() {
      args.onCore(null);
      transit.stop();
      for (const [number, entry] of [...over]) lose(number, entry, `the relay of ${named(network.self)} ended`);
      callers.stop();
    },
  };
};

/** Where a call says whether it was asked before (machines/rpc/messages.ts). */
const epochAt = 7;
