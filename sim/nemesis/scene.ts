// What a fault is done to, and what is left of it: the words that every room of the nemesis shares.
import type { Observation } from '../../actors/observe.ts';
import type { Sources } from '../lookup.ts';
import type { Network } from '../network.ts';
import type { SimulatedNode } from '../node.ts';
import type { Operator } from '../operator.ts';
import type { Chance, World } from '../world.ts';
import type { Atlas } from './atlas.ts';
import { Strains } from './strains.ts';
import { Wounds } from './wounds.ts';

export type SceneParts = {
  world: World;
  network: Network;
  /** Null: nobody is looked for. */
  sources: Sources | null;
  nodes: readonly SimulatedNode[];
  groups: readonly string[];
  atlas: Atlas;
  operator: Operator;
  /** Faults may write keys of their own. */
  hasOwnKeys: boolean;
};

/** Hears what a node's replicas tell, in the midst of the turn; true: that was the moment, and it need not hear more. */
type Watcher = (node: SimulatedNode, observation: Observation) => boolean;

export class Scene {
  readonly world: World;
  readonly network: Network;
  readonly sources: Sources | null;
  readonly nodes: readonly SimulatedNode[];
  readonly groups: readonly string[];
  readonly atlas: Atlas;
  readonly operator: Operator;
  readonly hasOwnKeys: boolean;
  readonly strains = new Strains();
  readonly wounds = new Wounds();
  readonly #watchers = new Set<Watcher>();

  constructor({ world, network, sources, nodes, groups, atlas, operator, hasOwnKeys }: SceneParts) {
    this.world = world;
    this.network = network;
    this.sources = sources;
    this.nodes = nodes;
    this.groups = groups;
    this.atlas = atlas;
    this.operator = operator;
    this.hasOwnKeys = hasOwnKeys;
  }

  /** Waits for a moment; answers what ends the waiting. */
  watch(watcher: Watcher): () => void {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  observed(name: string, observation: Observation): void {
    if (this.#watchers.size === 0) return;
    const node = this.nodes.find((one) => one.name === name)!;
    for (const watcher of [...this.#watchers]) if (watcher(node, observation)) this.#watchers.delete(watcher);
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
  /** It shows nothing unless it lasts so long. */
  atLeastMs?: number;
};

/** Time for those who do not hear their leader to elect another. */
export const electionMs = 500;

/** Does a fault with what it draws; null: as things are it cannot be done, or would be more than must be survived. */
export type Strike = (scene: Scene, chance: Chance) => Blow | null;

export const namesOf = (nodes: readonly SimulatedNode[]): string => nodes.map(({ name }) => name).join(' ');

export const startIfDown = (node: SimulatedNode): void => {
  if (!node.isUp) node.start();
};
