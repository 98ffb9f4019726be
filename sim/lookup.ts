// The lookup port of a simulated host, over the sources of its world. A host that is cut off from a source cannot ask it, and what it
// registered there lives on until its lease ends, as that of a crashed one does. Suite: test/ports/lookup-suite.ts.
import type { Announcement, Finding, LookupEvent, LookupPort, PeerId } from '../actors/ports/index.ts';
import { discoveryLimits } from '../machines/discovery/index.ts';
import type { Process } from './process.ts';
import { healthySource, SimulatedSource, type SourceTraits } from './source.ts';
import type { World } from './world.ts';

/** A follower that cannot be reached is told when it can, and is told at most so often. */
const retryMs = 1_000;
const followEveryMs = 100;
/** What a host that stops waits for sources that it cannot reach. */
const stopMs = 3_000;

/** All sources of a world; every host knows all of them. */
export class Sources {
  readonly all: ReadonlyMap<string, SimulatedSource>;
  readonly #world: World;

  constructor(world: World, traits: readonly SourceTraits[]) {
    this.#world = world;
    this.all = new Map(traits.map((one) => [one.name, new SimulatedSource(world, one)]));
  }

  get(name: string): SimulatedSource {
    const source = this.all.get(name);
    if (source === undefined) throw new Error(`there is no source ${name}`);
    return source;
  }

  /** The port of one life of a process on a host. */
  create(host: string, self: PeerId, process: Process): SimulatedLookup {
    return new SimulatedLookup(this.#world, this.all, { host, self, process });
  }

  heal(): void {
    for (const source of this.all.values()) {
      source.ills = healthySource;
      source.cutOff.clear();
    }
  }
}

export class SimulatedLookup implements LookupPort {
  readonly sources: readonly string[];
  readonly #world: World;
  readonly #all: ReadonlyMap<string, SimulatedSource>;
  readonly #host: string;
  readonly #self: PeerId;
  readonly #process: Process;
  readonly #asked = new Set<string>();
  #emit: ((event: LookupEvent) => void) | null = null;
  #announced: Announcement | null = null;
  /** Renewals of an announcement that was replaced end by it. */
  #announcements = 0;
  #unfollow: (() => void)[] = [];
  #isStopped = false;

  constructor(
    world: World,
    all: ReadonlyMap<string, SimulatedSource>,
    { host, self, process }: { host: string; self: PeerId; process: Process },
  ) {
    this.#world = world;
    this.#all = all;
    this.#host = host;
    this.#self = self;
    this.#process = process;
    this.sources = [...all.keys()];
  }

  get #isThere(): boolean {
    return !this.#isStopped && this.#process.isAlive;
  }

  #tell(event: LookupEvent): void {
    this.#process.enter(`${event.source} ${event.type}`, () => {
      if (!this.#isStopped) this.#emit?.(event);
    });
  }

  start(emit: (event: LookupEvent) => void): void {
    this.#emit = emit;
    for (const source of this.#all.values()) if (source.traits.isFollowed) this.#follow(source);
  }

  #follow(source: SimulatedSource): void {
    let isWoken = false;
    let nextMs = 0;
    const tell = (): void => {
      isWoken = false;
      if (!this.#isThere) return end();
      if (source.cutOff.has(this.#host)) {
        this.#fail(source, 'SOURCE_UNREACHABLE');
        isWoken = true;
        return void this.#world.after(retryMs, tell);
      }
      nextMs = this.#world.nowMs + followEveryMs;
      this.#answered(source, source.known);
    };
    const wake = (): void => {
      if (isWoken) return;
      isWoken = true;
      this.#world.after(Math.max(source.latencyMs, nextMs - this.#world.nowMs), tell);
    };
    const end = source.follow(wake);
    this.#unfollow.push(end);
    wake();
  }

  #answered(source: SimulatedSource, known: readonly Finding[]): void {
    const { findingsMax } = discoveryLimits;
    const others = known.filter(({ peer }) => peer !== this.#self);
    // Of many, some, and not the same ones for everybody.
    const from = others.length > findingsMax ? source.chance.between(0, others.length) : 0;
    const findings = [...others.slice(from), ...others.slice(0, from)].slice(0, findingsMax);
    const { name, emptyTtlMs } = source.traits;
    this.#tell({ type: 'answered', source: name, findings: findings.map((one) => ({ ...one })), emptyTtlMs });
  }

  #fail({ traits: { name } }: SimulatedSource, code: string): void {
    this.#tell({ type: 'failed', source: name, code, message: `${name} does not answer` });
  }

  query(name: string, timeoutMs: number): void {
    if (this.#emit === null || !this.#isThere || this.#asked.has(name)) return;
    const source = this.#all.get(name);
    if (source === undefined)
      return this.#tell({ type: 'failed', source: name, code: 'SOURCE_UNAVAILABLE', message: 'there is no such source' });
    this.#asked.add(name);
    const over = (say: () => void): void => {
      this.#asked.delete(name);
      if (this.#isThere) say();
    };
    const [thereMs, backMs] = [source.latencyMs, source.latencyMs];
    const isHeard = !source.cutOff.has(this.#host) && !source.chance.happens(source.ills.hangs);
    if (!isHeard || thereMs + backMs > timeoutMs)
      return void this.#world.after(timeoutMs, () => over(() => this.#fail(source, 'SOURCE_TIMED_OUT')));
    this.#world.after(thereMs, () => {
      const answer = source.answer();
      this.#world.after(backMs, () =>
        over(() => (answer === null ? this.#fail(source, 'SOURCE_REFUSED') : this.#answered(source, answer))),
      );
    });
  }

  announce(self: Announcement): void {
    if (!this.#isThere) return;
    const announcement = ++this.#announcements;
    if (self.addresses.length === 0) {
      if (this.#announced !== null) for (const source of this.#all.values()) this.#withdraw(source, announcement);
      this.#announced = null;
      return;
    }
    this.#announced = self;
    for (const source of this.#all.values()) this.#world.after(source.latencyMs, () => this.#keep(source, self, announcement));
  }

  /** Registers, and renews thrice in the time of a lease, while this process can. */
  #keep(source: SimulatedSource, self: Announcement, announcement: number): void {
    if (!this.#isThere || announcement !== this.#announcements) return;
    const isAble = !this.#process.isPaused && !source.cutOff.has(this.#host);
    if (isAble) source.register(this, self);
    const againMs = isAble ? source.traits.leaseMs / 3 : Math.min(retryMs, source.traits.leaseMs / 3);
    this.#world.after(againMs, () => this.#keep(source, self, announcement));
  }

  /** Unless something else is announced by the time that the source hears of it. */
  #withdraw(source: SimulatedSource, announcement: number): void {
    this.#world.after(source.latencyMs, () => {
      if (announcement === this.#announcements && !source.cutOff.has(this.#host)) source.withdraw(this, this.#self);
    });
  }

  stop(done: () => void): void {
    const first = !this.#isStopped;
    this.#isStopped = true;
    const announcement = first ? ++this.#announcements : this.#announcements;
    for (const end of this.#unfollow) end();
    this.#unfollow = [];
    let waitMs = 0;
    if (first && this.#announced !== null)
      for (const source of this.#all.values()) {
        this.#withdraw(source, announcement);
        waitMs = Math.max(waitMs, source.cutOff.has(this.#host) ? stopMs : source.traits.latencyMs[1]);
      }
    this.#world.after(waitMs, () => this.#process.enter('lookup stopped', done));
  }
}
