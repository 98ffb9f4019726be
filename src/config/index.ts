// The door of configuration: file, environment, flags and code become one checked NodeConfig (row N6), and that what a tree needs.

import { roundsAt } from '../../actors/replica-registrar.ts';
import type { NodeSettings } from '../../actors/settings.ts';
import { settingsDefaults } from '../../actors/settings.ts';
import { raftDefaults } from '../../machines/raft/types.ts';
import { balanceOptions } from './actors.ts';
import { breakerOptionsOf } from './breaker.ts';
import { callsSettings } from './calls.ts';
import type { NodeConfig } from './resolve.ts';

export { type ActorsConfigInput, splitActors } from './actors.ts';
export { attributeOf, type Option, options } from './options.ts';
export {
  type LogLevelOption,
  maskedConfig,
  type NodeConfig,
  type NodeConfigInput,
  type Resolution,
  resolveConfig,
  secretBytesMin,
  tokenCharsMin,
} from './resolve.ts';
export { splitHostPort } from './schema.ts';
export { readSecretFile } from './secrets.ts';
export { readConfigFile, type Sources } from './sources.ts';

/** `http`: the address really listened on, if any. */
export const settingsOf = (config: NodeConfig, version: string, http: string | null): NodeSettings => ({
  ...{
    name: config.name,
    cluster: config.cluster,
    version,
    bootstrap: config.bootstrap,
    join: config.join,
    region: config.region,
    tags: config.tags,
    capabilities: config.capabilities,
    resources: config.resources,
    capacity: config.capacity,
    groups: config.groups,
    http,
    inspects: config.inspect !== 'off',
    durableGraphs: config.durableGraphs,
  },
  membership: settingsDefaults.membership,
  gossip: settingsDefaults.gossip,
  catalog: settingsDefaults.catalog,
  discovery: settingsDefaults.discovery,
  links: settingsDefaults.links,
  routes: settingsDefaults.routes,
  raft: {
    ...raftDefaults,
    electionTimeoutMinMs: config.raft.electionTimeoutMs[0],
    electionTimeoutMaxMs: config.raft.electionTimeoutMs[1],
    heartbeatMs: config.raft.heartbeatMs,
    quietAfterMs: config.raft.quietAfterMs,
  },
  ...{ snapshotEntries: config.snapshot.entries, snapshotBytes: config.snapshot.bytes },
  watchEventsMax: settingsDefaults.watchEventsMax,
  replicaLogBytes: settingsDefaults.replicaLogBytes,
  rounds: roundsAt(config.replica.roundMs),
  calls: callsSettings(config.calls),
  breaker: breakerOptionsOf(config.breaker),
  balance: balanceOptions(config.actors),
  entriesMax: settingsDefaults.entriesMax,
});
