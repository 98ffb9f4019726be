// What a seed draws before anything happens: the shape of the cluster and of its world, as well as which faults there may be (swarm
// testing, Groce et al. 2012). Every knob has chance of its own, so that setting one, or adding one, moves no other.

import { roundsAt } from '../actors/replica-registrar.ts';
import type { NodeSettings } from '../actors/settings.ts';
import { settingsDefaults } from '../actors/settings.ts';
import { breakerDefaults } from '../machines/breaker/index.ts';
import type { BalanceOptions } from '../machines/entity/balance.ts';
import { raftDefaults } from '../machines/raft/types.ts';
import { entryVersions } from '../machines/register/index.ts';
import { limits } from '../machines/wire/limits.ts';
import { drawnFaults, type Fault } from './nemesis/index.ts';
import { addressOf } from './network.ts';
import { type Scenario, scenarios } from './scenarios/index.ts';
import { drawnWorks, type Work } from './workloads/index.ts';
import type { Chance } from './world.ts';

export type Knobs = {
  nodes: number;
  groups: string[];
  clients: number;
  /** What clients do; the first client always the first. */
  works: [Work, ...Work[]];
  keys: number;
  /** What every value is filled up with, bytes. */
  paddingBytes: number;
  thinkMs: number;
  timeoutMs: number;
  latencyMs: [number, number];
  bytesPerMs: number;
  laneBytes: number;
  syncMs: [number, number];
  turnMs: [number, number];
  /** Rates of clocks are 1 ± drift. */
  drift: number;
  snapshotEntries: number;
  retainEntries: number;
  quietAfterMs: number;
  appendBytes: number;
  inflightMessages: number;
  uncommittedBytesMax: number;
  pendingReadsMax: number;
  watchEventsMax: number;
  /** The scenario whose faults and knobs these are; null: drawn one by one. */
  theme: string | null;
  faults: Fault[];
  /** Between two faults, milliseconds. */
  everyMs: [number, number];
  /** How long one lasts. */
  lastsMs: [number, number];
  /** In the first part of every ten seconds no fault begins: so long. */
  quietMs: number;
  /** When the fire is over clients think for so long at least, so that the cluster has something left for those who come back. */
  calmMs: number;
  /** When the fire is over clients are silent for so long, and groups come to rest. */
  lullMs: number;
  /** When the fire is over all connections break once more. */
  breaksLast: boolean;
  /** After the fire only a majority is mended at first. */
  minorityStaysBroken: boolean;
  /** Nodes know no address of each other and meet through sources of discovery. */
  isFound: boolean;
  /** Clients that change replicated objects; 0: there are no such objects. */
  replicaClients: number;
  /** They think so long between two changes, at most. */
  replicaThinkMs: number;
  /** Where there are such objects: the share of published messages that is lost, and that comes twice; else it is 1 %. */
  replicaGossipLoss: number;
  /** Between two rounds of replicated objects, at least. */
  replicaRoundMs: number;
  /** The log of replicated objects is cut when it is so long. */
  replicaLogBytes: number;
  /** Clients that call services; 0: there are no services. */
  callClients: number;
  /** They think so long between two calls, at most. */
  callThinkMs: number;
  /** Clients that ask actors; 0: there are no actors. */
  actorClients: number;
  /** They think so long between two requests, at most. */
  actorThinkMs: number;
  /** Nodes are replaced until all host this version of their actors; 1: nobody is replaced. */
  actorVersions: number;
  /** Where they are replaced: they begin as a build that does not read entries about actors. */
  actorsBeginOld: boolean;
  /** Of breakers, where there are services: failures that open one, calls that try, for how long it is open first. */
  callBreakers: [number, number, number];
};

/** `set` by whoever runs it, or by a scenario that knows what was drawn. */
export const drawKnobs = (chanceOf: (label: string) => Chance, set: (drawn: Knobs) => Partial<Knobs> = () => ({})): Knobs => {
  const knob = (name: string): Chance => chanceOf(`knob ${name}`);
  const pick = <Value>(name: string, values: readonly Value[]): Value => knob(name).pick(values);
  const share = pick('share of faults', [0.12, 0.25, 0.5]);
  const drawn: Knobs = {
    nodes: pick('nodes', [1, 2, 3, 3, 3, 3, 3, 4, 5, 5]),
    groups: pick('groups', [['kv'], ['kv'], ['kv'], ['kv', 'g2'], ['kv', 'g2', 'g3']]),
    clients: knob('clients').between(1, 9),
    works: ['register', ...drawnWorks.filter((work) => work !== 'register' && knob(`work ${work}`).happens(0.3))],
    keys: knob('keys').between(1, 5),
    paddingBytes: pick('padding', [0, 0, 0, 100, 2_000]),
    thinkMs: pick('think', [1, 20, 200, 3_000]),
    timeoutMs: pick('time-out', [300, 1_000, 3_000]),
    latencyMs: [0.05, pick('latency', [1, 5, 30])],
    bytesPerMs: pick('bandwidth', [1_000, 100_000]),
    laneBytes: pick('lanes', [4_000, limits.controlLaneBytesMax, limits.controlLaneBytesMax]),
    syncMs: [0.1, pick('sync', [1, 5, 40])],
    turnMs: [0.005, pick('turn', [0.05, 0.5, 3])],
    drift: pick('drift', [0, 0.001, 0.04]),
    snapshotEntries: pick('snapshot', [2, 5, 20, 100, 10_000]),
    retainEntries: pick('retain', [0, 5, 50, 5_000]),
    quietAfterMs: pick('quiet', [0, 100, 1_000]),
    // One entry an append, and one append at a time, or few: then terms, commits and acknowledgements meet at every index.
    appendBytes: pick('append', [1, 300, raftDefaults.appendBytesMax, raftDefaults.appendBytesMax]),
    inflightMessages: pick('inflight', [1, 3, raftDefaults.inflightMessagesMax, raftDefaults.inflightMessagesMax]),
    uncommittedBytesMax: pick('uncommitted', [4_000, raftDefaults.uncommittedBytesMax, raftDefaults.uncommittedBytesMax]),
    pendingReadsMax: pick('reads', [2, raftDefaults.pendingReadsMax, raftDefaults.pendingReadsMax]),
    watchEventsMax: pick('watch', [10, 200, settingsDefaults.watchEventsMax]),
    theme: null,
    // Some faults are off in every run, and all but a few in some, so that the others have room to show what they do.
    faults: drawnFaults.filter((fault) => knob(`fault ${fault}`).happens(share)),
    everyMs: [50, pick('every', [200, 500, 1_500])],
    lastsMs: [20, pick('lasts', [500, 3_000, 10_000])],
    quietMs: pick('quiet window', [0, 0, 4_000]),
    calmMs: pick('calm', [0, 100]),
    lullMs: pick('lull', [0, 0, 3_000]),
    breaksLast: knob('breaks last').happens(0.4),
    minorityStaysBroken: knob('minority').happens(0.7),
    isFound: false,
    replicaClients: 0,
    replicaThinkMs: pick('replica think', [20, 100, 400]),
    replicaGossipLoss: pick('replica gossip', [0.01, 0.1, 0.4]),
    replicaRoundMs: 10_000,
    callClients: 0,
    actorClients: 0,
    actorThinkMs: pick('actor think', [150, 300, 800]),
    actorVersions: 1,
    actorsBeginOld: knob('actors begin old').happens(0.3),
    callThinkMs: pick('call think', [30, 100, 300]),
    callBreakers: [pick('call failures', [2, 3, 5]), pick('call probes', [1, 1, 3]), pick('call open', [300, 1_000, 3_000])],
    replicaLogBytes: pick('replica log', [1_000, 10_000, settingsDefaults.replicaLogBytes]),
  };
  const given = set(drawn);
  const theme = given.faults === undefined ? themeOf(knob('theme')) : null;
  if (theme === null) return { ...drawn, ...given };
  const themed = { ...drawn, theme: theme.name, faults: [...theme.faults], ...theme.knobs(drawn) };
  return { ...themed, ...set(themed) };
};

/** Half of the seeds act a scenario: some bugs need two or three faults that chance alone seldom brings together, again and again. */
const themeOf = (chance: Chance): Scenario | null =>
  chance.happens(0.5)
    ? chance.pick(scenarios.filter(({ faults, byNameOnly }) => faults.length > 0 && byNameOnly !== true))
    : null;

export const joinAddresses = (names: readonly string[], self: string): string[] =>
  names.filter((name) => name !== self).map(addressOf);

export const settingsOf = (name: string, names: readonly string[], knobs: Knobs): NodeSettings => {
  const { quietAfterMs, retainEntries, uncommittedBytesMax, pendingReadsMax } = knobs;
  const small = {
    uncommittedBytesMax,
    pendingReadsMax,
    appendBytesMax: knobs.appendBytes,
    inflightMessagesMax: knobs.inflightMessages,
  };
  return {
    ...settingsDefaults,
    ...{
      name,
      cluster: 'sim',
      version: 'sim',
      bootstrap: [...names],
      join: knobs.isFound ? [] : joinAddresses(names, name),
      http: null,
    },
    groups: [...knobs.groups],
    raft: { ...raftDefaults, ...small, quietAfterMs, retainEntries },
    snapshotEntries: knobs.snapshotEntries,
    watchEventsMax: knobs.watchEventsMax,
    replicaLogBytes: knobs.replicaLogBytes,
    rounds: roundsAt(knobs.replicaRoundMs),
    ...(knobs.callClients === 0 ? {} : settingsOfCalls(knobs)),
    ...(knobs.actorClients === 0 ? {} : { balance: soonBalanced }),
    ...(knobs.actorVersions > 1 && knobs.actorsBeginOld ? { entriesMax: entryVersions.oldest } : {}),
  };
};

/** Leadership moves to who should have it while a short run lasts. */
const soonBalanced: BalanceOptions = {
  ...{ isOn: true, everyMs: 200, graceMs: 1_500, settleMs: 800, pauseMs: 400, restMs: 4_000 },
};

/** Breakers that open soon and not for long, limits that only some meet: a short run shows both. */
const settingsOfCalls = ({ callBreakers: [failuresMax, probes, openMs] }: Knobs): Pick<NodeSettings, 'breaker' | 'calls'> => ({
  breaker: { ...breakerDefaults, failuresMax, probes, openMs, openMsMax: 4 * openMs, window: { by: 'time', ms: 2_000 } },
  calls: {
    ...settingsDefaults.calls,
    graceMs: 1_000,
    limits: {
      ...settingsDefaults.calls.limits,
      node: { tokens: 1_000_000, periodMs: 1_000, burst: 1_000_000 },
      principal: { tokens: 30, periodMs: 1_000, burst: 30 },
    },
  },
});
