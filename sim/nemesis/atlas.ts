// What may be damaged at once: the promises of a cluster, as a budget (the "fault atlas" of TigerBeetle's simulator). A cluster of
// 2f + 1 voters survives f disks that are lost or lie no more than they say; whatever goes beyond that would be the fault of the
// nemesis and not of the cluster. All damage to what was synced is asked for here, and nowhere else.
import type { GroupStatus } from '../../actors/api.ts';
import type { StorageFailure } from '../../actors/ports/index.ts';
import type { SimulatedNode } from '../node.ts';

/** What every read of a disk that cannot be read gets. */
export const unreadable: StorageFailure = { code: 'IO_ERROR', message: 'it cannot be read' };

export class Atlas {
  readonly #nodes: readonly SimulatedNode[];
  readonly #groups: readonly string[];
  /** By node: its disk is lost or damaged, and it has not been replaced and made a voter again in every group. */
  readonly #lost = new Map<string, 'damaged' | 'replaced'>();
  /** Nodes whose disks were damaged at any time. */
  readonly #everDamaged = new Set<string>();
  /** Nodes whose disks forgot in silence what they had promised. */
  readonly #forgetful = new Set<string>();
  /** Changes of members that were asked for and may still begin. */
  #changes = 0;
  /** Replicas whose disks are damaged so that they must see it. */
  readonly #untrustworthy = new Map<string, string>();
  readonly #onDamage: (replica: string) => void;

  constructor(nodes: readonly SimulatedNode[], groups: readonly string[], onDamage: (replica: string) => void) {
    this.#nodes = nodes;
    this.#groups = groups;
    this.#onDamage = onDamage;
  }

  /** Of every group, as this node sees them; null while it cannot say. */
  #statusesOf(node: SimulatedNode): GroupStatus[] | null {
    const known = node.api?.status().groups ?? [];
    const found = this.#groups.map((id) => known.find((group) => group.id === id));
    return found.every((group) => group !== undefined) ? found : null;
  }

  /** How many more disks may be lost: by whoever thinks that the fewest vote; none while that changes or is not known. */
  get spare(): number {
    // Who votes tomorrow is not known.
    if (this.#changes > 0) return 0;
    // One that votes without what it promised counts as more than lost.
    if ([...this.#lost].some(([name, how]) => how === 'damaged' && this.#forgetful.has(name))) return 0;
    const borne = this.#nodes.flatMap((node) =>
      (this.#statusesOf(node) ?? [null]).map((status) => {
        if (status === null || status.voters.length === 0 || status.joint) return 0;
        return Math.floor((status.voters.length - 1) / 2);
      }),
    );
    return Math.min(...borne) - this.#lost.size;
  }

  /** Somebody asks for other members, which may come about until what this answers is called. */
  changing(): () => void {
    this.#changes++;
    let isOpen = true;
    return () => {
      if (isOpen) this.#changes--;
      isOpen = false;
    };
  }

  /** It works, and the others could do without it for ever. */
  mayLose(node: SimulatedNode): boolean {
    return node.api?.status().state === 'ready' && !this.#lost.has(node.name) && this.spare > 0;
  }

  /**
   * It may forget the end of its log in silence and vote all the same: only if a majority besides it has all of that on its disks,
   * for then whoever is elected by it needs one who has it too (Raft §5.4.1). What more may be lost in this way is in the
   * documentation of the disk (decision 12).
   */
  mayForget(node: SimulatedNode): boolean {
    if (!this.mayLose(node) || this.#lost.size > 0) return false;
    const held = this.#statusesOf(node);
    if (held === null) return false;
    return held.every(({ id, lastIndex, voters }) => {
      const others = this.#nodes.filter((other) => other !== node && voters.includes(other.name));
      const holding = others.filter((other) => {
        const status = this.#statusesOf(other)?.find((group) => group.id === id);
        // What is applied is on the disk of whoever applied it.
        return status !== undefined && status.role !== 'none' && status.appliedIndex >= lastIndex;
      });
      return holding.length > Math.floor(voters.length / 2);
    });
  }

  /** By group: who lives on this node. */
  replicasOf(node: SimulatedNode): Map<string, string> {
    const replicas = new Map<string, string>();
    for (const { id, replica } of this.#statusesOf(node) ?? []) if (replica !== null) replicas.set(id, replica);
    return replicas;
  }

  /**
   * From now on nothing is expected of what is on this disk; `visibleIn` is the group whose replica must find out when it is loaded,
   * null if nobody can.
   */
  damaged(node: SimulatedNode, replicas: ReadonlyMap<string, string>, what: string, visibleIn: string | null): void {
    this.#lost.set(node.name, 'damaged');
    this.#everDamaged.add(node.name);
    const witness = visibleIn === null ? undefined : replicas.get(visibleIn);
    if (witness === undefined) this.#forgetful.add(node.name);
    else this.#untrustworthy.set(witness, what);
    for (const replica of replicas.values()) this.#onDamage(replica);
  }

  /** What a replica that trusts its disk again has overlooked, in words, or null. */
  overlookedBy(replica: string): string | null {
    return this.#untrustworthy.get(replica) ?? null;
  }

  /** It has an empty disk, under another identity. */
  replaced(node: SimulatedNode): void {
    this.#lost.set(node.name, 'replaced');
  }

  /** It votes again everywhere. */
  whole(node: SimulatedNode): void {
    if (this.#lost.get(node.name) === 'replaced') this.#lost.delete(node.name);
  }

  get isWhole(): boolean {
    return this.#lost.size === 0;
  }

  /** Replicas name what was done to disks; of nobody else may they say so. */
  excuses(node: string, code: string, message: string): boolean {
    if (code === 'LOG_CORRUPT') return this.#everDamaged.has(node);
    if (code === 'LOG_REGRESSED') return [...this.#forgetful].some((name) => message.startsWith(`${name} acknowledged`));
    return false;
  }
}
