// Faults of disks. What was synced is lost only with a whole disk, and only while the voters that are left can do without it.
import type { StorageFailure } from '../../actors/ports/index.ts';
import type { SimulatedNode } from '../node.ts';
import { type Blow, type Strike, startIfDown } from './scene.ts';

const fail = (node: SimulatedNode, failure: StorageFailure): Blow | null => {
  const { disk } = node;
  if (disk.failing !== null) return null;
  disk.failing = failure;
  return {
    where: node.name,
    undo() {
      disk.failing = null;
      if (!node.isUp || node.disk !== disk) return;
      // A process whose disk refused a write promises nothing more until it is started again.
      node.crash({ silently: false });
      node.start();
    },
  };
};

export const diskFaults = {
  'slow-disk'({ nodes, strains }, chance) {
    const node = chance.pick(nodes);
    const factor = chance.between(5, 200);
    const { disk } = node;
    const undo = strains.press(`disk ${disk.identity}`, factor, (strongest) => {
      disk.slowness = strongest;
    });
    return { where: `${node.name} ×${factor}`, undo };
  },
  'full-disk': ({ nodes }, chance) => fail(chance.pick(nodes), { code: 'DISK_FULL', message: 'no space left' }),
  'broken-disk': ({ nodes }, chance) => fail(chance.pick(nodes), { code: 'IO_ERROR', message: 'it is broken' }),
  /** The machine dies, and comes back with an empty disk and so with another identity. */
  'lost-disk'({ nodes, operator }, chance) {
    const node = chance.pick(nodes);
    if (node.api?.status().state !== 'ready' || operator.spare <= 0) return null;
    node.crash({ silently: true });
    node.wipe();
    operator.replace(node);
    return { where: node.name, undo: () => startIfDown(node) };
  },
} as const satisfies Record<string, Strike>;
