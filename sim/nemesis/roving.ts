// Faults that follow the leader: whoever leads is struck, and the one struck before comes back at that very moment, so that replicas
// with different pasts have to elect and convince each other again and again (Raft §5.4.2, Figure 8, is two rounds of this).
import type { SimulatedNode } from '../node.ts';
import type { Chance } from '../world.ts';
import { burst } from './burst.ts';
import { askToLead } from './membership.ts';
import { crawl, pathsBetween, split, stall } from './network.ts';
import { type Blow, electionMs, namesOf, type Scene, type Strike, startIfDown } from './scene.ts';

const roundMs: readonly [number, number] = [150, 1_200];
/** How late, about: less than a lease, more than an election that is not waited for. */
const lateMs: readonly [number, number] = [10, 150];
/** How long before it is struck a leader is asked for much. */
const burstMsMax = 15;
/** How soon it is looked again when nobody leads. */
const againMs = 50;

/** Whoever leads in the latest term: one that is cut off may not know yet that it leads no more. */
const latestLeader = ({ nodes }: Scene, except: SimulatedNode | null): SimulatedNode | null => {
  let latest: { node: SimulatedNode; term: number } | null = null;
  for (const node of nodes) {
    if (node === except) continue;
    for (const { role, term } of node.api?.status().groups ?? [])
      if (role === 'leader' && (latest === null || term > latest.term)) latest = { node, term };
  }
  return latest?.node ?? null;
};

const writesMax = 12;

/** Much at once, or nothing. */
const burstBefore = (scene: Scene, chance: Chance, leader: SimulatedNode): void => {
  if (chance.happens(0.5)) burst(scene, leader, chance.pick(scene.groups), chance.between(1, writesMax));
};

/** `strike` hurts one node and answers what brings it back. */
const rove = (scene: Scene, chance: Chance, strike: (leader: SimulatedNode) => () => void): Blow | null => {
  const { world } = scene;
  let struck: SimulatedNode | null = null;
  let bringBack: (() => void) | null = null;
  let isOver = false;
  const round = (): void => {
    if (isOver) return;
    const leader = latestLeader(scene, struck);
    if (leader === null) return void world.after(againMs, round);
    // Some of what it is asked just before is under way to others, some in its log only.
    burstBefore(scene, chance, leader);
    world.after(chance.fraction() * chance.pick([0, burstMsMax]), () => {
      if (isOver) return;
      bringBack?.();
      bringBack = strike(leader);
      struck = leader;
      world.trace.note(world.nowMs, 'nemesis', `struck ${leader.name}`);
    });
    world.after(roundMs[0] + (roundMs[1] - roundMs[0]) * chance.fraction(), round);
  };
  if (scene.nodes.length < 3 || latestLeader(scene, null) === null) return null;
  round();
  return {
    where: 'the leader',
    undo() {
      isOver = true;
      bringBack?.();
    },
  };
};

export const rovingFaults = {
  /** The leader is cut off, and joins again when the next one is. */
  'roving-cut': (scene, chance) =>
    rove(scene, chance, (leader) => {
      const blow = split(scene, [leader], scene.others(leader));
      return () => blow?.undo?.();
    }),
  /** The leader hands over while it hears everybody late, and so believes for a while that it leads. */
  'late-hand-over'(scene, chance) {
    const leader = latestLeader(scene, null);
    if (leader === null || scene.nodes.length < 3) return null;
    const others = scene.others(leader);
    const to = chance.pick(others);
    const undo = crawl(scene, pathsBetween(others, [leader]), chance.between(...lateMs));
    askToLead(leader, 'kv', to);
    return { where: `${leader.name}: to ${to.name}`, undo };
  },
  /** The leader hears everybody late, and one of the others, or nobody, hears it any more: what it believes is long over. */
  'late-cut'(scene, chance) {
    const leader = latestLeader(scene, null);
    if (leader === null || scene.nodes.length < 3) return null;
    const others = chance.shuffled(scene.others(leader));
    const deaf = chance.happens(0.5) ? others : others.slice(0, 1);
    const hasten = crawl(scene, pathsBetween(others, [leader]), chance.between(...lateMs));
    const blow = stall(scene, pathsBetween([leader], deaf), `${leader.name} → ${namesOf(deaf)}`);
    return {
      where: blow?.where ?? leader.name,
      atLeastMs: electionMs,
      undo() {
        hasten();
        blow?.undo?.();
      },
    };
  },
  /** The leader is killed, or its machine loses its power, and starts again when the next one is. */
  'roving-crash': (scene, chance) =>
    rove(scene, chance, (leader) => {
      leader.crash({ silently: chance.happens(0.5) });
      return () => startIfDown(leader);
    }),
} as const satisfies Record<string, Strike>;
