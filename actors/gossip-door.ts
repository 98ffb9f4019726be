// What a node knows for its gossip actor, whatever becomes of that: who is a member, who listens, how much was said; and the calls of
// those who announce and listen.
import { type Failure, failure, PolityError } from '../machines/errors.ts';
import type { GossipSummary } from '../machines/gossip/index.ts';
import type { Change } from '../machines/membership/index.ts';
import type { GossipApi } from './api.ts';
import { createListeners, type GossipActorEvent, type GossipArguments, type Listener } from './gossip.ts';
import type { ClockPort, PeerId, SinkPort } from './ports/index.ts';
import type { Cell } from './supervise.ts';

/** How long an announcement holds if nobody says. */
const announceMs = 60_000;

export type GossipDoorArguments = {
  name: string;
  clock: ClockPort;
  sink: SinkPort;
  isConnected: (peer: PeerId) => boolean;
  isStopping: () => boolean;
  cell: () => Cell<GossipActorEvent> | null;
};

export interface GossipDoor {
  readonly api: GossipApi;
  /** For an actor of this node: as `subscribe`, and there is always room for it. */
  listen: GossipApi['subscribe'];
  /** Whose announcements are heard and passed on: connected, or known to membership, and not thrown out. */
  isMember(peer: PeerId): boolean;
  members(changes: readonly Change[]): void;
  /** What a new incarnation of the actor is given. */
  memory(): Pick<GossipArguments, 'listeners' | 'evicted' | 'said' | 'onSaid' | 'onSummary'>;
  undelivered(event: GossipActorEvent): void;
}

export const createGossipDoor = (args: GossipDoorArguments): GossipDoor => {
  const { name, isConnected, isStopping, cell } = args;
  /** Everybody whom membership knows, but for those who were thrown out. */
  const known = new Set<PeerId>();
  const thrownOut = new Set<PeerId>();
  const listeners = createListeners(args);
  /** Number of what this process announced last, whatever becomes of the actor. */
  let said = 0;
  let summary: () => GossipSummary = () => ({ kept: 0, keptBytes: 0, sources: 0, waiting: 0, peers: 0 });
  const refused = (code: 'STOPPING' | 'NOT_READY', why: string): { ok: false; failure: Failure } => ({
    ok: false,
    failure: failure(code, why),
  });

  const listen = (topic: string, hear: Listener['hear'], isOwn: boolean): (() => void) => {
    const actor = cell();
    // Its own, so that who subscribes twice is told twice and ends one of them.
    const listener: Listener = { hear, isTold: actor === null, isOwn };
    const why = listeners.add(topic, listener);
    if (why !== null) throw new PolityError(why);
    actor?.send({ type: 'recall', topic, listener });
    return () => listeners.remove(topic, listener);
  };

  return {
    listen: (topic, on) => listen(topic, on, true),
    api: {
      publish(topic, body, { ttlMs = announceMs }, done) {
        const actor = cell();
        if (isStopping()) return done(refused('STOPPING', `${name} is stopping`));
        if (actor === null) return done(refused('NOT_READY', `${name} is starting`));
        actor.send({ type: 'publish', topic, body, ttlMs, done });
      },
      subscribe: (topic, on) => listen(topic, on, false),
      summary: () => summary(),
    },
    isMember: (peer) => !thrownOut.has(peer) && (known.has(peer) || isConnected(peer)),
    members(changes) {
      for (const { peer, after } of changes) {
        if (after === 'evicted') {
          thrownOut.add(peer);
          cell()?.send({ type: 'evicted', peer });
        } else if (thrownOut.delete(peer)) cell()?.send({ type: 'readmitted', peer });
        if (after === null || after === 'evicted') known.delete(peer);
        else known.add(peer);
      }
    },
    memory: () => ({
      ...{ listeners, evicted: [...thrownOut], said: () => said },
      onSaid(now) {
        said = now;
      },
      onSummary(now) {
        summary = now;
      },
    }),
    undelivered(event) {
      // What begins anew tells everything that still holds.
      if (event.type === 'recall') event.listener.isTold = true;
      if (event.type === 'publish') event.done(refused('NOT_READY', `gossip on ${name} is being restarted`));
    },
  };
};
