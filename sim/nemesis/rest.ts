// What a minority is like that nobody has mended: dead, cut off in part or wholly, frozen, or without a disk that takes anything.
import type { SimulatedNode } from '../node.ts';
import type { Chance } from '../world.ts';
import { type Scene, startIfDown } from './scene.ts';

type Misery = (scene: Scene, node: SimulatedNode, others: readonly SimulatedNode[]) => () => void;

const cut = (scene: Scene, paths: readonly (readonly [SimulatedNode, SimulatedNode])[]): (() => void) => {
  for (const [from, to] of paths) scene.network.block(from.name, to.name);
  return () => {
    for (const [from, to] of paths) scene.network.unblock(from.name, to.name);
  };
};

const miseries: Record<string, Misery> = {
  down(_scene, node) {
    node.crash({ silently: false });
    return () => startIfDown(node);
  },
  'cut off': (scene, node, others) =>
    cut(
      scene,
      others.flatMap((other) => [[node, other] as const, [other, node] as const]),
    ),
  deaf: (scene, node, others) =>
    cut(
      scene,
      others.map((other) => [other, node] as const),
    ),
  mute: (scene, node, others) =>
    cut(
      scene,
      others.map((other) => [node, other] as const),
    ),
  frozen(_scene, node) {
    const { process } = node;
    process?.pause();
    return () => process?.resume();
  },
  'without a disk'(_scene, node) {
    const { disk } = node;
    disk.failing = { code: 'IO_ERROR', message: 'it is broken' };
    return () => {
      disk.failing = null;
      node.crash({ silently: false });
      node.start();
    };
  },
};

/** Answers what mends them. */
export const breakRest = (scene: Scene, majority: readonly SimulatedNode[], rest: readonly SimulatedNode[]): (() => void) => {
  const { world } = scene;
  const mends = rest.map((node) => {
    const chance: Chance = world.chance(`misery ${node.name}`);
    const [name, misery] = chance.pick(Object.entries(miseries));
    world.trace.note(world.nowMs, 'nemesis', `${node.name} stays broken: ${name}`);
    return misery(scene, node, chance.shuffled(majority));
  });
  return () => {
    for (const mend of mends) mend();
  };
};
