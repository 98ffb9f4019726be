// Faults of clocks and disks that only replicated objects notice. No budget bounds them: whatever happens to one disk, others have what
// they had, and the judges excuse what nobody else had.
import { keyText, replicaKeys } from '../../actors/keyspace.ts';
import type { Disk } from '../disk.ts';
import type { Chance } from '../world.ts';
import { keysIn, misdirect, rotBit, shown } from './damage.ts';
import { type Strike, startIfDown } from './scene.ts';

const downMsMax = 500;
/** Further ahead than others believe (machines/versions/hybrid-clock.ts). */
const leapMs = [70_000, 240_000] as const;

/** Does it to the disk of a machine without power, and says what it did; null: there was nothing to do it to. */
type Damage = (disk: Disk, chance: Chance) => string | null;

const sealed = (disk: Disk): Uint8Array[] => [
  ...disk.keys((key) => keyText(key) === keyText(replicaKeys.id)),
  ...keysIn(disk, replicaKeys.logRange),
  ...keysIn(disk, replicaKeys.stateRange),
];

const damages: Record<string, Damage> = {
  rot(disk, chance) {
    const keys = sealed(disk);
    if (keys.length === 0) return null;
    return rotBit(disk, chance.pick(keys), chance);
  },
  misdirected(disk, chance) {
    const [from, to] = chance.shuffled(sealed(disk));
    if (from === undefined || to === undefined) return null;
    return misdirect(disk, from, to);
  },
  /** Of the log the last batch stays: that it is missing cannot be seen. */
  lost(disk, chance) {
    const keys = [...keysIn(disk, replicaKeys.logRange).slice(0, -1), ...keysIn(disk, replicaKeys.stateRange)];
    if (keys.length === 0) return null;
    const gone = chance.happens(0.5) ? keys : [chance.pick(keys)];
    for (const key of gone) disk.damage(key, () => null);
    return `${gone.length === 1 ? shown(gone[0]!) : `${gone.length} values`} gone`;
  },
};

export const replicaFaults = {
  /** A clock goes minutes ahead and comes back; what was stamped meanwhile is believed by nobody else until it is time. */
  'clock-leap'({ nodes }, chance) {
    const { name, skew } = chance.pick(nodes);
    const byMs = chance.between(...leapMs);
    skew.wallAheadMs += byMs;
    return {
      where: `${name} ${byMs} ms`,
      undo() {
        skew.wallAheadMs -= byMs;
      },
    };
  },
  /** A machine loses its power, and a value of its replicated objects is not what it was. */
  'replica-rot'({ nodes, world }, chance) {
    const node = chance.pick(nodes);
    const [name, damage] = chance.pick(Object.entries(damages));
    const downMs = chance.between(0, downMsMax);
    node.crash({ silently: true });
    const done = damage(node.disk, chance);
    world.after(downMs, () => startIfDown(node));
    return { where: `${node.name}: ${done ?? 'only its power'} (${name})`, undo: () => startIfDown(node) };
  },
} as const satisfies Record<string, Strike>;
