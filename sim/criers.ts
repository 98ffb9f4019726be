// Every node announces something now and then and listens to all, while whatever else happens to the cluster happens: each process must
// hear each announcement once, in the order of its source unless it is called late, and in the end all must have heard all that holds.
import { catalogTopic } from '../actors/catalog.ts';
import { GossipJudge, type Speaker } from './gossip/judge.ts';
import type { SimulatedNode } from './node.ts';
import type { Chance, World } from './world.ts';

const topic = 'cries';
/** Beyond any run: that announcements end is what sim/gossip/ judges, in its own time. */
const ttlMs = 3_600_000;
const everyMs = 2_000;
const bytesMax = 400;

class Crier implements Speaker {
  readonly node: SimulatedNode;
  /** The process that listens, by its number; 0 = none. */
  listens = 0;

  constructor(node: SimulatedNode) {
    this.node = node;
  }

  get name(): string {
    return this.node.name;
  }

  get peer(): string {
    return this.node.disk.identity;
  }

  get life(): number {
    return this.node.lives;
  }

  get epoch(): number {
    return this.node.api?.status().epoch ?? 0;
  }

  get isUp(): boolean {
    return this.node.api !== null;
  }
}

export class Criers {
  readonly judge: GossipJudge;
  readonly #world: World;
  readonly #chance: Chance;
  readonly #criers: readonly Crier[];
  #isStopped = true;

  constructor(world: World, nodes: readonly SimulatedNode[]) {
    this.#world = world;
    this.#chance = world.chance('criers');
    this.#criers = nodes.map((node) => new Crier(node));
    this.judge = new GossipJudge(() => world.nowMs);
  }

  start(): void {
    this.#isStopped = false;
    for (const crier of this.#criers) this.#wait(crier);
  }

  stop(): void {
    this.#isStopped = true;
  }

  #wait(crier: Crier): void {
    this.#world.after(this.#chance.between(1, 2 * everyMs), () => {
      if (this.#isStopped) return;
      this.#listen(crier);
      this.#cry(crier);
      this.#wait(crier);
    });
  }

  /** Once in the life of a process. What was announced before it listens is told to it then. */
  #listen(crier: Crier): void {
    const { node } = crier;
    if (!crier.isUp || crier.listens === node.lives) return;
    crier.listens = node.lives;
    node.enter('listen', (api) => {
      api.gossip.subscribe(topic, (announced) => this.judge.delivered(crier, announced));
      api.gossip.subscribe(catalogTopic, (announced) => this.judge.heardBeside(crier, announced));
    });
  }

  #cry(crier: Crier): void {
    const body = Uint8Array.from({ length: this.#chance.between(0, bytesMax) }, (_, at) => at & 0xff);
    crier.node.enter('cry', (api) =>
      api.gossip.publish(topic, body, { ttlMs }, (outcome) => {
        if (outcome.ok) this.judge.said(crier, outcome.value.sequence, ttlMs, body);
      }),
    );
  }

  /** Who has not heard what he must, or null. */
  whyNotAllHeard(nodes: readonly SimulatedNode[]): string | null {
    const of = this.#criers.filter(({ node }) => nodes.includes(node));
    for (const crier of of) this.#listen(crier);
    return this.judge.whyNotAllHeard(of);
  }
}
