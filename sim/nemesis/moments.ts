// Faults that wait for their moment. Chance alone seldom strikes within the few milliseconds in which a promise has just been given, a
// campaign has just begun, or a change of members is in one log only; each of these looks on until that is so and strikes then.
import type { GroupChange } from '../../actors/api.ts';
import type { Observation } from '../../actors/observe.ts';
import type { SimulatedNode } from '../node.ts';
import type { Chance } from '../world.ts';
import { burst } from './burst.ts';
import { askForChange, askToLead, mayChange } from './membership.ts';
import { crawl, pathsBetween, split, stall } from './network.ts';
import { type Blow, electionMs, namesOf, type Scene, type Strike, startIfDown } from './scene.ts';

const writesMax = 12;
/** After a campaign: the next one comes a little later. */
const restartMs = [110, 200] as const;
const lateMs = [20, 120] as const;
/** Of a process that has just begun to ask. */
const lifeMs = [40, 250] as const;
/** What was said is on its way within so long, mostly. */
const saidMsMax = 2;

const leaderOf = ({ nodes }: Scene, group: string): SimulatedNode | undefined =>
  nodes.find((node) => node.api?.status().groups.some((one) => one.id === group && one.role === 'leader'));

/** Mostly one that makes a joint phase. */
const drawChange = (chance: Chance, node: string): GroupChange =>
  chance.happens(0.7) ? { type: 'remove', node } : { type: 'add', node, role: chance.pick(['learner', 'voter']) };

const resetAll = ({ network }: Scene, node: SimulatedNode, others: readonly SimulatedNode[]): void => {
  for (const other of others) network.reset(node.name, other.name);
};

/** A fault whose parts come one after the other; all that was done is undone together, and nothing more is done then. */
class Parts {
  #undos: (() => void)[] = [];
  isOver = false;

  add(blow: Blow | (() => void) | null): void {
    const undo = typeof blow === 'function' ? blow : (blow?.undo ?? null);
    if (undo === null) return;
    if (this.isOver) undo();
    else this.#undos.push(undo);
  }

  undo(): void {
    for (const undo of this.#undos.splice(0)) undo();
  }

  end(): void {
    this.isOver = true;
    this.undo();
  }
}

const isRole = (observation: Observation, group: string): observation is Extract<Observation, { type: 'role' }> =>
  observation.type === 'role' && observation.group === group;

export const momentFaults = {
  /** The machine loses its power as soon as it has said that something is on its disk. */
  'power-loss-when-synced'(scene, chance) {
    const { nodes, world } = scene;
    const node = chance.pick(nodes);
    const afterMs = chance.fraction() * saidMsMax;
    const parts = new Parts();
    parts.add(() => startIfDown(node));
    const forget = scene.watch((where, { type }) => {
      if (where !== node || type !== 'logged') return false;
      const { lives } = node;
      world.after(afterMs, () => {
        if (!parts.isOver && node.lives === lives) node.crash({ silently: true });
      });
      return true;
    });
    parts.add(forget);
    return { where: node.name, undo: () => parts.end() };
  },
  /** A node is told to take over, and from the moment on at which it campaigns nobody hears it. */
  'mute-candidate'(scene, chance) {
    const group = chance.pick(scene.groups);
    const node = chance.pick(scene.nodes);
    const others = scene.others(node);
    if (others.length === 0) return null;
    const parts = new Parts();
    const forget = scene.watch((where, seen) => {
      if (where !== node || !isRole(seen, group) || seen.role !== 'candidate') return false;
      parts.add(stall(scene, pathsBetween([node], others), `${node.name} →`));
      // What it says meanwhile is lost, not late.
      scene.world.after(0, () => resetAll(scene, node, others));
      return true;
    });
    parts.add(forget);
    const leader = leaderOf(scene, group);
    if (leader !== undefined) askToLead(leader, group, node);
    return { where: `${node.name} in ${group}`, atLeastMs: electionMs, undo: () => parts.end() };
  },
  /** Of a candidate's requests one is granted late, in the midst of its next campaign, and some of the others are lost. */
  'late-grant'(scene, chance) {
    const group = chance.pick(scene.groups);
    const node = chance.pick(scene.nodes);
    const [voter, ...rest] = chance.shuffled(scene.others(node));
    if (voter === undefined || rest.length === 0) return null;
    const parts = new Parts();
    let campaigns = 0;
    const forget = scene.watch((where, seen) => {
      if (where !== node || !isRole(seen, group) || seen.role !== 'candidate') return false;
      if (++campaigns === 2) {
        parts.undo();
        return true;
      }
      parts.add(stall(scene, pathsBetween([voter], [node]), `${voter.name} → ${node.name}`));
      scene.world.after(0, () => resetAll(scene, node, rest));
      return false;
    });
    parts.add(forget);
    const leader = leaderOf(scene, group);
    if (leader !== undefined) askToLead(leader, group, node);
    return { where: `${voter.name} → ${node.name} in ${group}`, atLeastMs: 2 * electionMs, undo: () => parts.end() };
  },
  /**
   * Some do not hear the leader. After one of them has campaigned in vain somebody restarts who has just heard it, and hears it no
   * more: the next campaign asks who may have forgotten.
   */
  'forgetful-voter'(scene, chance) {
    const { world, nodes } = scene;
    const group = chance.pick(scene.groups);
    const leader = leaderOf(scene, group);
    if (leader === undefined || nodes.length < 3) return null;
    const others = chance.shuffled(scene.others(leader));
    const deaf = others.slice(0, Math.floor(nodes.length / 2));
    const voter = others.at(-1)!;
    const parts = new Parts();
    const forget = scene.watch((where, seen) => {
      if (!deaf.includes(where) || !isRole(seen, group) || seen.role !== 'pre-candidate') return false;
      const { lives } = voter;
      world.after(chance.between(...restartMs), () => {
        if (parts.isOver || voter.lives !== lives || !voter.isUp) return;
        voter.crash({ silently: false });
        parts.add(split(scene, [leader], [voter]));
        voter.start();
      });
      return true;
    });
    parts.add(split(scene, [leader], deaf));
    parts.add(forget);
    return {
      where: `${leader.name} | ${namesOf(deaf)}, ${voter.name} forgets`,
      atLeastMs: 3 * electionMs,
      undo: () => parts.end(),
    };
  },
  /** Twice after another, with a short life between, while the leader hears everybody late: it owes answers to both lives. */
  'restart-twice'(scene, chance) {
    const { world, nodes } = scene;
    const leader = leaderOf(scene, chance.pick(scene.groups));
    if (leader === undefined || nodes.length < 3) return null;
    const others = scene.others(leader);
    const node = chance.pick(others);
    const parts = new Parts();
    parts.add(() => startIfDown(node));
    const restart = (): void => {
      if (parts.isOver) return;
      node.crash({ silently: false });
      node.start();
    };
    parts.add(crawl(scene, pathsBetween(others, [leader]), chance.between(...lateMs)));
    restart();
    world.after(chance.between(...lifeMs), restart);
    return { where: `${node.name}, ${leader.name} hears late`, atLeastMs: electionMs, undo: () => parts.end() };
  },
  /** The leader is cut off, and asked for writes and changes of members before it knows. */
  'change-when-cut'(scene, chance) {
    const group = chance.pick(scene.groups);
    const leader = leaderOf(scene, group);
    if (leader === undefined || scene.nodes.length < 3 || !mayChange(scene)) return null;
    const blow = split(scene, [leader], scene.others(leader));
    const [first, second] = chance.shuffled(scene.nodes);
    askForChange(scene, leader, group, drawChange(chance, first!.name));
    burst(scene, leader, group, chance.between(0, writesMax));
    if (chance.happens(0.5)) askForChange(scene, leader, group, drawChange(chance, second!.name));
    return blow === null ? null : { ...blow, atLeastMs: electionMs };
  },
  /**
   * A member is removed, mostly the leader itself. At the moment at which a joint phase begins or ends nobody hears the leader any
   * more, and a little later it is killed: its log alone, or that of few, has the entry that says so.
   */
  'kill-when-changed'(scene, chance) {
    const group = chance.pick(scene.groups);
    const leader = leaderOf(scene, group);
    if (leader === undefined || scene.nodes.length < 2 || !mayChange(scene)) return null;
    const others = scene.others(leader);
    const target = chance.happens(0.7) ? leader : chance.pick(others);
    const [atEnd, kills] = [chance.happens(0.7), chance.happens(0.7)];
    const afterMs = chance.between(1, 100);
    const parts = new Parts();
    parts.add(() => startIfDown(leader));
    let wasJoint = false;
    const forget = scene.watch((where, seen) => {
      if (where !== leader || !isRole(seen, group)) return false;
      const isJoint = seen.configuration.outgoing !== null;
      const isMoment = atEnd ? wasJoint && !isJoint : isJoint;
      wasJoint = isJoint;
      if (!isMoment) return false;
      parts.add(stall(scene, pathsBetween([leader], others), `${leader.name} →`));
      const { lives } = leader;
      scene.world.after(afterMs, () => {
        if (kills && !parts.isOver && leader.lives === lives) leader.crash({ silently: false });
      });
      return true;
    });
    parts.add(forget);
    askForChange(scene, leader, group, { type: 'remove', node: target.name });
    return { where: `${leader.name} without ${target.name} in ${group}`, undo: () => parts.end() };
  },
  /** Who is told that it is a member no more hears nothing further. */
  'cut-when-removed'(scene, chance) {
    const group = chance.pick(scene.groups);
    const target = chance.pick(scene.nodes);
    if (scene.nodes.length < 3 || !mayChange(scene)) return null;
    const parts = new Parts();
    const forget = scene.watch((where, seen) => {
      if (where !== target || !isRole(seen, group)) return false;
      const { configuration, replica } = seen;
      if (configuration.voters.length === 0 || configuration.voters.includes(replica)) return false;
      parts.add(split(scene, [target], scene.others(target)));
      return true;
    });
    parts.add(forget);
    askForChange(scene, chance.pick(scene.others(target)), group, { type: 'remove', node: target.name });
    return { where: `${target.name} in ${group}`, undo: () => parts.end() };
  },
} as const satisfies Record<string, Strike>;
