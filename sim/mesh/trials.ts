// What a mesh must withstand, one trial a seed: each builds a mesh, does to it what it is about, and says what it saw. Tests run the
// small ones, the benchmark the large ones.
import { Mesh, type MeshOptions } from './mesh.ts';
import type { MeshNode } from './node.ts';

/** Probes, gossip and exchanges of all nodes fall apart from each other before anything is measured. */
const settleMs = 2_000;

const acquainted = (given: Partial<MeshOptions>): Mesh => {
  const mesh = new Mesh(given);
  mesh.beginAcquainted();
  mesh.pass(settleMs);
  return mesh;
};

const contactOf = (node: MeshNode) => ({ peer: null, addresses: [node.address] });

/** A trial that went wrong, with what repeats it. */
const fail = (mesh: Mesh, what: string): never => {
  throw new Error(`seed ${mesh.options.seed}, ${mesh.options.nodes} nodes, at ${Math.round(mesh.nowMs)} ms: ${what}`);
};

const converge = (mesh: Mesh, limitMs: number): number =>
  mesh.passUntil(() => mesh.hasConverged(), limitMs) ?? fail(mesh, mesh.whyNotConverged() ?? 'converged too late');

// ---------------------------------------------------------------- news

export type NewsResult = { knownMs: number; rounds: number; mesh: Mesh };

/** One node says something new of itself; how long until every other knows it. */
export const tellNews = (given: Partial<MeshOptions>): NewsResult => {
  const mesh = acquainted({ ...given, lookMs: 5 });
  const teller = mesh.nodes[0]!;
  const others = mesh.nodes.slice(1);
  teller.tell({ type: 'profile', profile: { ...teller.state!.profile, capacity: 99 } });
  const at = teller.state!.profileAt;
  const knows = (node: MeshNode): boolean => node.state!.table.members.get(teller.peer)!.profileAt >= at;
  let next = 0;
  const all = (): boolean => {
    while (next < others.length && knows(others[next]!)) next++;
    return next === others.length;
  };
  const knownMs = mesh.passUntil(all, 60_000) ?? fail(mesh, `${others[next]!.name} does not know it`);
  return { knownMs, rounds: knownMs / mesh.options.membership.gossipMs, mesh };
};

// ---------------------------------------------------------------- crashes

export type CrashResult = { suspectedMs: number; declaredMs: number; knownMs: number; mesh: Mesh };

/** One node falls silent; how long until somebody suspects it, somebody declares it failed, and everybody holds it for failed. */
export const crashOne = (given: Partial<MeshOptions>): CrashResult => {
  const mesh = acquainted(given);
  const victim = mesh.world.chance('victim').pick(mesh.nodes);
  const others = mesh.nodes.filter((node) => node !== victim);
  mesh.pass(mesh.world.chance('moment').between(0, 1_000));
  const beganMs = mesh.nowMs;
  let suspectedMs = Number.POSITIVE_INFINITY;
  let declaredMs = Number.POSITIVE_INFINITY;
  let knowing = 0;
  mesh.listen = (_node, change) => {
    if (change.peer !== victim.peer) return;
    const afterMs = mesh.nowMs - beganMs;
    if (change.after === 'suspect') suspectedMs = Math.min(suspectedMs, afterMs);
    if (change.after !== 'failed') return;
    declaredMs = Math.min(declaredMs, afterMs);
    knowing++;
  };
  victim.crash();
  const knownMs = mesh.passUntil(() => knowing === others.length, 120_000) ?? fail(mesh, `${knowing} know of the crash`);
  return { suspectedMs, declaredMs, knownMs, mesh };
};

// ---------------------------------------------------------------- what it costs

export type CostResult = { messagesPerNodeSecond: number; bytesPerNodeSecond: number; mesh: Mesh };

/** Nothing happens. */
export const rest = (given: Partial<MeshOptions>, forMs: number): CostResult => {
  const mesh = acquainted(given);
  mesh.takeCost();
  mesh.pass(forMs);
  const { messages, bytes } = mesh.takeCost();
  const nodeSeconds = (mesh.nodes.length * forMs) / 1_000;
  return { messagesPerNodeSecond: messages / nodeSeconds, bytesPerNodeSecond: bytes / nodeSeconds, mesh };
};

/** Every so often a node crashes, comes back elsewhere, or says something new. */
export const churn = (given: Partial<MeshOptions>, { forMs, everyMs }: { forMs: number; everyMs: number }): CostResult => {
  const mesh = acquainted(given);
  const chance = mesh.world.chance('churn');
  mesh.takeCost();
  const untilMs = mesh.nowMs + forMs;
  const down: MeshNode[] = [];
  while (mesh.nowMs < untilMs) {
    mesh.pass(Math.min(everyMs, untilMs - mesh.nowMs));
    const turn = chance.between(0, 3);
    // A majority stays.
    if (turn === 0 && 2 * down.length < mesh.nodes.length - 2) {
      const node = chance.pick(mesh.up);
      node.crash();
      down.push(node);
    } else if (turn === 1 && down.length > 0) mesh.start(down.shift()!, chance.shuffled(mesh.up).slice(0, 3).map(contactOf));
    else {
      const node = chance.pick(mesh.up);
      node.tell({ type: 'profile', profile: { ...node.state!.profile, capacity: chance.between(0, 100) } });
    }
  }
  const { messages, bytes } = mesh.takeCost();
  const nodeSeconds = (mesh.nodes.length * forMs) / 1_000;
  return { messagesPerNodeSecond: messages / nodeSeconds, bytesPerNodeSecond: bytes / nodeSeconds, mesh };
};

// ---------------------------------------------------------------- false positives

export type PausesResult = { pauses: number; suspicions: number; falsePositives: number; mesh: Mesh };

/** Messages are lost, and now and then one node stands still. Nobody is dead. */
export const pauses = (
  given: Partial<MeshOptions>,
  { forMs, everyMs, pauseMs, always }: { forMs: number; everyMs: number; pauseMs: number; always: boolean },
): PausesResult => {
  const mesh = acquainted(given);
  const chance = mesh.world.chance('pauses');
  const untilMs = mesh.nowMs + forMs;
  let paused = 0;
  let suspicions = 0;
  mesh.listen = (_node, { after, why }) => {
    if (after === 'suspect' && why === 'unanswered') suspicions++;
  };
  while (mesh.nowMs < untilMs) {
    mesh.pass(chance.between(0, everyMs - pauseMs));
    // Either the same machine every time, or any.
    (always ? mesh.nodes[0]! : chance.pick(mesh.nodes)).pause(pauseMs);
    paused++;
    mesh.pass(everyMs - (mesh.nowMs % everyMs));
  }
  return { pauses: paused, suspicions, falsePositives: mesh.falsePositives.length, mesh };
};

// ---------------------------------------------------------------- partitions

export type HealResult = { splitMs: number; healedMs: number; mesh: Mesh };

const apart = (mesh: Mesh): boolean =>
  mesh.up.every((node) => node.state!.table.live.every(({ peer }) => mesh.nodeOf(peer).side === node.side));

/**
 * Two halves lose each other. With `moves`, every node but one restarts under a new address while they are apart, and remembers
 * nobody: the one address that still works is all they have.
 */
export const splitAndHeal = (given: Partial<MeshOptions>, { moves }: { moves: boolean }): HealResult => {
  const mesh = acquainted(given);
  const halves = mesh.world.chance('halves').shuffled(mesh.nodes);
  const side = halves.slice(0, mesh.nodes.length >> 1);
  const still = side[0]!;
  mesh.partition([side]);
  const splitMs = mesh.passUntil(() => apart(mesh), 120_000) ?? fail(mesh, 'the halves still see each other');
  if (moves) {
    for (const node of mesh.nodes) if (node !== still) node.crash();
    mesh.pass(1_000);
    for (const node of mesh.nodes) if (node !== still) mesh.start(node, [contactOf(still)]);
    mesh.pass(20_000);
    still.crash();
    mesh.start(still, [contactOf(still)], still.address);
    mesh.pass(20_000);
  }
  mesh.heal();
  return { splitMs, healedMs: converge(mesh, 120_000), mesh };
};

// ---------------------------------------------------------------- joining

export type JoinResult = { joinedMs: number; mesh: Mesh };

/** Nodes that know the address of the first and nothing else, all at once. */
export const joinAll = (given: Partial<MeshOptions>): JoinResult => {
  const mesh = new Mesh(given);
  const first = mesh.nodes[0]!;
  mesh.start(first);
  for (const node of mesh.nodes.slice(1)) mesh.start(node, [contactOf(first)]);
  return { joinedMs: converge(mesh, 300_000), mesh };
};
