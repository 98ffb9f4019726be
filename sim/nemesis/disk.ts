// Faults of disks. Some go by: slow, full, broken, unreadable. Others damage what was synced, as far as the atlas allows: the machine
// loses its power, comes back with a disk that is not what it was, lives with that for a while, and is replaced like a lost one.
import { groupKeys, keyText } from '../../actors/keyspace.ts';
import type { StorageFailure } from '../../actors/ports/index.ts';
import type { Disk } from '../disk.ts';
import type { SimulatedNode } from '../node.ts';
import type { Chance } from '../world.ts';
import { unreadable } from './atlas.ts';
import { lose, misdirect, rotBit } from './damage.ts';
import { type Blow, type Scene, type Strike, startIfDown } from './scene.ts';

const restart = (node: SimulatedNode): void => {
  node.crash({ silently: false });
  node.start();
};

const fail = (node: SimulatedNode, way: 'failing' | 'unreadable', failure: StorageFailure): Blow | null => {
  const { disk } = node;
  if (disk[way] !== null) return null;
  disk[way] = failure;
  return {
    where: node.name,
    undo() {
      disk[way] = null;
      // A process whose disk refused promises nothing more until it is started again.
      if (node.isUp && node.disk === disk) restart(node);
    },
  };
};

const slowFactors = [5, 200] as const;

const slow = ({ strains }: Scene, { disk }: SimulatedNode, factor: number): (() => void) =>
  strains.press(`disk ${disk.identity}`, factor, (strongest) => {
    disk.slowness = Math.max(1, strongest);
  });

const startsWith = (key: Uint8Array, prefix: Uint8Array): boolean => prefix.every((byte, at) => key[at] === byte);

/** What lies under a checksum: term and vote, the log and its base, how far the state machine is. */
const sealedKeys = (disk: Disk, group: string): Uint8Array[] => {
  const { hard, base, state, logRange } = groupKeys(group);
  const names = new Set([hard, base, state].map(keyText));
  return disk.keys((key) => names.has(keyText(key)) || startsWith(key, logRange.gte));
};

/** Everything but the last batch of the log: that it is missing cannot be seen. */
const missedKeys = (disk: Disk, group: string): Uint8Array[] => {
  const { hard, state, logRange } = groupKeys(group);
  const batches = disk.keys((key) => startsWith(key, logRange.gte)).slice(0, -1);
  return [hard, state, ...batches].filter((key) => disk.valueAt(key) !== undefined);
};

/** Does it to the disk of a machine without power, and says what it did; null: there was nothing to do it to. */
type Damage = (disk: Disk, group: string, chance: Chance) => string | null;

const rot: Damage = (disk, group, chance) => {
  const keys = sealedKeys(disk, group);
  if (keys.length === 0) return null;
  return rotBit(disk, somewhere(group, keys, chance), chance);
};

/** Half of the time the newest batch of the log, of which nothing may have been applied yet. */
const somewhere = (group: string, keys: readonly Uint8Array[], chance: Chance): Uint8Array => {
  const newest = keys.findLast((key) => startsWith(key, groupKeys(group).logRange.gte));
  return newest !== undefined && chance.happens(0.5) ? newest : chance.pick(keys);
};

const misdirected: Damage = (disk, group, chance) => {
  const [from, to] = chance.shuffled(sealedKeys(disk, group));
  return from === undefined || to === undefined ? null : misdirect(disk, from, to);
};

const lost: Damage = (disk, group, chance) => {
  const keys = missedKeys(disk, group);
  return keys.length === 0 ? null : lose(disk, chance.pick(keys));
};

/** A vote that is forgotten may be given twice: no voter survives that, and no cluster promises to. Nor who somebody is. */
const neverForgotten = /^(m\/|g\/[^/]+\/(hard|base)$)/;

/** The last batches are as if they had never been, all that they wrote together, as when LevelDB drops the end of its own log. */
const forget: Damage = (disk, _group, chance) => {
  const batches = disk.forgetLast(chance.between(1, 12), (key) => neverForgotten.test(keyText(key)));
  return batches === 0 ? null : `${batches} batches are forgotten`;
};

const downMsMax = 500;

const damage = (scene: Scene, chance: Chance, node: SimulatedNode, what: Damage, isSilent: boolean): Blow => {
  const { world, atlas, operator } = scene;
  const { disk } = node;
  const group = chance.pick(scene.groups);
  const downMs = chance.between(0, downMsMax);
  // While it is up: its replicas are known by name.
  const replicas = atlas.replicasOf(node);
  node.crash({ silently: true });
  const done = what(disk, group, chance);
  world.after(downMs, () => startIfDown(node));
  if (done === null) return { where: `${node.name}: only its power`, undo: null };
  atlas.damaged(node, replicas, done, isSilent ? null : group);
  return {
    where: `${node.name}: ${done}`,
    undo() {
      // Lost meanwhile, it was replaced already.
      if (node.disk !== disk) return startIfDown(node);
      node.crash({ silently: true });
      node.wipe();
      operator.replace(node);
      node.start();
    },
  };
};

const damageIfAllowed =
  (what: Damage): Strike =>
  (scene, chance) => {
    const node = chance.pick(scene.nodes);
    return scene.atlas.mayLose(node) ? damage(scene, chance, node, what, false) : null;
  };

export const diskFaults = {
  'slow-disk'(scene, chance) {
    const { nodes } = scene;
    // A leader commits what others have long before it has it itself.
    const node = (chance.happens(0.5) ? scene.leader() : undefined) ?? chance.pick(nodes);
    const factor = chance.between(...slowFactors);
    return { where: `${node.name} ×${factor}`, undo: slow(scene, node, factor) };
  },
  'full-disk': ({ nodes }, chance) => fail(chance.pick(nodes), 'failing', { code: 'DISK_FULL', message: 'no space left' }),
  'broken-disk': ({ nodes }, chance) => fail(chance.pick(nodes), 'failing', { code: 'IO_ERROR', message: 'it is broken' }),
  'unreadable-disk': ({ nodes }, chance) => fail(chance.pick(nodes), 'unreadable', unreadable),
  /** The machine dies, and comes back with an empty disk and so with another identity. */
  'lost-disk'(scene, chance) {
    const { nodes, operator, atlas } = scene;
    const node = chance.pick(nodes);
    const factor = chance.happens(0.5) ? chance.between(...slowFactors) : 1;
    if (!atlas.mayLose(node)) return null;
    node.crash({ silently: true });
    node.wipe();
    operator.replace(node);
    // Disks are rebuilt before they are fast.
    const hasten = slow(scene, node, factor);
    const restartIfDown = (): void => {
      hasten();
      startIfDown(node);
    };
    return { where: `${node.name}, the new one ×${factor}`, undo: restartIfDown };
  },
  'bit-rot': damageIfAllowed(rot),
  'misdirected-value': damageIfAllowed(misdirected),
  'lost-value': damageIfAllowed(lost),
  'dropped-tail'(scene, chance) {
    const node = chance.pick(scene.nodes);
    return scene.atlas.mayForget(node) ? damage(scene, chance, node, forget, true) : null;
  },
} as const satisfies Record<string, Strike>;
