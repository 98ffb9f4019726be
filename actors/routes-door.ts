// What a node knows for its actor of routes, whatever becomes of that; and the questions of those who send: over whom does this peer hear
// me? Cheap enough to be asked before every call (row R7).
import { type Failure, failure } from '../machines/errors.ts';
import type { Change, MemberView } from '../machines/membership/index.ts';
import { type RoutesState, type RouteView, routeView, wayTo } from '../machines/routes/index.ts';
import type { Outcome } from './api.ts';
import type { Peers } from './peers.ts';
import type { PlaceLookup } from './places.ts';
import { createPlacesDoor, type Place } from './places-door.ts';
import type { ClockPort, PeerId } from './ports/index.ts';
import type { RoutesActorEvent, RoutesArguments } from './routes.ts';
import type { CatalogApi } from './service-api.ts';
import type { Cell } from './supervise.ts';

/** To whom it is handed: the peer itself, or who takes it there. */
export type Via = { readonly via: PeerId };

/** For a person: a route with names beside the peer ids. */
export type NamedRoute = RouteView & {
  /** Null: nobody has told its name. */
  node: string | null;
  /** Names of everybody on the path, or their peer ids. */
  over: readonly string[];
  /** A message would open a connection. */
  isDialable: boolean;
};

export interface RoutesApi {
  /**
   * How a message gets to this peer now. 'none': it cannot, as was found out a moment ago; 'asking': nothing is known, and `find`
   * would ask. Costs less than a microsecond.
   */
  wayTo(peer: PeerId): Via | 'none' | 'asking';
  /** Asks others if need be, 5 s at most; `done` once, perhaps at once. Null: nobody reaches it. */
  find(peer: PeerId, done: (way: Via | null) => void): void;
  /** What was handed to `via` did not get there: it is not handed to him again for now. */
  broken(peer: PeerId, via: PeerId): void;
  /**
   * How and why, of a node by its name or peer id. With `ask` it is looked for if it is not known. MEMBER_NOT_FOUND: nobody is called so.
   */
  describe(node: string, ask: boolean, done: (outcome: Outcome<NamedRoute>) => void): void;
  /**
   * Where something that is offered is to be had: here, at the node that is preferred (its name or peer id), then where it is nearest,
   * and only where all is well. `done` at once from the catalog, or within 5 s from what others say and its owner confirms; nobody
   * offers it: an empty list. INVALID_REQUEST: the look-up makes no sense.
   */
  locate(lookup: PlaceLookup, prefer: string | null, done: (outcome: Outcome<readonly Place[]>) => void): void;
}

export type RoutesDoorArguments = {
  self: PeerId;
  name: string;
  clock: ClockPort;
  peers: Pick<Peers, 'reach' | 'nameOf' | 'statuses' | 'isConnected'>;
  find: CatalogApi['find'];
  /** Its breaker is open. */
  isOpen: (peer: PeerId, service: string) => boolean;
  members: () => MemberView[];
  cell: () => Cell<RoutesActorEvent> | null;
};

export interface RoutesDoor {
  readonly api: RoutesApi;
  /** The machine's state, for who relays; null: the actor does not run. */
  state(): RoutesState | null;
  /** Connections or breakers are others than before. */
  changed(): void;
  members(changes: readonly Change[]): void;
  memory(): Pick<RoutesArguments, 'isEvicted' | 'onState'>;
  undelivered(event: RoutesActorEvent): void;
}

export const createRoutesDoor = (args: RoutesDoorArguments): RoutesDoor => {
  const { self, name, clock, peers, members, cell } = args;
  const evicted = new Set<PeerId>();
  let now: RoutesState | null = null;

  const find = (peer: PeerId, done: (way: Via | null) => void): void => {
    const actor = cell();
    if (actor === null) return done(peers.reach(peer) === 'none' ? null : { via: peer });
    actor.send({ type: 'find', target: peer, done: (way) => done(way === null ? null : { via: way.path[0]! }) });
  };

  /** By name a node that lives, rather than one that has lived under it. */
  const peerOf = (node: string): PeerId | null => {
    if (node === name || node === self) return self;
    const known = members().filter(({ peer, name: called }) => called === node || peer === node);
    const isThere = ({ status }: MemberView): boolean => status === 'alive' || status === 'suspect';
    const member = known.find(isThere) ?? known[0];
    if (member !== undefined) return member.peer;
    return peers.statuses().find(({ name: called, peerId }) => called === node || peerId === node)?.peerId ?? null;
  };

  const nameOf = (peer: PeerId): string | null => (peer === self ? name : peers.nameOf(peer));

  const described = (peer: PeerId, state: RoutesState): NamedRoute => {
    const view = routeView(state, peer, clock.nowMs());
    const over = view.path.map((one) => nameOf(one) ?? one);
    return { ...view, node: nameOf(peer), over, isDialable: view.how !== 'self' && peers.reach(peer) === 'wait' };
  };

  const places = createPlacesDoor({
    ...{ self, name, clock, members, nameOf, peerOf, find: args.find, isOpen: args.isOpen },
    ...{ isConnected: peers.isConnected, state: () => now },
    ask(lookup, done) {
      const actor = cell();
      if (actor === null) done([]);
      else actor.send({ type: 'locate', lookup, done });
    },
  });

  const starting = (): Failure => failure('NOT_READY', `${name} is starting`);

  return {
    state: () => now,
    changed: places.changed,
    api: {
      locate: places.locate,
      wayTo(peer) {
        const reach = peers.reach(peer);
        if (reach === 'open' || now === null) return reach === 'none' ? 'none' : { via: peer };
        const way = wayTo(now, peer, clock.nowMs());
        // Who was not looked for is told straight on: that opens a connection.
        if (way === 'unknown') return reach === 'wait' ? { via: peer } : 'asking';
        return way === 'none' ? 'none' : { via: way.path[0]! };
      },
      find,
      broken: (target, via) => cell()?.send({ type: 'broken', target, via }),
      describe(node, ask, done) {
        const peer = peerOf(node);
        if (peer === null)
          return done({ ok: false, failure: failure('MEMBER_NOT_FOUND', `nobody whom ${name} knows is called ${node}`) });
        const tell = (): void =>
          done(now === null ? { ok: false, failure: starting() } : { ok: true, value: described(peer, now) });
        if (ask) find(peer, tell);
        else tell();
      },
    },
    members(changes) {
      if (changes.some(({ before, after }) => before !== after)) places.changed();
      for (const { peer, before, after } of changes) {
        if (peer === self || before === after) continue;
        if (after === 'evicted') evicted.add(peer);
        else evicted.delete(peer);
        if (after === 'alive') cell()?.send({ type: 'came', peer });
        else if (after !== 'suspect') cell()?.send({ type: 'gone', peer });
      }
    },
    memory: () => ({
      isEvicted: (peer) => evicted.has(peer),
      onState(state) {
        now = state;
      },
    }),
    undelivered(event) {
      if (event.type === 'find') event.done(null);
      if (event.type === 'locate') event.done([]);
      if (event.type === 'delivery') event.delivery.answer(null);
    },
  };
};
