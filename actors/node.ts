// The whole node as one tree of supervised actors: genesis, liveness, one actor a group. src/node.ts and sim/node.ts start this
// very tree and differ only in the ports they hand it (the house).

import { createStore } from '@xstate/store';
import { createActor } from 'xstate';
import { type DiscoveryView, discoveryLimits } from '../machines/discovery/index.ts';
import { type ActorAddress, addressText } from '../machines/entity/address.ts';
import { type Failure, failure } from '../machines/errors.ts';
import type { Genesis } from '../machines/genesis/index.ts';
import { isNodeName } from '../machines/genesis/messages.ts';
import { createLimiter } from '../machines/limiter/index.ts';
import { livenessOptions, type QuietGroup } from '../machines/liveness/index.ts';
import type { Change, Contact, MemberView, Profile } from '../machines/membership/index.ts';
import { nodeMachine } from '../machines/node/index.ts';
import { hexOf } from '../machines/wire/octets.ts';
import type { ActorsApi } from './actor-api.ts';
import type { FormRef } from './actor-here.ts';
import { createJournal, type Journal } from './actor-journal.ts';
import { createReplicas, type Replicas, replicasAddress } from './actor-replica.ts';
import { createShards } from './actor-shards.ts';
import type { ActorsEvent } from './actors.ts';
import { actorsAddress, createActorsRoom } from './actors-room.ts';
import type { CallOptions, GroupStatus, NodeApi, NodeStatus } from './api.ts';
import { type BreakersDoor, createBreakers } from './breakers.ts';
import { callingDefaults } from './call-options.ts';
import { type CallsEvent, createCalls } from './calls.ts';
import { createCallsDoor } from './calls-door.ts';
import { directly, rpcAddress } from './calls-post.ts';
import { type CatalogActorEvent, catalogAddress, createCatalogActor } from './catalog.ts';
import { createCatalogDoor } from './catalog-door.ts';
import { createDiscoveryActor, type DiscoveryActorEvent, discoveryAddress } from './discovery.ts';
import { createGenesisActor, type GenesisActorEvent, genesisAddress } from './genesis.ts';
import { createGossipActor, type GossipActorEvent, gossipAddress, gossipTopic } from './gossip.ts';
import { createGossipDoor } from './gossip-door.ts';
import { createGraphs, type GraphActorEvent, graphAddress } from './graph.ts';
import { createGraphDoor } from './graph-door.ts';
import { createDurableGraph } from './graph-durable.ts';
import { createDurableRuns } from './graph-runs.ts';
import { createGroup, type GroupEvent } from './group.ts';
import { groupDoor, refuseEvent } from './group-door.ts';
import { createHosting, formOperations } from './hosting.ts';
import {
  epochOperation,
  evictedOperation,
  incarnationOperation,
  offerOperation,
  placesOperation,
  readEpoch,
  readEvicted,
  readGenesis,
  readHosted,
  readIncarnation,
  readOffer,
  readPlaces,
  usableAddresses,
} from './identity.ts';
import { createInspectRoom } from './inspect-room.ts';
import { createLeaderships } from './leadership.ts';
import { judgeLife } from './life.ts';
import { createLimitSharing, type LimitSharingEvent, limitSharingAddress } from './limit-sharing.ts';
import { createLivenessActor, type LivenessActorEvent, livenessAddress } from './liveness.ts';
import { createMembershipActor, type MembershipActorEvent, membershipAddress } from './membership.ts';
import type { Observe, ObserveStep } from './observe.ts';
import { createPeers } from './peers.ts';
import type { ClockPort, NetworkEvent, PeerId, Ports } from './ports/index.ts';
import { createStrangers } from './refusals.ts';
import { createRelay, type RelayEvent } from './relay.ts';
import { callsEnd, createTalkDoor } from './relay-door.ts';
import { relayAddress } from './relay-parcel.ts';
import { createReplicaDoor } from './replica-door.ts';
import { createLedgerPort } from './replica-ledger.ts';
import { createReplicator, deltasTopic, type ReplicatorEvent, replicatorAddress } from './replicator.ts';
import { createRouter, type Delivery, type Router } from './router.ts';
import { createRoutesActor, type RoutesActorEvent, routesAddress } from './routes.ts';
import { createRoutesDoor } from './routes-door.ts';
import type { CatalogApi, ServiceHost } from './service-api.ts';
import { createServiceHost } from './services.ts';
import type { NodeSettings } from './settings.ts';
import { createShardKeeper, type ShardsEvent, shardsAddress } from './shard-keeper.ts';
import { type Cell, type CellReport, type Component, type Scope, supervise, xstateClock } from './supervise.ts';
import { createTopics } from './topics.ts';
import { createWriter } from './writer.ts';

const nodeAddress = 'node';
const relinquishMs = 1_500;
const statusEveryMs = 50;
const heardEveryMs = 20;

export type NodeTreeOptions = {
  observe?: Observe;
  /** Every step of every replica, too. */
  observeStep?: ObserveStep;
  /** Raft's costly invariants too, after every step (simulator, tests). */
  checkAll?: boolean;
  /** What this node offers, and who offers what. */
  services?: { host: ServiceHost; find: CatalogApi['find'] };
  /** Makes what code is given for a reference to an actor in a message that came; the address itself when absent. */
  formRef?: FormRef;
  /** Stands between calls and their breakers, and sees what is asked and told. */
  tapBreakers?: (door: BreakersDoor, clock: ClockPort) => BreakersDoor;
};

export const createNodeTree = (settings: NodeSettings, ports: Ports, options: NodeTreeOptions = {}): NodeApi => {
  const { clock, random, network, lookup, sink, storage } = ports;
  const life = createActor(nodeMachine, { id: 'node', clock: xstateClock(clock) as never });
  const writer = createWriter({ storage, clock, sink });
  const strangers = createStrangers({ clock, sink });

  // -------------------------------------------------------------- what the disk remembers

  const epoch = readEpoch(storage) + 1;
  // What is damaged ends the start, not an actor later.
  readIncarnation(storage);
  const peers = createPeers({
    ...{ settings, ports, writer, nodeAddress, beatAddress: livenessAddress },
    router: () => router,
    isBusy: (peer) => calls.isBusy(peer) || actors.isBusy(peer),
    onUnreachable: (peer) => membershipCell?.send({ type: 'unreachable', peer }),
  });
  const router: Router = createRouter({ network: peers, clock, sink, epoch, nameOf: peers.nameOf });
  let genesis = readGenesis(storage);
  const groupIds = genesis?.groups ?? settings.groups;
  const offered = readOffer(storage);
  const hosted = new Map<string, string>();
  for (const group of groupIds) {
    if (!offered.has(group)) offered.set(group, newId());
    const replica = readHosted(storage, group);
    if (replica !== null) hosted.set(group, replica);
  }

  function newId(): string {
    return hexOf(random.bytes(16));
  }

  // -------------------------------------------------------------- status: one store that everybody reads

  const groupStatus = new Map<string, GroupStatus>();
  const cellReports = new Map<string, CellReport>();
  let listen: string[] = [];
  let identityLost = false;
  let storageFailed = false;
  let statusDue = false;
  let statusAtMs = Number.NEGATIVE_INFINITY;

  const currentStatus = (): NodeStatus => {
    const snapshot = life.getSnapshot();
    return {
      name: settings.name,
      peerId: network.self,
      cluster: settings.cluster,
      clusterId: genesis?.clusterId ?? null,
      state: snapshot.value,
      reason: snapshot.context.reason,
      version: settings.version,
      epoch,
      listen,
      http: settings.http,
      groups: [...groupStatus.values()],
      peers: peers.statuses(),
      actors: [...cellReports.values()],
      breakers: breakers.notable(),
    };
  };

  /** Who is there or was lately, by name or peer id; of those with one name who is there. */
  const peerCalled = (node: string): PeerId | null => {
    const known = membersNow().filter(({ self, name, peer }) => !self && (name === node || peer === node));
    const alive = known.find(({ status }) => status === 'alive' || status === 'suspect') ?? known[0];
    return alive?.peer ?? peers.statuses().find(({ name, peerId }) => name === node || peerId === node)?.peerId ?? null;
  };
  const ownBreakers = createBreakers({
    ...{ options: settings.breaker, identity: `${network.self} ${epoch}`, clock, sink, nameOf: peers.nameOf, peerCalled },
  });
  const breakers = options.tapBreakers?.(ownBreakers, clock) ?? ownBreakers;
  breakers.onChanged(() => {
    routes.changed();
    changed();
  });

  life.start();
  const store = createStore({
    context: currentStatus(),
    on: { publish: (_context, event: { status: NodeStatus }) => event.status },
  });

  const publish = (): void => {
    statusDue = false;
    statusAtMs = clock.nowMs();
    life.send(
      judgeLife({
        ...{ cells: [...cellReports.values()], groups: [...groupStatus.values()], hosted, storageFailed, identityLost },
        ...{ isFormed: genesis !== null, isConnected: peers.connected().length > 0 },
      }),
    );
    tellProfile();
    store.send({ type: 'publish', status: currentStatus() });
  };
  /** At most every 50 ms; what changes meanwhile is told together. */
  const changed = (): void => {
    if (statusDue) return;
    statusDue = true;
    const waitMs = statusAtMs + statusEveryMs - clock.nowMs();
    if (waitMs <= 0) clock.soon(publish);
    else clock.after(waitMs, publish);
  };

  writer.onFailure((why) => {
    storageFailed = true;
    sink.log('error', why.code, `the disk refused a write, this node promises nothing more: ${why.message}`);
    changed();
  });

  // -------------------------------------------------------------- the tree

  const cells: Cell<never>[] = [];
  const host = <Event>(
    address: string,
    create: (scope: Scope) => Component<Event>,
    undelivered: (event: Event) => void = () => {},
  ): Cell<Event> => {
    const cell = supervise<Event>({
      ...{ address, create, clock, random, sink, undelivered },
      onChange(report) {
        cellReports.set(address, report);
        changed();
      },
    });
    cells.push(cell as Cell<never>);
    return cell;
  };

  const groups = new Map<string, Cell<GroupEvent>>();
  const leaderships = createLeaderships(clock);
  let genesisCell: Cell<GenesisActorEvent> | null = null;
  let livenessCell: Cell<LivenessActorEvent> | null = null;
  let membershipCell: Cell<MembershipActorEvent> | null = null;
  let discoveryCell: Cell<DiscoveryActorEvent> | null = null;
  let gossipCell: Cell<GossipActorEvent> | null = null;
  let catalogCell: Cell<CatalogActorEvent> | null = null;
  let graphCell: Cell<GraphActorEvent> | null = null;
  let replicatorCell: Cell<ReplicatorEvent> | null = null;
  let routesCell: Cell<RoutesActorEvent> | null = null;
  let callsCell: Cell<CallsEvent> | null = null;
  let relayCell: Cell<RelayEvent> | null = null;
  let actorsCell: Cell<ActorsEvent> | null = null;
  let sharingCell: Cell<LimitSharingEvent> | null = null;
  let shardsCell: Cell<ShardsEvent> | null = null;
  const quiet = new Map<string, { leading: { peers: PeerId[]; term: number } | null; following: PeerId | null }>();
  /** To whom it is to be told: these, or all. */
  let quietDue: Set<PeerId> | 'all' | null = null;

  const tellQuietTo = (peer: PeerId): void => {
    const led: QuietGroup[] = [];
    const followed: string[] = [];
    for (const [group, { leading, following }] of quiet) {
      if (leading?.peers.includes(peer)) led.push({ group, term: leading.term });
      if (following === peer) followed.push(group);
    }
    livenessCell?.send({ type: 'leading', peer, groups: led });
    livenessCell?.send({ type: 'following', peer, groups: followed });
  };

  const tellQuiet = (to: PeerId | 'all'): void => {
    const isDue = quietDue !== null;
    if (to === 'all' || quietDue === 'all') quietDue = 'all';
    else quietDue = (quietDue ?? new Set()).add(to);
    if (isDue) return;
    clock.soon(() => {
      const due = quietDue;
      quietDue = null;
      for (const peer of due === 'all' ? peers.connected() : (due ?? [])) tellQuietTo(peer);
    });
  };

  const startGroup = (group: string): void => {
    if (groups.has(group)) return;
    const create = (scope: Scope): Component<GroupEvent> =>
      createGroup(scope, {
        ...{ group, settings, ports, router, writer, peerNamed: peers.named, anyPeer: () => anyPeer(group) },
        askToHost: (peer, timeoutMs, done) => hosting.ask(peer, group, timeoutMs, done),
        onMembers: (names) => onMembers(group, names),
        ...(options.observe === undefined ? {} : { observe: options.observe }),
        ...(options.observeStep === undefined ? {} : { observeStep: options.observeStep }),
        checkAll: options.checkAll ?? false,
        replica: hosted.get(group) ?? null,
        onStatus(status) {
          groupStatus.set(group, status);
          changed();
        },
        onLeading: (member) => leaderships.tell(group, member),
        actors: replicas,
        onQuiet(now) {
          quiet.set(group, now);
          tellQuiet('all');
        },
      });
    const cell = host<GroupEvent>(`group/${group}`, create, (event) => refuseEvent(event, notRunning()));
    groups.set(group, cell);
    router.on(`raft/${group}`, (delivery) => cell.send({ type: 'raft', delivery }));
    router.on(`register/${group}`, (delivery) => cell.send({ type: 'delivery', delivery }));
    router.on(`snapshot/${group}`, (delivery) => cell.send({ type: 'snapshot', delivery }));
  };

  /** Whom to ask of a group that this node does not host: its members of the genesis know it, unless they have left it. */
  const anyPeer = (group: string): PeerId | null =>
    peers.guide((genesis?.nodes ?? []).filter(({ replicas }) => Object.hasOwn(replicas, group)).map(({ peer }) => peer));

  // -------------------------------------------------------------- membership

  let membersNow: () => MemberView[] = () => [];

  /** What others are told of this node. */
  const profileNow = (): Profile => ({
    ...{ name: settings.name, version: settings.version, region: settings.region, tags: settings.tags },
    ...{ capabilities: settings.capabilities, resources: settings.resources, capacity: settings.capacity },
    ...{ load: 0, state: life.getSnapshot().value },
    addresses: usableAddresses(listen),
  });

  let told = '';
  /** What membership is told of this node; null if it was told just that. */
  const news = (): Profile | null => {
    const profile = profileNow();
    const text = [profile.state, ...profile.addresses].join();
    if (text === told) return null;
    told = text;
    return profile;
  };
  const firstProfile = (): Profile => {
    told = '';
    return news()!;
  };
  const tellProfile = (): void => {
    if (membershipCell === null) return;
    const profile = news();
    if (profile !== null) membershipCell.send({ type: 'profile', profile });
  };

  /** Where members may live who are not met yet. */
  let served: readonly Contact[] = [];
  let discoveryNow: () => DiscoveryView = () => ({ peers: [], sources: [] });
  const contacts = (): Contact[] => [...settings.join.map((address) => ({ peer: null, addresses: [address] })), ...served];

  let announced = '';
  /** Others find this node by what its sources are told of it. */
  const announce = (): void => {
    const addresses = usableAddresses(listen);
    if (addresses.length === 0 || announced === addresses.join()) return;
    announced = addresses.join();
    const { name, cluster, version } = settings;
    lookup.announce({ name, peer: network.self, cluster, version, addresses });
  };

  /** Peer exchange: where members say that they live is where others find them. */
  const tellDiscovery = (changes: readonly Change[], view: () => MemberView[]): void => {
    if (changes.length === 0 || discoveryCell === null) return;
    const members = new Map(view().map((member) => [member.peer, member]));
    for (const { peer, after } of changes) {
      const member = members.get(peer);
      if (after === 'evicted') discoveryCell.send({ type: 'evicted', peer });
      else if ((after === 'alive' || after === 'suspect') && member !== undefined && !member.self)
        discoveryCell.send({ type: 'told', peer, name: member.name, addresses: usableAddresses(member.addresses) });
      else if (member?.self !== true) discoveryCell.send({ type: 'untold', peer });
    }
  };

  const gossip = createGossipDoor({
    ...{ name: settings.name, clock, sink, isConnected: peers.isConnected, isStopping: () => stopping !== null },
    cell: () => gossipCell,
  });
  const catalog = createCatalogDoor({
    ...{ name: settings.name, clock, sink, isStopping: () => draining !== null, cell: () => catalogCell },
    ...{ publish: gossip.api.publish, listen: gossip.listen },
  });
  const replica = createReplicaDoor({
    ...{ name: settings.name, sink, isStopping: () => stopping !== null, soon: clock.soon },
    cell: () => replicatorCell,
  });

  const limiter = createLimiter({
    ...{ options: settings.calls.limits, nowMs: clock.nowMs(), isShared: settings.calls.sharesLimits },
  });
  const serviceHost = createServiceHost({ name: settings.name, self: network.self, clock, sink, limiter, ...settings.calls });
  const calls = createCallsDoor({
    ...{ name: settings.name, epoch, sink, isStopping: () => draining !== null, cell: () => callsCell },
  });
  const graphs = createGraphDoor({
    ...{ name: settings.name, clock, graceMs: settings.calls.graceMs, catalog: options.services ?? catalog.api },
    ...{ isStopping: () => draining !== null, cell: () => graphCell },
    durable: createDurableRuns({ random, clock, actors: () => actors.api }),
  });
  const routes = createRoutesDoor({
    ...{ self: network.self, name: settings.name, clock, peers, members: () => membersNow() },
    ...{ find: catalog.api.find, isOpen: (peer, service) => breakers.at(peer, service).breaker === 'open' },
    cell: () => routesCell,
  });

  const callTalk = createTalkDoor(directly(router, rpcAddress), peers.nameOf);
  const actorTalk = createTalkDoor(directly(router, actorsAddress), peers.nameOf);

  /** A member to whom there is no connection, and there may be a way. */
  const memberOver = (node: string): PeerId | null => {
    const isThere = ({ status }: MemberView): boolean => status === 'alive' || status === 'suspect';
    const peer = membersNow().find((member) => !member.self && member.name === node && isThere(member))?.peer;
    return peer === undefined || routes.api.wayTo(peer) === 'none' ? null : peer;
  };
  const shards = createShards({
    ...{ name: settings.name, self: network.self, clock, sink, leaderships, nameOf: peers.nameOf },
    ...{ groups: () => genesis?.groups ?? null, group: (group) => groups.get(group) ?? null, cell: () => shardsCell },
    peerNamed: (node) => peers.named(node) ?? memberOver(node),
    isKnown: (name) => membersNow().some((member) => member.name === name),
  });
  let journal!: Journal;
  let replicas!: Replicas;
  const forget = (address: ActorAddress): void =>
    actors.api.stop(address, {}, (outcome) => {
      if (!outcome.ok) sink.log('debug', 'GRAPH_NOT_FORGOTTEN', outcome.failure.message, { address: addressText(address) });
    });
  const deliver: ActorsApi['deliver'] = (address, event, how, done) => actors.api.deliver(address, event, how, done);
  const actors = createActorsRoom({
    ...{ name: settings.name, epoch, ports, router, formRef: options.formRef, members: () => membersNow() },
    ...{ isMember: (peer) => gossip.isMember(peer), isConnected: peers.isConnected, epochOf: peers.epochOf },
    ...{ carrier: actorTalk.carrier, nameOf: actorTalk.nameOf, isOver: actorTalk.isOver },
    isStraight(peer) {
      const way = routes.api.wayTo(peer);
      return typeof way === 'object' && way.via === peer;
    },
    ...{
      reports: () => cellReports.values(),
      cell: () => actorsCell,
      isStopping: () => draining !== null,
    },
    ...{ placing: shards.api, hooks: shards.api },
    backings: [
      (events) => {
        replicas = createReplicas({
          ...{ clock, sink, network, router, leaderships, groupOf: shards.api.groupOf, events, formRef: options.formRef },
          ...{ definitions: () => actors.api.definitions(), deliver, hostedAt: (peer) => shards.facts.hostedAt(peer) },
        });
        return replicas;
      },
      (events) => {
        journal = createJournal({ ...ports, writer, node: settings.name, formRef: options.formRef, deliver, events });
        return journal;
      },
    ],
  });
  router.on(replicasAddress, (delivery) => replicas.receive(delivery));
  actors.onHosted(() => {
    replicas.hosted();
    for (const definition of actors.api.definitions()) journal.hosted(definition);
  });
  shards.api.serve({
    ...{ definitions: actors.api.definitions, open: actors.open, persisted: (group) => replicas.persisted(group) },
    learn: actors.learn,
  });
  actors.onHosted(shards.api.hosted);
  if (settings.durableGraphs) actors.api.host(createDurableGraph({ calls: () => calls.api, wallMs: clock.wallMs, forget }));

  const inspect = createInspectRoom({
    ...{
      name: settings.name,
      isOn: settings.inspects,
      ports,
      router,
      life,
      cells: () => cells,
      groups: () => groupStatus.values(),
    },
    ...{ breakers: breakers.api, discovery: () => discoveryNow(), members: () => membersNow(), peers: peers.statuses },
    ...{ nameOf: peers.nameOf, gossip: gossip.api, catalog: catalog.api, replica: replica.api },
    actors: () => actors.api,
  });

  /** In the register group that every cluster has, or the first one. */
  const ledgerCell = (timeoutMs: number): { cell: Cell<GroupEvent> } | { failure: Failure } => {
    const all = genesis?.groups ?? groupIds;
    return reach({ group: all.includes('kv') ? 'kv' : all[0]!, timeoutMs });
  };
  const ledger = createLedgerPort({
    read(read, options, done) {
      const at = ledgerCell(options.timeoutMs);
      if ('failure' in at) done({ ok: false, failure: at.failure });
      else at.cell.send({ type: 'read', read, options, done });
    },
    write(write, options, done) {
      const at = ledgerCell(options.timeoutMs);
      if ('failure' in at) done({ ok: false, failure: at.failure });
      else at.cell.send({ type: 'write', write, options, done });
    },
  });

  // -------------------------------------------------------------- hosting replicas

  const onFormed = (formed: Genesis): void => {
    genesis = formed;
    identityLost = false;
    tellNeeded();
    const mine = formed.nodes.find((node) => node.peer === network.self);
    for (const group of formed.groups) {
      const replica = mine?.replicas[group];
      if (replica !== undefined && !hosted.has(group)) hosted.set(group, replica);
      startGroup(group);
      if (hosted.has(group)) groups.get(group)?.send({ type: 'host', replica: hosted.get(group)! });
    }
    changed();
  };

  /** Who owns which name: by the groups' configurations where this node knows one, else by the genesis. */
  const members = new Map<string, Record<string, PeerId>>();
  const onMembers = (group: string, names: Record<string, PeerId>): void => {
    members.set(group, names);
    tellNeeded();
  };
  let neededTold = '';
  /** Those with whom this node agrees on something, or is about to. */
  const tellNeeded = (): void => {
    const needed = new Set([...members.values()].flatMap((names) => Object.values(names)));
    const names = genesis === null ? settings.bootstrap : [];
    const text = [...needed, '', ...names].join();
    if (text === neededTold) return;
    neededTold = text;
    peers.need([...needed], names);
  };
  const taken = (): Record<string, PeerId> => {
    if (members.size > 0) return Object.assign({}, ...members.values());
    return Object.fromEntries((genesis?.nodes ?? []).map((node) => [node.name, node.peer]));
  };

  const hosting = createHosting({
    ...{ name: settings.name, address: nodeAddress, self: network.self, writer, router, newId, hosted },
    genesis: () => genesis,
    onHosted(group, replica) {
      startGroup(group);
      groups.get(group)?.send({ type: 'host', replica });
      genesisCell?.send({ type: 'hosted' });
    },
  });

  // -------------------------------------------------------------- peers

  const onPeerOpen = (event: Extract<NetworkEvent, { type: 'peer-open' }>): void => {
    const { peer, name, addresses } = event;
    peers.opened(event);
    livenessCell?.send({ type: 'peer-open', peer });
    membershipCell?.send({ type: 'peer-open', peer });
    discoveryCell?.send({ type: 'met', peer, name, addresses });
    gossipCell?.send({ type: 'peer-open', peer, epoch: event.epoch });
    catalogCell?.send({ type: 'peer-open', peer, epoch: event.epoch });
    replicatorCell?.send({ type: 'peer-open', peer });
    routesCell?.send({ type: 'opened', peer });
    routes.changed();
    callsCell?.send({ type: 'peer-open', peer, epoch: event.epoch });
    actorsCell?.send({ type: 'peer-open', peer, epoch: event.epoch });
    shardsCell?.send({ type: 'peer-open', peer });
    genesisCell?.send({ type: 'peer-open', peer });
    for (const cell of groups.values()) cell.send({ type: 'peer-found', peer });
    tellQuiet(peer);
    changed();
  };

  const onPeerClose = (peer: PeerId, reason: string): void => {
    const end = peers.closed(peer, reason);
    if (end === 'unknown') return;
    router.peerClosed(peer);
    heardAtMs.delete(peer);
    livenessCell?.send({ type: 'peer-close', peer });
    // Both ends wanted it so: nobody has died.
    if (end === 'lost') membershipCell?.send({ type: 'peer-close', peer });
    discoveryCell?.send({ type: 'parted', peer });
    gossipCell?.send({ type: 'peer-close', peer });
    catalogCell?.send({ type: 'peer-close', peer });
    replicatorCell?.send({ type: 'peer-close', peer });
    routesCell?.send({ type: 'closed', peer });
    routes.changed();
    callsCell?.send({ type: 'peer-close', peer });
    actorsCell?.send({ type: 'peer-close', peer });
    shardsCell?.send({ type: 'peer-close', peer });
    relayCell?.send({ type: 'peer-close', peer });
    inspect.peerClosed(peer);
    genesisCell?.send({ type: 'peer-close', peer });
    for (const cell of groups.values()) cell.send({ type: 'peer-lost', peer });
    changed();
  };

  const heardAtMs = new Map<PeerId, number>();
  const heard = (peer: PeerId): void => {
    const nowMs = clock.nowMs();
    if (nowMs - (heardAtMs.get(peer) ?? Number.NEGATIVE_INFINITY) < heardEveryMs) return;
    heardAtMs.set(peer, nowMs);
    livenessCell?.send({ type: 'heard', peer });
    membershipCell?.send({ type: 'heard', peer });
  };

  const onNetwork = (event: NetworkEvent): void => {
    switch (event.type) {
      case 'listening':
        listen = event.addresses;
        announce();
        // At once: profiles are said once a second, and the first one without addresses would be of no use.
        tellProfile();
        return changed();
      case 'peer-open':
        return onPeerOpen(event);
      case 'peer-close':
        return onPeerClose(event.peer, event.reason);
      case 'message':
        heard(event.peer);
        return peers.heard(event.peer, router.receive(event.peer, event.lane, event.bytes));
      case 'dialled':
        if (event.peer === null) sink.count('dial_failed_total');
        peers.dialled(event);
        discoveryCell?.send(event);
        return;
      case 'drain':
        for (const cell of groups.values()) cell.send({ type: 'drain', peer: event.peer });
        if (event.lane === 'calls') callsCell?.send({ type: 'drain', peer: event.peer });
        if (event.lane === 'calls') relayCell?.send({ type: 'drain', peer: event.peer });
        if (event.lane === 'calls') actorsCell?.send({ type: 'drain', peer: event.peer });
        return;
      case 'published':
        if (event.topic === gossipTopic) gossipCell?.send({ type: 'published', peer: event.peer, bytes: event.bytes });
        if (event.topic === deltasTopic) replicatorCell?.send({ type: 'published', peer: event.peer, bytes: event.bytes });
        return;
      case 'refused':
        return strangers(event);
    }
  };

  const onNodeDelivery = (delivery: Delivery): void => {
    const { peer, type } = delivery;
    if (type === 'part') return peers.onPart(delivery);
    if (type !== 'host') return router.refuse(peer, 'TYPE_UNKNOWN', `no such message to a node: ${type.slice(0, 32)}`);
    if (!isNodeName(delivery.body)) return router.refuse(peer, 'MESSAGE_MALFORMED', 'it asks to host no group');
    hosting.host(delivery.body, (outcome) =>
      delivery.answer(outcome.ok ? ['done', outcome.value.replica] : ['failed', outcome.failure]),
    );
  };

  // -------------------------------------------------------------- start and stop

  /** Those who wait for the end: while calls of services end, and then while everything else does. */
  let draining: (() => void)[] | null = null;
  let stopping: (() => void)[] | null = null;
  let stopped = false;

  const connectedEpochs = (): { peer: PeerId; epoch: number }[] =>
    peers
      .statuses()
      .filter(({ connected }) => connected)
      .map(({ peerId, epoch: starts }) => ({ peer: peerId, epoch: starts }));

  const begin = (): void => {
    const self = { name: settings.name, peer: network.self, replicas: Object.fromEntries(offered) };
    life.send({ type: 'started' });
    livenessCell = host<LivenessActorEvent>(livenessAddress, (scope) => {
      // An incarnation knows nothing of the one before.
      tellQuiet('all');
      return createLivenessActor(scope, {
        options: livenessOptions(settings.raft),
        ...{ ports, router, connected: peers.connected() },
        onRtt(peer, rttMs) {
          peers.measured(peer, rttMs);
          routesCell?.send({ type: 'measured', peer, rttMs });
        },
        onLost(peer, lost) {
          if (lost === 'all') return;
          for (const group of lost) groups.get(group)?.send({ type: 'peer-lost', peer });
        },
      });
    });
    membershipCell = host<MembershipActorEvent>(
      membershipAddress,
      (scope) =>
        createMembershipActor(scope, {
          ...{
            options: settings.membership,
            checkAll: options.checkAll ?? false,
            profile: firstProfile(),
            contacts: contacts(),
          },
          ...{ connected: peers.connected(), ports, router, writer, incarnationOperation },
          restored: () => readIncarnation(writer),
          evicted: () => readEvicted(writer, clock.wallMs(), sink),
          evictedOperation: (evicted) => evictedOperation(evicted, clock.wallMs()),
          ...{ onDial: peers.seek, nearby: peers.nearby },
          onChanged(changes, view) {
            membersNow = view;
            tellDiscovery(changes, view);
            gossip.members(changes);
            catalog.members(changes);
            routes.members(changes);
            callsCell?.send({ type: 'members', changes });
            actorsCell?.send({ type: 'members', changes });
            for (const { peer, after } of changes)
              if (after !== 'alive' && after !== 'suspect') relayCell?.send({ type: 'gone', peer });
            peers.members(view);
            breakers.members(changes);
            if (changes.length > 0) sharingCell?.send({ type: 'members' });
          },
        }),
      (event) => {
        if (event.type === 'leave') event.done();
      },
    );
    // Before the actor that asks it.
    lookup.start((event) => {
      if (!stopped) discoveryCell?.send({ type: 'lookup-event', event });
    });
    discoveryCell = host<DiscoveryActorEvent>(
      discoveryAddress,
      (scope) =>
        createDiscoveryActor(scope, {
          ...{ options: settings.discovery, ports, writer, memoryOperation: placesOperation },
          remembered: () => readPlaces(storage, sink),
          connected: peers
            .statuses()
            .filter((peer) => peer.connected)
            .map(({ peerId, name, addresses }) => ({ peer: peerId, name, addresses })),
          onDial: (addresses) => peers.dial(null, addresses),
          onContacts(now) {
            served = now;
            membershipCell?.send({ type: 'contacts', contacts: contacts() });
          },
          onView(view) {
            discoveryNow = view;
          },
        }),
      (event) => {
        if (event.type === 'lookup') event.done({ places: [], failures: [] });
      },
    );
    gossipCell = host<GossipActorEvent>(
      gossipAddress,
      (scope) =>
        createGossipActor(scope, {
          ...{ options: settings.gossip, checkAll: options.checkAll ?? false, epoch, ports, router },
          ...{ connected: connectedEpochs(), ...gossip.memory() },
        }),
      gossip.undelivered,
    );
    catalogCell = host<CatalogActorEvent>(
      catalogAddress,
      (scope) =>
        createCatalogActor(scope, {
          ...{ options: settings.catalog, checkAll: options.checkAll ?? false, epoch, ports, router },
          ...{ connected: connectedEpochs(), ...catalog.memory() },
        }),
      catalog.undelivered,
    );
    replicatorCell = host<ReplicatorEvent>(
      replicatorAddress,
      (scope) =>
        createReplicator(scope, {
          ...{ ports, router, writer, connected: peers.connected(), newReplicaId: () => newId().slice(0, 16) },
          ...{ ...replica.memory(), logBytesMax: settings.replicaLogBytes },
          ...{ name: settings.name, rounds: settings.rounds, ledger, isFormed: () => genesis !== null },
        }),
      replica.undelivered,
    );
    routesCell = host<RoutesActorEvent>(
      routesAddress,
      (scope) =>
        createRoutesActor(scope, {
          ...{ options: settings.routes, checkAll: options.checkAll ?? false, ports, router },
          connected: peers.statuses().filter((peer) => peer.connected),
          ...{ reach: peers.reach, find: catalog.api.find, ...routes.memory() },
        }),
      routes.undelivered,
    );
    const { host: executes = serviceHost, find = catalog.api.find } = options.services ?? {};
    callsCell = host<CallsEvent>(rpcAddress, (scope) =>
      createCalls(scope, {
        ...{ name: settings.name, region: settings.region, epoch, ports, router, carrier: callTalk.carrier },
        ...{ options: { ...callingDefaults, serialize: settings.calls.serialize }, host: executes, find, breakers },
        connected: peers.connected().map((peer) => ({ peer, epoch: peers.epochOf(peer) })),
        ...{ members: () => membersNow(), isConnected: peers.isConnected, epochOf: peers.epochOf },
        isStraight: (peer) => peers.reach(peer) !== 'none',
        ...{ nameOf: callTalk.nameOf, peerNamed: (name) => peers.named(name) ?? peerCalled(name), ...calls.memory() },
      }),
    );
    relayCell = host<RelayEvent>(relayAddress, (scope) =>
      createRelay(scope, {
        ...{ ports, router, routes: routes.api, state: routes.state, isMember: gossip.isMember, nameOf: peers.nameOf },
        calls: callTalk.side(callsEnd(calls.receive, () => callsCell)),
        actors: actorTalk.side(actors.end),
      }),
    );
    actorsCell = host<ActorsEvent>(actorsAddress, actors.create);
    if (settings.calls.sharesLimits)
      sharingCell = host<LimitSharingEvent>(limitSharingAddress, (scope) =>
        createLimitSharing(scope, {
          ...{ self: network.self, epoch, clock, sink, replica: replica.api, limiter },
          members: () => membersNow().map(({ peer }) => peer),
        }),
      );
    shardsCell = host<ShardsEvent>(shardsAddress, (scope) =>
      createShardKeeper(scope, {
        ...{ name: settings.name, ports, router, options: settings.balance, leaderships, facts: shards.facts },
        ...{ connected: peers.connected(), members: () => membersNow(), guide: anyPeer },
      }),
    );
    graphCell = host<GraphActorEvent>(
      graphAddress,
      (scope) => createGraphs(scope, { clock, sink, calls: () => calls.api, ...graphs.memory() }),
      graphs.undelivered,
    );
    genesisCell = host<GenesisActorEvent>(genesisAddress, (scope) =>
      createGenesisActor(scope, {
        ...{ cluster: settings.cluster, self, bootstrap: settings.bootstrap, groups: settings.groups, genesis },
        ...{ connected: peers.connected(), newClusterId: newId(), ports, router, writer, taken, onFormed },
        formOperations: (formed) => formOperations(formed, network.self),
        onIdentityLost(lost) {
          identityLost = lost;
          changed();
        },
      }),
    );
    inspect.begin(host);
    router.on(membershipAddress, (delivery) => membershipCell?.send({ type: 'delivery', delivery }));
    router.on(replicatorAddress, (delivery) => replicatorCell?.send({ type: 'delivery', delivery }));
    router.on(catalogAddress, (delivery) => catalogCell?.send({ type: 'delivery', delivery }));
    router.on(rpcAddress, calls.receive);
    router.on(actorsAddress, actors.receive);
    router.on(shardsAddress, (delivery) => shardsCell?.send({ type: 'delivery', delivery }));
    router.on(relayAddress, (delivery) => relayCell?.send({ type: 'delivery', delivery }));
    router.on(gossipAddress, (delivery) => gossipCell?.send({ type: 'delivery', delivery }));
    router.on(routesAddress, (delivery) => routesCell?.send({ type: 'delivery', delivery }));
    router.on(livenessAddress, (delivery) => livenessCell?.send({ type: 'delivery', delivery }));
    router.on(genesisAddress, (delivery) => genesisCell?.send({ type: 'delivery', delivery }));
    router.on(nodeAddress, onNodeDelivery);
    network.subscribe(gossipTopic);
    network.subscribe(deltasTopic);
    network.hear(gossip.isMember);
    network.start({ name: settings.name, epoch, extra: { version: settings.version } }, (event) => {
      if (!stopped) onNetwork(event);
    });
    tellNeeded();
    peers.begin();
    changed();
  };

  // The epoch and the replica ids are durable before anybody hears of them.
  writer.write([epochOperation(epoch), offerOperation(offered)], { durable: true }, (why) => {
    if (why !== null) replica.unreadable(failure('STORAGE_FAILED', why.message));
    else if (draining === null) begin();
  });

  /** Everything is closed in the reverse order of its start; each step has a limit of its own. */
  const shutDown = (): void => {
    stopped = true;
    for (const cell of cells.reverse()) cell.stop();
    router.stop();
    peers.stop();
    breakers.stop();
    onceWithdrawn(() =>
      network.stop(() =>
        writer.stop(() =>
          storage.stop(() => {
            life.send({ type: 'stopped' });
            publish();
            for (const done of stopping ?? []) done();
          }),
        ),
      ),
    );
  };

  /** Nobody shall be told any more that this node is here; done beside the hand-over, for a source may take its time. */
  let isWithdrawn = false;
  let onWithdrawn: (() => void) | null = null;
  const withdraw = (): void =>
    lookup.stop(() => {
      isWithdrawn = true;
      onWithdrawn?.();
    });
  const onceWithdrawn = (run: () => void): void => {
    if (isWithdrawn) run();
    else onWithdrawn = run;
  };

  const stop = (done: () => void): void => {
    if (life.getSnapshot().value === 'left') return done();
    if (draining !== null) return void draining.push(done);
    draining = [done];
    // Said while gossip still takes something.
    catalog.leave();
    life.send({ type: 'drain' });
    changed();
    withdraw();
    replicas.leave(() => {
      // Whoever talks to actors goes on with them elsewhere, while this node ends what it has begun.
      shardsCell?.send({ type: 'drain' });
      // What runs needs all that the node has.
      graphs.drain(() => serviceHost.stop(() => actors.stop(handOver)));
    });
  };

  const handOver = (): void => {
    stopping = draining ?? [];
    replica.stop();
    topics.stop();
    let waiting = groups.size + (membershipCell === null ? 0 : 1);
    let over = false;
    const proceed = (): void => {
      if (over) return;
      over = true;
      limit.cancel();
      shutDown();
    };
    const limit = clock.after(relinquishMs, proceed);
    if (waiting === 0) return proceed();
    const finished = (): void => {
      waiting--;
      if (waiting === 0) proceed();
    };
    for (const [group, cell] of groups) cell.send({ type: 'relinquish', to: shards.successor(group), done: finished });
    membershipCell?.send({ type: 'leave', done: finished });
  };

  // -------------------------------------------------------------- the door

  /** The group's actor, or why there is none. */
  const reach = (options: CallOptions): { cell: Cell<GroupEvent> } | { failure: Failure } => {
    const { group = 'kv', timeoutMs = 1 } = options;
    if (typeof timeoutMs !== 'number' || !(timeoutMs >= 1))
      return { failure: failure('INVALID_REQUEST', 'timeoutMs is a number of milliseconds, at least 1') };
    if (stopping !== null) return { failure: failure('STOPPING', `${settings.name} is stopping`) };
    const cell = groups.get(group);
    if (cell !== undefined) return { cell };
    if (genesis === null)
      return {
        failure: failure(identityLost ? 'IDENTITY_LOST' : 'NOT_READY', `${settings.name} does not belong to a cluster yet`),
      };
    // A node that was just started has not started its groups yet.
    if (genesis.groups.includes(group)) return { failure: failure('NOT_READY', `${settings.name} is starting '${group}'`) };
    return { failure: failure('GROUP_NOT_FOUND', `the cluster has no group '${group}' (it has ${genesis.groups.join(', ')})`) };
  };
  const notRunning = (): Failure => failure('NOT_READY', `the group's actor on ${settings.name} is being restarted`);

  const door = groupDoor(reach);
  const topics = createTopics({
    ...{ name: settings.name, self: network.self, epoch, clock, sink, gossip: gossip.api, write: door.write, read: door.read },
    ...{ members: () => membersNow(), peers: peers.statuses, isStopping: () => stopping !== null },
  });

  return {
    ...{ gossip: gossip.api, catalog: catalog.api },
    topics: topics.api,
    shards: shards.api,
    replicas,
    replica: replica.api,
    calls: calls.api,
    host: serviceHost,
    graph: graphs.api,
    actors: actors.api,
    ...breakers.api,
    routes: routes.api,
    inspect: inspect.api,
    status: () => store.getSnapshot().context,
    members: () => membersNow(),
    tellLoad: (load) => membershipCell?.send({ type: 'load', load }),
    evict(peer) {
      membershipCell?.send({ type: 'evict', peer });
      // What it is now, not what was asked for: the actor may be starting again.
      const isEvicted = membersNow().some((member) => member.peer === peer && member.status === 'evicted');
      if (isEvicted) replicatorCell?.send({ type: 'evicted', peer });
      return isEvicted;
    },
    discovery: () => discoveryNow(),
    lookup({ timeoutMs, resultsMax }, done) {
      if (stopping !== null || discoveryCell === null) return done({ places: [], failures: [] });
      discoveryCell.send({ type: 'lookup', timeoutMs, resultsMax: Math.min(resultsMax, discoveryLimits.findingsMax), done });
    },
    onStatus(listener) {
      const subscription = store.subscribe((snapshot) => listener(snapshot.context));
      return () => subscription.unsubscribe();
    },
    ...door,
    stop,
  };
};
