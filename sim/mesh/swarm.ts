// One seed of a mesh: it draws how many nodes there are, what the network is like and what happens to them for some minutes; judges
// watch for whoever is wronged; in the end everything is mended, and all must agree on who is there. A seed is a bug report.
import type { Chance } from '../world.ts';
import { Mesh } from './mesh.ts';
import type { MeshNode } from './node.ts';

export type MeshRun = {
  seed: number;
  /** What went wrong, or null. */
  violation: string | null;
  hash: string;
  nodes: number;
  lossRatio: number;
  faults: Record<string, number>;
  virtualMs: number;
};

export type MeshRunOptions = {
  nodesMax: number;
  /** How long faults go on. */
  fireMs: number;
  /** How long all may take to agree when everything is mended. */
  calmMs: number;
  checkAll: boolean;
};

export const meshRunDefaults: MeshRunOptions = { nodesMax: 24, fireMs: 120_000, calmMs: 60_000, checkAll: true };

/** For so long after something that may well look like death, nobody is wronged by being taken for dead. */
const excusedMs = 20_000;
/** A pause up to this must not be taken for death. */
const pauseHarmlessMs = 2_000;
/** The first two keep their addresses, everybody is told of them, and nobody throws them out: some way in is always left. */
const seedsCount = 2;
/** With fewer, a path that is cut is all that somebody has. */
const detourNodes = 6;

class Fire {
  readonly mesh: Mesh;
  readonly chance: Chance;
  readonly faults: Record<string, number> = {};
  /** Until when it may be taken for dead. */
  readonly #excused = new Map<MeshNode, number>();
  readonly #gone = new Set<MeshNode>();
  #addresses: string[] = [];
  violation: string | null = null;

  constructor(mesh: Mesh) {
    this.mesh = mesh;
    this.chance = mesh.world.chance('fire');
    mesh.listenToFalse = ({ about, by }) => {
      if (mesh.cuts > 0 && mesh.up.length < detourNodes) return;
      const until = Math.max(this.#excused.get(about) ?? 0, this.#excused.get(by) ?? 0);
      if (mesh.nowMs > until) this.violation ??= `${by.name} holds ${about.name} for failed, who is not`;
    };
  }

  begin(): void {
    const { mesh } = this;
    if (this.chance.happens(0.5)) mesh.beginAcquainted();
    this.#addresses = mesh.nodes.slice(0, seedsCount).map((node) => node.address || mesh.newAddress());
    for (const node of mesh.nodes) if (!node.isUp) this.#start(node);
    for (const node of mesh.nodes) node.tell({ type: 'contacts', contacts: this.#contacts() });
  }

  #contacts() {
    return this.#addresses.map((address) => ({ peer: null, addresses: [address] }));
  }

  #start(node: MeshNode): void {
    const own = this.#addresses[this.mesh.nodes.indexOf(node)];
    this.mesh.start(
      node,
      this.#contacts(),
      own ?? (this.chance.happens(0.5) && node.address !== '' ? node.address : undefined),
    );
  }

  #excuse(nodes: readonly MeshNode[], forMs = 0): void {
    for (const node of nodes)
      this.#excused.set(node, Math.max(this.#excused.get(node) ?? 0, this.mesh.nowMs + forMs + excusedMs));
  }

  #count(fault: string): void {
    this.faults[fault] = (this.faults[fault] ?? 0) + 1;
  }

  /** One thing more happens. */
  strike(): void {
    const { mesh, chance } = this;
    const names = Object.keys(this.#strikes);
    const name = chance.pick(names);
    const node = chance.pick(mesh.nodes);
    if (this.#gone.has(node) || !this.#strikes[name]!(node)) return;
    this.#count(name);
  }

  /** Each says whether it did anything. */
  readonly #strikes: Record<string, (node: MeshNode) => boolean> = {
    crash: (node) => {
      if (node.isUp) node.crash();
      return true;
    },
    start: (node) => {
      if (!node.isUp) this.#start(node);
      return true;
    },
    blink: (node) => {
      if (!node.isUp) return false;
      node.crash();
      this.#start(node);
      return true;
    },
    pause: (node) => {
      const forMs = this.chance.between(50, pauseHarmlessMs);
      node.pause(forMs);
      return true;
    },
    stop: (node) => {
      const forMs = this.chance.between(pauseHarmlessMs, 15_000);
      this.#excuse([node], forMs);
      node.pause(forMs);
      return true;
    },
    news: (node) => {
      if (!node.isUp) return false;
      node.tell({ type: 'profile', profile: { ...node.state!.profile, capacity: this.chance.between(0, 100) } });
      return true;
    },
    partition: () => {
      this.#excuse(this.mesh.nodes);
      const side = this.chance.shuffled(this.mesh.nodes).slice(0, this.chance.between(1, this.mesh.nodes.length));
      this.mesh.partition([side]);
      return true;
    },
    heal: () => {
      this.#excuse(this.mesh.nodes);
      this.mesh.heal();
      return true;
    },
    cut: (node) => {
      const other = this.chance.pick(this.mesh.nodes);
      if (other === node) return false;
      this.mesh.cut(node, other);
      return true;
    },
    mend: () => {
      if (this.mesh.up.length < detourNodes) this.#excuse(this.mesh.nodes);
      this.mesh.mend();
      return true;
    },
    disk: (node) => {
      // What it has said is not on its disk any more: it must hear it from the others.
      if (node.isUp) return false;
      node.loseDisk();
      return true;
    },
    blackout: () => {
      if (this.chance.happens(0.7)) return false;
      const { up } = this.mesh;
      for (const node of up) node.crash();
      for (const node of up) this.#start(node);
      return true;
    },
    leave: (node) => {
      if (!node.isUp || this.chance.happens(0.7)) return false;
      node.tell({ type: 'leave' });
      return true;
    },
    evict: (node) => {
      if (this.mesh.nodes.indexOf(node) < seedsCount) return false;
      if (!node.isUp || this.#gone.size * 4 > this.mesh.nodes.length || this.chance.happens(0.8)) return false;
      const by = this.chance.pick(this.mesh.up);
      if (by === node || by.state!.table.members.get(node.peer) === undefined) return false;
      by.tell({ type: 'evict', peer: node.peer });
      this.#gone.add(node);
      return true;
    },
  };

  /** Everything works again, and everybody is there who may be. */
  mend(): void {
    this.mesh.heal();
    this.mesh.mend();
    this.#excuse(this.mesh.nodes);
    // Who was thrown out tries again, and must be told so unless every disk that knew of it was lost.
    for (const node of this.mesh.nodes) if (!node.isUp) this.#start(node);
  }
}

export const runMeshSeed = (seed: number, given: Partial<MeshRunOptions> = {}): MeshRun => {
  const options = { ...meshRunDefaults, ...given };
  const draw = new Mesh({ seed, nodes: 1 }).world.chance('draw');
  const nodes = draw.between(2, options.nodesMax + 1);
  const lossRatio = draw.pick([0, 0.01, 0.05, 0.1]);
  const latencyMs = draw.pick([[0.5, 3] as const, [1, 30] as const, [20, 80] as const]);
  const strikeMs = draw.pick([300, 1_500, 5_000]);
  const mesh = new Mesh({ seed, nodes, lossRatio, latencyMs, checkAll: options.checkAll });
  const fire = new Fire(mesh);
  const result = (violation: string | null): MeshRun => ({
    ...{ seed, violation, hash: mesh.trace.hash, nodes, lossRatio, faults: fire.faults, virtualMs: Math.round(mesh.nowMs) },
  });
  try {
    fire.begin();
    while (mesh.nowMs < options.fireMs && fire.violation === null) {
      mesh.pass(fire.chance.between(1, 2 * strikeMs));
      fire.strike();
    }
    fire.mend();
    const agreed = mesh.passUntil(() => fire.violation !== null || mesh.hasConverged(), options.calmMs);
    if (fire.violation === null && agreed === null) return result(`no agreement: ${mesh.whyNotConverged()}`);
    // And it stays so, but for suspicions that a lossy network raises and that are refuted.
    mesh.pass(excusedMs);
    const again = mesh.passUntil(() => fire.violation !== null || mesh.hasConverged(), excusedMs);
    if (fire.violation === null && again === null) return result(`no lasting agreement: ${mesh.whyNotConverged()}`);
    return result(fire.violation);
  } catch (error) {
    return result(`crash: ${error instanceof Error ? error.message : String(error)}`);
  }
};
