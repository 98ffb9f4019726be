// Every option of a node, once: where it lies in a configuration file, its environment variable, its flag, and what its text means.
// The command line, the environment, the reference page and the messages about mistakes are all made of this table.

import { breakerRows } from './breaker.ts';

export type OptionKind =
  | 'text'
  /** Comma-separated in the environment and in a flag; a flag may also be repeated. */
  | 'list'
  /** A list of sources of discovery, whose own texts may hold commas: a comma before the scheme of one separates. */
  | 'sources'
  | 'count'
  /** Two counts, `150,300`. */
  | 'range'
  /** Names with numbers or words, `cpus=8,disk=ssd`; a flag may also be repeated. An object in the file. */
  | 'pairs'
  /** `on` or `off`. True or false in the file. */
  | 'switch';

export type Option = {
  /** Path in the file and in code, by dots. */
  path: string;
  env: string;
  flag: string;
  /** What stands behind the flag in the help. */
  value: string;
  kind: OptionKind;
  help: string;
  /** Never printed. */
  secret?: true;
};

export const options: readonly Option[] = [
  {
    path: 'name',
    env: 'POLITY_NAME',
    flag: '--name',
    value: 'NAME',
    kind: 'text',
    help: "this node's name, unique in the cluster",
  },
  { path: 'cluster', env: 'POLITY_CLUSTER', flag: '--cluster', value: 'NAME', kind: 'text', help: "the cluster's name" },
  {
    path: 'data',
    env: 'POLITY_DATA',
    flag: '--data',
    value: 'DIR',
    kind: 'text',
    help: 'directory of what this node must not lose',
  },
  {
    ...{ path: 'listen', env: 'POLITY_LISTEN', flag: '--listen', value: 'MULTIADDR', kind: 'list' },
    help: 'where members reach this node; port 0 is any free one',
  },
  {
    ...{ path: 'http', env: 'POLITY_HTTP', flag: '--http', value: 'HOST:PORT', kind: 'text' },
    help: "HTTP of this node, 'off' for none; anything but loopback needs a token",
  },
  {
    ...{ path: 'httpHosts', env: 'POLITY_HTTP_HOSTS', flag: '--http-hosts', value: 'NAMES', kind: 'list' },
    help: 'further names that clients call this node by (Host)',
  },
  {
    ...{ path: 'join', env: 'POLITY_JOIN', flag: '--join', value: 'MULTIADDR', kind: 'list' },
    help: 'members to keep connections to',
  },
  {
    ...{ path: 'discover', env: 'POLITY_DISCOVER', flag: '--discover', value: 'SOURCE', kind: 'sources' },
    help: 'where members are looked for, and this node is told of: dns:NAME, mdns:, etcd:URL, file:PATH …',
  },
  {
    ...{ path: 'announce', env: 'POLITY_ANNOUNCE', flag: '--announce', value: 'MULTIADDR', kind: 'list' },
    help: 'where others are told to reach this node, instead of where it listens',
  },
  {
    ...{ path: 'bootstrap', env: 'POLITY_BOOTSTRAP', flag: '--bootstrap', value: 'NAMES', kind: 'list' },
    help: 'the nodes that form the cluster together, once; left out, this node joins one that exists',
  },
  {
    ...{ path: 'region', env: 'POLITY_REGION', flag: '--region', value: 'NAME', kind: 'text' },
    help: 'where this node stands, as others are told',
  },
  {
    ...{ path: 'tags', env: 'POLITY_TAGS', flag: '--tags', value: 'WORDS', kind: 'list' },
    help: 'words about this node that others are told',
  },
  {
    ...{ path: 'capabilities', env: 'POLITY_CAPABILITIES', flag: '--capabilities', value: 'WORDS', kind: 'list' },
    help: 'what this node can do, as others are told',
  },
  {
    ...{ path: 'resources', env: 'POLITY_RESOURCES', flag: '--resources', value: 'NAME=VALUE', kind: 'pairs' },
    help: 'what this node has, as others are told: numbers or words, cpus=8,disk=ssd',
  },
  {
    ...{ path: 'capacity', env: 'POLITY_CAPACITY', flag: '--capacity', value: 'N', kind: 'count' },
    help: 'how much work this node takes, in a unit of your own; 0 = not said',
  },
  {
    ...{ path: 'secret', env: 'POLITY_SECRET', flag: '--secret', value: 'TEXT', kind: 'text', secret: true },
    help: 'the cluster secret itself (others on this machine can read a flag: prefer --secret-file)',
  },
  {
    ...{ path: 'secretFile', env: 'POLITY_SECRET_FILE', flag: '--secret-file', value: 'FILE', kind: 'text' },
    help: 'file with the cluster secret, readable by its owner only',
  },
  {
    ...{ path: 'token', env: 'POLITY_TOKEN', flag: '--token', value: 'TEXT', kind: 'text', secret: true },
    help: 'what HTTP clients must present (prefer --token-file)',
  },
  {
    ...{ path: 'tokenFile', env: 'POLITY_TOKEN_FILE', flag: '--token-file', value: 'FILE', kind: 'text' },
    help: 'file with the HTTP token, readable by its owner only',
  },
  {
    ...{ path: 'inspect', env: 'POLITY_INSPECT', flag: '--inspect', value: 'off|loopback|token', kind: 'text' },
    help: 'who may look at actors over HTTP: nobody, programs on this machine, or whoever presents the token',
  },
  {
    ...{ path: 'durableGraphs', env: 'POLITY_DURABLE_GRAPHS', flag: '--durable-graphs', value: 'on|off', kind: 'switch' },
    help: 'this node keeps runs of graphs that outlive a node; on at all members of the groups that hold actors, or at none',
  },
  {
    ...{ path: 'groups', env: 'POLITY_GROUPS', flag: '--groups', value: 'NAMES', kind: 'list' },
    help: 'groups of the register service, fixed when the cluster is formed',
  },
  {
    ...{ path: 'messaging', env: 'POLITY_MESSAGING', flag: '--messaging', value: 'auto|gossipsub', kind: 'text' },
    help: 'auto: direct lanes between members; gossipsub: everything over it',
  },
  {
    ...{ path: 'raft.preset', env: 'POLITY_RAFT_PRESET', flag: '--raft-preset', value: 'lan|wan', kind: 'text' },
    help: 'time-outs for one site or for several',
  },
  {
    ...{ path: 'raft.electionTimeoutMs', env: 'POLITY_RAFT_ELECTION_TIMEOUT_MS', flag: '--raft-election-timeout-ms' },
    ...{ value: 'MIN,MAX', kind: 'range', help: 'a follower stands for election after a time between these without a leader' },
  },
  {
    ...{ path: 'raft.heartbeatMs', env: 'POLITY_RAFT_HEARTBEAT_MS', flag: '--raft-heartbeat-ms', value: 'MS', kind: 'count' },
    help: 'how often a leader says that it is there',
  },
  {
    ...{
      path: 'raft.quietAfterMs',
      env: 'POLITY_RAFT_QUIET_AFTER_MS',
      flag: '--raft-quiet-after-ms',
      value: 'MS',
      kind: 'count',
    },
    help: 'an idle group stops its heartbeats after this; 0 = never',
  },
  {
    ...{ path: 'snapshot.entries', env: 'POLITY_SNAPSHOT_ENTRIES', flag: '--snapshot-entries', value: 'N', kind: 'count' },
    help: 'entries after which the log is compacted',
  },
  {
    ...{ path: 'snapshot.bytes', env: 'POLITY_SNAPSHOT_BYTES', flag: '--snapshot-bytes', value: 'N', kind: 'count' },
    help: 'bytes after which the log is compacted',
  },
  {
    ...{ path: 'replica.roundMs', env: 'POLITY_REPLICA_ROUND_MS', flag: '--replica-round-ms', value: 'MS', kind: 'count' },
    help: 'what was removed from replicated data is forgotten in rounds, none shorter than this',
  },
  ...breakerRows,
  {
    ...{ path: 'actors.modules', env: 'POLITY_ACTORS', flag: '--actors', value: 'FILES', kind: 'list' },
    help: 'modules (JavaScript, or TypeScript without its types) whose exported actors this node hosts',
  },
  {
    ...{
      path: 'actors.rebalance',
      env: 'POLITY_ACTORS_REBALANCE',
      flag: '--actors-rebalance',
      value: 'on|off',
      kind: 'switch',
    },
    help: 'groups that hold actors are handed to the nodes that should lead them',
  },
  {
    ...{
      path: 'calls.limits.node',
      env: 'POLITY_CALLS_LIMITS_NODE',
      flag: '--calls-limits-node',
      value: 'LIMIT',
      kind: 'pairs',
    },
    help: 'calls of services here that each other node may make: perHour=10000,burst=50, or off',
  },
  {
    ...{ path: 'calls.limits.principal', env: 'POLITY_CALLS_LIMITS_PRINCIPAL', flag: '--calls-limits-principal' },
    ...{
      value: 'LIMIT',
      kind: 'pairs',
      help: 'calls of services here that each principal may make: perHour=100,burst=50, or off',
    },
  },
  {
    ...{ path: 'calls.limits.shared', env: 'POLITY_CALLS_LIMITS_SHARED', flag: '--calls-limits-shared' },
    ...{
      value: 'on|off',
      kind: 'switch',
      help: 'calls that other nodes with this let through count here too, some time later',
    },
  },
  {
    ...{ path: 'calls.serialize', env: 'POLITY_CALLS_SERIALIZE', flag: '--calls-serialize', value: 'on|off', kind: 'switch' },
    help: 'calls within this node carry bytes, as others do; for tests',
  },
  {
    ...{ path: 'calls.graceMs', env: 'POLITY_CALLS_GRACE_MS', flag: '--calls-grace-ms', value: 'MS', kind: 'count' },
    help: 'how long a stop waits for the calls that this node executes',
  },
  {
    ...{ path: 'log.level', env: 'POLITY_LOG_LEVEL', flag: '--log-level', value: 'LEVEL', kind: 'text' },
    help: 'debug, info, warn, error or silent',
  },
] as const satisfies readonly Option[];

/** Variables that start with POLITY_ and are not options of a node. */
export const otherVariables = ['POLITY_CONFIG', 'POLITY_NODE'] as const;

/** A flag as commander and callers name it: `--secret-file` is `secretFile`. */
export const attributeOf = (flag: string): string =>
  flag.replace(/^--/, '').replace(/-(.)/g, (_all, letter: string) => letter.toUpperCase());
