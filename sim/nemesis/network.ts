// Faults of the network: directions that stall, paths that crawl, connections that break.
import type { SimulatedNode } from '../node.ts';
import type { Chance } from '../world.ts';
import { type Blow, namesOf, type Scene, type Strike } from './scene.ts';

type Path = readonly [SimulatedNode, SimulatedNode];

export const pathsBetween = (a: readonly SimulatedNode[], b: readonly SimulatedNode[]): Path[] =>
  a.flatMap((from) => b.map((to): Path => [from, to]));

const reversed = (paths: readonly Path[]): Path[] => paths.map(([from, to]) => [to, from]);

/** Stalls these directions; a direction that several faults stall flows again when the last of them is over. */
export const stall = ({ network, strains }: Scene, paths: readonly Path[], where: string): Blow | null => {
  if (paths.length === 0) return null;
  const undos = paths.map(([from, to]) =>
    strains.press(`stall ${from.name}→${to.name}`, 1, (strongest) => {
      if (strongest > 0) network.block(from.name, to.name);
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

/** Lets `factor` act on a direction through one of the network's maps; the strongest of several counts. */
const press = (scene: Scene, trouble: 'slowness' | 'loss' | 'congestion', [from, to]: Path, factor: number): (() => void) => {
  const map = scene.network[trouble];
  const path = `${from.name}→${to.name}`;
  return scene.strains.press(`${trouble} ${path}`, factor, (strongest) => {
    if (strongest === 0) map.delete(path);
    else map.set(path, strongest);
  });
};

/** Whatever goes along these paths takes about so long. */
export const crawl = (scene: Scene, paths: readonly Path[], aboutMs: number): (() => void) => {
  // Latencies lie at a fifth of their range on the average (Chance.tail).
  const factor = Math.max(2, aboutMs / (scene.network.options.latencyMs[1] / 5));
  const undos = paths.map((path) => press(scene, 'slowness', path, factor));
  return () => {
    for (const undo of undos) undo();
  };
};

const somePath = ({ nodes }: Scene, chance: Chance): Path | null => {
  const [from, to] = chance.shuffled(nodes);
  return from === undefined || to === undefined ? null : [from, to];
};

/** Breaks connections again and again until it is over. */
const flap = ({ world, network }: Scene, [a, b]: Path, everyMs: number): Blow => {
  let isOver = false;
  const again = (): void => {
    if (isOver) return;
    network.reset(a.name, b.name);
    world.after(everyMs, again);
  };
  again();
  return {
    where: `${a.name} – ${b.name} every ${everyMs} ms`,
    undo() {
      isOver = true;
    },
  };
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
  /** Two halves that only one node sees both of: it hears two majorities at odds. */
  bridge(scene, chance) {
    const [bridge, ...others] = chance.shuffled(scene.nodes);
    if (bridge === undefined || others.length < 2) return null;
    const half = Math.ceil(others.length / 2);
    const blow = split(scene, others.slice(0, half), others.slice(half));
    return blow === null ? null : { ...blow, where: `${blow.where}, ${bridge.name} sees both` };
  },
  /** Everybody sees two neighbours only, so that nobody sees the same majority. */
  ring(scene, chance) {
    const nodes = chance.shuffled(scene.nodes);
    const paths = nodes.flatMap((from, at) =>
      nodes.flatMap((to, other): Path[] => {
        const apart = Math.abs(at - other);
        return apart > 1 && apart < nodes.length - 1 ? [[from, to]] : [];
      }),
    );
    return stall(scene, paths, namesOf(nodes));
  },
  'slow-network'(scene, chance) {
    const path = somePath(scene, chance);
    const factor = chance.between(10, 300);
    if (path === null) return null;
    return { where: `${path[0].name}→${path[1].name} ×${factor}`, undo: press(scene, 'slowness', path, factor) };
  },
  /** Some of what one node sends is lost and sent again. */
  loss(scene, chance) {
    const from = chance.pick(scene.nodes);
    const share = chance.pick([0.01, 0.05, 0.2, 0.5]);
    const paths = pathsBetween([from], scene.others(from));
    if (paths.length === 0) return null;
    const undos = paths.map((path) => press(scene, 'loss', path, share));
    return {
      where: `${from.name}→ ${share * 100} %`,
      undo() {
        for (const undo of undos) undo();
      },
    };
  },
  /** A path that others fill too: small things pass, large ones take long. */
  congestion(scene, chance) {
    const path = somePath(scene, chance);
    const factor = chance.between(10, 1_000);
    if (path === null) return null;
    return { where: `${path[0].name}→${path[1].name} ×${factor}`, undo: press(scene, 'congestion', path, factor) };
  },
  /** Everything takes about as long as an election is waited for: votes and answers come when nobody counts on them any more. */
  'late-network'(scene, chance) {
    const { nodes } = scene;
    const aboutMs = chance.between(20, 250);
    const paths = nodes.flatMap((node) => pathsBetween([node], scene.others(node)));
    return paths.length === 0 ? null : { where: `${aboutMs} ms`, undo: crawl(scene, paths, aboutMs) };
  },
  reset({ nodes, network }, chance) {
    const [a, b] = chance.shuffled(nodes);
    if (a === undefined || b === undefined) return null;
    network.reset(a.name, b.name);
    return { where: `${a.name} – ${b.name}`, undo: null };
  },
  'flapping-connection'(scene, chance) {
    const path = somePath(scene, chance);
    const everyMs = chance.between(10, 500);
    return path === null ? null : flap(scene, path, everyMs);
  },
} as const satisfies Record<string, Strike>;
