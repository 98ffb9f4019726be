// The lookup port over real sources (actors/ports/lookup.ts): asks, follows and tells each of them through a guard of its own, checks
// what they say, and brings it to the tree one event at a time, in later turns. When to ask and whom to believe is not decided here.
import type { Announcement, LookupEvent, LookupPort } from '../../actors/ports/index.ts';
import { isLoopbackAddress, withoutPeer } from '../address.ts';
import { faultOf } from './faults.ts';
import { type Asker, checkAnswer } from './findings.ts';
import { GuardedSource, type GuardLimits, guardLimits } from './guarded-source.ts';
import { type Answer, type LookupFault, type SourceContext, type SourcePlan, sourceLimits } from './source.ts';

export type LookupLimits = GuardLimits & {
  sourcesMax: number;
  /** What a source tells without being asked: so often at most, the newest counts. */
  followEveryMs: number;
  /** Failures that nobody asked for: so often at most a source; the counter has them all. */
  failedEveryMs: number;
  /** What `stop` waits for sources to take back what they told. */
  stopMs: number;
};

export const lookupLimits: LookupLimits = {
  ...guardLimits,
  sourcesMax: 16,
  followEveryMs: 100,
  failedEveryMs: 1_000,
  stopMs: 3_000,
};

export type LookupOptions = {
  plans: readonly SourcePlan[];
  context: SourceContext;
  limits?: Partial<LookupLimits>;
  /** In [0, 1); pauses are jittered by it. */
  random?: () => number;
};

type Station = {
  guard: GuardedSource;
  /** A question runs, or its answer is on its way to the tree. */
  isAsked: boolean;
  /** What it told and nobody has heard yet; `timer` runs while there is something. */
  told: Answer | null;
  timer: NodeJS.Timeout | null;
  nextToldMs: number;
  nextFailedMs: number;
  /** Warnings that were given; each once. */
  warned: Set<string>;
};

/** An address that means another machine everywhere is told only if there is no better one. */
const worthTelling = (addresses: readonly string[]): string[] => {
  const far = addresses.filter((address) => !isLoopbackAddress(address));
  return (far.length > 0 ? far : addresses).slice(0, sourceLimits.addressesMax);
};

class Lookup implements LookupPort {
  readonly sources: readonly string[];
  readonly #stations: ReadonlyMap<string, Station>;
  readonly #context: SourceContext;
  readonly #limits: LookupLimits;
  #asker: Asker;
  #emit: ((event: LookupEvent) => void) | null = null;
  #stopping: Promise<void> | null = null;

  constructor({ plans, context, limits, random = Math.random }: LookupOptions) {
    this.#limits = { ...lookupLimits, ...limits };
    this.#context = context;
    this.#asker = { self: context.self, own: new Set() };
    this.sources = plans.map(({ name }) => name);
    if (plans.length > this.#limits.sourcesMax)
      throw new RangeError(`TOO_MANY_SOURCES: ${plans.length}, at most ${this.#limits.sourcesMax}`);
    if (new Set(this.sources).size !== plans.length) throw new RangeError('SOURCE_TWICE: every source has a name of its own');
    this.#stations = new Map(plans.map((plan) => [plan.name, this.#station(plan, random)]));
  }

  #station(plan: SourcePlan, random: () => number): Station {
    const guard = new GuardedSource({
      ...{ plan, context: this.#context, limits: this.#limits, random },
      onAnswer: (answer) => this.#told(station, answer),
      // That an earlier announcement stays behind is counted; it says nothing about what the source would answer.
      onFailed: (fault, isOver) => void (isOver ? this.#failureOf(station, fault) : this.#broke(station, fault)),
    });
    const station: Station = {
      ...{ guard, isAsked: false, told: null, timer: null, nextToldMs: 0, nextFailedMs: 0, warned: new Set<string>() },
    };
    return station;
  }

  start(emit: (event: LookupEvent) => void): void {
    if (this.#emit !== null || this.#stopping !== null) return;
    this.#emit = emit;
    for (const { guard } of this.#stations.values()) guard.follow();
  }

  query(source: string, timeoutMs: number): void {
    if (this.#emit === null || this.#stopping !== null) return;
    const station = this.#stations.get(source);
    if (station === undefined)
      return this.#later({ type: 'failed', source, code: 'SOURCE_UNAVAILABLE', message: 'there is no source of this name' });
    if (station.isAsked) return;
    station.isAsked = true;
    station.guard.query(timeoutMs).then(
      (answer) => {
        // Told before this question ended, so the answer is as new or newer; what is told from here on is newer than the answer.
        this.#takeTold(station);
        setImmediate(() => this.#conclude(station, () => this.#eventOf(station, this.#takeTold(station) ?? answer)));
      },
      (error: unknown) => setImmediate(() => this.#conclude(station, () => this.#failureOf(station, faultOf(error)))),
    );
  }

  /** The one event that answers a question. */
  #conclude(station: Station, eventOf: () => LookupEvent): void {
    station.isAsked = false;
    if (this.#stopping !== null) return;
    let event: LookupEvent;
    try {
      event = eventOf();
    } catch (error) {
      event = this.#failureOf(station, faultOf(error));
    }
    if (event.type === 'failed') station.nextFailedMs = performance.now() + this.#limits.failedEveryMs;
    this.#emit?.(event);
  }

  announce(self: Announcement): void {
    if (this.#stopping !== null) return;
    this.#asker = { self: this.#context.self, own: new Set(self.addresses.map(withoutPeer)) };
    const addresses = worthTelling(self.addresses);
    const told = addresses.length === 0 ? null : { ...self, addresses };
    for (const { guard } of this.#stations.values()) guard.announce(told);
  }

  stop(done: () => void): void {
    this.#stopping ??= this.#stop();
    void this.#stopping.then(() => setImmediate(done));
  }

  async #stop(): Promise<void> {
    const stations = [...this.#stations.values()];
    for (const station of stations) this.#takeTold(station);
    let limit: NodeJS.Timeout | undefined;
    const overdue = new Promise<void>((resolve) => {
      limit = setTimeout(resolve, this.#limits.stopMs);
    });
    await Promise.race([Promise.all(stations.map(({ guard }) => guard.stop())), overdue]);
    clearTimeout(limit);
  }

  /** In a later turn, unless it was stopped by then. */
  #later(event: LookupEvent): void {
    setImmediate(() => {
      if (this.#stopping === null) this.#emit?.(event);
    });
  }

  // What a source tells without being asked: the newest of a short while.

  #told(station: Station, answer: Answer): void {
    station.told = answer;
    if (station.timer !== null || this.#stopping !== null) return;
    station.timer = setTimeout(() => this.#tell(station), Math.max(0, station.nextToldMs - performance.now()));
  }

  /** What is waiting to be told, which then waits no more. */
  #takeTold(station: Station): Answer | null {
    const { told } = station;
    if (station.timer !== null) clearTimeout(station.timer);
    station.timer = null;
    station.told = null;
    return told;
  }

  #tell(station: Station): void {
    const told = this.#takeTold(station);
    station.nextToldMs = performance.now() + this.#limits.followEveryMs;
    if (this.#stopping !== null) return;
    let event: LookupEvent;
    try {
      event = this.#eventOf(station, told);
    } catch (error) {
      return this.#broke(station, faultOf(error));
    }
    this.#emit?.(event);
  }

  #broke(station: Station, fault: LookupFault): void {
    const event = this.#failureOf(station, fault);
    const nowMs = performance.now();
    if (nowMs < station.nextFailedMs) return;
    station.nextFailedMs = nowMs + this.#limits.failedEveryMs;
    this.#later(event);
  }

  #failureOf({ guard }: Station, { code, message }: LookupFault): LookupEvent {
    this.#context.sink.count('discovery_failures_total', { source: guard.name, code });
    return { type: 'failed', source: guard.name, code, message };
  }

  /** Throws a LookupFault if it is no answer. */
  #eventOf(station: Station, given: unknown): LookupEvent {
    const source = station.guard.name;
    const { answer, cut, invalid } = checkAnswer(given, this.#asker);
    const { findingsMax } = sourceLimits;
    if (cut > 0) this.#warn(station, 'FINDINGS_CUT', `a source names more than ${findingsMax} places, ${cut} were left out`);
    if (invalid > 0) this.#warn(station, 'FINDINGS_INVALID', `a source names ${invalid} places that nobody can dial`);
    return { type: 'answered', source, ...answer };
  }

  #warn({ guard, warned }: Station, code: string, message: string): void {
    if (warned.has(code)) return;
    warned.add(code);
    this.#context.sink.log('warn', code, message, { source: guard.name });
  }
}

/** Opens nothing before it is started or asked. Throws a RangeError on too many sources or one name twice. */
export const createLookup = (options: LookupOptions): LookupPort => new Lookup(options);
