// Many nodes that run membership alone (machines/membership), in one world: messages are packed and unpacked as on the wire, and are
// late, lost or cut off as the seed has it. Light enough for a thousand nodes; the whole node tree is what sim/cluster.ts runs.
import {
  type Change,
  type Fact,
  type MembershipEffect,
  type MembershipOptions,
  membershipDefaults,
  type Profile,
  rootDigest,
  type WarnCode,
} from '../../machines/membership/index.ts';
import { Trace } from '../trace.ts';
import { type Chance, World } from '../world.ts';
import { type Contact, MeshNode } from './node.ts';

export type MeshOptions = {
  seed: number;
  nodes: number;
  /** One way. */
  latencyMs: readonly [number, number];
  lossRatio: number;
  /** What leaves on the bulk lane waits so long behind other things there, at most. */
  bulkMs: number;
  membership: MembershipOptions;
  /** Every so often each node says something else to everybody it is connected with, as Raft's heartbeats and beats do; 0 = never. */
  beatMs: number;
  checkAll: boolean;
  /** … of so many nodes, the first ones. */
  checkedMax: number;
  /** Lines of the trace to keep. */
  linesMax: number;
  /** Every so many milliseconds virtual time goes by between two looks of a judge that waits. */
  lookMs: number;
};

export const meshDefaults: MeshOptions = {
  ...{ seed: 1, nodes: 5, latencyMs: [0.5, 3], lossRatio: 0, bulkMs: 0, membership: membershipDefaults },
  ...{ beatMs: 0, checkAll: false, checkedMax: Number.POSITIVE_INFINITY, linesMax: 0, lookMs: 10 },
};

/** Somebody is declared failed who is not. */
export type FalsePositive = { atMs: number; by: string; about: string; why: Change['why'] };

export type Cost = { messages: number; bytes: number; byType: Record<string, { messages: number; bytes: number }> };

type Sending = Extract<MembershipEffect, { type: 'send' }>;

const letters = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';

/** Looks like the peer id of an Ed25519 key, so that messages are as long as they will be. */
export const peerOf = (chance: Chance): string => {
  let peer = '12D3KooW';
  while (peer.length < 52) peer += letters[chance.between(0, letters.length)];
  return peer;
};

const isSame = (a: Profile, b: Profile): boolean =>
  a.load === b.load &&
  a.capacity === b.capacity &&
  a.state === b.state &&
  a.name === b.name &&
  a.addresses.join() === b.addresses.join();

export class Mesh {
  readonly options: MeshOptions;
  readonly world: World;
  readonly trace: Trace;
  readonly nodes: MeshNode[];
  readonly falsePositives: FalsePositive[] = [];
  readonly warnings = new Map<WarnCode, number>();
  /** Dials that were wished for. */
  dials = 0;
  /** Messages to addresses at which nobody lives any more. */
  astray = 0;
  lossRatio: number;
  /** Hears every change of every node. */
  listen: ((node: MeshNode, change: Change) => void) | null = null;
  /** Hears when somebody holds somebody for failed who is up and on the same side. */
  listenToFalse: ((found: { by: MeshNode; about: MeshNode }) => void) | null = null;
  /** Directions in which nothing gets through. */
  readonly #cuts = new Set<string>();
  readonly #byPeer = new Map<string, MeshNode>();
  readonly #profiles = new Map<string, NonNullable<Fact['told']>>();
  readonly #network: Chance;
  #cost: Cost = { messages: 0, bytes: 0, byType: {} };
  #addresses = 0;

  constructor(given: Partial<MeshOptions> = {}) {
    this.options = { ...meshDefaults, ...given };
    this.lossRatio = this.options.lossRatio;
    this.trace = new Trace({ linesMax: this.options.linesMax });
    this.world = new World(this.options.seed, this.trace);
    this.#network = this.world.chance('mesh network');
    const names = this.world.chance('mesh peers');
    this.nodes = Array.from({ length: this.options.nodes }, (_, at) => {
      const node = new MeshNode(this, this.world, { name: `n${at + 1}`, peer: peerOf(names), checkAll: this.#checks(at) });
      this.#byPeer.set(node.peer, node);
      return node;
    });
  }

  #checks(at: number): boolean {
    return this.options.checkAll && at < this.options.checkedMax;
  }

  get nowMs(): number {
    return this.world.nowMs;
  }

  get up(): MeshNode[] {
    return this.nodes.filter(({ isUp }) => isUp);
  }

  nodeOf(peer: string): MeshNode {
    return this.#byPeer.get(peer)!;
  }

  // -------------------------------------------------------------- lives

  profileOf(node: MeshNode): Profile {
    return {
      ...{ name: node.name, version: '0.1.0', region: 'eu-central', tags: ['rack-7', 'ssd'], capabilities: ['kv', 'calls'] },
      ...{ resources: { cpus: 8, memoryBytes: 16 * 2 ** 30 }, capacity: 100, load: 0.12, state: 'ready', addresses: [] },
    };
  }

  newAddress(): string {
    const number = ++this.#addresses;
    return `/ip4/10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}/tcp/7400`;
  }

  /** All nodes as if they had known each other for long. */
  beginAcquainted(): void {
    const profiles = this.nodes.map((node) => ({ ...this.profileOf(node), addresses: [this.newAddress()] }));
    const known = this.nodes.map(({ peer }, at) => ({ peer, incarnation: 1, profile: profiles[at]! }));
    for (const [at, node] of this.nodes.entries())
      node.begin(this.options.membership, profiles[at]!, profiles[at]!.addresses[0]!, known);
    if (this.options.beatMs > 0) for (const node of this.nodes) node.connectAll(this.nodes);
  }

  start(node: MeshNode, contacts: readonly Contact[] = [], address = this.newAddress()): void {
    node.start({ options: this.options.membership, profile: this.profileOf(node), address, contacts });
  }

  // -------------------------------------------------------------- the network

  send(from: MeshNode, peer: string, { message, lane }: Sending, bytes: Uint8Array): void {
    this.#count(message.type, bytes.byteLength);
    const to = this.#byPeer.get(peer);
    if (to === undefined || !to.isUp || this.#isCut(from, to)) return;
    if (!from.knowsWayTo(to)) {
      this.astray++;
      return;
    }
    if (this.#isLost()) return;
    const { life } = to;
    const parcel = { from, life: from.life, bytes };
    const behindMs = lane === 'bulk' ? this.options.bulkMs * this.#network.fraction() : 0;
    this.world.after(this.#latencyMs() + behindMs, () => {
      if (to.life !== life || this.#isCut(from, to)) return;
      this.trace.note(this.nowMs, to.name, message.type, bytes);
      to.receive(parcel);
    });
  }

  /** Something else than membership is said, and tells only that somebody is there. */
  beat(from: MeshNode, to: MeshNode, lifeOfTo: number): void {
    if (to.life !== lifeOfTo || this.#isCut(from, to) || this.#isLost()) return;
    const { life } = from;
    this.world.after(this.#latencyMs(), () => {
      if (to.life === lifeOfTo && !this.#isCut(from, to)) to.receive({ from, life, bytes: null });
    });
  }

  #isLost(): boolean {
    return this.lossRatio > 0 && this.#network.happens(this.lossRatio);
  }

  dial(from: MeshNode, peer: string | null, addresses: readonly string[]): void {
    this.dials++;
    const to = this.nodes.find((node) => node.isUp && addresses.includes(node.address));
    if (
      to === undefined ||
      to === from ||
      this.#isCut(from, to) ||
      this.#isCut(to, from) ||
      (peer !== null && to.peer !== peer)
    )
      return;
    const lives = [from.life, to.life];
    this.world.after(3 * this.#latencyMs(), () => {
      if (this.#isCut(from, to) || from.life !== lives[0] || to.life !== lives[1] || !from.isUp || !to.isUp) return;
      to.meet(from, from.life);
      from.dialled(to, to.life);
    });
  }

  #latencyMs(): number {
    const [min, max] = this.options.latencyMs;
    return min + (max - min) * this.#network.fraction();
  }

  /** Each list is a side; who is in none is on side 0. */
  partition(sides: readonly (readonly MeshNode[])[]): void {
    for (const node of this.nodes) node.side = sides.findIndex((side) => side.includes(node)) + 1;
  }

  heal(): void {
    for (const node of this.nodes) node.side = 0;
  }

  /** Nothing that one sends reaches the other, until `mend`. */
  cut(from: MeshNode, to: MeshNode): void {
    this.#cuts.add(`${from.name} ${to.name}`);
  }

  mend(): void {
    this.#cuts.clear();
  }

  /** Directions in which nothing gets through now. */
  get cuts(): number {
    return this.#cuts.size;
  }

  #isCut(from: MeshNode, to: MeshNode): boolean {
    return from.side !== to.side || (this.#cuts.size > 0 && this.#cuts.has(`${from.name} ${to.name}`));
  }

  // -------------------------------------------------------------- what judges look at

  onChanged(node: MeshNode, changes: readonly Change[]): void {
    for (const change of changes) {
      this.listen?.(node, change);
      const about = this.#byPeer.get(change.peer)!;
      // Of whom nothing was known before, an earlier life is told.
      if (change.before === null) continue;
      if (change.after !== 'failed' || !about.isUp || about.side !== node.side) continue;
      // That an earlier life of it ended is true.
      if (node.state!.table.members.get(change.peer)!.incarnation < about.bornAt) continue;
      this.falsePositives.push({ atMs: this.nowMs, by: node.name, about: about.name, why: change.why });
      this.listenToFalse?.({ by: node, about });
    }
  }

  /**
   * What was unpacked a thousand times is kept once: the same profile that was heard before, if this is the same. A thousand nodes that
   * know each other are a million members.
   */
  share(peer: string, told: NonNullable<Fact['told']>): NonNullable<Fact['told']> {
    const known = this.#profiles.get(peer);
    const { profileAt, profile } = told;
    if (known?.profileAt === profileAt && isSame(known.profile, profile)) return known;
    this.#profiles.set(peer, told);
    return told;
  }

  onWarn(_node: MeshNode, code: WarnCode): void {
    this.warnings.set(code, (this.warnings.get(code) ?? 0) + 1);
  }

  #count(type: string, bytes: number): void {
    const cost = this.#cost;
    const ofType = (cost.byType[type] ??= { messages: 0, bytes: 0 });
    cost.messages++;
    cost.bytes += bytes;
    ofType.messages++;
    ofType.bytes += bytes;
  }

  /** What was said since the last look. */
  takeCost(): Cost {
    const cost = this.#cost;
    this.#cost = { messages: 0, bytes: 0, byType: {} };
    return cost;
  }

  pass(durationMs: number): void {
    this.world.run(durationMs);
  }

  /** Lets time pass until something is so; says how long it took, or null if it did not come about in time. */
  passUntil(isSo: () => boolean, limitMs: number): number | null {
    const beganMs = this.nowMs;
    while (!isSo()) {
      if (this.nowMs - beganMs >= limitMs) return null;
      this.pass(this.options.lookMs);
    }
    return this.nowMs - beganMs;
  }

  /** How one node sees another. */
  statusAt(node: MeshNode, other: MeshNode): string {
    return node.state?.table.members.get(other.peer)?.status ?? 'unknown';
  }

  /** Every node that is up sees exactly those that are up alive, and all remember the same of all others. */
  whyNotConverged(): string | null {
    const { up } = this;
    const first = up[0];
    if (first === undefined) return null;
    for (const node of up) {
      const { table } = node.state!;
      if (table.live.length !== up.length - 1) return `${node.name} sees ${table.live.length + 1} of ${up.length}`;
      if (node.state!.suspicions.size > 0) return `${node.name} suspects somebody`;
      const ghost = table.live.find(({ peer }) => !this.nodeOf(peer).isUp);
      if (ghost !== undefined) return `${node.name} sees ${this.nodeOf(ghost.peer).name}, who is not there`;
    }
    const root = rootDigest(first.state!);
    const other = up.find(({ state }) => rootDigest(state!) !== root);
    return other === undefined ? null : `${first.name} and ${other.name} do not remember the same`;
  }

  hasConverged(): boolean {
    return this.whyNotConverged() === null;
  }
}
