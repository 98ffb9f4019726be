// One seed, one life of a cluster: what is drawn (sim/knobs.ts), lived (sim/phases.ts) and judged. The result is plain data.
import { groupKeys, keyText } from '../actors/keyspace.ts';
import type { HistoryEvent } from './checkers/index.ts';
import { judgeRun } from './judge.ts';
import { drawKnobs, type Knobs, settingsOf } from './knobs.ts';
import { Atlas, countOfFaults, type Fault, type FaultDone, Nemesis, Scene } from './nemesis/index.ts';
import { Network } from './network.ts';
import { SimulatedNode } from './node.ts';
import { Operator } from './operator.ts';
import { Broken, liveThrough, type Verdict } from './phases.ts';
import { ClockSkew } from './process.ts';
import { createTeller, type Listen } from './record.ts';
import { type Scenario, scenarios } from './scenarios/index.ts';
import { Trace } from './trace.ts';
import { Workload } from './workload.ts';
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
  /** Calls of a client, at most. */
  operations?: number;
  /** Lines of the trace to keep. */
  linesMax?: number;
  /** Hears all that happens; it changes nothing. */
  listen?: Listen;
  /** For tests: a world that breaks a promise on purpose. */
  planted?: 'lying-disk' | 'forgotten-vote';
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
  endings: Record<string, number>;
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
const setBy =
  ({ scenario: name, nodes, clients, faults }: RunOptions) =>
  (drawn: Knobs): Partial<Knobs> => {
    const scenario = name === undefined ? null : scenarioOf(name);
    return {
      ...(scenario === null ? {} : { ...scenario.knobs(drawn), faults: [...scenario.faults] }),
      ...(nodes === undefined ? {} : { nodes }),
      ...(clients === undefined ? {} : { clients }),
      ...(faults === undefined ? {} : { faults: [...faults] }),
    };
  };

/** Term and vote of the group that clients use. */
const isHardState = (key: Uint8Array): boolean => keyText(key) === keyText(groupKeys('kv').hard);

export const runSeed = (seed: number, options: RunOptions = {}): RunResult => {
  const trace = new Trace({ linesMax: options.linesMax ?? 0 });
  const world = new World(seed, trace);
  const knobs = drawKnobs((label) => world.chance(label), setBy(options));
  const network = new Network(world, {
    ...{ latencyMs: knobs.latencyMs, bytesPerMs: knobs.bytesPerMs },
    ...{ publishLoss: 0.01, publishTwice: 0.01, publishReorder: true },
  });
  const judge = judgeRun();
  const teller = options.listen === undefined ? null : createTeller(world, network, options.listen);
  let fault: { node: string; error: unknown } | null = null;
  let broken: string | null = null;
  const names = Array.from({ length: knobs.nodes }, (_, at) => `n${at + 1}`);
  const nodes = names.map((name) => {
    const chance = world.chance(`machine ${name}`);
    return new SimulatedNode(world, network, {
      ...{ name, settings: settingsOf(name, names, knobs), turnMs: knobs.turnMs },
      disk: {
        ...{ syncMs: knobs.syncMs, lies: options.planted === 'lying-disk', remembers: knobs.faults.includes('dropped-tail') },
        ...(options.planted === 'forgotten-vote' ? { keepsFirst: isHardState } : {}),
      },
      skew: new ClockSkew(1 + knobs.drift * (2 * chance.fraction() - 1), chance.between(-5_000, 5_000)),
      observe: (node, observation) => {
        const overlooked = observation.type === 'restored' ? atlas.overlookedBy(observation.replica) : null;
        if (overlooked !== null) broken ??= `${node} trusts a damaged disk: ${overlooked}`;
        judge.observe(node, observation);
        teller?.observed(node, observation);
      },
      onStart(node) {
        judge.restarted(node);
        teller?.started(node);
      },
      onEnd: (node, silently) => teller?.ended(node, silently),
      onFault: (node, error) => {
        fault ??= { node, error };
      },
      onBroken: (node, code, message) => {
        if (!atlas.excuses(node, code, message)) broken ??= `${node} says ${code}: ${message}`;
      },
    });
  });
  const atlas = new Atlas(nodes, knobs.groups, (replica) => judge.damaged(replica));
  const operator = new Operator(world, nodes, knobs.groups, atlas);
  const scene = new Scene({ world, network, nodes, groups: knobs.groups, atlas, operator });
  const nemesis = new Nemesis(scene, { ...knobs, without: options.without ?? [] });
  const workload = new Workload(world, nodes, { ...knobs, operationsMax: options.operations ?? Number.POSITIVE_INFINITY });
  const look = (): void => {
    teller?.clients(workload.history);
    if (fault !== null) throw new Broken('crash', `${fault.node}: ${describeError(fault.error)}`);
    const violation = judge.violation() ?? broken;
    if (violation !== null) throw new Broken('correctness', violation);
  };

  let verdict: Verdict = 'held';
  let reason = '';
  try {
    liveThrough({ scene, nemesis, workload, knobs, timeMs: options.timeMs ?? timeMsDefault, look });
  } catch (error) {
    verdict = error instanceof Broken ? error.verdict : 'crash';
    reason = error instanceof Broken ? error.message : describeError(error);
  }
  // What clients saw is judged also when something else broke: a lost write says more than a node that hangs.
  const seen = judge.history(workload.history);
  if (seen !== null && verdict !== 'correctness') {
    verdict = 'correctness';
    reason = reason === '' ? seen : `${seen}\nand: ${reason}`;
  }
  return {
    ...{ seed, verdict, reason, hash: trace.hash, steps: world.steps, virtualMs: Math.round(world.nowMs) },
    ...{ acknowledged: workload.acknowledged, operations: workload.history.length / 2 },
    ...{ endings: Object.fromEntries(workload.endings), done: countOfFaults(nemesis.done) },
    ...{ faults: nemesis.done, knobs, history: workload.history, lines: trace.lines },
  };
};

const describeError = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message).split('\n').slice(0, 6).join('\n') : String(error);
