// Faults of the network: directions that stall, paths that crawl, connections that break.
import type { SimulatedNode } from '../node.ts';
import { type Blow, namesOf, type Scene, type Strike } from './scene.ts';

type Path = readonly [SimulatedNode, SimulatedNode];

const pathsBetween = (a: readonly SimulatedNode[], b: readonly SimulatedNode[]): Path[] =>
  a.flatMap((from) => b.map((to): Path => [from, to]));

const reversed = (paths: readonly Path[]): Path[] => paths.map(([from, to]) => [to, from]);

/** Stalls these directions; a direction that several faults stall flows again when the last of them is over. */
const stall = ({ network, strains }: Scene, paths: readonly Path[], where: string): Blow | null => {
  if (paths.length === 0) return null;
  const undos = paths.map(([from, to]) =>
    strains.press(`stall ${from.name}→${to.name}`, 2, (strongest) => {
      if (strongest > 1) network.block(from.name, to.name);
      else network.unblock(from.name, to.name);
    }),
  );
  return {
    where,
    undo() {
      for (const undo of undos) undo();
    },
  };
};

export const split = (scene: Scene, a: readonly SimulatedNode[], b: readonly SimulatedNode[]): Blow | null => {
  const paths = pathsBetween(a, b);
  return stall(scene, [...paths, ...reversed(paths)], `${namesOf(a)} | ${namesOf(b)}`);
};

export const networkFaults = {
  partition(scene, chance) {
    const shuffled = chance.shuffled(scene.nodes);
    const at = chance.between(1, Math.max(2, shuffled.length));
    return split(scene, shuffled.slice(0, at), shuffled.slice(at));
  },
  'one-way'(scene, chance) {
    const node = chance.pick(scene.nodes);
    const others = chance.shuffled(scene.others(node));
    const to = chance.happens(0.5) ? others : others.slice(0, 1);
    return stall(scene, pathsBetween([node], to), `${node.name} → ${namesOf(to)}`);
  },
  'isolate-leader'(scene) {
    const leader = scene.leader();
    return leader === undefined ? null : split(scene, [leader], scene.others(leader));
  },
  'slow-network'({ nodes, network, strains }, chance) {
    const [from, to] = chance.shuffled(nodes);
    const factor = chance.between(10, 300);
    if (from === undefined || to === undefined) return null;
    const path = `${from.name}→${to.name}`;
    const undo = strains.press(`crawl ${path}`, factor, (strongest) => {
      if (strongest > 1) network.slowness.set(path, strongest);
      else network.slowness.delete(path);
    });
    return { where: `${path} ×${factor}`, undo };
  },
  reset({ nodes, network }, chance) {
    const [a, b] = chance.shuffled(nodes);
    if (a === undefined || b === undefined) return null;
    network.reset(a.name, b.name);
    return { where: `${a.name} – ${b.name}`, undo: null };
  },
} as const satisfies Record<string, Strike>;
