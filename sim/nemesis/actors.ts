// Faults of what local actors have on their disks, which no budget bounds: who is damaged is refused until somebody removes what is left of
// him, and all others live.
import { compareKeys, prefixEnd } from '../../actors/keyspace.ts';
import type { Disk } from '../disk.ts';
import type { SimulatedNode } from '../node.ts';
import type { Chance } from '../world.ts';
import { keysIn, lose, misdirect, rotBit, shown } from './damage.ts';
import { type Scene, type Strike, startIfDown } from './scene.ts';

const downMsMax = 500;
/** So long whoever is damaged is there at least, to be asked. */
const damagedMsMin = 300;

const text = (words: string): Uint8Array => Uint8Array.from(words, (letter) => letter.charCodeAt(0));
const prefixed = (prefix: Uint8Array) => ({ gte: prefix, lt: prefixEnd(prefix) });

/** `type/key`, and what it has: a snapshot, its log in order, how far effects were done, when it is to be woken. */
type Records = { name: string; snapshot: Uint8Array[]; log: Uint8Array[]; done: Uint8Array[]; wake: Uint8Array[] };

const recordsOn = (disk: Disk, name: string): Records => {
  const part = (letter: string): Uint8Array[] => keysIn(disk, prefixed(text(`a/${name}\0${letter}`)));
  return { name, snapshot: part('s'), log: part('l'), done: part('d'), wake: keysIn(disk, prefixed(text(`t/${name}\0`))) };
};

/** Of mortals nothing is known in the end. */
const namesOn = (disk: Disk): string[] => {
  const names = keysIn(disk, prefixed(text('a/'))).map((key) => shown(key).slice(2).split('#')[0]!);
  return [...new Set(names)].filter((name) => !name.endsWith('/mortal'));
};

/** Null: there was nothing to do it to. `isRefused`: what its actor has to say of it. */
type Damaged = { what: string; isRefused: boolean } | null;

const isIn = (keys: readonly Uint8Array[], key: Uint8Array): boolean => keys.some((one) => compareKeys(one, key) === 0);
/** Without these nobody knows what an actor was told. */
const isNeeded = ({ snapshot, log }: Records, key: Uint8Array): boolean => isIn(snapshot, key) || isIn(log, key);

const damages: Record<string, (disk: Disk, records: Records, chance: Chance) => Damaged> = {
  rot(disk, records, chance) {
    const key = chance.pick([...records.snapshot, ...records.log, ...records.done, ...records.wake]);
    return { what: rotBit(disk, key, chance), isRefused: isNeeded(records, key) };
  },
  misdirected(disk, records, chance) {
    const to = chance.pick([...records.snapshot, ...records.log, ...records.done, ...records.wake]);
    const others = keysIn(disk, prefixed(text('a/'))).filter((key) => compareKeys(key, to) !== 0);
    return others.length === 0 ? null : { what: misdirect(disk, chance.pick(others), to), isRefused: isNeeded(records, to) };
  },
  /** Not the end of a log, nor a snapshot that is all there is: that they are missing cannot be seen (docs/internals/actors-local.md). */
  lost(disk, records, chance) {
    const { snapshot, log, done, wake } = records;
    const seen = [
      ...log.slice(0, -1),
      ...(log.length + wake.length > 0 ? snapshot : []),
      ...done,
      ...(log.length > 0 ? wake : []),
    ];
    if (seen.length === 0) return null;
    const key = chance.pick(seen);
    return { what: lose(disk, key), isRefused: isNeeded(records, key) };
  },
};

const remove = ({ world, wounds }: Scene, node: SimulatedNode, disk: Disk, name: string): void => {
  // Lost meanwhile, with all that lay on it.
  if (node.disk !== disk) return startIfDown(node);
  node.crash({ silently: false });
  const { snapshot, log, done, wake } = recordsOn(disk, name);
  for (const key of [...snapshot, ...log, ...done, ...wake]) disk.damage(key, () => null);
  wounds.removed(disk.identity, `${name}@${node.name}`, world.nowMs);
  node.start();
};

export const actorFaults = {
  /** A machine loses its power, and a value of a local actor is not what it was; after a while somebody removes what is left of it. */
  'actor-rot'(scene, chance) {
    const { nodes, world, wounds } = scene;
    const node = chance.pick(nodes);
    const { disk } = node;
    const kind = chance.pick(Object.keys(damages));
    const downMs = chance.between(0, downMsMax);
    const whole = namesOn(disk).filter((name) => !wounds.isOpen(disk.identity, `${name}@${node.name}`));
    if (whole.length === 0) return null;
    const name = chance.pick(whole);
    node.crash({ silently: true });
    const records = recordsOn(disk, name);
    const damaged = records.snapshot.length + records.log.length === 0 ? null : damages[kind]!(disk, records, chance);
    world.after(downMs, () => startIfDown(node));
    if (damaged === null) return { where: `${node.name}: only its power`, undo: () => startIfDown(node) };
    wounds.began(disk.identity, `${name}@${node.name}`, damaged.isRefused, world.nowMs);
    return {
      where: `${node.name}: ${damaged.what}`,
      atLeastMs: downMs + damagedMsMin,
      undo: () => remove(scene, node, disk, name),
    };
  },
} as const satisfies Record<string, Strike>;
