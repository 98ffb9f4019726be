// The person who looks after the cluster: replaces members whose disks are lost, as the documentation tells people to (group remove,
// group add), and in the end sees to it that every node is a voter again. One change at a time, asked again until it is done.
import type { GroupChange, Outcome } from '../actors/api.ts';
import type { SimulatedNode } from './node.ts';
import type { Chance, World } from './world.ts';

const pauseMs = 300;
const timeoutMs = 4_000;
/** So often a node may already be a member without being one that works, before it is removed again. */
const doubtsMax = 10;

export class Operator {
  /** Nodes whose disks were lost and who are no voters again yet. */
  readonly lost = new Set<string>();
  readonly #world: World;
  readonly #nodes: readonly SimulatedNode[];
  readonly #group: string;
  readonly #chance: Chance;
  readonly #waiting: (() => void)[] = [];
  #isBusy = false;

  constructor(world: World, nodes: readonly SimulatedNode[], group: string) {
    this.#world = world;
    this.#nodes = nodes;
    this.#group = group;
    this.#chance = world.chance('operator');
  }

  get isIdle(): boolean {
    return !this.#isBusy && this.#waiting.length === 0;
  }

  /** How many more disks may be lost: by whoever thinks that the fewest vote; none while that changes or is not known. */
  get spare(): number {
    const borne = this.#nodes.map((node) => {
      const status = this.#statusOf(node);
      if (status === undefined || status.voters.length === 0 || status.joint) return 0;
      return Math.floor((status.voters.length - 1) / 2);
    });
    return Math.min(...borne) - this.lost.size;
  }

  /** This node has a new, empty disk. */
  replace(node: SimulatedNode): void {
    this.lost.add(node.name);
    this.#queue(() => this.#remove(node));
  }

  /** Makes a voter of every node that is none. */
  restore(): void {
    for (const node of this.#nodes) this.#queue(() => this.#add(node, 0));
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

  #remove(node: SimulatedNode): void {
    this.#ask(node, { type: 'remove', node: node.name }, (outcome) => {
      const isGone = outcome.ok || outcome.failure.code === 'MEMBER_NOT_FOUND';
      this.#later(() => (isGone ? this.#add(node, 0) : this.#remove(node)));
    });
  }

  #add(node: SimulatedNode, doubts: number): void {
    this.#ask(node, { type: 'add', node: node.name, role: 'voter' }, (outcome) => {
      const isMember = outcome.ok || outcome.failure.code === 'ALREADY_MEMBER';
      if (isMember && this.#votes(node)) {
        this.lost.delete(node.name);
        return this.#next();
      }
      // Removed from what a leader had in mind that was deposed since, or a member by a replica that is gone.
      if (isMember && doubts >= doubtsMax) return this.#later(() => this.#remove(node));
      this.#later(() => this.#add(node, doubts + (isMember ? 1 : 0)));
    });
  }

  #statusOf(node: SimulatedNode) {
    return node.api?.status().groups.find((group) => group.id === this.#group);
  }

  #votes(node: SimulatedNode): boolean {
    const status = this.#statusOf(node);
    return status?.voters.includes(node.name) === true && !status.joint && status.leader !== null;
  }

  /** Asks some other node that is up, or, in a cluster of one, the node itself. */
  #ask(about: SimulatedNode, change: GroupChange, done: (outcome: Outcome<{ index: number }>) => void): void {
    const others = this.#nodes.filter((node) => node.api !== null && (node !== about || this.#nodes.length === 1));
    if (others.length === 0) return this.#later(() => this.#ask(about, change, done));
    let isOver = false;
    const end = (outcome: Outcome<{ index: number }>): void => {
      if (isOver) return;
      isOver = true;
      this.#world.after(0, () => done(outcome));
    };
    this.#world.after(timeoutMs * 2, () => end({ ok: false, failure: { code: 'UNREACHABLE', message: 'no answer' } }));
    this.#chance.pick(others).enter('operator', (api) => api.changeGroup(this.#group, change, { timeoutMs }, end));
  }

  #later(run: () => void): void {
    this.#world.after(pauseMs, run);
  }
}
