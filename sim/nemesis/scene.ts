// What a fault is done to, and what is left of it: the words that every room of the nemesis shares.
import type { Network } from '../network.ts';
import type { SimulatedNode } from '../node.ts';
import type { Operator } from '../operator.ts';
import type { Chance, World } from '../world.ts';
import type { Atlas } from './atlas.ts';
import { Strains } from './strains.ts';

export type SceneParts = {
  world: World;
  network: Network;
  nodes: readonly SimulatedNode[];
  groups: readonly string[];
  atlas: Atlas;
  operator: Operator;
};

export class Scene {
  readonly world: World;
  readonly network: Network;
  readonly nodes: readonly SimulatedNode[];
  readonly groups: readonly string[];
  readonly atlas: Atlas;
  readonly operator: Operator;
  readonly strains = new Strains();

  constructor({ world, network, nodes, groups, atlas, operator }: SceneParts) {
    this.world = world;
    this.network = network;
    this.nodes = nodes;
    this.groups = groups;
    this.atlas = atlas;
    this.operator = operator;
  }

  leader(): SimulatedNode | undefined {
    return this.nodes.find((node) => node.api?.status().groups.some((group) => group.role === 'leader'));
  }

  others(node: SimulatedNode): SimulatedNode[] {
    return this.nodes.filter((other) => other !== node);
  }
}

/** A fault that was done. */
export type Blow = {
  /** Node, nodes or path, for a person. */
  where: string;
  /** Undoes it, whatever happened since; null: it was over at once. */
  undo: (() => void) | null;
};

/** Does a fault with what it draws; null: as things are it cannot be done, or would be more than must be survived. */
export type Strike = (scene: Scene, chance: Chance) => Blow | null;

export const namesOf = (nodes: readonly SimulatedNode[]): string => nodes.map(({ name }) => name).join(' ');

export const startIfDown = (node: SimulatedNode): void => {
  if (!node.isUp) node.start();
};
