// Faults of processes and of the machines they run on: killed, stopped, without power, frozen, slow.
import type { SimulatedNode } from '../node.ts';
import type { Chance } from '../world.ts';
import { type Blow, namesOf, type Scene, type Strike, startIfDown } from './scene.ts';

const kill = (nodes: readonly SimulatedNode[], silently: boolean): Blow | null => {
  const up = nodes.filter((node) => node.isUp);
  if (up.length === 0) return null;
  for (const node of up) node.crash({ silently });
  return {
    where: namesOf(up),
    undo() {
      for (const node of up) startIfDown(node);
    },
  };
};

const pause = (node: SimulatedNode | undefined): Blow | null => {
  const process = node?.process ?? null;
  if (node === undefined || process === null || process.isPaused) return null;
  process.pause();
  return { where: node.name, undo: () => process.resume() };
};

const pollMs = 50;

/** One node after the other is stopped and started again, as people do it: the next one when the last is ready. */
const roll = ({ world, nodes }: Scene, chance: Chance, change: (node: SimulatedNode) => void): Blow => {
  const waiting = chance.shuffled(nodes);
  let isOver = false;
  const whenReady = (node: SimulatedNode, run: () => void): void => {
    if (isOver) return;
    if (node.api?.status().state === 'ready') run();
    else world.after(pollMs, () => whenReady(node, run));
  };
  const next = (): void => {
    const node = waiting.shift();
    if (node === undefined) return;
    node.stop(() => {
      change(node);
      startIfDown(node);
    });
    world.after(pollMs, () => whenReady(node, next));
  };
  next();
  return {
    where: namesOf(nodes),
    undo() {
      isOver = true;
    },
  };
};

export const processFaults = {
  kill: ({ nodes }, chance) => kill([chance.pick(nodes)], false),
  'kill-all': ({ nodes }) => kill(nodes, false),
  'power-loss': ({ nodes }, chance) => kill([chance.pick(nodes)], true),
  'power-loss-all': ({ nodes }) => kill(nodes, true),
  restart({ nodes }, chance) {
    const node = chance.pick(nodes);
    if (!node.isUp) return null;
    let isOver = false;
    node.stop(() => {
      if (isOver) startIfDown(node);
    });
    return {
      where: node.name,
      undo() {
        isOver = true;
        startIfDown(node);
      },
    };
  },
  'rolling-restart': (scene, chance) => roll(scene, chance, () => {}),
  /** Nodes come back as another version, with other settings where nodes may differ; leases rely on the election's time-outs. */
  'rolling-upgrade'(scene, chance) {
    const version = `sim-${chance.between(2, 100)}`;
    const snapshotEntries = chance.pick([5, 50, 10_000]);
    const raft = { retainEntries: chance.pick([0, 50, 5_000]), inflightMessagesMax: chance.pick([1, 16, 256]) };
    const blow = roll(scene, chance, (node) => {
      node.settings = { ...node.settings, version, snapshotEntries, raft: { ...node.settings.raft, ...raft } };
    });
    return { ...blow, where: `${blow.where}: ${version}, snapshots every ${snapshotEntries}` };
  },
  /** A process that is killed whenever it has come up again. */
  'crash-loop'({ world, nodes }, chance) {
    const node = chance.pick(nodes);
    const everyMs = chance.between(20, 1_000);
    if (!node.isUp) return null;
    let isOver = false;
    const again = (): void => {
      if (isOver) return;
      if (node.isUp) node.crash({ silently: false });
      else node.start();
      world.after(everyMs, again);
    };
    again();
    return {
      where: `${node.name} every ${everyMs} ms`,
      undo() {
        isOver = true;
        startIfDown(node);
      },
    };
  },
  pause: ({ nodes }, chance) => pause(chance.pick(nodes)),
  'pause-leader': (scene) => pause(scene.leader()),
  'kill-leader'(scene) {
    const leader = scene.leader();
    return leader === undefined ? null : kill([leader], false);
  },
  'slow-process'({ nodes, strains }, chance) {
    const node = chance.pick(nodes);
    const factor = chance.between(10, 500);
    const { process } = node;
    if (process === null) return null;
    const undo = strains.press(`process ${process.label}`, factor, (strongest) => {
      process.slowness = Math.max(1, strongest);
    });
    return { where: `${node.name} ×${factor}`, undo };
  },
} as const satisfies Record<string, Strike>;
