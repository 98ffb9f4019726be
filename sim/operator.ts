// The person who looks after the cluster: replaces members whose disks are lost or damaged, as the documentation tells people to (group remove,
// group add), and in the end sees to it that every node is a voter again. One change at a time, asked again until it is done.
import type { GroupChange, Outcome } from '../actors/api.ts';
import type { Atlas } from './nemesis/atlas.ts';
import type { SimulatedNode } from './node.ts';
import type { Chance, World } from './world.ts';

const pauseMs = 300;
const timeoutMs = 4_000;
/** So often a node may already be a member without being one that works, before it is removed again. */
const doubtsMax = 10;

export class Operator {
  readonly #world: World;
  readonly #nodes: readonly SimulatedNode[];
  readonly #groups: readonly string[];
  readonly #atlas: Atlas;
  readonly #chance: Chance;
  readonly #waiting: (() => void)[] = [];
  #isBusy = false;

  constructor(world: World, nodes: readonly SimulatedNode[], groups: readonly string[], atlas: Atlas) {
    this.#world = world;
    this.#nodes = nodes;
    this.#groups = groups;
    this.#atlas = atlas;
    this.#chance = world.chance('operator');
  }

  get isIdle(): boolean {
    return !this.#isBusy && this.#waiting.length === 0;
  }

  /** This node has a new, empty disk. */
  replace(node: SimulatedNode): void {
    this.#atlas.replaced(node);
    // A name that still belongs to a lost peer in one group is taken in all of them.
    for (const group of this.#groups) this.#queue(() => this.#remove(node, group, () => this.#next()));
    for (const group of this.#groups) this.#queue(() => this.#add(node, group, 0));
  }

  /** Makes a voter of every node that is none, in every group. */
  restore(): void {
    for (const node of this.#nodes) for (const group of this.#groups) this.#queue(() => this.#add(node, group, 0));
  }

  #queue(work: () => void): void {
    this.#waiting.push(work);
    if (!this.#isBusy) this.#next();
  }

  #next(): void {
    const work = this.#waiting.shift();
    this.#isBusy = work !== undefined;
    work?.();
  }

  #remove(node: SimulatedNode, group: string, then: () => void): void {
    this.#ask(node, group, { type: 'remove', node: node.name }, (outcome) => {
      const isGone = outcome.ok || outcome.failure.code === 'MEMBER_NOT_FOUND';
      this.#later(() => (isGone ? then() : this.#remove(node, group, then)));
    });
  }

  #add(node: SimulatedNode, group: string, doubts: number): void {
    const change = { type: 'add', node: node.name, role: 'voter' } as const;
    // Who is in a hurry asks two at once; the answer of one is enough.
    if (doubts === 0 && this.#chance.happens(0.3)) this.#ask(node, group, change, () => {});
    this.#ask(node, group, change, (outcome) => {
      const isMember = outcome.ok || outcome.failure.code === 'ALREADY_MEMBER';
      if (isMember && this.#votes(node, group)) {
        if (this.#groups.every((other) => this.#votes(node, other))) this.#atlas.whole(node);
        return this.#next();
      }
      // Removed from what a leader had in mind that was deposed since, or a member by a replica that is gone.
      if (isMember && doubts >= doubtsMax) return this.#later(() => this.#remove(node, group, () => this.#add(node, group, 0)));
      this.#later(() => this.#add(node, group, doubts + (isMember ? 1 : 0)));
    });
  }

  #votes(node: SimulatedNode, group: string): boolean {
    const status = node.api?.status().groups.find(({ id }) => id === group);
    return status?.voters.includes(node.name) === true && !status.joint && status.leader !== null;
  }

  /** Asks some other node that is up, or, in a cluster of one, the node itself. */
  #ask(about: SimulatedNode, group: string, change: GroupChange, done: (outcome: Outcome<{ index: number }>) => void): void {
    const others = this.#nodes.filter((node) => node.api !== null && (node !== about || this.#nodes.length === 1));
    if (others.length === 0) return this.#later(() => this.#ask(about, group, change, done));
    let isOver = false;
    const end = (outcome: Outcome<{ index: number }>): void => {
      if (isOver) return;
      isOver = true;
      this.#world.after(0, () => done(outcome));
    };
    this.#world.after(timeoutMs * 2, () => end({ ok: false, failure: { code: 'UNREACHABLE', message: 'no answer' } }));
    this.#chance.pick(others).enter('operator', (api) => api.changeGroup(group, change, { timeoutMs }, end));
  }

  #later(run: () => void): void {
    this.#world.after(pauseMs, run);
  }
}
