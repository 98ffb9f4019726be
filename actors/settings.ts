// What a node tree needs to know, already validated (src/config reads files, environment and flags).

import { type BreakerOptions, breakerDefaults } from '../machines/breaker/index.ts';
import { type CatalogOptions, catalogDefaults } from '../machines/catalog/index.ts';
import { type DiscoveryOptions, discoveryDefaults } from '../machines/discovery/index.ts';
import { type BalanceOptions, balanceDefaults } from '../machines/entity/balance.ts';
import { type GossipOptions, gossipDefaults } from '../machines/gossip/index.ts';
import { type LinksOptions, linksDefaults } from '../machines/links/index.ts';
import { type MembershipOptions, membershipDefaults } from '../machines/membership/index.ts';
import { type RaftOptions, raftDefaults } from '../machines/raft/types.ts';
import { entryVersions } from '../machines/register/index.ts';
import { type RoutesOptions, routesDefaults } from '../machines/routes/index.ts';
import { type RoundsOptions, roundsDefaults } from './replica-registrar.ts';
import { type CallsSettings, callsDefaults } from './service-api.ts';

export type NodeSettings = {
  /** 1 to 63 of [a-z0-9-], unique in the cluster. */
  name: string;
  /** The cluster's name; its uuid is made at genesis. */
  cluster: string;
  version: string;
  /** Names of the nodes that form the cluster, first = who writes the genesis; empty = join an existing one. */
  bootstrap: string[];
  /** Multiaddrs of members through whom the others are found. */
  join: string[];
  /** Ids of the register groups, fixed at genesis. */
  groups: string[];
  /** Where it stands, e.g. a data centre, and words that mean something to whoever places work; others are told. */
  region: string;
  tags: string[];
  /** What it can do, what it has (amounts or words), how much work it takes (0: not said). */
  capabilities: string[];
  resources: Readonly<Record<string, number | string>>;
  capacity: number;
  membership: MembershipOptions;
  gossip: GossipOptions;
  catalog: CatalogOptions;
  discovery: DiscoveryOptions;
  links: LinksOptions;
  routes: RoutesOptions;
  /** HTTP address, if any; only reported. */
  http: string | null;
  /** Actors of this node are shown to whoever may look on, here or at other members; false: to nobody. */
  inspects: boolean;
  /** This node keeps durable runs of graphs. */
  durableGraphs: boolean;
  raft: RaftOptions;
  /** A snapshot point (compaction) is taken after this many entries or bytes since the last. */
  snapshotEntries: number;
  snapshotBytes: number;
  /** Events kept for `watch`, per group. */
  watchEventsMax: number;
  /** The states of replicated objects are written, and their log is cut, after so much of it; at a start it is read. */
  replicaLogBytes: number;
  /** Rounds of replicated objects. */
  rounds: RoundsOptions;
  /** Calls of services. */
  calls: CallsSettings;
  /** When services of peers are not called any more. */
  breaker: BreakerOptions;
  /** When leaders of groups that hold actors hand them to who should lead. */
  balance: BalanceOptions;
  /** Newest version of entries of groups that this build reads. Less than it does is for those who play an older one. */
  entriesMax: number;
};

export const settingsDefaults = {
  groups: ['kv'],
  region: '',
  tags: [] as string[],
  capabilities: [] as string[],
  resources: {} as Readonly<Record<string, number | string>>,
  capacity: 0,
  membership: membershipDefaults,
  gossip: gossipDefaults,
  catalog: catalogDefaults,
  discovery: discoveryDefaults,
  links: linksDefaults,
  routes: routesDefaults,
  inspects: true,
  durableGraphs: false,
  raft: raftDefaults,
  snapshotEntries: 10_000,
  snapshotBytes: 64 << 20,
  watchEventsMax: 10_000,
  replicaLogBytes: 32 << 20,
  rounds: roundsDefaults,
  calls: callsDefaults,
  breaker: breakerDefaults,
  balance: balanceDefaults,
  entriesMax: entryVersions.newest as number,
} as const;
