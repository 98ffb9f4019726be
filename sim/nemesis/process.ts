// Faults of processes and of the machines they run on: killed, stopped, without power, frozen, slow.
import type { SimulatedNode } from '../node.ts';
import { type Blow, namesOf, type Strike, startIfDown } from './scene.ts';

const kill = (nodes: readonly SimulatedNode[], silently: boolean): Blow | null => {
  const up = nodes.filter((node) => node.isUp);
  if (up.length === 0) return null;
  for (const node of up) node.crash({ silently });
  return {
    where: namesOf(up),
    undo() {
      for (const node of up) startIfDown(node);
    },
  };
};

export const processFaults = {
  kill: ({ nodes }, chance) => kill([chance.pick(nodes)], false),
  'kill-all': ({ nodes }) => kill(nodes, false),
  'power-loss': ({ nodes }, chance) => kill([chance.pick(nodes)], true),
  'power-loss-all': ({ nodes }) => kill(nodes, true),
  restart({ nodes }, chance) {
    const node = chance.pick(nodes);
    if (!node.isUp) return null;
    let isOver = false;
    node.stop(() => {
      if (isOver) startIfDown(node);
    });
    return {
      where: node.name,
      undo() {
        isOver = true;
        startIfDown(node);
      },
    };
  },
  pause({ nodes }, chance) {
    const node = chance.pick(nodes);
    const { process } = node;
    if (process === null || process.isPaused) return null;
    process.pause();
    return { where: node.name, undo: () => process.resume() };
  },
  'slow-process'({ nodes, strains }, chance) {
    const node = chance.pick(nodes);
    const factor = chance.between(10, 500);
    const { process } = node;
    if (process === null) return null;
    const undo = strains.press(`process ${process.label}`, factor, (strongest) => {
      process.slowness = strongest;
    });
    return { where: `${node.name} ×${factor}`, undo };
  },
} as const satisfies Record<string, Strike>;
