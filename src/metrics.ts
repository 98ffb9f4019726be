// What a node counts and measures, as one Prometheus registry: the counters that actors and transport raise through the sink, the
// gauges read from the status when somebody scrapes, and what the gateway observes. Every name stands here, with its help; a test
// compares the list with what the sources raise. Names on the wire are `polity_` + the name.
import { performance } from 'node:perf_hooks';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { GossipApi, NodeApi, NodeStatus, ReplicaApi, ReplicasView } from '../actors/api.ts';
import type { SinkPort } from '../actors/ports/index.ts';
import type { BreakerReport, CatalogApi, CatalogSummary } from '../actors/service-api.ts';
import { metricOf } from '../machines/breaker/index.ts';
import { createServiceMetrics } from './service/metrics.ts';

type Row = { help: string; labels: readonly string[] };

/** Raised by `SinkPort.count`. */
export const sinkCounters = {
  actor_answers_late_total: { help: 'Answers of actors at other nodes that nobody waited for any more', labels: [] },
  actor_emitted_lost_total: {
    help: 'Events that actors emitted and somebody who listens was not told, for want of room or plain data',
    labels: [],
  },
  actor_requests_retried_total: { help: 'Requests to actors that were put once more, by why', labels: ['why'] },
  actor_effects_total: {
    help: 'Effects of replicated actors that this node ran as leader of their group, by kind',
    labels: ['group', 'kind'],
  },
  actor_events_failed_total: { help: 'Events at which a replicated actor threw, as this replica found', labels: ['group'] },
  actor_failures_total: { help: 'Failures of supervised actors', labels: ['address'] },
  actors_diverged_total: { help: 'Replicated actors that were stopped because replicas of them differ', labels: ['group'] },
  admission_refused_total: { help: 'Connections refused at admission, by reason', labels: ['code'] },
  answers_late_total: { help: 'Answers that came after their question had ended', labels: [] },
  answers_lost_total: { help: 'Answers that could not be sent', labels: [] },
  catalog_asks_total: { help: 'Questions about offers that were missed, of all owners or of one', labels: ['about'] },
  catalog_refused_total: { help: 'What others said of offers and was not taken, by reason', labels: ['code'] },
  catalog_unannounced_total: { help: 'Words about own offers that gossip did not take, by reason', labels: ['code'] },
  breaker_changes_total: { help: 'Changes of breakers, by what they became', labels: ['to'] },
  breaker_refused_total: { help: 'Calls that were not made because of a breaker', labels: [] },
  call_answers_late_total: { help: 'Answers to calls that nobody waited for any more', labels: [] },
  call_messages_lost_total: {
    help: 'What could not be said of calls to their other side, by type of message',
    labels: ['type'],
  },
  calls_hedged_total: { help: 'Calls that were put to a second node besides', labels: [] },
  calls_reasked_total: { help: 'Calls asked again where they were executed, after the connection was lost', labels: [] },
  calls_repeated_total: { help: 'Calls of others that were asked again and not executed again', labels: [] },
  calls_retried_total: { help: 'Calls that were tried again, by why', labels: ['why'] },
  dead_letters_total: { help: 'Messages for actors that do not run', labels: ['address'] },
  dial_failed_total: { help: 'Attempts to reach a peer that failed', labels: [] },
  discovery_places_total: { help: 'Places where members may live, by the state they came into', labels: ['state'] },
  gossip_announcements_total: { help: 'Announcements, by what became of them here', labels: ['outcome'] },
  gossip_listeners_threw_total: { help: 'Times that who listens to announcements threw', labels: [] },
  gossip_refused_total: { help: 'What was told of announcements and not taken, by reason', labels: ['code'] },
  graph_compensations_total: { help: 'Compensations of steps of graphs, by how they ended', labels: ['status'] },
  graph_runs_total: { help: 'Runs of graphs that began here, by how they ended: done or a code', labels: ['outcome'] },
  graph_steps_total: { help: 'Steps of graphs run here, by how they ended', labels: ['status'] },
  member_changes_total: { help: 'Changes of what this node holds members for, by what they became', labels: ['status'] },
  discovery_failures_total: { help: 'Failures of sources of discovery, by code', labels: ['source', 'code'] },
  membership_warnings_total: { help: 'Warnings of the membership machine, by code', labels: ['code'] },
  limit_tellings_total: {
    help: 'What nodes that share limits of calls tell each other: told, heard, refused because it is malformed, or untold',
    labels: ['what'],
  },
  limit_tokens_untold_total: { help: 'Tokens of more names than others are told of, where limits are shared', labels: [] },
  messages_refused_total: { help: 'Messages of members that were malformed or unknown, by reason', labels: ['code'] },
  messages_unsent_total: { help: 'Messages that waited in vain for a connection, by reason', labels: ['why'] },
  peers_dropped_total: { help: 'Connections closed because the peer fell silent', labels: [] },
  publish_lost_total: { help: 'Messages to many that reached nobody, by reason', labels: ['reason'] },
  raft_compactions_total: { help: 'Compactions of the log', labels: ['group'] },
  raft_misaddressed_total: { help: 'Raft messages for a replica that is not here', labels: ['group'] },
  raft_proposals_total: { help: 'Proposals to the log at this node, by what came of them', labels: ['group', 'outcome'] },
  raft_snapshots_received_total: { help: 'Snapshots installed', labels: ['group'] },
  raft_snapshots_sent_total: { help: 'Snapshots sent, by success', labels: ['group', 'ok'] },
  raft_warnings_total: { help: 'Warnings of the Raft machine, by code', labels: ['group', 'code'] },
  refused_total: { help: 'Refusals told by the transport, by code', labels: ['code'] },
  replica_collected_total: { help: 'Replicated objects of which something removed was forgotten', labels: [] },
  replica_conflicts_total: { help: 'Changes of replicated objects that knew nothing of each other, by type', labels: ['type'] },
  replica_deltas_untold_total: { help: 'Changes left to repair because too many waited to be told', labels: [] },
  replica_exchanges_total: {
    help: 'Comparisons of replicated objects with another node, by how they ended',
    labels: ['outcome'],
  },
  replica_gaps_total: { help: 'Changes heard before what they build on, and fetched whole', labels: [] },
  replica_refused_total: { help: 'Changes of others that were not joined, by reason', labels: ['code'] },
  replica_repaired_total: { help: 'Replicated objects that came by repair', labels: [] },
  relay_parcels_total: { help: 'Messages of calls and actors over other nodes: sent, passed on, received', labels: ['what'] },
  relay_refused_total: {
    help: 'Messages of calls and actors of others that went no farther here, by reason',
    labels: ['code'],
  },
  route_breaks_total: { help: 'Ways over others that did not get there', labels: [] },
  route_lookups_total: { help: 'Ways to peers that are not connected, by what was known or found', labels: ['result'] },
  route_questions_total: { help: 'Questions of others about ways', labels: [] },
  route_refreshes_total: { help: 'Ways in use that were asked for again before they ended', labels: [] },
  topic_messages_lost_total: { help: 'Messages that a feed of a topic was too late or too slow for', labels: [] },
  topic_published_total: { help: 'Messages published at this node, by promise and outcome', labels: ['delivery', 'outcome'] },
  topic_readers_threw_total: { help: 'Times that who reads a feed of a topic threw', labels: [] },
  topic_releases_dropped_total: { help: 'Subscriptions let go of which the log was not told', labels: [] },
  actors_moved_total: {
    help: 'Actors of the cluster that this node let go of because it leads their group no more',
    labels: [],
  },
  actors_unopened_total: { help: 'Actors that could not be opened without being asked, by reason', labels: ['type', 'code'] },
  shard_handovers_total: {
    help: 'Groups of actors whose leadership this node handed to who should lead them',
    labels: ['group'],
  },
  storage_batches_total: { help: 'Batches written, by durability', labels: ['durable'] },
} as const satisfies Record<string, Row>;

const rolesOf: readonly string[] = ['leader', 'candidate', 'pre-candidate', 'follower', 'learner', 'none'];
const statesOf: readonly NodeStatus['state'][] = ['created', 'joining', 'ready', 'degraded', 'draining', 'left', 'failed'];
/** Seconds; a durable write on a local disk is about a millisecond, a deadline at most a minute. */
const latencyBuckets = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10];

/** Label values are bounded: an unexpected one must not grow the registry for ever. */
const seriesMax = 1_000;

/** Observed by the gateway, with children bound once per route so that a request pays no look-up of labels. */
export interface RouteMetrics {
  observe(status: number, seconds: number): void;
}

type Followed = Pick<NodeApi, 'status' | 'onStatus' | 'gossip' | 'replica' | 'catalog' | 'host' | 'breakers'>;

export type StreamKind =
  | 'watch'
  | 'replica'
  | 'topic'
  | 'services'
  | 'events'
  | 'backup'
  | 'call'
  | 'run'
  | 'actor'
  | 'inspect';

export interface Metrics {
  readonly registry: Registry;
  readonly count: SinkPort['count'];
  /** Reads the gauges from this node's status from now on, and counts changes of leaders. Returns what ends it. */
  follow(api: Followed): () => void;
  route(route: string): RouteMetrics;
  /** Watchers and event sockets that are open now. */
  streams(kind: StreamKind, change: 1 | -1): void;
  streamEnded(kind: StreamKind, code: string): void;
}

const createSinkCounters = (registry: Registry): SinkPort['count'] => {
  const registers = [registry];
  const counters = new Map<string, { counter: Counter; labels: readonly string[]; series: Set<string> }>();
  const add = (name: string, row: Row): void => {
    const counter = new Counter({ name: `polity_${name}`, help: row.help, labelNames: [...row.labels], registers });
    // Without labels prom-client shows a zero from the start, which a rate needs.
    counters.set(name, { counter, labels: row.labels, series: new Set() });
  };
  for (const [name, row] of Object.entries(sinkCounters)) add(name, row);
  add('unlisted_total', { help: 'Counts under a name that this list does not know', labels: ['name'] });

  const raise = (name: string, labels: Record<string, string>, by: number): void => {
    const known = counters.get(name);
    if (known === undefined) return raise('unlisted_total', { name }, by);
    const own: Record<string, string> = {};
    for (const label of known.labels) own[label] = labels[label] ?? '';
    const series = Object.values(own).join('\n');
    if (known.series.size >= seriesMax && !known.series.has(series))
      return raise('unlisted_total', { name: 'too many series' }, by);
    known.series.add(series);
    known.counter.inc(own, by);
  };
  return (name, labels = {}, by = 1) => raise(name, labels, by);
};

type GaugeRow = {
  name: string;
  help: string;
  labels: readonly string[];
  read: (status: NodeStatus) => [Record<string, string>, number][];
};

const perGroup = (name: string, help: string, read: (group: NodeStatus['groups'][number]) => number): GaugeRow => ({
  name,
  help,
  labels: ['group'],
  read: (status) => status.groups.map((group) => [{ group: group.id }, read(group)]),
});

/** Read from the status at each scrape, so that no second bookkeeping can go stale (decision 9). */
const gaugeRows: readonly GaugeRow[] = [
  perGroup('raft_term', 'Current term', (group) => group.term),
  perGroup('raft_commit_index', 'Index up to which the log is committed', (group) => group.commitIndex),
  perGroup('raft_applied_index', 'Index up to which the log is applied', (group) => group.appliedIndex),
  perGroup('raft_first_index', 'First index of the log', (group) => group.firstIndex),
  perGroup('raft_last_index', 'Last index of the log', (group) => group.lastIndex),
  perGroup('raft_has_leader', '1 while a leader is known', (group) => (group.leader === null ? 0 : 1)),
  perGroup('raft_quiet', '1 while the group is quiet', (group) => (group.quiet ? 1 : 0)),
  perGroup('raft_joint', '1 during the joint phase of a reconfiguration', (group) => (group.joint ? 1 : 0)),
  perGroup('raft_halted', '1 while this replica neither votes nor acknowledges', (group) => (group.halted === null ? 0 : 1)),
  perGroup('raft_voters', 'Voters of the configuration', (group) => group.voters.length),
  perGroup('raft_learners', 'Learners of the configuration', (group) => group.learners.length),
  {
    name: 'raft_role',
    help: '1 for the role that this replica has',
    labels: ['group', 'role'],
    read: (status) =>
      status.groups.flatMap((group) =>
        rolesOf.map((role): [Record<string, string>, number] => [{ group: group.id, role }, role === group.role ? 1 : 0]),
      ),
  },
  {
    name: 'node_state',
    help: '1 for the state that this node is in',
    labels: ['state'],
    read: (status) => statesOf.map((state) => [{ state }, state === status.state ? 1 : 0]),
  },
  { name: 'node_epoch', help: 'Starts of this node so far', labels: [], read: (status) => [[{}, status.epoch]] },
  { name: 'peers_known', help: 'Peers seen since the start', labels: [], read: (status) => [[{}, status.peers.length]] },
  {
    name: 'peers_connected',
    help: 'Peers connected now',
    labels: [],
    read: (status) => [[{}, status.peers.filter((peer) => peer.connected).length]],
  },
  {
    name: 'peer_rtt_seconds',
    help: 'Round trip of the latest heartbeat to a peer',
    labels: ['peer'],
    read: (status) =>
      status.peers.flatMap((peer) =>
        peer.rttMs === null ? [] : [[{ peer: peer.name }, peer.rttMs / 1_000] as [Record<string, string>, number]],
      ),
  },
  {
    name: 'actor_restarts',
    help: 'Restarts of a supervised actor so far',
    labels: ['address'],
    read: (status) => status.actors.map((actor) => [{ address: actor.address }, actor.restarts]),
  },
];

const createGauges = (registry: Registry, status: () => NodeStatus | null): void => {
  for (const row of gaugeRows)
    new Gauge({
      name: `polity_${row.name}`,
      help: row.help,
      labelNames: [...row.labels],
      registers: [registry],
      collect() {
        this.reset();
        const now = status();
        if (now !== null) for (const [labels, value] of row.read(now)) this.set(labels, value);
      },
    });
};

const gossipRows: readonly { name: string; help: string; read: (gossip: ReturnType<GossipApi['summary']>) => number }[] = [
  { name: 'gossip_kept', help: 'Announcements that are kept because they still hold', read: ({ kept }) => kept },
  { name: 'gossip_kept_bytes', help: 'What they take', read: ({ keptBytes }) => keptBytes },
  { name: 'gossip_sources', help: 'Members of which announcements are remembered', read: ({ sources }) => sources },
  {
    name: 'gossip_waiting',
    help: 'Members of which something waits for what is missing before it',
    read: ({ waiting }) => waiting,
  },
];

const createGossipGauges = (registry: Registry, gossip: () => GossipApi | null): void => {
  for (const { name, help, read } of gossipRows)
    new Gauge({
      ...{ name: `polity_${name}`, help, registers: [registry] },
      collect() {
        const now = gossip();
        if (now !== null) this.set(read(now.summary()));
      },
    });
};

const catalogRows: readonly { name: string; help: string; read: (catalog: CatalogSummary) => number }[] = [
  { name: 'catalog_offers', help: "Offers that are known, this node's among them", read: ({ offers }) => offers },
  { name: 'catalog_bytes', help: 'What they take', read: ({ bytes }) => bytes },
  { name: 'catalog_own_offers', help: 'Offers of this node', read: ({ own }) => own },
  { name: 'catalog_owners', help: 'Members of whose offers something is known', read: ({ owners }) => owners },
  {
    name: 'catalog_differing',
    help: 'Members that offer something else than is known here',
    read: ({ differing }) => differing,
  },
];

const createCatalogGauges = (registry: Registry, catalog: () => CatalogApi | null): void => {
  for (const { name, help, read } of catalogRows)
    new Gauge({
      ...{ name: `polity_${name}`, help, registers: [registry] },
      collect() {
        const now = catalog();
        if (now !== null) this.set(read(now.summary()));
      },
    });
};

const replicaRows: readonly { name: string; help: string; read: (replicas: ReplicasView) => number }[] = [
  { name: 'replica_round', help: 'The round in which this replica is', read: ({ round }) => round },
  {
    name: 'replica_stable',
    help: 'The round up to which everything made is known to be everywhere',
    read: ({ stable }) => stable,
  },
  {
    name: 'replica_listed',
    help: 'Replicas for which rounds wait, as this node knows them',
    read: ({ replicas }) => replicas.filter(({ standing }) => standing !== 'retired').length,
  },
];

const createReplicaGauges = (registry: Registry, replica: () => ReplicaApi | null): void => {
  for (const { name, help, read } of replicaRows)
    new Gauge({
      ...{ name: `polity_${name}`, help, registers: [registry] },
      collect() {
        const now = replica();
        if (now !== null) this.set(read(now.replicas()));
      },
    });
};

/** Of at most 1 000, what is not closed before the others; the rest is closed. */
const createBreakerGauge = (registry: Registry, breakers: () => BreakerReport[]): void => {
  new Gauge({
    name: 'polity_breaker_state',
    help: 'Of a service at a peer: 0 closed, 1 open, 2 half-open',
    labelNames: ['peer', 'service'],
    registers: [registry],
    collect() {
      this.reset();
      for (const { node, peer, service, status } of breakers()) this.set({ peer: node ?? peer, service }, metricOf[status]);
    },
  });
};

/** Longer than any process lives; the longest that a timer of Node takes without a warning. */
const neverMs = 2 ** 31 - 1;

/**
 * prom-client's own of the process, but for the event loop's delay: it is sampled by a timer every 10 ms, which is more than half of
 * what an otherwise idle node costs. What Node counts anyway says how busy the loop is.
 */
const collectProcess = (registry: Registry): void => {
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: neverMs });
  for (const { name } of registry.getMetricsAsArray())
    if (name.startsWith('nodejs_eventloop_lag')) registry.removeSingleMetric(name);
  new Counter({
    name: 'polity_event_loop_active_seconds_total',
    help: 'Time that the event loop was not waiting for something to do',
    registers: [registry],
    collect() {
      this.reset();
      this.inc(performance.eventLoopUtilization().active / 1_000);
    },
  });
};

export const createMetrics = (node: { name: string; version: string }): Metrics => {
  const registry = new Registry();
  const registers = [registry];
  collectProcess(registry);
  new Gauge({ name: 'polity_build_info', help: 'Always 1', labelNames: ['name', 'version'], registers }).set(node, 1);

  let api: Followed | null = null;
  createGauges(registry, () => api?.status() ?? null);
  createGossipGauges(registry, () => api?.gossip ?? null);
  createReplicaGauges(registry, () => api?.replica ?? null);
  createCatalogGauges(registry, () => api?.catalog ?? null);
  createServiceMetrics(registry, () => api?.host ?? null);
  createBreakerGauge(registry, () => api?.breakers() ?? []);
  const leaderChanges = new Counter({
    name: 'polity_raft_leader_changes_total',
    help: 'Leaderships that this node has learned of',
    labelNames: ['group'],
    registers,
  });
  const requests = new Counter({
    name: 'polity_http_requests_total',
    help: 'HTTP requests answered',
    labelNames: ['route', 'status'],
    registers,
  });
  const latency = new Histogram({
    name: 'polity_http_request_seconds',
    help: 'Time from the end of the headers to the answer',
    labelNames: ['route'],
    buckets: latencyBuckets,
    registers,
  });
  const open = new Gauge({ name: 'polity_http_streams', help: 'Streams that are open now', labelNames: ['kind'], registers });
  const ended = new Counter({
    name: 'polity_http_streams_ended_total',
    help: 'Streams that this node ended, by reason',
    labelNames: ['kind', 'code'],
    registers,
  });

  return {
    registry,
    count: createSinkCounters(registry),
    follow(followed) {
      api = followed;
      const leaderships = new Map<string, string>();
      const onStatus = (status: NodeStatus): void => {
        for (const { id, leader, term } of status.groups) {
          const leadership = `${term} ${leader}`;
          if (leader === null || leaderships.get(id) === leadership) continue;
          leaderships.set(id, leadership);
          leaderChanges.inc({ group: id });
        }
      };
      onStatus(followed.status());
      return followed.onStatus(onStatus);
    },
    route(route) {
      const observed = latency.labels({ route });
      const counted = new Map<number, Counter.Internal>();
      return {
        observe(status, seconds) {
          let child = counted.get(status);
          if (child === undefined) counted.set(status, (child = requests.labels({ route, status: String(status) })));
          child.inc();
          observed.observe(seconds);
        },
      };
    },
    streams: (kind, change) => open.inc({ kind }, change),
    streamEnded: (kind, code) => ended.inc({ kind, code }),
  };
};
