// Where a node keeps what looking on needs: its own actors, as they are whenever they are asked, and the actor that answers.
import type { DiscoveryView } from '../machines/discovery/index.ts';
import type { MemberView } from '../machines/membership/index.ts';
import { createInspectActor, createInspectDoor, type InspectActorEvent } from './actor-inspect.ts';
import type { GossipApi, GroupStatus, PeerStatus, ReplicaApi } from './api.ts';
import type { InspectApi } from './inspect-api.ts';
import type { InspectedActors } from './inspect-local.ts';
import { createRuntimeSubjects, type RuntimeParts } from './inspect-runtime.ts';
import { inspectAddress } from './inspect-wire.ts';
import type { PeerId, Ports } from './ports/index.ts';
import type { Router } from './router.ts';
import type { BreakersApi, CatalogApi } from './service-api.ts';
import type { Cell, Component, Scope } from './supervise.ts';

export type InspectRoomArguments = {
  name: string;
  isOn: boolean;
  ports: Ports;
  router: Router;
  actors: () => InspectedActors;
  life: { getSnapshot(): ReturnType<RuntimeParts['life']> };
  cells: () => readonly Cell<never>[];
  groups: () => Iterable<GroupStatus>;
  breakers: Pick<BreakersApi, 'breakers'>;
  discovery: () => DiscoveryView;
  members: () => readonly MemberView[];
  peers: () => readonly PeerStatus[];
  nameOf: (peer: PeerId) => string | null;
  gossip: Pick<GossipApi, 'summary'>;
  catalog: Pick<CatalogApi, 'summary'>;
  replica: Pick<ReplicaApi, 'summary'>;
};

type Host = (
  address: string,
  create: (scope: Scope) => Component<InspectActorEvent>,
  undelivered: (event: InspectActorEvent) => void,
) => Cell<InspectActorEvent>;

export interface InspectRoom {
  readonly api: InspectApi;
  begin(host: Host): void;
  peerClosed(peer: PeerId): void;
}

const countBy = (words: readonly string[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
};

/** What a person wants to know first of each actor of the runtime. */
const summariesOf = (args: InspectRoomArguments): RuntimeParts['summaries'] => ({
  membership: () => countBy(args.members().map(({ status }) => status)),
  liveness: () => Object.fromEntries(args.peers().map(({ name, peerId, rttMs }) => [name || peerId, rttMs])),
  discovery: () => {
    const { peers, sources } = args.discovery();
    return { ...countBy(peers.map(({ state }) => state)), sources: sources.map(({ source, state }) => `${source} ${state}`) };
  },
  gossip: () => args.gossip.summary(),
  catalog: () => ({ ...args.catalog.summary() }),
  replicator: () => args.replica.summary(),
});

export const createInspectRoom = (args: InspectRoomArguments): InspectRoom => {
  const { name, isOn, ports, router, actors, members, cells, groups, discovery, nameOf } = args;
  let cell: Cell<InspectActorEvent> | null = null;
  const runtime = createRuntimeSubjects({
    ...{ node: name, clock: ports.clock, life: () => args.life.getSnapshot(), cells, groups, discovery, nameOf },
    ...{ breakers: () => args.breakers.breakers(), summaries: summariesOf(args) },
  });
  const own = { name, isOn, ports, router, actors, runtime, members };
  const door = createInspectDoor({ ...own, cell: () => cell });
  return {
    api: door.api,
    begin(host) {
      cell = host(inspectAddress, (scope) => createInspectActor(scope, own), door.undelivered);
      router.on(inspectAddress, (delivery) => cell?.send({ type: 'delivery', delivery }));
    },
    peerClosed: (peer) => cell?.send({ type: 'peer-close', peer }),
  };
};
