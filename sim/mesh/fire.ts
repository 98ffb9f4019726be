// What is done to a mesh under fire, one strike after the other, and the judge who watches for whoever is wronged. Each strike has a
// number and chance of its own, so that one can be left out and all others stay what they were.
import type { Chance } from '../world.ts';
import type { Figures } from './figures.ts';
import type { Mesh } from './mesh.ts';
import type { MeshNode } from './node.ts';

/** A strike that did something. */
export type MeshFault = { number: number; atMs: number; fault: string; node: string };

/** For so long after something that may well look like death, nobody is wronged by being taken for dead. */
export const excusedMs = 20_000;
/** A pause up to this must not be taken for death. */
const pauseHarmlessMs = 2_000;
/** The first two keep their addresses, everybody is told of them, and nobody throws them out: some way in is always left. */
const seedsCount = 2;
/** With fewer, a path that is cut is all that somebody has. */
const detourNodes = 6;
/** So many crash at once, or are cut off, at most: what a thousand lose and find again takes minutes, and is measured elsewhere. */
const crowdMax = 50;
/** More never all restart at once, for the same reason. */
const blackoutNodesMax = 100;
/** Some strikes are rare. */
const rareRatio = 0.3;

export class Fire {
  readonly mesh: Mesh;
  readonly done: MeshFault[] = [];
  /** Who was wronged by whom, in words; null while nobody was. */
  violation: string | null = null;
  readonly #figures: Figures;
  readonly #without: ReadonlySet<number>;
  /** Until when it may be taken for dead. */
  readonly #excused = new Map<MeshNode, number>();
  /** Who was thrown out. */
  readonly #gone = new Set<MeshNode>();
  #addresses: string[] = [];
  #strikes = 0;
  /** Of the strike that is under way. */
  #chance: Chance;

  constructor(mesh: Mesh, figures: Figures, without: readonly number[]) {
    this.mesh = mesh;
    this.#figures = figures;
    this.#without = new Set(without);
    this.#chance = mesh.world.chance('fire');
    mesh.listenToFalse = ({ about, by }) => {
      if (mesh.cuts > 0 && mesh.up.length < detourNodes) return;
      const until = Math.max(this.#excused.get(about) ?? 0, this.#excused.get(by) ?? 0);
      if (mesh.nowMs > until) this.violation ??= `${by.name} holds ${about.name} for failed, who is not`;
    };
  }

  /** `acquainted`: as if all had known each other for long; else everybody knows two addresses and nobody. */
  begin(acquainted: boolean): void {
    const { mesh } = this;
    if (acquainted) mesh.beginAcquainted();
    this.#addresses = mesh.nodes.slice(0, seedsCount).map((node) => node.address || mesh.newAddress());
    for (const node of mesh.nodes) if (!node.isUp) this.#start(node);
    for (const node of mesh.nodes) node.tell({ type: 'contacts', contacts: this.#contacts() });
  }

  #contacts() {
    return this.#addresses.map((address) => ({ peer: null, addresses: [address] }));
  }

  #start(node: MeshNode): void {
    const own = this.#addresses[this.mesh.nodes.indexOf(node)];
    const address = own ?? (this.#chance.happens(0.5) && node.address !== '' ? node.address : undefined);
    this.mesh.start(node, this.#contacts(), address);
    this.#figures.started(node);
  }

  #crash(node: MeshNode): void {
    node.crash();
    this.#figures.crashed(node);
  }

  #excuse(nodes: readonly MeshNode[], forMs = 0): void {
    for (const node of nodes)
      this.#excused.set(node, Math.max(this.#excused.get(node) ?? 0, this.mesh.nowMs + forMs + excusedMs));
  }

  /** One thing more happens. */
  strike(): void {
    const number = this.#strikes++;
    if (this.#without.has(number)) return;
    const { mesh } = this;
    this.#chance = mesh.world.chance(`strike ${number}`);
    const fault = this.#chance.pick(faultsOfMesh);
    const node = this.#chance.pick(mesh.nodes);
    if (this.#gone.has(node) || !this.#do[fault](node)) return;
    const done = { number, atMs: Math.round(mesh.nowMs), fault, node: node.name };
    this.done.push(done);
    mesh.trace.note(mesh.nowMs, node.name, `fault ${fault}`);
  }

  /** Each says whether it did anything. */
  readonly #do: Record<(typeof faultsOfMesh)[number], (node: MeshNode) => boolean> = {
    crash: (node) => {
      if (node.isUp) this.#crash(node);
      return true;
    },
    crowd: () => {
      if (!this.#chance.happens(rareRatio)) return false;
      const { nodes } = this.mesh;
      const some = this.#chance.shuffled(nodes.slice(seedsCount)).slice(0, Math.min(crowdMax, Math.floor(nodes.length / 3)));
      for (const node of some) if (node.isUp) this.#crash(node);
      return some.length > 0;
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
    blackout: () => {
      if (this.mesh.nodes.length > blackoutNodesMax || !this.#chance.happens(rareRatio)) return false;
      const { up } = this.mesh;
      for (const node of up) node.crash();
      for (const node of up) this.#start(node);
      return true;
    },
    pause: (node) => {
      node.pause(this.#chance.between(50, pauseHarmlessMs));
      return true;
    },
    stop: (node) => {
      const forMs = this.#chance.between(pauseHarmlessMs, 15_000);
      this.#excuse([node], forMs);
      node.pause(forMs);
      return true;
    },
    news: (node) => {
      if (!node.isUp) return false;
      node.tell({ type: 'profile', profile: { ...node.state!.profile, capacity: this.#chance.between(0, 100) } });
      return true;
    },
    partition: () => {
      this.#excuse(this.mesh.nodes);
      const most = Math.min(this.mesh.nodes.length, 2 * crowdMax);
      const side = this.#chance.shuffled(this.mesh.nodes).slice(0, this.#chance.between(1, most));
      this.mesh.partition([side]);
      return true;
    },
    heal: () => {
      this.#excuse(this.mesh.nodes);
      this.mesh.heal();
      return true;
    },
    cut: (node) => {
      const other = this.#chance.pick(this.mesh.nodes);
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
    leave: (node) => {
      if (!node.isUp || !this.#chance.happens(rareRatio)) return false;
      node.tell({ type: 'leave' });
      return true;
    },
    evict: (node) => {
      if (this.mesh.nodes.indexOf(node) < seedsCount) return false;
      if (!node.isUp || this.#gone.size * 4 > this.mesh.nodes.length || !this.#chance.happens(rareRatio)) return false;
      const by = this.#chance.pick(this.mesh.up);
      if (by === node || by.state!.table.members.get(node.peer) === undefined) return false;
      by.tell({ type: 'evict', peer: node.peer });
      this.#gone.add(node);
      return true;
    },
  };

  /** Everything works again, and everybody tries to be there: who was thrown out must be told so, unless every disk forgot it. */
  mend(): void {
    this.#chance = this.mesh.world.chance('mended');
    this.mesh.heal();
    this.mesh.mend();
    this.#excuse(this.mesh.nodes);
    for (const node of this.mesh.nodes) if (!node.isUp) this.#start(node);
  }
}

export const faultsOfMesh = [
  ...(['crash', 'crowd', 'start', 'blink', 'blackout', 'pause', 'stop', 'news', 'partition', 'heal', 'cut', 'mend'] as const),
  ...(['disk', 'leave', 'evict'] as const),
] as const;
