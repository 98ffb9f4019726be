// What a simulated cluster is made to suffer: every fault is drawn, done, and undone after a while. None of them does more than a
// cluster promises to survive: synced data is lost only with whole disks, and only of as few at a time as the voters that are left
// can do without (sim/operator.ts counts them).

import type { GroupChange } from '../actors/api.ts';
import { addressOf, type Network } from './network.ts';
import type { SimulatedNode } from './node.ts';
import type { Operator } from './operator.ts';
import type { Chance, World } from './world.ts';

export const faults = [
  'kill',
  'kill-all',
  'power-loss',
  'power-loss-all',
  'restart',
  'pause',
  'slow-process',
  'slow-disk',
  'full-disk',
  'broken-disk',
  'partition',
  'one-way',
  'isolate-leader',
  'slow-network',
  'reset',
  'clock-jump',
  'transfer',
  'lost-disk',
  'membership',
] as const;

export type Fault = (typeof faults)[number];

export type NemesisOptions = {
  faults: readonly Fault[];
  /** Between two faults, milliseconds: at least, at most. */
  everyMs: readonly [number, number];
  /** How long one lasts. */
  lastsMs: readonly [number, number];
};

export class Nemesis {
  /** How often each was done. */
  readonly done = new Map<Fault, number>();
  readonly #world: World;
  readonly #network: Network;
  readonly #nodes: readonly SimulatedNode[];
  readonly #operator: Operator;
  readonly #options: NemesisOptions;
  readonly #chance: Chance;
  #isStopped = false;

  constructor(world: World, network: Network, nodes: readonly SimulatedNode[], operator: Operator, options: NemesisOptions) {
    this.#world = world;
    this.#network = network;
    this.#nodes = nodes;
    this.#operator = operator;
    this.#options = options;
    this.#chance = world.chance('nemesis');
  }

  start(): void {
    if (this.#options.faults.length > 0) this.#next();
  }

  /** Undoes everything and leaves the cluster alone. */
  stop(): void {
    this.#isStopped = true;
    this.#network.heal();
    for (const node of this.#nodes) {
      this.#mend(node);
      if (node.process !== null) {
        node.process.slowness = 1;
        node.process.resume();
      }
      if (!node.isUp) node.start();
    }
  }

  #next(): void {
    const [least, most] = this.#options.everyMs;
    this.#world.after(least + (most - least) * this.#chance.fraction(), () => {
      if (this.#isStopped) return;
      const fault = this.#chance.pick(this.#options.faults);
      this.#world.trace.note(this.#world.nowMs, 'nemesis', fault);
      if (this.#do(fault)) this.done.set(fault, (this.done.get(fault) ?? 0) + 1);
      this.#next();
    });
  }

  #later(run: () => void): void {
    const [least, most] = this.#options.lastsMs;
    this.#world.after(this.#chance.tail(least, most), () => {
      if (!this.#isStopped) run();
    });
  }

  #startLater(node: SimulatedNode): void {
    this.#later(() => {
      if (!node.isUp) node.start();
    });
  }

  #mend(node: SimulatedNode): void {
    node.disk.slowness = 1;
    const wasFailing = node.disk.failing !== null;
    node.disk.failing = null;
    if (!wasFailing || !node.isUp) return;
    // A process whose disk refused a write promises nothing more until it is started again.
    node.crash({ silently: false });
    node.start();
  }

  #kill(nodes: readonly SimulatedNode[], silently: boolean): boolean {
    const up = nodes.filter((node) => node.isUp);
    for (const node of up) {
      node.crash({ silently });
      this.#startLater(node);
    }
    return up.length > 0;
  }

  #leader(): SimulatedNode | undefined {
    return this.#nodes.find((node) => node.api?.status().groups.some((group) => group.role === 'leader'));
  }

  #split(a: readonly SimulatedNode[], b: readonly SimulatedNode[], bothWays: boolean): boolean {
    if (a.length === 0 || b.length === 0) return false;
    const paths = a.flatMap((from) =>
      b.flatMap(
        (to) =>
          (bothWays
            ? [
                [from, to],
                [to, from],
              ]
            : [[from, to]]) as [SimulatedNode, SimulatedNode][],
      ),
    );
    for (const [from, to] of paths) this.#network.block(from.name, to.name);
    this.#later(() => {
      for (const [from, to] of paths) this.#network.unblock(from.name, to.name);
    });
    return true;
  }

  /** The machine dies, and comes back with an empty disk and so with another identity. */
  #loseDisk(node: SimulatedNode): boolean {
    if (node.api?.status().state !== 'ready' || this.#operator.spare <= 0) return false;
    node.crash({ silently: true });
    node.wipe();
    this.#operator.replace(node);
    this.#startLater(node);
    return true;
  }

  #changeMembers(through: SimulatedNode): boolean {
    // A second operator beside the one who replaces somebody would undo his work.
    if (this.#nodes.length < 3 || !this.#operator.isIdle) return false;
    const { name: node } = this.#chance.pick(this.#nodes);
    const change = this.#chance.pick<GroupChange>([
      { type: 'remove', node },
      { type: 'promote', node },
      { type: 'add', node, role: 'learner' },
      { type: 'add', node, role: 'voter' },
    ]);
    return through.enter('membership', (api) => api.changeGroup('kv', change, { timeoutMs: 4_000 }, () => {}));
  }

  #do(fault: Fault): boolean {
    const nodes = this.#nodes;
    const chance = this.#chance;
    const node = chance.pick(nodes);
    switch (fault) {
      case 'kill':
        return this.#kill([node], false);
      case 'kill-all':
        return this.#kill(nodes, false);
      case 'power-loss':
        return this.#kill([node], true);
      case 'power-loss-all':
        return this.#kill(nodes, true);
      case 'restart':
        if (!node.isUp) return false;
        node.stop(() => {
          if (this.#isStopped) node.start();
          else this.#startLater(node);
        });
        return true;
      case 'pause': {
        const { process } = node;
        if (process === null) return false;
        process.pause();
        this.#later(() => process.resume());
        return true;
      }
      case 'slow-process': {
        const { process } = node;
        if (process === null) return false;
        process.slowness = chance.between(10, 500);
        this.#later(() => {
          process.slowness = 1;
        });
        return true;
      }
      case 'slow-disk': {
        const { disk } = node;
        disk.slowness = chance.between(5, 200);
        this.#later(() => {
          disk.slowness = 1;
        });
        return true;
      }
      case 'full-disk':
      case 'broken-disk':
        node.disk.failing =
          fault === 'full-disk'
            ? { code: 'DISK_FULL', message: 'no space left' }
            : { code: 'IO_ERROR', message: 'it is broken' };
        this.#later(() => this.#mend(node));
        return true;
      case 'partition': {
        const shuffled = chance.shuffled(nodes);
        const at = chance.between(1, Math.max(2, nodes.length));
        return this.#split(shuffled.slice(0, at), shuffled.slice(at), true);
      }
      case 'one-way': {
        const others = nodes.filter((other) => other !== node);
        return this.#split([node], others.length > 1 && chance.happens(0.5) ? others : others.slice(0, 1), false);
      }
      case 'isolate-leader': {
        const leader = this.#leader();
        if (leader === undefined) return false;
        return this.#split(
          [leader],
          nodes.filter((other) => other !== leader),
          true,
        );
      }
      case 'slow-network': {
        const other = chance.pick(nodes);
        if (other === node) return false;
        const path = `${node.name}→${other.name}`;
        this.#network.slowness.set(path, chance.between(10, 300));
        this.#later(() => this.#network.slowness.delete(path));
        return true;
      }
      case 'reset': {
        const other = chance.pick(nodes);
        if (other === node) return false;
        this.#network.reset(node.name, other.name);
        return true;
      }
      case 'clock-jump':
        node.skew.wallAheadMs += chance.between(-60_000, 60_000);
        return true;
      case 'transfer':
        return node.enter('transfer', (api) =>
          api.changeGroup('kv', { type: 'transfer', node: chance.pick(nodes).name }, { timeoutMs: 2_000 }, () => {}),
        );
      case 'lost-disk':
        return this.#loseDisk(node);
      case 'membership':
        return this.#changeMembers(node);
    }
  }
}

export const joinAddresses = (names: readonly string[], self: string): string[] =>
  names.filter((name) => name !== self).map(addressOf);
