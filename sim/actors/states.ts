// Replicas that have applied as much of a group's log hold the same bytes of every actor that both have folded: what lies on their disks is
// compared, whatever the digests say, which know of states and effects alone.
import { groupKeys, keyText } from '../../actors/keyspace.ts';
import { openRecord } from '../../actors/log-batch.ts';
import { actorKind } from '../../machines/entity/ledger-keys.ts';
import type { Disk } from '../disk.ts';
import type { SimulatedNode } from '../node.ts';

/** By actor: its records, as one text. Null: it has steps that this replica has not folded, and is not comparable. */
type Image = ReadonlyMap<string, string | null>;

const step = 'b'.charCodeAt(0);

const appliedOn = (disk: Disk, group: string): { generation: number; applied: number } | null => {
  const { state } = groupKeys(group);
  const value = disk.valueAt(state);
  if (value === undefined) return null;
  try {
    const [generation, applied] = openRecord(state, value) as [number, number];
    return { generation, applied };
  } catch {
    // Damaged on purpose.
    return null;
  }
};

const startsWith = (key: Uint8Array, prefix: Uint8Array): boolean =>
  key.byteLength > prefix.byteLength && prefix.every((byte, at) => key[at] === byte);

export const imageOf = (disk: Disk, group: string, generation: number): Image => {
  const prefix = groupKeys(group).generation(generation);
  const image = new Map<string, string | null>();
  for (const key of disk.keys((one) => startsWith(one, prefix) && one[prefix.byteLength] === actorKind)) {
    const own = key.subarray(prefix.byteLength + 1);
    const end = own.indexOf(0);
    const name = keyText(own.subarray(0, end));
    const before = image.get(name) ?? '';
    const isUnfolded = before === null || image.get(name) === null || own[end + 1] === step;
    image.set(name, isUnfolded ? null : `${before} ${keyText(own.subarray(end + 1))}=${keyText(disk.valueAt(key)!)}`);
  }
  return image;
};

/** Actors of which the two hold other bytes. */
export const differing = (one: Image, other: Image): string[] =>
  [...new Set([...one.keys(), ...other.keys()])].filter((name) => {
    const [a, b] = [one.get(name) ?? '', other.get(name) ?? ''];
    return one.get(name) !== null && other.get(name) !== null && a !== b;
  });

export class ReplicaStates {
  /** Pairs of replicas that were compared. */
  compared = 0;
  readonly #nodes: readonly SimulatedNode[];
  readonly #groups: readonly string[];
  readonly #blame: (rule: string, what: string) => void;
  /** By group and node: as far as it was compared. */
  readonly #seen = new Map<string, number>();

  constructor(nodes: readonly SimulatedNode[], groups: readonly string[], blame: (rule: string, what: string) => void) {
    this.#nodes = nodes;
    this.#groups = groups;
    this.#blame = blame;
  }

  look(): void {
    for (const group of this.#groups) {
      const byApplied = new Map<number, { node: SimulatedNode; generation: number }[]>();
      for (const node of this.#nodes) {
        const at = appliedOn(node.disk, group);
        if (at === null) continue;
        const others = byApplied.get(at.applied) ?? [];
        byApplied.set(at.applied, [...others, { node, generation: at.generation }]);
      }
      for (const [applied, replicas] of byApplied) this.#compare(group, applied, replicas);
    }
  }

  #compare(group: string, applied: number, replicas: readonly { node: SimulatedNode; generation: number }[]): void {
    const [first, ...others] = replicas;
    const isNew = replicas.some(({ node }) => this.#seen.get(`${group} ${node.disk.identity}`) !== applied);
    if (first === undefined || others.length === 0 || !isNew) return;
    const image = imageOf(first.node.disk, group, first.generation);
    this.#seen.set(`${group} ${first.node.disk.identity}`, applied);
    for (const { node, generation } of others) {
      this.#seen.set(`${group} ${node.disk.identity}`, applied);
      this.compared++;
      const [differs] = differing(image, imageOf(node.disk, group, generation));
      if (differs !== undefined)
        this.#blame(
          'replicas hold the same bytes',
          `${differs} in ${group} at ${applied}: ${first.node.name} and ${node.name} differ`,
        );
    }
  }
}
