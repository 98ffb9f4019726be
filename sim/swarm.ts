// One seed, one life of a cluster: what is drawn (sim/knobs.ts), lived (sim/phases.ts) and judged. The result is plain data.
import { groupKeys, keyText } from '../actors/keyspace.ts';
import { Actors } from './actors/index.ts';
import { Calls } from './calls/index.ts';
import type { HistoryEvent } from './checkers/index.ts';
import { Cluster, describeError } from './cluster.ts';
import { Criers } from './criers.ts';
import { drawKnobs, type Knobs, settingsOf } from './knobs.ts';
import { countOfFaults, type Fault, type FaultDone } from './nemesis/index.ts';
import { Offerers, offerersCatalog } from './offerers.ts';
import { Broken, liveThrough, type Verdict } from './phases.ts';
import { createTeller, type Listen } from './record.ts';
import { Replicas } from './replica/index.ts';
import { type Scenario, scenarios } from './scenarios/index.ts';
import { Trace } from './trace.ts';
import { type Work, Workload } from './workloads/index.ts';
import { World } from './world.ts';

export type RunOptions = {
  /** Drawn when absent. */
  nodes?: number;
  /** Virtual milliseconds under fire. */
  timeMs?: number;
  /** Its faults, and what it asks of the knobs. */
  scenario?: string;
  /** Which faults may happen; the scenario's, or drawn, when absent. */
  faults?: readonly Fault[];
  /** Numbers of faults that are left out; all others are what they were. */
  without?: readonly number[];
  /** Drawn when absent; fewer of them are the first ones. */
  clients?: number;
  /** What they do; drawn when absent. */
  works?: readonly [Work, ...Work[]];
  /** Rounds of a client, at most. */
  operations?: number;
  /** Events after which it counts as a run without end. */
  eventsMax?: number;
  /** Lines of the trace to keep. */
  linesMax?: number;
  /** Hears all that happens; it changes nothing. */
  listen?: Listen;
  /** What is heard includes every step of every replica. */
  steps?: boolean;
  /** For tests: a world that breaks a promise on purpose. */
  planted?: 'lying-disk' | 'forgotten-vote' | 'chance-in-actors';
};

export type RunResult = {
  seed: number;
  verdict: Verdict;
  /** What broke, in words; empty if all held. */
  reason: string;
  hash: string;
  steps: number;
  virtualMs: number;
  acknowledged: number;
  operations: number;
  /** Changes of replicated objects that were made. */
  replicaChanges: number;
  /** Calls of services that were made, by how they ended. */
  calls: Record<string, number>;
  endings: Record<string, number>;
  /** Requests to actors, by how they ended. */
  actors: Record<string, number>;
  /** How often each fault was done. */
  done: Record<string, number>;
  /** What was really done, in order of time. */
  faults: readonly FaultDone[];
  knobs: Knobs;
  history: readonly HistoryEvent[];
  lines: readonly string[];
};

/** How long the fire lasts if nobody says. */
export const timeMsDefault = 20_000;

const scenarioOf = (name: string): Scenario => {
  const found = scenarios.find((scenario) => scenario.name === name);
  if (found === undefined) throw new RangeError(`there is no scenario '${name}'`);
  return found;
};

/** What the options set, and what their scenario needs; the rest is drawn. */
export const setBy =
  ({
    scenario: name,
    nodes,
    clients,
    works,
    faults,
  }: Pick<RunOptions, 'scenario' | 'nodes' | 'clients' | 'works' | 'faults'>) =>
  (drawn: Knobs): Partial<Knobs> => {
    const scenario = name === undefined ? null : scenarioOf(name);
    return {
      ...(scenario === null ? {} : { ...scenario.knobs(drawn), faults: [...scenario.faults] }),
      ...(nodes === undefined ? {} : { nodes }),
      ...(clients === undefined ? {} : { clients }),
      ...(works === undefined ? {} : { works: [...works] }),
      ...(faults === undefined ? {} : { faults: [...faults] }),
    };
  };

/** Term and vote of the group that clients use. */
const isHardState = (key: Uint8Array): boolean => keyText(key) === keyText(groupKeys('kv').hard);

export const runSeed = (seed: number, options: RunOptions = {}): RunResult => {
  const trace = new Trace({ linesMax: options.linesMax ?? 0 });
  const world = new World(seed, trace);
  const knobs = drawKnobs((label) => world.chance(label), setBy(options));
  const { listen } = options;
  const cluster = new Cluster(world, knobs, {
    settings: (name, names) => ({ ...settingsOf(name, names, knobs), catalog: offerersCatalog }),
    without: options.without ?? [],
    hasOwnKeys: true,
    tapBreakers: knobs.callClients === 0 ? undefined : (life, door, clock) => calls!.tapBreakers(life, door, clock),
    onObserved: knobs.actorClients === 0 ? undefined : (observation) => actors!.observed(observation),
    teller: listen === undefined ? undefined : (network) => createTeller(world, network, listen, options.steps ?? false),
    disk: {
      lies: options.planted === 'lying-disk',
      ...(options.planted === 'forgotten-vote' ? { keepsFirst: isHardState } : {}),
    },
  });
  const { nodes, scene, nemesis, judge } = cluster;
  const criers = new Criers(world, nodes);
  const offerers = new Offerers(world, nodes, (peer, epoch) => criers.judge.spoke(peer, epoch));
  const operationsMax = options.operations ?? Number.POSITIVE_INFINITY;
  const workload = new Workload(world, nodes, { ...knobs, operationsMax });
  const { replicaClients, replicaThinkMs: thinkMs } = knobs;
  const replicas =
    replicaClients === 0 ? null : new Replicas(world, nodes, { clients: replicaClients, thinkMs, changesMax: operationsMax });
  const { callClients, callThinkMs } = knobs;
  const calls =
    callClients === 0 ? null : new Calls(world, nodes, { clients: callClients, thinkMs: callThinkMs, callsMax: operationsMax });
  const { actorClients, actorThinkMs, actorVersions } = knobs;
  const actors =
    actorClients === 0
      ? null
      : new Actors(world, nodes, {
          ...{ clients: actorClients, groups: knobs.groups, thinkMs: actorThinkMs, callsMax: operationsMax },
          ...{ versions: actorVersions, wounds: scene.wounds },
          plantsChance: options.planted === 'chance-in-actors',
        });
  const look = (): void => {
    cluster.teller?.clients(workload.history);
    cluster.look();
    if (replicas !== null && replicas.violation !== null) throw new Broken('correctness', replicas.violation);
    if (calls !== null && calls.violation !== null) throw new Broken('correctness', calls.violation);
    if (actors !== null && actors.violation !== null) throw new Broken('correctness', actors.violation);
    if (criers.judge.violation !== null) throw new Broken('correctness', criers.judge.violation);
    if (offerers.violation !== null) throw new Broken('correctness', offerers.violation);
  };

  let verdict: Verdict = 'held';
  let reason = '';
  let isLived = false;
  try {
    const { timeMs = timeMsDefault, eventsMax } = options;
    liveThrough({ scene, nemesis, workload, criers, offerers, replicas, calls, actors, knobs, timeMs, look, eventsMax });
    isLived = true;
  } catch (error) {
    verdict = error instanceof Broken ? error.verdict : 'crash';
    reason = error instanceof Broken ? error.message : describeError(error);
  }
  // What clients saw is judged also when something else broke: a lost write says more than a node that hangs.
  const seen = judge.history(workload.history) ?? (isLived ? workload.verdict() : null);
  if (seen !== null && verdict !== 'correctness') {
    verdict = 'correctness';
    reason = reason === '' ? seen : `${seen}\nand: ${reason}`;
  }
  return {
    ...{ seed, verdict, reason, hash: trace.hash, steps: world.steps, virtualMs: Math.round(world.nowMs) },
    ...{ acknowledged: workload.acknowledged, operations: workload.history.length / 2 },
    replicaChanges: replicas?.changes ?? 0,
    calls: Object.fromEntries(calls?.judge.endings ?? []),
    actors: Object.fromEntries(actors?.judge.endings ?? []),
    ...{ endings: Object.fromEntries(workload.endings), done: countOfFaults(nemesis.done) },
    ...{ faults: nemesis.done, knobs, history: workload.history, lines: trace.lines },
  };
};
