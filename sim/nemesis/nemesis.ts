// What a simulated cluster is made to suffer. Every fault has a number and chance of its own, for its time, its kind and all that it
// draws, so that any of them can be left out and no other is another fault then: a failure is made smaller by leaving out.
import type { World } from '../world.ts';
import { actorFaults } from './actors.ts';
import { clockFaults } from './clock.ts';
import { diskFaults } from './disk.ts';
import { membershipFaults } from './membership.ts';
import { momentFaults } from './moments.ts';
import { networkFaults } from './network.ts';
import { processFaults } from './process.ts';
import { replicaFaults } from './replicas.ts';
import { rovingFaults } from './roving.ts';
import { type Scene, type Strike, startIfDown } from './scene.ts';
import { sourceFaults } from './sources.ts';

const strikes = {
  ...processFaults,
  ...diskFaults,
  ...networkFaults,
  ...clockFaults,
  ...membershipFaults,
  ...rovingFaults,
  ...momentFaults,
  ...sourceFaults,
  ...replicaFaults,
  ...actorFaults,
} as const;

export type Fault = keyof typeof strikes;

export const faults = Object.keys(strikes) as readonly Fault[];

/** Those that a seed may draw. Those of sources, of replicated objects and of actors need a world that has some, and stay out of all others. */
export const drawnFaults = faults.filter(
  (fault) => !Object.hasOwn({ ...sourceFaults, ...replicaFaults, ...actorFaults }, fault),
);

export type NemesisOptions = {
  faults: readonly Fault[];
  /** Between two faults, milliseconds: at least, at most. */
  everyMs: readonly [number, number];
  /** How long one lasts. */
  lastsMs: readonly [number, number];
  /** Numbers of faults that are left out. */
  without: readonly number[];
  /** In the first part of every `quietEveryMs` no fault begins. */
  quietMs: number;
};

/** A fault that was done. */
export type FaultDone = {
  readonly number: number;
  readonly fault: Fault;
  readonly atMs: number;
  /** When it was undone; null: it was over at once. */
  readonly untilMs: number | null;
  /** Node, nodes or path. */
  readonly where: string;
};

/** So often there is room for a while without new faults, in which a cluster can come to rest. */
export const quietEveryMs = 10_000;

/** Faults after which not everybody is a voter. */
const membershipChanges: ReadonlySet<Fault> = new Set<Fault>([
  'membership',
  'lost-disk',
  'bit-rot',
  'misdirected-value',
  'lost-value',
  'dropped-tail',
  'change-when-cut',
  'kill-when-changed',
  'cut-when-removed',
]);

type Doing = { fault: Omit<FaultDone, 'untilMs'>; undo: (() => void) | null; untilMs: number | null };

export class Nemesis {
  readonly #world: World;
  readonly #scene: Scene;
  readonly #options: NemesisOptions;
  readonly #without: ReadonlySet<number>;
  readonly #done: Doing[] = [];
  #isStopped = false;

  constructor(scene: Scene, options: NemesisOptions) {
    this.#world = scene.world;
    this.#scene = scene;
    this.#options = options;
    this.#without = new Set(options.without);
  }

  get done(): readonly FaultDone[] {
    return this.#done.map(({ fault, untilMs }) => ({ ...fault, untilMs }));
  }

  get changedMembers(): boolean {
    return this.#done.some(({ fault }) => membershipChanges.has(fault.fault));
  }

  start(): void {
    if (this.#options.faults.length > 0) this.#plan(0, this.#world.nowMs);
  }

  /** Undoes everything and leaves the cluster alone. */
  stop(): void {
    this.#isStopped = true;
    for (const doing of this.#done) this.#undo(doing);
    for (const node of this.#scene.nodes) startIfDown(node);
  }

  #plan(number: number, afterMs: number): void {
    const { everyMs, lastsMs, faults } = this.#options;
    const world = this.#world;
    const chance = world.chance(`fault ${number}`);
    const atMs = afterMs + everyMs[0] + (everyMs[1] - everyMs[0]) * chance.fraction();
    const fault = chance.pick(faults);
    const forMs = chance.tail(...lastsMs);
    world.after(atMs - world.nowMs, () => {
      if (this.#isStopped) return;
      if (!this.#without.has(number) && world.nowMs % quietEveryMs >= this.#options.quietMs) {
        const strike: Strike = strikes[fault];
        const blow = strike(this.#scene, chance);
        if (blow !== null)
          this.#note({ number, fault, atMs: world.nowMs, where: blow.where }, blow.undo, Math.max(forMs, blow.atLeastMs ?? 0));
      }
      this.#plan(number + 1, atMs);
    });
  }

  #note(fault: Doing['fault'], undo: Doing['undo'], forMs: number): void {
    const world = this.#world;
    world.trace.note(world.nowMs, 'nemesis', `${fault.number} ${fault.fault} ${fault.where}`);
    const doing: Doing = { fault, undo, untilMs: null };
    this.#done.push(doing);
    if (undo !== null) world.after(forMs, () => this.#undo(doing));
  }

  #undo(doing: Doing): void {
    const { undo, fault } = doing;
    if (undo === null) return;
    doing.undo = null;
    doing.untilMs = this.#world.nowMs;
    this.#world.trace.note(this.#world.nowMs, 'nemesis', `${fault.number} ${fault.fault} is over`);
    undo();
  }
}

/** How often each was done. */
export const countOfFaults = (done: readonly FaultDone[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const { fault } of done) counts[fault] = (counts[fault] ?? 0) + 1;
  return counts;
};
