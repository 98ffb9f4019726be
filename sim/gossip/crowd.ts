// Many nodes that run gossip alone (machines/gossip), in one world. What is published floods a random mesh of six peers a node, as
// gossipsub does, and each hop may lose it; what is exchanged goes over connections, of which a node has a bounded number, and may be
// lost too, which is harder than TCP. Light enough for a thousand nodes; the whole node tree is what sim/cluster.ts runs.
import { type GossipOptions, gossipDefaults } from '../../machines/gossip/index.ts';
import { peerOf } from '../mesh/mesh.ts';
import { Trace } from '../trace.ts';
import { type Chance, World } from '../world.ts';
import { GossipJudge } from './judge.ts';
import { GossipNode } from './node.ts';

export type CrowdOptions = {
  seed: number;
  nodes: number;
  /** One way. */
  latencyMs: readonly [number, number];
  /** Of each hop of what is published, and of each message of an exchange. */
  lossRatio: number;
  /** Peers to whom a node passes on what is published (gossipsub's D). */
  degree: number;
  /** Connections of a node, about. */
  links: number;
  gossip: GossipOptions;
  checkAll: boolean;
};

export const crowdDefaults: CrowdOptions = {
  ...{ seed: 1, nodes: 5, latencyMs: [0.5, 3], lossRatio: 0, degree: 6, links: 32, gossip: gossipDefaults, checkAll: false },
};

export type GossipCost = { pushes: number; pushBytes: number; messages: number; bytes: number };

/** What a published envelope has beside its body: source, target, numbers, proof, frame. */
const envelopeBytes = 122;
/** A connection over which nothing gets through is given up, and one that could be is made again. */
const lostMs = 3_000;
const metMs = 1_000;

export class Crowd {
  readonly options: CrowdOptions;
  readonly world: World;
  readonly trace = new Trace();
  readonly judge: GossipJudge;
  readonly nodes: readonly GossipNode[];
  lossRatio: number;
  readonly #byPeer = new Map<string, GossipNode>();
  readonly #network: Chance;
  #cost: GossipCost = { pushes: 0, pushBytes: 0, messages: 0, bytes: 0 };
  /** Hops that the latest envelope has made on its longest way. */
  hops = 0;

  constructor(given: Partial<CrowdOptions> = {}) {
    this.options = { ...crowdDefaults, ...given };
    this.lossRatio = this.options.lossRatio;
    this.world = new World(this.options.seed, this.trace);
    this.judge = new GossipJudge(() => this.world.nowMs);
    this.#network = this.world.chance('gossip network');
    const names = this.world.chance('gossip peers');
    this.nodes = Array.from({ length: this.options.nodes }, (_, at) => {
      const node = new GossipNode(this, `n${at + 1}`, peerOf(names));
      this.#byPeer.set(node.peer, node);
      return node;
    });
  }

  get nowMs(): number {
    return this.world.nowMs;
  }

  get up(): GossipNode[] {
    return this.nodes.filter(({ isUp }) => isUp);
  }

  // -------------------------------------------------------------- lives

  /** All start and are connected, and a minute has gone by. */
  begin(): void {
    for (const node of this.nodes) node.start();
    for (const node of this.nodes) this.#connect(node);
    this.pass(60_000);
    this.takeCost();
  }

  start(node: GossipNode): void {
    node.start();
    this.trace.note(this.nowMs, node.name, `starts for the ${node.life}. time`);
    this.#connect(node);
  }

  /** Half of its connections are its own choice: the others choose it. */
  #connect(node: GossipNode): void {
    const others = this.#network.shuffled(this.up.filter((other) => other !== node && other.side === node.side));
    const own = this.options.nodes - 1 <= this.options.links ? others.length : this.options.links / 2;
    for (const other of others.slice(0, own)) this.#link(node, other);
  }

  #link(a: GossipNode, b: GossipNode): void {
    if (a.links.has(b)) return;
    const lives = [a.life, b.life];
    this.world.after(3 * this.#latencyMs(), () => {
      if (!a.isUp || !b.isUp || a.life !== lives[0] || b.life !== lives[1] || a.side !== b.side || a.links.has(b)) return;
      a.links.add(b);
      b.links.add(a);
      a.tell({ type: 'met', peer: b.peer, epoch: b.life });
      b.tell({ type: 'met', peer: a.peer, epoch: a.life });
    });
  }

  #unlink(a: GossipNode, b: GossipNode): void {
    if (!a.links.delete(b)) return;
    b.links.delete(a);
    a.mesh.delete(b);
    b.mesh.delete(a);
    a.tell({ type: 'lost', peer: b.peer });
    b.tell({ type: 'lost', peer: a.peer });
  }

  /** Its connections end with it; who has too few afterwards makes others. */
  crash(node: GossipNode): void {
    if (!node.isUp) return;
    this.trace.note(this.nowMs, node.name, 'crashes');
    node.crash();
    for (const other of [...node.links]) {
      this.#unlink(other, node);
      if (other.links.size * 4 < this.options.links) this.#connect(other);
    }
  }

  /** Each list is a side; who is in none is on side 0. */
  partition(sides: readonly (readonly GossipNode[])[]): void {
    for (const node of this.nodes) node.side = sides.findIndex((side) => side.includes(node)) + 1;
    this.world.after(lostMs, () => {
      for (const node of this.nodes)
        for (const other of [...node.links]) if (other.side !== node.side) this.#unlink(node, other);
    });
  }

  heal(): void {
    for (const node of this.nodes) node.side = 0;
    for (const node of this.up)
      this.world.after(metMs * this.#network.fraction(), () => {
        if (node.isUp) this.#connect(node);
      });
  }

  // -------------------------------------------------------------- the network

  #latencyMs(): number {
    const [min, max] = this.options.latencyMs;
    return min + (max - min) * this.#network.fraction();
  }

  #isLost(from: GossipNode, to: GossipNode): boolean {
    return from.side !== to.side || (this.lossRatio > 0 && this.#network.happens(this.lossRatio));
  }

  send(from: GossipNode, peer: string, type: string, bytes: Uint8Array): void {
    this.#cost.messages++;
    this.#cost.bytes += bytes.byteLength;
    const to = this.#byPeer.get(peer)!;
    if (this.#isLost(from, to)) return;
    const lives = [from.life, to.life];
    this.world.after(this.#latencyMs(), () => {
      if (!to.isUp || from.life !== lives[0] || to.life !== lives[1] || from.side !== to.side) return;
      this.trace.note(this.nowMs, to.name, type, bytes);
      to.receive(from, bytes);
    });
  }

  /** Gossipsub mends its meshes at every heartbeat; here it is before something is published. */
  #mendMesh(node: GossipNode): void {
    const { degree } = this.options;
    if (node.mesh.size * 3 >= degree * 2 || node.mesh.size === node.links.size) return;
    for (const other of this.#network.shuffled([...node.links])) {
      if (node.mesh.size >= degree) break;
      if (!other.isUp || other.mesh.size >= 2 * degree) continue;
      node.mesh.add(other);
      other.mesh.add(node);
    }
  }

  push(from: GossipNode, bytes: Uint8Array): void {
    for (const node of this.nodes) if (node.isUp) this.#mendMesh(node);
    const seen = new Set<GossipNode>([from]);
    this.hops = 0;
    this.#passOn(from, from, bytes, seen, 1);
  }

  #passOn(source: GossipNode, node: GossipNode, bytes: Uint8Array, seen: Set<GossipNode>, hop: number): void {
    for (const to of node.mesh) {
      if (to === source) continue;
      this.#cost.pushes++;
      this.#cost.pushBytes += bytes.byteLength + envelopeBytes;
      // What comes a second time changes nothing.
      if (this.#isLost(node, to) || seen.has(to)) continue;
      const { life } = to;
      this.world.after(this.#latencyMs(), () => {
        if (seen.has(to) || to.life !== life || !to.isUp || to.side !== node.side) return;
        seen.add(to);
        this.hops = Math.max(this.hops, hop);
        this.trace.note(this.nowMs, to.name, 'announcement', bytes);
        to.hear(source, bytes);
        this.#passOn(source, to, bytes, seen, hop + 1);
      });
    }
  }

  // -------------------------------------------------------------- what is said

  /** Answers the announcement's key, or null if it may not. */
  say(node: GossipNode, ttlMs: number, bytes = 100): string | null {
    const state = node.state!;
    const body = new Uint8Array(bytes).map(() => this.#network.between(0, 256));
    const sequence = state.said + 1;
    const key = this.judge.said(node, sequence, ttlMs, body);
    node.tell({ type: 'publish', topic: 'news', body, ttlMs });
    return state.said === sequence ? key : null;
  }

  takeCost(): GossipCost {
    const cost = this.#cost;
    this.#cost = { pushes: 0, pushBytes: 0, messages: 0, bytes: 0 };
    return cost;
  }

  pass(durationMs: number): void {
    this.world.run(durationMs);
  }

  /** How long it took until something was so, looked at every so often; null if it did not come about in time. */
  passUntil(isSo: () => boolean, limitMs: number, lookMs = 10): number | null {
    const beganMs = this.nowMs;
    while (!isSo()) {
      if (this.nowMs - beganMs >= limitMs) return null;
      this.pass(lookMs);
    }
    return this.nowMs - beganMs;
  }
}
