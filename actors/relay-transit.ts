// Parcels of others, passed on: nothing is remembered of them, each is judged by its path and its time, and who hands over too much is
// told so. What cannot go on is said to whoever began, back the way it came, for that is surely not executed.
import { createLimiter, take } from '../machines/limiter/index.ts';
import { judgeCrossing, type RoutesState } from '../machines/routes/index.ts';
import type { PeerId, Ports } from './ports/index.ts';
import {
  formParcel,
  formUndelivered,
  numberOf,
  type Parcel,
  parcelType,
  parseParcel,
  type RelayRefusal,
  relayAddress,
  tollOf,
  undeliveredType,
} from './relay-parcel.ts';
import type { Delivery, Fate, Post, Router } from './router.ts';
import type { RoutesApi } from './routes-door.ts';
import type { Scope } from './supervise.ts';

export const transitLimits = {
  /** Parcels that wait until a way is found, in all and to one peer. */
  waitingMax: 64,
  waitingPerPeerMax: 16,
  /** Ways tried for one parcel, one after the other. */
  triesMax: 4,
  /** What a neighbour hands over, in parcels of 4 KiB: so many at once, and so many a second. */
  tollBurst: 4_000,
  tollPerSecond: 2_000,
  neighboursMax: 1_024,
} as const;

const limits = transitLimits;

const tolls = {
  node: { tokens: limits.tollPerSecond, periodMs: 1_000, burst: limits.tollBurst },
  ...{ principal: null, nodesMax: limits.neighboursMax, principalsMax: 1 },
};

export type TransitArguments = {
  ports: Pick<Ports, 'clock' | 'network' | 'sink'>;
  router: Pick<Router, 'post' | 'refuse'>;
  routes: RoutesApi;
  state: () => RoutesState | null;
  /** Connected, or known to membership, and not thrown out. */
  isMember: (peer: PeerId) => boolean;
  nameOf: (peer: PeerId) => string | null;
  /** It is for this node. */
  arrive: (parcel: Parcel, timeLeftMs: number, trace: string) => void;
};

export interface Transit {
  /** Hands it to a neighbour. */
  post(peer: PeerId, parcel: Parcel, timeLeftMs: number, trace: string, fate?: Fate): ReturnType<Post['send']>;
  /** Asks for a way once for all that waits for it; `go` in a later turn. False: too much waits. */
  waitForWay(target: PeerId, deadlineMs: number, go: (via: PeerId | null) => void): boolean;
  receive(delivery: Delivery): void;
  stop(): void;
}

type Waiting = { readonly deadlineMs: number; readonly go: (via: PeerId | null) => void };

const whatever: Fate = { left() {}, dropped() {} };

export const createTransit = (scope: Scope, args: TransitArguments): Transit => {
  const { router, routes, arrive } = args;
  const { clock, network, sink } = args.ports;
  const { self } = network;
  const waiting = new Map<PeerId, Waiting[]>();
  const toll = createLimiter({ options: tolls, nowMs: clock.nowMs() });
  let waitingCount = 0;

  const named = (peer: PeerId): string => args.nameOf(peer) ?? peer;
  const isKnown = (peer: PeerId): boolean => peer === self || args.isMember(peer);

  const post: Transit['post'] = (peer, parcel, timeLeftMs, trace, fate = whatever) =>
    router.post(
      {
        ...{ peer, lane: 'calls', source: relayAddress, target: relayAddress, type: parcelType, timeLeftMs, trace },
        body: formParcel(parcel),
      },
      fate,
    );

  /** Asks for a way once for all that waits for it. False: too much waits. */
  const waitForWay: Transit['waitForWay'] = (target, deadlineMs, go) => {
    const known = waiting.get(target);
    if (waitingCount >= limits.waitingMax || (known?.length ?? 0) >= limits.waitingPerPeerMax) return false;
    waitingCount++;
    if (known !== undefined) {
      known.push({ deadlineMs, go });
      return true;
    }
    waiting.set(target, [{ deadlineMs, go }]);
    // In a later turn: whoever waits has to know first that he does.
    scope.soon(() => routes.find(target, (way) => scope.soon(() => proceed(target, way?.via ?? null))));
    return true;
  };

  const proceed = (target: PeerId, via: PeerId | null): void => {
    const all = waiting.get(target) ?? [];
    waiting.delete(target);
    waitingCount -= all.length;
    for (const { deadlineMs, go } of all) go(clock.nowMs() < deadlineMs ? via : null);
  };

  // ---------------------------------------------------------------- parcels of others

  /** Tells who began that it goes no farther; of what is itself such news nobody is told. */
  const refuse = (parcel: Parcel, code: RelayRefusal, message: string): void => {
    sink.count('relay_refused_total', { code });
    const number = numberOf(parcel.body);
    const travelled = parcel.travelled;
    if (parcel.type === undeliveredType || number === null) return;
    const body = formUndelivered({ target: parcel.target, type: parcel.type, number, code, message });
    const [via, ...back] = travelled.toReversed();
    post(via!, { target: travelled[0]!, travelled: [], back, type: undeliveredType, body }, 0, '');
  };

  const next = (parcel: Parcel): { to: PeerId } | { ask: true } | { code: RelayRefusal; message: string } => {
    const { target, travelled, back } = parcel;
    const state = args.state();
    if (state === null) return { code: 'UNREACHABLE', message: `${named(self)} is starting` };
    const verdict = judgeCrossing(state, { target, travelled }, clock.nowMs());
    if (verdict.type === 'refused' && (back === null || verdict.code === 'LOOP_DETECTED')) return verdict;
    if (back !== null && target !== self)
      return back[0] === undefined ? { code: 'UNREACHABLE', message: 'its way back ends here' } : { to: back[0] };
    return verdict.type === 'pass' ? verdict : verdict.type === 'ask' ? { ask: true } : { to: self };
  };

  const handOn = (parcel: Parcel, deadlineMs: number | null, trace: string, mayAsk: boolean): void => {
    for (let tries = 0; tries < limits.triesMax; tries++) {
      const leftMs = deadlineMs === null ? 0 : Math.floor(deadlineMs - clock.nowMs());
      if (deadlineMs !== null && leftMs < 1) return refuse(parcel, 'DEADLINE_EXCEEDED', 'time ran out on its way');
      const way = next(parcel);
      if ('code' in way) return refuse(parcel, way.code, `${named(self)}: ${way.message}`);
      if ('ask' in way) {
        const patienceMs = deadlineMs ?? Number.POSITIVE_INFINITY;
        const waits = mayAsk && waitForWay(parcel.target, patienceMs, () => handOn(parcel, deadlineMs, trace, false));
        if (!waits) refuse(parcel, 'UNREACHABLE', `${named(self)} knows no way to ${named(parcel.target)}`);
        return;
      }
      if (way.to === self) return arrive(parcel, leftMs, trace);
      if (passOn(parcel, way.to, leftMs, trace)) return;
    }
    refuse(parcel, 'UNREACHABLE', `${named(self)} cannot reach ${named(parcel.target)}`);
  };

  /** False: there is no connection to whoever was next. */
  const passOn = (parcel: Parcel, to: PeerId, leftMs: number, trace: string): boolean => {
    const { target, travelled, back } = parcel;
    const unreachable = (): void => refuse(parcel, 'UNREACHABLE', `${named(self)} lost ${named(to)}`);
    const onward = { ...parcel, travelled, back: back === null ? null : back.slice(1) };
    const sent = post(to, onward, leftMs, trace, { left() {}, dropped: scope.guard(unreachable) });
    if (sent === 'full') refuse(parcel, 'OVERLOADED', `${named(self)} has too much for ${named(to)}`);
    else if (sent !== 'unreachable') sink.count('relay_parcels_total', { what: 'passed' });
    else if (back !== null) unreachable();
    else {
      routes.broken(target, to);
      return false;
    }
    return true;
  };

  const receive = ({ peer: from, type, body, timeLeftMs, trace = '' }: Delivery): void => {
    if (type !== parcelType) return router.refuse(from, 'TYPE_UNKNOWN', `no such message to a relay: ${type.slice(0, 32)}`);
    const parsed = parseParcel(body);
    if (parsed === null) return router.refuse(from, 'MESSAGE_MALFORMED', 'it hands over what is no parcel');
    const parcel = { ...parsed, travelled: [...parsed.travelled, from] };
    if (![parcel.target, ...parcel.travelled].every(isKnown))
      return refuse(parcel, 'UNREACHABLE', `${named(self)}: it came over, or is for, one who is no member`);
    if (take(toll, clock.nowMs(), from, null, tollOf(parcel.body)) !== null)
      return refuse(parcel, 'OVERLOADED', `${named(self)}: ${named(from)} hands over too much`);
    // At every hop there is less left, by at least what the way took.
    const rttMs = args.state()?.near.get(from)?.latencyMs ?? 0;
    const deadlineMs = timeLeftMs > 0 ? clock.nowMs() + timeLeftMs - Math.max(1, rttMs / 2) : null;
    handOn(parcel, deadlineMs, trace, true);
  };

  return {
    ...{ post, waitForWay, receive },
    stop() {
      const held = [...waiting.values()].flat();
      waiting.clear();
      waitingCount = 0;
      for (const { go } of held) go(null);
    },
  };
};
