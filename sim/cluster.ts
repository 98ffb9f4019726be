// A simulated cluster with everything that belongs to it: machines and their network, the nemesis and the operator, and the judges that
// look on. Who runs it lets the world's time pass and calls `look()` after every event.
import type { Observation } from '../actors/observe.ts';
import type { NodeSettings } from '../actors/settings.ts';
import type { DiskOptions } from './disk.ts';
import { judgeRun } from './judge.ts';
import type { Knobs } from './knobs.ts';
import { LateReader } from './late-reader.ts';
import { Sources } from './lookup.ts';
import { Atlas, Nemesis, Scene } from './nemesis/index.ts';
import { Network } from './network.ts';
import { SimulatedNode, type SimulatedNodeOptions } from './node.ts';
import { Operator } from './operator.ts';
import { Broken } from './phases.ts';
import { ClockSkew } from './process.ts';
import type { Teller } from './record.ts';
import { calmSource, type SourceTraits } from './source.ts';
import type { World } from './world.ts';

export type ClusterOptions = {
  settings: (name: string, names: readonly string[]) => NodeSettings;
  /** Numbers of faults that are left out. */
  without?: readonly number[];
  /** Hears what happens. */
  teller?: ((network: Network) => Teller) | undefined;
  /** For tests: disks that break a promise on purpose. */
  disk?: Pick<DiskOptions, 'lies' | 'keepsFirst'>;
  /** No application's: the simulator may read and write keys of its own (sim/late-reader.ts, sim/nemesis/burst.ts). */
  hasOwnKeys?: boolean;
  /** Sees what replicas do. */
  onObserved?: ((observation: Observation) => void) | undefined;
  /** Stands between calls and their breakers. */
  tapBreakers?: SimulatedNodeOptions['tapBreakers'] | undefined;
};

const publishLossDefault = 0.01;

export const describeError = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message).split('\n').slice(0, 6).join('\n') : String(error);

/** One tells of changes and one has to be asked; both forget soon, so that a short run shows it. */
const sourceTraits: readonly SourceTraits[] = [
  { ...calmSource, name: 'registry', isFollowed: true, leaseMs: 5_000, ttlMs: 3_000 },
  { ...calmSource, name: 'names', isFollowed: false, latencyMs: [1, 40], leaseMs: 5_000, ttlMs: 3_000 },
];

export class Cluster {
  readonly network: Network;
  readonly nodes: readonly SimulatedNode[];
  readonly scene: Scene;
  readonly nemesis: Nemesis;
  readonly judge = judgeRun();
  readonly teller: Teller | null;
  readonly #lateReader: LateReader | null;
  readonly #world: World;
  readonly #onObserved: ((observation: Observation) => void) | undefined;
  readonly #atlas: Atlas;
  #fault: { node: string; error: unknown } | null = null;
  #broken: string | null = null;

  constructor(world: World, knobs: Knobs, options: ClusterOptions) {
    this.#world = world;
    this.#onObserved = options.onObserved;
    const publishLoss = knobs.replicaClients > 0 ? knobs.replicaGossipLoss : publishLossDefault;
    const network = new Network(world, {
      ...{ latencyMs: knobs.latencyMs, bytesPerMs: knobs.bytesPerMs, laneBytes: knobs.laneBytes },
      ...{ publishLoss, publishTwice: publishLoss, publishReorder: true },
    });
    this.network = network;
    this.teller = options.teller?.(network) ?? null;
    const sources = knobs.isFound ? new Sources(world, sourceTraits) : null;
    const names = Array.from({ length: knobs.nodes }, (_, at) => `n${at + 1}`);
    const disk = { ...options.disk, syncMs: knobs.syncMs, remembers: knobs.faults.includes('dropped-tail') };
    const nodes = names.map((name) =>
      this.#machine(name, options.settings(name, names), { knobs, disk, sources, tapBreakers: options.tapBreakers }),
    );
    this.nodes = nodes;
    const { groups } = knobs;
    const atlas = new Atlas(nodes, groups, (replica) => this.judge.damaged(replica));
    this.#atlas = atlas;
    const operator = new Operator(world, nodes, groups, atlas);
    const hasOwnKeys = options.hasOwnKeys === true;
    this.scene = new Scene({ world, network, sources, nodes, groups, atlas, operator, hasOwnKeys });
    this.#lateReader = hasOwnKeys ? new LateReader(world, nodes) : null;
    this.nemesis = new Nemesis(this.scene, { ...knobs, without: options.without ?? [] });
  }

  #machine(
    name: string,
    settings: NodeSettings,
    {
      knobs,
      disk,
      sources,
      tapBreakers,
    }: Pick<ClusterOptions, 'tapBreakers'> & {
      knobs: Knobs;
      disk: DiskOptions;
      sources: Sources | null;
    },
  ): SimulatedNode {
    const { judge, teller } = this;
    const chance = this.#world.chance(`machine ${name}`);
    return new SimulatedNode(this.#world, this.network, {
      ...{ name, settings, turnMs: knobs.turnMs, disk },
      ...(sources === null ? {} : { sources }),
      ...(tapBreakers === undefined ? {} : { tapBreakers }),
      skew: new ClockSkew(1 + knobs.drift * (2 * chance.fraction() - 1), chance.between(-5_000, 5_000)),
      observe: (node, observation) => this.#observe(node, observation),
      ...(teller === null || teller.stepped === null ? {} : { observeStep: teller.stepped }),
      onStart(node) {
        judge.restarted(node);
        teller?.started(node);
      },
      onEnd: (node, silently) => teller?.ended(node, silently),
      onFault: (node, error) => {
        this.#fault ??= { node, error };
      },
      onBroken: (node, code, message) => {
        if (!this.#atlas.excuses(node, code, message)) this.#broken ??= `${node} says ${code}: ${message}`;
      },
    });
  }

  #observe(node: string, observation: Observation): void {
    const overlooked = observation.type === 'restored' ? this.#atlas.overlookedBy(observation.replica) : null;
    if (overlooked !== null) this.#broken ??= `${node} trusts a damaged disk: ${overlooked}`;
    this.judge.observe(node, observation);
    this.scene.observed(node, observation);
    this.#onObserved?.(observation);
    this.#lateReader?.observed(node, observation);
    this.teller?.observed(node, observation);
  }

  /** Throws what a correct cluster never shows, whatever happens to it. */
  look(): void {
    if (this.#fault !== null) throw new Broken('crash', `${this.#fault.node}: ${describeError(this.#fault.error)}`);
    const violation = this.judge.violation() ?? this.#broken;
    if (violation !== null) throw new Broken('correctness', violation);
  }
}
