// Beside every breaker of a simulated node stands a naive one that keeps each failure it ever saw and goes by the words of rows B1 to B3.
// Whatever calls ask of the real one is asked of both, and they must say the same; and whatever calls tell must be told once.
import type { BreakerChange, BreakerStanding, BreakersDoor } from '../../actors/breakers.ts';
import type { ClockPort, PeerId } from '../../actors/ports/index.ts';
import { type BreakerOptions, outcomeOf, type Ticket } from '../../machines/breaker/index.ts';

type Status = 'closed' | 'open' | 'half-open' | 'held-open' | 'held-closed';

/** One stay in one state: what was admitted in another says nothing of this one. */
type Twin = {
  status: Status;
  sinceMs: number;
  /** Moments of failures while it is closed. */
  failures: number[];
  /** Of calls that were admitted in this stay, how many of each ticket have not ended; of a probe its end. */
  admitted: Map<Ticket, number>;
  probes: Map<Ticket, number>;
  succeeded: number;
  openings: number;
  openForMs: number;
  untilMs: number;
};

const begun = (nowMs: number): Twin => ({
  ...{ status: 'closed', sinceMs: nowMs, failures: [], admitted: new Map(), probes: new Map(), succeeded: 0 },
  ...{ openings: 0, openForMs: 0, untilMs: Number.POSITIVE_INFINITY },
});

const held = { 'forced-open': 'held-open', 'forced-closed': 'held-closed' } as const;
/** To compare two that were computed by different roads. */
const roundingMs = 1e-6;

export class BreakerTwins {
  /** What was seen first that cannot be true. */
  violation: string | null = null;
  /** Of this life, by peer and service: calls that were let through. */
  readonly admitted = new Map<string, number>();
  /** Calls that were let through and have not ended, as far as anybody said. */
  open = 0;
  readonly #life: string;
  readonly #door: BreakersDoor;
  readonly #clock: ClockPort;
  readonly #options: BreakerOptions;
  readonly #twins = new Map<string, Twin>();
  /** By name and ticket, in whatever stay. */
  readonly #tickets = new Map<string, number>();

  constructor(life: string, door: BreakersDoor, clock: ClockPort, options: BreakerOptions) {
    this.#life = life;
    this.#door = door;
    this.#clock = clock;
    this.#options = options;
    door.onChanged((change) => this.#changed(change));
  }

  /** What calls are given instead of the door. */
  get door(): BreakersDoor {
    const door = this.#door;
    return {
      ...door,
      admit: (peer, service) => this.#admit(peer, service),
      settle: (...told) => this.#settle(...told),
      at: (peer, service) => this.#at(peer, service),
      members: (changes) => {
        for (const { peer, after } of changes)
          if (after === null || after === 'left' || after === 'evicted') this.#forget(peer);
        door.members(changes);
      },
    };
  }

  #blame(name: string, what: string): void {
    this.violation ??= `breaker: ${this.#life} of ${name.replace('\n', ' ')}: ${what}`;
  }

  #twinOf(name: string, nowMs: number): Twin {
    let twin = this.#twins.get(name);
    if (twin === undefined) this.#twins.set(name, (twin = begun(nowMs)));
    if (twin.status === 'open' && nowMs >= twin.untilMs) this.#enter(twin, 'half-open', nowMs);
    return twin;
  }

  #enter(twin: Twin, status: Status, nowMs: number): void {
    Object.assign(twin, { ...begun(nowMs), status, openings: twin.openings, openForMs: twin.openForMs });
  }

  #forget(peer: PeerId): void {
    for (const [name, { status }] of this.#twins)
      if (name.startsWith(`${peer}\n`) && !status.startsWith('held')) this.#twins.delete(name);
  }

  // ------------------------------------------------------------ what calls ask and tell

  #mayPass(twin: Twin, nowMs: number): boolean {
    for (const [ticket, endMs] of twin.probes) if (endMs <= nowMs) twin.probes.delete(ticket);
    if (twin.status !== 'half-open') return twin.status === 'closed' || twin.status === 'held-closed';
    return twin.probes.size + twin.succeeded < this.#options.probes;
  }

  #admit(peer: PeerId, service: string): Ticket {
    const name = `${peer}\n${service}`;
    const nowMs = this.#clock.nowMs();
    const twin = this.#twinOf(name, nowMs);
    const may = this.#mayPass(twin, nowMs);
    const ticket = this.#door.admit(peer, service);
    if (ticket > 0 !== may) this.#blame(name, `it ${may ? 'refuses' : 'lets through'} a call while it is ${twin.status}`);
    if (ticket === 0) return 0;
    this.admitted.set(name, (this.admitted.get(name) ?? 0) + 1);
    this.open++;
    const key = `${name}\n${ticket}`;
    this.#tickets.set(key, (this.#tickets.get(key) ?? 0) + 1);
    if (twin.status === 'half-open') twin.probes.set(ticket, nowMs + this.#options.probeMs);
    else twin.admitted.set(ticket, (twin.admitted.get(ticket) ?? 0) + 1);
    return ticket;
  }

  /** What whoever chooses is told is what he would find. */
  #at(peer: PeerId, service: string): BreakerStanding {
    const standing = this.#door.at(peer, service);
    const twin = this.#twins.get(`${peer}\n${service}`);
    if (twin === undefined || twin.status === 'closed') {
      if (standing.breaker !== 'closed') this.#blame(`${peer}\n${service}`, `it is told as ${standing.breaker}, and is closed`);
      return standing;
    }
    const nowMs = this.#clock.nowMs();
    const { status } = this.#twinOf(`${peer}\n${service}`, nowMs);
    const free =
      status === 'half-open' && this.#mayPass(twin, nowMs) ? this.#options.probes - twin.probes.size - twin.succeeded : 0;
    const expected = status === 'held-open' ? 'open' : status === 'held-closed' ? 'closed' : status;
    if (standing.breaker !== expected || standing.probes !== free)
      this.#blame(
        `${peer}\n${service}`,
        `it is told as ${standing.breaker} for ${standing.probes} calls, and is ${status} for ${free}`,
      );
    return standing;
  }

  #settle(...[peer, service, ticket, code, tookMs]: Parameters<BreakersDoor['settle']>): void {
    const name = `${peer}\n${service}`;
    const key = `${name}\n${ticket}`;
    const left = this.#tickets.get(key) ?? 0;
    if (left === 0) this.#blame(name, `the end of a call is told that was not let through, or twice (${code})`);
    else if (left === 1) this.#tickets.delete(key);
    else this.#tickets.set(key, left - 1);
    if (left > 0) this.open--;
    const nowMs = this.#clock.nowMs();
    const twin = this.#twinOf(name, nowMs);
    this.#mayPass(twin, nowMs);
    const outcome = outcomeOf(code, tookMs);
    const isOfNow = twin.probes.delete(ticket) || (twin.admitted.get(ticket) ?? 0) > 0;
    // What opens and closes it is heard from the door, before this returns.
    const expected = isOfNow ? this.#after(twin, outcome, nowMs) : twin.status;
    this.#door.settle(peer, service, ticket, code, tookMs);
    if (twin.status !== expected) this.#blame(name, `it is ${twin.status}, not ${expected}, after ${code ?? 'ok'}`);
  }

  /** What it must be after a call of this stay has ended so. */
  #after(twin: Twin, outcome: ReturnType<typeof outcomeOf>, nowMs: number): Status {
    const { status, failures } = twin;
    const { window, failuresMax, probes } = this.#options;
    if (status === 'half-open') {
      if (outcome === 'success') twin.succeeded++;
      return outcome === 'failure' ? 'open' : twin.succeeded >= probes ? 'closed' : status;
    }
    if (status !== 'closed' || outcome !== 'failure') return status;
    failures.push(nowMs);
    const windowMs = window.by === 'time' ? window.ms : Number.POSITIVE_INFINITY;
    return failures.filter((atMs) => nowMs - atMs < windowMs).length >= failuresMax ? 'open' : status;
  }

  // ------------------------------------------------------------ what the door says

  #changed({ peer, service, to, why, openForMs }: BreakerChange): void {
    const name = `${peer}\n${service}`;
    const nowMs = this.#clock.nowMs();
    const twin = this.#twins.get(name) ?? begun(nowMs);
    this.#twins.set(name, twin);
    const { status, sinceMs } = twin;
    if (why === 'WAITED' && status === 'open' && nowMs < twin.untilMs - roundingMs)
      this.#blame(name, `it is half-open ${twin.untilMs - nowMs} ms early`);
    if (to === 'open') return this.#opened(name, twin, nowMs, openForMs ?? 0);
    if (why === 'RESET') twin.openings = 0;
    if (to === 'closed' && why !== 'RESET' && status !== 'half-open') this.#blame(name, `it is closed, and was ${status}`);
    const entered = to === 'forced-open' || to === 'forced-closed' ? held[to] : to;
    if (entered === 'half-open' && status === 'half-open' && sinceMs === nowMs) return;
    this.#enter(twin, entered, nowMs);
  }

  /** For twice as long each time, until it has been closed for as long as it was open last, and for a window. */
  #opened(name: string, twin: Twin, nowMs: number, openForMs: number): void {
    const { openMs, openMsMax, jitter, window } = this.#options;
    const windowMs = window.by === 'time' ? window.ms : 0;
    const isCalm = twin.status === 'closed' && nowMs - twin.sinceMs >= Math.max(twin.openForMs, windowMs);
    twin.openings = isCalm ? 1 : twin.openings + 1;
    const leastMs = Math.floor(Math.min(openMsMax / (1 + jitter), openMs * 2 ** Math.min(64, twin.openings - 1)));
    if (openForMs < leastMs || openForMs > Math.min(openMsMax, leastMs * (1 + jitter) + 1))
      this.#blame(name, `it is open for ${openForMs} ms the ${twin.openings}. time, not for ${leastMs} and a little`);
    this.#enter(twin, 'open', nowMs);
    Object.assign(twin, { openForMs, untilMs: nowMs + openForMs });
  }
}
