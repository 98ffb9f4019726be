// A simulated machine and what runs on it: the very tree that src/node.ts starts (actors/node.ts), on ports of the world. The
// machine outlives its processes: name, address and disk stay, until somebody takes the disk away.

import type { NodeApi } from '../actors/api.ts';
import type { BreakersDoor } from '../actors/breakers.ts';
import { createNodeTree } from '../actors/node.ts';
import type { Observation, Step } from '../actors/observe.ts';
import { type ClockPort, noLookup, type SinkPort, StorageFault } from '../actors/ports/index.ts';
import type { NodeSettings } from '../actors/settings.ts';
import { refTo, toFail } from './actors/reference.ts';
import { Disk, type DiskOptions } from './disk.ts';
import type { Sources } from './lookup.ts';
import type { Network, SimulatedPort } from './network.ts';
import { type ClockSkew, createClock, Process } from './process.ts';
import type { World } from './world.ts';

export type SimulatedNodeOptions = {
  name: string;
  settings: NodeSettings;
  disk: DiskOptions;
  turnMs: readonly [number, number];
  skew: ClockSkew;
  /** Where it may look for others, and is told of; absent: nowhere. */
  sources?: Sources;
  observe(name: string, observation: Observation): void;
  /** Stands between its calls and their breakers in this life, if somebody asks. */
  tapBreakers?: (life: string, door: BreakersDoor, clock: ClockPort) => BreakersDoor;
  /** Every step of its replicas, if somebody asks. */
  observeStep?: (name: string, step: Step) => void;
  /** A new life begins on what the disk holds. */
  onStart(name: string): void;
  /** A life ended; `silently`: with its machine. */
  onEnd(name: string, silently: boolean): void;
  /** An exception that nobody caught, or an actor that failed: what a correct program does not do, whatever the world does. */
  onFault(name: string, error: unknown): void;
  /** A promise is broken, by the word of a replica. */
  onBroken(name: string, code: string, message: string): void;
};

type Life = { process: Process; port: SimulatedPort; api: NodeApi | null };

/** What actors log when they fail. */
const faultCodes: ReadonlySet<string> = new Set(['ACTOR_FAILED', 'ACTOR_STOP_THREW', 'WRITE_CALLBACK_THREW']);

/** A replica whose objects others may have forgotten in part. */
const beginsAnew = 'REPLICA_BEGINS_ANEW';

/** An actor whose disk cannot be read at this moment begins anew, for it must not go on without what it asked for. */
const cannotRead = /^StorageFault: IO_ERROR: /;

/** What replicas say when the world did to them what it never does here: among honest nodes on honest disks nobody may say it. */
const brokenCodes: ReadonlySet<string> = new Set([
  'TWO_LEADERS',
  'COMMITTED_CONFLICT',
  'LOG_REGRESSED',
  'LOG_CORRUPT',
  'MESSAGE_MALFORMED',
  'SPOKE_FOR_ANOTHER',
  'ACTOR_DIVERGED',
  'BUILD_TOO_OLD',
]);

export class SimulatedNode {
  readonly name: string;
  readonly skew: ClockSkew;
  /** What the next process on it is started with. */
  settings: NodeSettings;
  disk: Disk;
  /** Processes so far. */
  lives = 0;
  /** How often a replica dropped what it had, to fetch it from others. */
  begunAnew = 0;
  readonly counters = new Map<string, number>();
  readonly #world: World;
  readonly #network: Network;
  readonly #options: SimulatedNodeOptions;
  #disks = 0;
  #life: Life | null = null;

  constructor(world: World, network: Network, options: SimulatedNodeOptions) {
    this.#world = world;
    this.#network = network;
    this.#options = options;
    this.name = options.name;
    this.skew = options.skew;
    this.settings = options.settings;
    this.disk = this.#newDisk();
  }

  #newDisk(): Disk {
    return new Disk(this.#world, `peer-${this.name}-${++this.#disks}`, this.#options.disk);
  }

  get process(): Process | null {
    return this.#life?.process ?? null;
  }

  /** Null while it is down or has just begun. */
  get api(): NodeApi | null {
    return this.#life?.api ?? null;
  }

  get isUp(): boolean {
    return this.#life !== null;
  }

  start(): void {
    if (this.#life !== null) throw new Error(`${this.name} is up already`);
    const { settings } = this;
    const { turnMs, observe, onStart, onFault } = this.#options;
    const label = `${this.name}#${++this.lives}`;
    const world = this.#world;
    const process = new Process(world, {
      ...{ label, turnMs },
      onCrash: (error) => {
        this.crash({ silently: false });
        onFault(this.name, error);
      },
    });
    const port = this.#network.create(this.name, this.disk.identity, process);
    const life: Life = { process, port, api: null };
    this.#life = life;
    onStart(this.name);
    process.enter('start', () => {
      const chance = world.chance(`random ${label}`);
      const random = {
        uint32: () => chance.uint32(),
        bytes: (length: number) => Uint8Array.from({ length }, () => chance.between(0, 256)),
      };
      const ports = {
        clock: createClock(process, this.skew),
        random,
        network: port,
        lookup: this.#options.sources?.create(this.name, this.disk.identity, process) ?? noLookup,
        sink: this.#sink(process),
      };
      try {
        const storage = this.disk.open(process);
        const { observeStep, tapBreakers } = this.#options;
        const tap = {
          ...{ observe: (seen: Observation) => observe(this.name, seen), checkAll: true, formRef: refTo },
          ...(observeStep === undefined ? {} : { observeStep: (step: Step) => observeStep(this.name, step) }),
          ...(tapBreakers === undefined
            ? {}
            : { tapBreakers: (door: BreakersDoor, clock: ClockPort) => tapBreakers(label, door, clock) }),
        };
        life.api = createNodeTree(settings, { ...ports, storage }, tap);
      } catch (error) {
        // A disk that is not what it was ends the start in words, as `polity start` does.
        if (!(error instanceof StorageFault)) throw error;
        world.trace.note(world.nowMs, label, `cannot start: ${error.message}`);
        this.crash({ silently: false });
      }
    });
  }

  #sink(process: Process): SinkPort {
    return {
      log: (level, code, message) => {
        this.#world.trace.note(this.#world.nowMs, process.label, `${level} ${code} ${message}`);
        if (faultCodes.has(code) && !cannotRead.test(message) && !message.includes(toFail))
          this.#options.onFault(this.name, new Error(`${code}: ${message}`));
        if (code === beginsAnew) {
          // What it drops is lost like what a damaged disk loses, by the word of docs/internals/replicator-rounds.md.
          this.begunAnew++;
          this.disk.hurtAtMs = this.#world.nowMs;
        }
        if (brokenCodes.has(code)) this.#options.onBroken(this.name, code, message);
      },
      count: (name, _labels, by = 1) => {
        this.counters.set(name, (this.counters.get(name) ?? 0) + by);
      },
    };
  }

  /** kill -9; `silently`: the machine goes with it, and what was not synced may be lost. */
  crash({ silently }: { silently: boolean }): void {
    const life = this.#life;
    if (life === null) return;
    this.#life = null;
    life.process.end();
    this.#network.leave(life.port, silently);
    this.#options.onEnd(this.name, silently);
    if (silently) this.disk.losePower();
    else this.disk.release();
  }

  /** SIGTERM: hands over, flushes, ends. */
  stop(done: () => void = () => {}): void {
    const life = this.#life;
    if (life === null || life.api === null) return done();
    const { api, process } = life;
    process.enter('stop', () =>
      api.stop(() => {
        if (this.#life !== life) return;
        this.crash({ silently: false });
        done();
      }),
    );
  }

  /** The machine gets an empty disk; it must be down. */
  wipe(): void {
    if (this.#life !== null) throw new Error(`${this.name} is up`);
    this.disk = this.#newDisk();
  }

  /** Does something with the node's api inside its process, if there is one. */
  enter(what: string, run: (api: NodeApi) => void): boolean {
    const life = this.#life;
    if (life === null || life.api === null) return false;
    const { api } = life;
    life.process.enter(what, () => run(api));
    return true;
  }
}
