// Nodes are replaced, one after the other, by ones of a newer build that host the next version of their actors: as a careful operator does it,
// in order, while all others are ready, and the next one when the last is. What the nemesis does to them meanwhile is its affair: who was
// killed on the way comes back as what he was, and is asked to stop once more.
import { entryVersions } from '../../machines/register/index.ts';
import type { SimulatedNode } from '../node.ts';
import type { Chance, World } from '../world.ts';

const lookEveryMs = 50;
const restMs = [300, 3_000] as const;

export class Upgrades {
  readonly #world: World;
  readonly #nodes: readonly SimulatedNode[];
  readonly #chance: Chance;
  /** Of the definitions that all nodes host in the end. */
  readonly last: number;
  /** By node; what is not here is 1. */
  readonly #versions = new Map<string, number>();
  /** Still to be replaced in this round. */
  #waiting: SimulatedNode[] = [];
  /** The life that was asked to stop. */
  #stopping = '';
  #isPaused = true;

  constructor(world: World, nodes: readonly SimulatedNode[], last: number) {
    this.#world = world;
    this.#nodes = nodes;
    this.#chance = world.chance('upgrades');
    this.last = last;
  }

  /** Of the definitions that the next process on it hosts. */
  of(node: string): number {
    return this.#versions.get(node) ?? 1;
  }

  start(): void {
    this.#isPaused = false;
    this.#rest();
  }

  /** No other node is replaced until it goes on. */
  pause(): void {
    this.#isPaused = true;
  }

  /** Null: every node is what it is to be. */
  whyNotOver(): string | null {
    this.#isPaused = false;
    const old = this.#nodes.find(({ name }) => this.of(name) < this.last);
    return old === undefined ? null : `${old.name} hosts version ${this.of(old.name)}`;
  }

  #rest(): void {
    if (this.#nodes.every(({ name }) => this.of(name) >= this.last)) return;
    this.#waiting = this.#chance.shuffled(this.#nodes);
    this.#world.after(this.#chance.between(...restMs), () => this.#look());
  }

  #look(): void {
    const [node] = this.#waiting;
    if (node === undefined) return this.#rest();
    if (!this.#isPaused && this.#nodes.every(isReady) && this.#stopping !== node.process!.label) this.#replace(node);
    this.#world.after(lookEveryMs, () => this.#look());
  }

  #replace(node: SimulatedNode): void {
    this.#stopping = node.process!.label;
    // Told only if it comes to that end by itself.
    node.stop(() => {
      this.#waiting.shift();
      const version = this.of(node.name) + 1;
      this.#versions.set(node.name, version);
      node.settings = { ...node.settings, entriesMax: entryVersions.newest };
      this.#world.trace.note(this.#world.nowMs, 'upgrades', `${node.name} hosts version ${version}`);
      if (!node.isUp) node.start();
    });
  }
}

const isReady = ({ api }: SimulatedNode): boolean => api?.status().state === 'ready';
