// From sources to a configuration that a node can be started with, or to every reason why not, in words that name the source.

import { settingsDefaults } from '../../actors/settings.ts';
import { membershipLimits, profileParts, profilePartsText } from '../../machines/membership/index.ts';
import { raftDefaults } from '../../machines/raft/types.ts';
import { isLoopbackAddress } from '../address.ts';
import type { SourcePlan } from '../discovery/index.ts';
import { isLoopbackHost } from '../gateway/guards.ts';
import { type ActorsConfig, type ActorsConfigInput, actorsBuiltIn } from './actors.ts';
import { type BreakerConfig, breakerBuiltIn, breakerProblems } from './breaker.ts';
import { type CallsConfig, type CallsConfigInput, callsBuiltIn } from './calls.ts';
import { type Merged, schema, splitHostPort } from './schema.ts';
import { readSecretFile } from './secrets.ts';
import { type MergedSources, mergeSources, type Sources } from './sources.ts';

export type LogLevelOption = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** Everything a node needs, complete and checked. */
export type NodeConfig = {
  name: string;
  cluster: string;
  /** Directory of the data. */
  data: string;
  listen: string[];
  /** HOST:PORT or null for no HTTP. */
  http: string | null;
  httpHosts: string[];
  join: string[];
  /** Where members are looked for. */
  discover: SourcePlan[];
  /** Multiaddrs that others are told instead of those listened on; empty: those. */
  announce: string[];
  bootstrap: string[];
  region: string;
  tags: string[];
  capabilities: string[];
  resources: Readonly<Record<string, number | string>>;
  capacity: number;
  secret: Uint8Array;
  token: string | null;
  groups: string[];
  messaging: 'auto' | 'gossipsub';
  /** Who may look on: nobody, not even other members; over HTTP, clients on this machine; whoever presents the token. */
  inspect: 'off' | 'loopback' | 'token';
  /** Runs of graphs that outlive a node are kept here, too. */
  durableGraphs: boolean;
  raft: { preset: 'lan' | 'wan'; electionTimeoutMs: [number, number]; heartbeatMs: number; quietAfterMs: number };
  snapshot: { entries: number; bytes: number };
  replica: { roundMs: number };
  breaker: BreakerConfig;
  actors: ActorsConfig;
  calls: CallsConfig;
  log: { level: LogLevelOption };
};

/** What a program gives: parts of the above, a secret as text or bytes, or the file that holds it, sources by their texts. */
export type NodeConfigInput = Partial<
  Omit<NodeConfig, 'secret' | 'discover' | 'raft' | 'snapshot' | 'replica' | 'breaker' | 'actors' | 'calls' | 'log'>
> & {
  secret?: string | Uint8Array;
  secretFile?: string;
  discover?: string[];
  tokenFile?: string;
  raft?: Partial<NodeConfig['raft']>;
  snapshot?: Partial<NodeConfig['snapshot']>;
  replica?: Partial<NodeConfig['replica']>;
  breaker?: Partial<NodeConfig['breaker']>;
  /** Definitions, and modules that export some; or `{ modules, rebalance }`. */
  actors?: ActorsConfigInput;
  calls?: CallsConfigInput;
  log?: Partial<NodeConfig['log']>;
};

export type Resolution =
  | { ok: true; config: NodeConfig; warnings: string[]; origins: ReadonlyMap<string, string> }
  | { ok: false; problems: string[]; warnings: string[] };

export const secretBytesMin = 16;
export const tokenCharsMin = 16;

/** The WAN preset is row C1's; its heartbeat keeps the same share of the time-out as the LAN's. */
const presets = {
  lan: {
    electionTimeoutMs: [raftDefaults.electionTimeoutMinMs, raftDefaults.electionTimeoutMaxMs] as [number, number],
    heartbeatMs: raftDefaults.heartbeatMs,
  },
  wan: { electionTimeoutMs: [1_000, 2_000] as [number, number], heartbeatMs: 300 },
};

const builtIn = {
  cluster: 'polity',
  listen: ['/ip4/127.0.0.1/tcp/7400'],
  http: null,
  httpHosts: [],
  join: [],
  discover: [],
  announce: [],
  bootstrap: [],
  region: settingsDefaults.region,
  tags: [...settingsDefaults.tags],
  capabilities: [...settingsDefaults.capabilities],
  resources: { ...settingsDefaults.resources },
  capacity: settingsDefaults.capacity,
  groups: [...settingsDefaults.groups],
  messaging: 'auto',
  inspect: 'loopback',
  durableGraphs: settingsDefaults.durableGraphs,
  raft: { preset: 'lan' },
  snapshot: { entries: settingsDefaults.snapshotEntries, bytes: settingsDefaults.snapshotBytes },
  replica: { roundMs: settingsDefaults.rounds.paceMs },
  breaker: { ...breakerBuiltIn },
  actors: { ...actorsBuiltIn },
  calls: callsBuiltIn,
  log: { level: 'info' },
} as const;

class Judge {
  readonly problems: string[];
  readonly warnings: string[];
  readonly #origins: ReadonlyMap<string, string>;

  constructor({ problems, warnings, origins }: MergedSources) {
    this.problems = problems;
    this.warnings = warnings;
    this.#origins = origins;
  }

  /** Who set this path, or the branch it lies in. */
  origin(path: string): string {
    for (let at = path; at !== ''; at = at.slice(0, Math.max(0, at.lastIndexOf('.')))) {
      const origin = this.#origins.get(at);
      if (origin !== undefined) return origin;
    }
    return path;
  }

  problem(path: string, what: string): void {
    this.problems.push(`${this.origin(path)}: ${what}`);
  }
}

const secretMissing = 'secret: is missing; no cluster runs without one (--secret-file, POLITY_SECRET_FILE or POLITY_SECRET)';

const judgeSecret = (judge: Judge, { secret, secretFile }: Merged): Uint8Array => {
  const none = new Uint8Array(0);
  if (secretFile !== undefined) {
    const read = readSecretFile(secretFile);
    if ('problem' in read) {
      judge.problem('secretFile', read.problem);
      return none;
    }
    return judgeLength(judge, 'secretFile', read.bytes);
  }
  if (secret === undefined) {
    judge.problems.push(secretMissing);
    return none;
  }
  if (typeof secret === 'string' && secret.trim() === '') {
    judge.problem('secret', 'is empty');
    return none;
  }
  return judgeLength(judge, 'secret', typeof secret === 'string' ? new TextEncoder().encode(secret.trim()) : secret);
};

const judgeLength = (judge: Judge, path: string, bytes: Uint8Array): Uint8Array => {
  if (bytes.byteLength < secretBytesMin)
    judge.problem(path, `has ${bytes.byteLength} bytes; the cluster secret needs at least ${secretBytesMin}`);
  return bytes;
};

const judgeToken = (judge: Judge, { token, tokenFile }: Merged): string | null => {
  let path = 'token';
  let text = token?.trim() ?? null;
  if (tokenFile !== undefined) {
    path = 'tokenFile';
    const read = readSecretFile(tokenFile);
    if ('problem' in read) {
      judge.problem(path, read.problem);
      return null;
    }
    text = new TextDecoder().decode(read.bytes);
  }
  if (text === null) return null;
  if (text === '') judge.problem(path, 'is empty');
  // RFC 6750 §2.1: what a Bearer header can carry.
  else if (!/^[A-Za-z0-9._~+/-]+=*$/.test(text))
    judge.problem(path, 'holds characters that an Authorization header cannot carry');
  else if (text.length < tokenCharsMin)
    judge.problem(path, `has ${text.length} characters; a token needs at least ${tokenCharsMin}`);
  return text;
};

const judgeRaft = (judge: Judge, { raft }: Merged): NodeConfig['raft'] => {
  const preset = presets[raft.preset];
  const electionTimeoutMs = raft.electionTimeoutMs ?? preset.electionTimeoutMs;
  const heartbeatMs = raft.heartbeatMs ?? Math.min(preset.heartbeatMs, Math.max(5, Math.floor(electionTimeoutMs[0] / 3)));
  const quietAfterMs = raft.quietAfterMs ?? raftDefaults.quietAfterMs;
  // Two heartbeats must fit, or one lost message is an election.
  if (heartbeatMs * 2 > electionTimeoutMs[0]) {
    const path = raft.heartbeatMs === undefined ? 'raft.electionTimeoutMs' : 'raft.heartbeatMs';
    judge.problem(
      path,
      `a heartbeat of ${heartbeatMs} ms needs an election time-out of at least ${heartbeatMs * 2} ms, not ${electionTimeoutMs[0]}`,
    );
  }
  return { preset: raft.preset, electionTimeoutMs, heartbeatMs, quietAfterMs };
};

/** Each of them is within its limits; together they may be more than others take in. */
const judgeProfile = (judge: Judge, config: NodeConfig): void => {
  const { addresses: _known, ...parts } = profileParts({ ...config, version: '', addresses: [] });
  const bytes = Object.values(parts).reduce((sum, part) => sum + part, 0);
  const bytesMax = membershipLimits.profileBytesMax - membershipLimits.profileAddressesBytes;
  if (bytes <= bytesMax) return;
  const [largest] = (['tags', 'capabilities', 'resources'] as const).toSorted((a, b) => parts[b] - parts[a]);
  const what = `PROFILE_TOO_LARGE: what others are told of this node takes ${bytes} of at most ${bytesMax} bytes`;
  judge.problem(largest!, `${what}: ${profilePartsText(parts)}`);
};

const judgeTogether = (judge: Judge, config: NodeConfig): void => {
  for (const { path, what } of breakerProblems(config.breaker)) judge.problem(path, what);
  const { name, bootstrap, join, discover, http, token, httpHosts } = config;
  if (bootstrap.length > 0 && !bootstrap.includes(name))
    judge.problem('bootstrap', `does not name this node (${name}): leave it out to join a cluster that exists`);
  const looksForNobody = join.length === 0 && discover.length === 0;
  if (bootstrap.length > 1 && looksForNobody && config.listen.length === 0)
    judge.problem('join', 'is empty, and so are discover and listen: this node could meet nobody');
  if (bootstrap.length === 0 && looksForNobody)
    judge.warnings.push('none of bootstrap, join and discover is given: this node waits until a member finds it');
  if (discover.length > 0 && config.announce.length === 0 && config.listen.every(isLoopbackAddress))
    judge.warnings.push(
      'it listens for this machine only: members on others find nothing that they can dial (listen, announce)',
    );
  if (bootstrap.length > 1 && bootstrap.length % 2 === 0)
    judge.warnings.push(`${bootstrap.length} voters tolerate no more losses than ${bootstrap.length - 1}`);
  if (config.inspect === 'token' && token === null)
    judge.problem('inspect', 'is token, so a token is needed (--token-file or POLITY_TOKEN_FILE)');
  if (http === null) return;
  const { host } = splitHostPort(http)!;
  if (isLoopbackHost(host)) return;
  if (token === null)
    judge.problem('http', `'${http}' is open to other machines, so a token is needed (--token-file or POLITY_TOKEN_FILE)`);
  if (['0.0.0.0', '[::]'].includes(host) && httpHosts.length === 0)
    judge.warnings.push(`HTTP answers to addresses only until httpHosts names what clients call this node`);
};

/** `off` in a flag, the environment or a file stands for null. */
const withoutHttp = (merged: MergedSources): void => {
  if (merged.tree.http === 'off' || merged.tree.http === '') merged.tree.http = null;
};

export const resolveConfig = (sources: Sources): Resolution => {
  const merged = mergeSources({ ...sources, defaults: { ...builtIn, ...sources.defaults } });
  withoutHttp(merged);
  const judge = new Judge(merged);
  const parsed = schema.safeParse(merged.tree);
  if (!parsed.success) {
    for (const { path, message } of parsed.error.issues) {
      const steps = path.filter((step) => typeof step === 'string');
      judge.problem(steps.join('.'), message);
    }
    if (merged.tree.secret === undefined && merged.tree.secretFile === undefined) judge.problems.push(secretMissing);
    return { ok: false, problems: [...new Set(judge.problems)], warnings: judge.warnings };
  }
  const { data } = parsed;
  const config: NodeConfig = {
    ...{
      name: data.name,
      cluster: data.cluster,
      data: data.data,
      listen: data.listen,
      http: data.http,
      httpHosts: data.httpHosts,
    },
    ...{
      join: data.join,
      discover: data.discover,
      announce: data.announce,
      bootstrap: data.bootstrap,
      region: data.region,
      tags: data.tags,
    },
    ...{ capabilities: data.capabilities, resources: data.resources, capacity: data.capacity },
    ...{ groups: data.groups, messaging: data.messaging, inspect: data.inspect, durableGraphs: data.durableGraphs },
    ...{ snapshot: data.snapshot, replica: data.replica, breaker: data.breaker, calls: data.calls, log: data.log },
    actors: data.actors,
    secret: judgeSecret(judge, data),
    token: judgeToken(judge, data),
    raft: judgeRaft(judge, data),
  };
  judgeTogether(judge, config);
  judgeProfile(judge, config);
  if (judge.problems.length > 0) return { ok: false, problems: [...new Set(judge.problems)], warnings: judge.warnings };
  return { ok: true, config, warnings: judge.warnings, origins: merged.origins };
};

/** The configuration as a person may see it: everything but secrets. */
export const maskedConfig = ({ secret, token, discover, ...rest }: NodeConfig): Record<string, unknown> => ({
  ...rest,
  discover: discover.map(({ name }) => name),
  secret: `${secret.byteLength} bytes, hidden`,
  token: token === null ? null : `${token.length} characters, hidden`,
});
