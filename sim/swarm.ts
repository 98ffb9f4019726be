// One seed, one life of a cluster: the seed draws the configuration as well as the faults (swarm testing, Groce et al. 2012). First
// safety under fire, then everything is mended, and the cluster must serve and agree within a bound. The result is plain data.
import { groupKeys, keyText } from '../actors/keyspace.ts';
import type { RegisterResult } from '../machines/register/types.ts';
import type { HistoryEvent } from './checkers/index.ts';
import { judgeRun } from './judge.ts';
import { drawKnobs, type Knobs, settingsOf } from './knobs.ts';
import { countOfFaults, type Fault, type FaultDone, Nemesis, Scene } from './nemesis/index.ts';
import { Network } from './network.ts';
import { SimulatedNode } from './node.ts';
import { Operator } from './operator.ts';
import { createTeller, type Listen } from './record.ts';
import { Trace } from './trace.ts';
import { Workload } from './workload.ts';
import { World } from './world.ts';

export type RunOptions = {
  /** Drawn when absent. */
  nodes?: number;
  /** Virtual milliseconds under fire. */
  timeMs?: number;
  /** Which faults may happen; drawn when absent. */
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

export type Verdict = 'held' | 'crash' | 'liveness' | 'correctness';

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
/** Within this everything must be well again after the last fault, milliseconds. */
const recoveryMs = 60_000;
const stepsMax = 20_000_000;

/** What the options set; the rest is drawn. */
const setBy = ({ nodes, clients, faults }: RunOptions): Partial<Knobs> => ({
  ...(nodes === undefined ? {} : { nodes }),
  ...(clients === undefined ? {} : { clients }),
  ...(faults === undefined ? {} : { faults: [...faults] }),
});

/** Term and vote of the group that clients use. */
const isHardState = (key: Uint8Array): boolean => keyText(key) === keyText(groupKeys('kv').hard);

class Broken extends Error {
  readonly verdict: Verdict;
  constructor(verdict: Verdict, message: string) {
    super(message);
    this.verdict = verdict;
  }
}

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
        ...{ syncMs: knobs.syncMs, lies: options.planted === 'lying-disk' },
        ...(options.planted === 'forgotten-vote' ? { keepsFirst: isHardState } : {}),
      },
      skew: { rate: 1 + knobs.drift * (2 * chance.fraction() - 1), wallAheadMs: chance.between(-5_000, 5_000) },
      observe(node, observation) {
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
      onBroken: (node, what) => {
        broken ??= `${node} says ${what}`;
      },
    });
  });
  const workload = new Workload(world, nodes, { ...knobs, operationsMax: options.operations ?? Number.POSITIVE_INFINITY });
  const operator = new Operator(world, nodes, 'kv');
  const nemesis = new Nemesis(new Scene(world, network, nodes, operator), { ...knobs, without: options.without ?? [] });

  /** Lets time pass and looks at what happened; true if `until` came. */
  const pass = (durationMs: number, until: () => boolean = () => false): boolean =>
    world.run(durationMs, () => {
      teller?.clients(workload.history);
      if (fault !== null) throw new Broken('crash', `${fault.node}: ${describeError(fault.error)}`);
      const violation = judge.violation() ?? broken;
      if (violation !== null) throw new Broken('correctness', violation);
      if (world.steps > stepsMax) throw new Broken('liveness', `${stepsMax} events and no end`);
      return until();
    });
  const demand = (what: string, until: () => boolean, explain: () => string): void => {
    if (!pass(recoveryMs, until)) throw new Broken('liveness', `${what}: not within ${recoveryMs} ms; ${explain()}`);
  };
  const states = (): string => nodes.map((node) => `${node.name} ${describeNode(node)}`).join(', ');
  const isReady = (node: SimulatedNode): boolean => node.api?.status().state === 'ready';

  const run = (): void => {
    for (const node of nodes) world.after(world.chance(`start ${node.name}`).between(0, 300), () => node.start());
    demand('the cluster forms', () => nodes.every(isReady), states);
    workload.start();
    nemesis.start();
    pass(options.timeMs ?? timeMsDefault);
    nemesis.stop();
    trace.note(world.nowMs, 'world', 'mended');
    if (nemesis.done.some(({ fault }) => fault === 'lost-disk' || fault === 'membership')) {
      operator.restore();
      demand('every node is a voter again', () => operator.isIdle, states);
    }
    demand('every node is ready again', () => nodes.every(isReady), states);
    const before = workload.acknowledged;
    if (knobs.thinkMs < 1_000)
      demand('clients are served', () => workload.acknowledged > before + 5 || workload.isOver, states);
    workload.stop();
    demand(
      'every call ends',
      () => workload.open === 0,
      () => `${workload.open} are open`,
    );
    for (const node of nodes) serves(node);
    demand(
      'all nodes hold the same',
      () => contentsAgree(),
      () => [...contents].map(([name, text]) => `${name}: ${text}`).join('; '),
    );
  };

  /** A fresh write through this node is acknowledged. */
  const serves = (node: SimulatedNode): void => {
    let served = false;
    let asking = false;
    let last = '';
    demand(
      `${node.name} serves a write`,
      () => {
        if (!served && !asking) {
          asking = true;
          node.enter('fresh write', (api) =>
            api.write({ op: 'put', key: `fresh-${node.name}`, value: new Uint8Array([1]) }, { timeoutMs: 5_000 }, (outcome) => {
              served = outcome.ok;
              last = outcome.ok ? '' : outcome.failure.code;
              world.after(100, () => {
                asking = false;
              });
            }),
          );
        }
        return served;
      },
      () => `${last}; ${states()}`,
    );
  };

  const contents = new Map<string, string>();
  let comparing = 0;
  const contentsAgree = (): boolean => {
    if (contents.size === nodes.length && new Set(contents.values()).size === 1) return true;
    if (comparing > 0) return false;
    comparing = nodes.length;
    contents.clear();
    for (const node of nodes)
      node.enter('compare', (api) =>
        api.read({ op: 'list', prefix: '', limit: 1_000 }, { consistency: 'local', timeoutMs: 5_000 }, (outcome) => {
          contents.set(node.name, outcome.ok ? describeContent(outcome.value) : outcome.failure.code);
          world.after(50, () => {
            comparing--;
          });
        }),
      );
    return false;
  };

  let verdict: Verdict = 'held';
  let reason = '';
  try {
    run();
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

const describeNode = (node: SimulatedNode): string => {
  const status = node.api?.status();
  if (status === undefined) return node.isUp ? 'starting' : 'down';
  const groups = status.groups.map(
    ({ role, term, leader, commitIndex, appliedIndex, lastIndex, halted, quiet }) =>
      `${role} term ${term} leader ${leader} commit ${commitIndex} applied ${appliedIndex} last ${lastIndex}${quiet ? ' quiet' : ''}${halted === null ? '' : ` ${halted}`}`,
  );
  const peers = status.peers.filter((peer) => peer.connected).map((peer) => peer.name);
  return `${status.state}${status.reason === null ? '' : ` (${status.reason})`} [${groups.join('; ')}] sees ${peers.join(' ')}`;
};

const describeContent = (result: RegisterResult): string =>
  result.op === 'list'
    ? result.items.map((item) => `${item.key}=${item.value.join('.')}@${item.index}v${item.version}`).join(' ')
    : result.op;
