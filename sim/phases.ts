// The life of a simulated cluster: it forms, it suffers, a majority of it is mended and must do without the rest, then everybody is,
// and all must be well again within a bound. Whatever breaks ends it with a verdict.
import type { RegisterRead, RegisterResult } from '../machines/register/types.ts';
import type { Actors } from './actors/index.ts';
import type { Calls } from './calls/index.ts';
import type { Criers } from './criers.ts';
import type { Knobs } from './knobs.ts';
import type { Nemesis, Scene } from './nemesis/index.ts';
import { breakRest } from './nemesis/rest.ts';
import type { SimulatedNode } from './node.ts';
import type { Offerers } from './offerers.ts';
import type { Replicas } from './replica/index.ts';
import type { Workload } from './workloads/index.ts';
import { inTurn } from './workloads/job.ts';

export type Verdict = 'held' | 'crash' | 'liveness' | 'correctness';

export class Broken extends Error {
  readonly verdict: Verdict;
  constructor(verdict: Verdict, message: string) {
    super(message);
    this.verdict = verdict;
  }
}

/** Within this everything must be well again after the last fault, milliseconds. */
export const recoveryMs = 60_000;
export const stepsMax = 20_000_000;
/** So long a change of members that was asked for under fire may still be under way. */
const askedMsMax = 5_000;
/** Clients are silent for so long after something broke in a lull. */
const lullAfterMs = 1_000;
/**
 * With appends this small clients who ask as much as they can fill all there is: who lags is sent one entry at a time like the one that
 * everybody waits for, and never catches up.
 */
const narrowBytes = 1_000;
const calmMs = 100;
/** Calls that are wanted no more are told to whoever executes them within this. */
const abandonMs = 2_000;
/** Clients that think longer are not waited for. */
const thinkMsMax = 1_000;

export type Phases = {
  scene: Scene;
  nemesis: Nemesis;
  workload: Workload;
  criers: Criers;
  offerers: Offerers;
  /** Null: there are no replicated objects. */
  replicas: Replicas | null;
  /** Null: there are no services. */
  calls: Calls | null;
  /** Null: there are no actors. */
  actors: Actors | null;
  knobs: Knobs;
  timeMs: number;
  /** Events after which there is no end in sight. */
  eventsMax?: number | undefined;
  /** Throws if something broke. */
  look(): void;
};

const groupOf = (node: SimulatedNode, id: string) => node.api?.status().groups.find((group) => group.id === id);

/** Of a node that works: by what it knows itself, or by what its leader knows, since who is cut off is not told. */
const hasLeft = ({ nodes }: Scene, node: SimulatedNode, id: string): boolean => {
  if (node.api?.status().reason === 'IDENTITY_LOST') return false;
  const seen = nodes.map((one) => groupOf(one, id)).filter((status) => status !== undefined);
  const leading = seen.filter(({ role }) => role === 'leader').sort((a, b) => b.term - a.term)[0];
  const own = groupOf(node, id);
  return [own, leading].some((status) => status !== undefined && ![...status.voters, ...status.learners].includes(node.name));
};

/** A majority of all nodes, no more. */
const majorityOf = ({ nodes, world }: Scene): SimulatedNode[] =>
  world
    .chance('majority')
    .shuffled(nodes)
    .slice(0, Math.floor(nodes.length / 2) + 1);

/** Nobody is cut off, but whatever was under way between any two is lost. */
const breakConnections = ({ nodes, network }: Scene): void => {
  for (const [at, a] of nodes.entries()) for (const b of nodes.slice(at + 1)) network.reset(a.name, b.name);
};

export const liveThrough = (phases: Phases): void => {
  const {
    scene,
    nemesis,
    workload,
    criers,
    offerers,
    replicas,
    calls,
    actors,
    knobs,
    timeMs,
    look,
    eventsMax = stepsMax,
  } = phases;
  const { world, nodes, operator, groups } = scene;

  /** Lets time pass and looks at what happened; true if `until` came. */
  const pass = (durationMs: number, until: () => boolean = () => false): boolean =>
    world.run(durationMs, () => {
      look();
      if (world.steps > eventsMax) throw new Broken('liveness', `${eventsMax} events and no end`);
      return until();
    });
  const states = (): string => nodes.map((node) => `${node.name} ${describeNode(node)}`).join(', ');
  const demand = (what: string, until: () => boolean, explain: () => string = states, withinMs = recoveryMs): void => {
    if (!pass(withinMs, until)) throw new Broken('liveness', `${what}: not within ${withinMs} ms; ${explain()}`);
  };

  const allReady = (of: readonly SimulatedNode[]): boolean => of.every((node) => node.api?.status().state === 'ready');

  /** These serve, each of them, and agree. */
  const demandService = (of: readonly SimulatedNode[], who: string): void => {
    demand(`${who} is ready again`, () => allReady(of));
    const before = workload.answered;
    const areServed = (): boolean => workload.answered > before || !workload.asks;
    if (knobs.thinkMs < thinkMsMax) demand(`clients are served by ${who}`, areServed);
    for (const group of groups) {
      const index = Math.max(...of.map((node) => serves(node, group)));
      const have = (node: SimulatedNode): boolean => (groupOf(node, group)?.appliedIndex ?? 0) >= index;
      demand(`${who} holds what is at ${index} in ${group}`, () => of.every(have));
    }
  };

  /** Whoever is there is alive to whoever is there. */
  const demandMembership = (of: readonly SimulatedNode[]): void => {
    const isSeen = (by: SimulatedNode, { name }: SimulatedNode): boolean =>
      by.api?.members().some((member) => member.name === name && member.status === 'alive') === true;
    demand(
      'everybody is a member to everybody',
      () => of.every((by) => of.every((other) => isSeen(by, other))),
      () =>
        of
          .map(
            ({ name, api }) =>
              `${name}: ${api
                ?.members()
                .map((one) => `${one.name} ${one.status}`)
                .join(' ')}`,
          )
          .join('; '),
    );
  };

  /** A fresh write through this node is acknowledged; answers where it is in the log. */
  const serves = (node: SimulatedNode, group: string): number => {
    let served = 0;
    let asking = false;
    let last = '';
    const ask = (): void => {
      asking = node.enter('fresh write', (api) =>
        api.write(
          { op: 'put', key: `fresh-${node.name}`, value: new Uint8Array([1]) },
          { group, timeoutMs: 5_000 },
          (outcome) => {
            served = outcome.ok ? outcome.value.index : 0;
            last = outcome.ok ? '' : outcome.failure.code;
            world.after(100, () => {
              asking = false;
            });
          },
        ),
      );
    };
    demand(
      `${node.name} serves a write to ${group}`,
      () => {
        if (served === 0 && !asking) ask();
        return served > 0;
      },
      () => `${last}; ${states()}`,
    );
    return served;
  };

  /** Asks all of them until they say the same. */
  const demandAgreement = (of: readonly SimulatedNode[], group: string): void => {
    const contents = new Map<string, string>();
    let open = 0;
    const compare = (node: SimulatedNode): boolean =>
      node.enter('compare', (api) =>
        inTurn(
          contentReads,
          (read, next) =>
            api.read(read, { group, consistency: 'local', timeoutMs: 5_000 }, (outcome) => {
              const content = outcome.ok ? describeContent(outcome.value) : outcome.failure.code;
              contents.set(node.name, `${contents.get(node.name) ?? ''}${content} `);
              next();
            }),
          () => {
            world.after(50, () => {
              open--;
            });
          },
        ),
      );
    const agree = (): boolean => {
      if (open > 0) return false;
      if (contents.size === of.length && new Set(contents.values()).size === 1) return true;
      contents.clear();
      for (const node of of) if (compare(node)) open++;
      return false;
    };
    demand(`all hold the same in ${group}`, agree, () => [...contents].map(([name, text]) => `${name}: ${text}`).join('; '));
  };

  const demandConvergence = (of: Replicas): void => {
    of.retireLost();
    const answered = (): boolean => of.open === 0;
    demand('every change of a replica ends', answered, () => `${of.open} are open`);
    const explain = (): string => of.whyNotSame() ?? '';
    demand('all replicas hold the same', () => of.whyNotSame() === null, explain, recoveryMs + of.patienceMs);
  };

  /** What all hold is what it must be, and so is what comes of changes that know of all before them. */
  const demandReplicas = (of: Replicas): void => {
    demandConvergence(of);
    of.judgeTheEnd();
    for (const _round of of.lastRounds()) demandConvergence(of);
    look();
  };

  /** Everybody is served, what is asked for too often sheds what matters least, and nothing is left behind. */
  const demandCalls = (of: Calls): void => {
    const idle = (): string => of.whyNotIdle() ?? '';
    demand(
      'every call of a service ends',
      () => of.open === 0,
      () => `${of.open} are open`,
    );
    of.mend();
    demand(
      'services are called everywhere, and breakers close',
      () => of.whyNotServed() === null,
      () => of.whyNotServed() ?? '',
    );
    // What was asked for under fire may go on for a while, for its caller may come back and ask again.
    demand('nothing is executed for nobody', () => of.whyNotIdle() === null, idle);
    of.abandon();
    pass(abandonMs);
    demand('what nobody wants is not executed', () => of.whyNotIdle() === null, idle, abandonMs);
    of.flood();
    pass(of.floodMs);
    demand(
      'every call of a service ends',
      () => of.open === 0,
      () => `${of.open} are open`,
    );
    demand('nothing is executed for nobody', () => of.whyNotIdle() === null, idle);
    of.judgeTheEnd();
    look();
  };

  /** Every actor answers everybody, what is under way comes to its end, and then they know what they must. */
  const demandActors = (of: Actors): void => {
    demand(
      'every node is replaced',
      () => of.whyNotUpgraded() === null && allReady(nodes),
      () => `${of.whyNotUpgraded()}; ${states()}`,
    );
    demand(
      'every request to an actor ends',
      () => of.open === 0,
      () => `${of.open} are open`,
    );
    demand(
      'every watch is told its end',
      () => of.whyNotAllEnded() === null,
      () => of.whyNotAllEnded() ?? '',
    );
    const why = (): string => of.whyNotSettled() ?? '';
    demand('actors answer, and end what they have begun', () => of.whyNotSettled() === null, why, recoveryMs + of.patienceMs);
    of.judgeTheEnd();
    look();
  };

  const form = (): void => {
    for (const node of nodes) world.after(world.chance(`start ${node.name}`).between(0, 300), () => node.start());
    demand('the cluster forms', () => allReady(nodes));
  };

  const mend = (): void => {
    nemesis.stop();
    replicas?.mendClocks();
    world.trace.note(world.nowMs, 'world', 'mended');
    workload.calm(knobs.appendBytes < narrowBytes ? Math.max(calmMs, knobs.calmMs) : knobs.calmMs);
    if (knobs.breaksLast) breakConnections(scene);
    if (!nemesis.changedMembers) return;
    // What somebody else asked for before is done or given up first: it would undo the operator's work.
    pass(askedMsMax);
    // Who is no member serves through those who are.
    for (const group of groups) for (const node of nodes) if (hasLeft(scene, node, group)) serves(node, group);
    operator.restore();
    demand('every node is a voter again', () => operator.isIdle);
  };

  /** The rest stays broken, each in its own way, and may disturb: the majority has to do without it. */
  const doWithoutRest = (): void => {
    const majority = majorityOf(scene);
    const rest = nodes.filter((node) => !majority.includes(node));
    if (rest.length === 0 || !knobs.minorityStaysBroken) return;
    if (knobs.lullMs > 0) {
      workload.pause(knobs.lullMs + lullAfterMs);
      pass(knobs.lullMs);
    }
    const mendRest = breakRest(scene, majority, rest);
    demandService(majority, `the majority (${majority.map(({ name }) => name).join(' ')})`);
    mendRest();
    world.trace.note(world.nowMs, 'world', 'the rest is mended');
  };

  form();
  criers.start();
  offerers.start();
  workload.start();
  replicas?.start();
  calls?.start();
  actors?.start();
  nemesis.start();
  pass(timeMs);
  mend();
  doWithoutRest();
  demandService(nodes, 'every node');
  workload.stop();
  replicas?.stop();
  calls?.stop();
  actors?.stop();
  demand(
    'every call ends',
    () => workload.open === 0,
    () => `${workload.open} are open`,
  );
  workload.audit();
  demand('clients are told what there is', () => workload.isAudited);
  for (const group of groups) demandAgreement(nodes, group);
  demandMembership(nodes);
  criers.stop();
  const whyNotAllHeard = (): string | null => criers.whyNotAllHeard(nodes);
  demand(
    'all hear all that holds',
    () => whyNotAllHeard() === null,
    () => whyNotAllHeard() ?? '',
  );
  offerers.stop();
  pass(offerers.restMs);
  demand(
    'all agree who offers what',
    () => offerers.whyNotAgreed(nodes) === null,
    () => offerers.whyNotAgreed(nodes) ?? '',
  );
  if (replicas !== null) demandReplicas(replicas);
  if (calls !== null) demandCalls(calls);
  if (actors !== null) demandActors(actors);
};

export const describeNode = (node: SimulatedNode): string => {
  const status = node.api?.status();
  if (status === undefined) return node.isUp ? 'starting' : 'down';
  const groups = status.groups.map(
    ({ role, term, leader, commitIndex, appliedIndex, lastIndex, halted, quiet }) =>
      `${role} term ${term} leader ${leader} commit ${commitIndex} applied ${appliedIndex} last ${lastIndex}${quiet ? ' quiet' : ''}${halted === null ? '' : ` ${halted}`}`,
  );
  const peers = status.peers.filter((peer) => peer.connected).map((peer) => peer.name);
  return `${status.state}${status.reason === null ? '' : ` (${status.reason})`} [${groups.join('; ')}] sees ${peers.join(' ')}`;
};

/** What is told of all there is. */
const contentReads: readonly RegisterRead[] = [
  { op: 'list', prefix: '', limit: 1_000 },
  { op: 'queue-list', limit: 1_000 },
];

const describeContent = (result: RegisterResult): string => {
  if (result.op === 'queue-list')
    return result.queues
      .map(({ queue, ready, delayed, out, dead, bytes }) => `${queue}=${[ready, delayed, out, dead, bytes].join('.')}`)
      .join(' ');
  return result.op === 'list'
    ? result.items.map((item) => `${item.key}=${item.value.join('.')}@${item.index}v${item.version}`).join(' ')
    : result.op;
};
