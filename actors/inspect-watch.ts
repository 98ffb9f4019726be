// Taps on subjects, one for each however many look on. What a tap sees becomes plain data only if somebody takes it; the last of it is
// kept, as it is, for who asks within a minute.
import { addressText } from '../machines/entity/address.ts';
import type { Seen, Trail } from './actor-api.ts';
import { Mailbox } from './actor-mailbox.ts';
import { type InspectItem, inspectLimits, type RecentSeen } from './inspect-api.ts';
import { childChartOf } from './inspect-chart.ts';
import { shown } from './inspect-shown.ts';
import { budgetOf, type Subject, shownSnapshot } from './inspect-subject.ts';
import type { ClockPort, Timer } from './ports/index.ts';
import type { Scope } from './supervise.ts';

/** Something that was seen, before it is plain data: most of what an actor that is busy does is left out, and costs no more than this. */
export class Glimpse {
  readonly seen: Seen;
  readonly trail: Trail | null;
  /** By the clock that does not jump. */
  readonly nowMs: number;
  readonly atMs: number;
  readonly #itemOf: (glimpse: Glimpse) => RecentSeen;
  #item: RecentSeen | null = null;

  constructor(seen: Seen, trail: Trail | null, nowMs: number, atMs: number, itemOf: (glimpse: Glimpse) => RecentSeen) {
    this.seen = seen;
    this.trail = trail;
    this.nowMs = nowMs;
    this.atMs = atMs;
    this.#itemOf = itemOf;
  }

  /** Made once, for all who take it. */
  item(): RecentSeen {
    this.#item ??= this.#itemOf(this);
    return this.#item;
  }
}

type Listener = (glimpse: Glimpse) => void;

type Watched = {
  readonly subject: Subject;
  /** Another list whenever somebody comes or goes: who is told now is not told of by that. */
  listeners: readonly Listener[];
  readonly recent: Mailbox<Glimpse>;
  readonly itemOf: (glimpse: Glimpse) => RecentSeen;
  /** By path, the last event and where it came from: a snapshot that follows upon it has the same correlation. */
  readonly trails: Map<string, { event: unknown; trail: Trail | null }>;
  untap: () => void;
  lookedAtMs: number;
};

export interface Watches {
  /** What happens to it from now on. `on` must not throw. */
  watch(subject: Subject, on: Listener): () => void;
  /** The last of what happened, as far as somebody looked on; and from now on somebody does. */
  recent(subject: Subject): RecentSeen[];
  /** The actor as it is, for who begins to follow it. `share`: of what may be shown of one. */
  actorItem(
    subject: Subject,
    path: string,
    src: string,
    snapshot: unknown,
    chart: string | null,
    share: number,
  ): Extract<InspectItem, { type: 'actor' }>;
  stop(): void;
}

const trailsMax = 256;
const sweepMs = 10_000;
/** Of what may be shown of a whole actor, so much for one event. */
const shareOfEvent = 4;

export const createWatches = (scope: Scope, node: string, clock: ClockPort): Watches => {
  const watched = new Map<string, Watched>();
  let sweeping: Timer | null = null;
  /** Read once a millisecond. */
  let stamp = { nowMs: clock.nowMs(), wallMs: clock.wallMs() };

  const base = (seen: Pick<Seen, 'address' | 'path'>, atMs: number) => ({
    ...{ address: addressText(seen.address), node, path: seen.path, atMs },
  });

  const itemOf = (subject: Subject, redact: ReadonlySet<string>, { seen, trail, atMs }: Glimpse): RecentSeen => {
    const at = base(seen, atMs);
    switch (seen.type) {
      case 'event': {
        const event = shown(seen.event, redact, budgetOf(shareOfEvent));
        return { ...at, type: 'event', event, source: trail?.source ?? '', correlation: trail?.correlation ?? '' };
      }
      case 'snapshot': {
        const snapshot = shownSnapshot(seen.snapshot, redact, budgetOf(2));
        const event = seen.event === null ? null : shown(seen.event, redact, budgetOf(shareOfEvent));
        return { ...at, type: 'snapshot', snapshot, event, correlation: trail?.correlation ?? '' };
      }
      case 'actor': {
        const child = subject.children().find(({ path }) => path === seen.path);
        const chart = childChartOf(seen.logic, subject.redact)?.name ?? null;
        return actorItem(subject, seen.path, seen.src, child?.snapshot ?? { status: 'active' }, chart, shareOfEvent);
      }
      case 'ended':
        return { ...at, type: 'ended', reason: seen.end === 'moved' ? 'moved' : seen.end.reason };
    }
  };

  const actorItem: Watches['actorItem'] = (subject, path, src, snapshot, chart, share) => ({
    ...{ ...base({ address: subject.address, path }, clock.wallMs()), type: 'actor', src },
    chart,
    snapshot: shownSnapshot(snapshot, new Set(subject.redact), budgetOf(share)),
  });

  const trailOf = ({ trails }: Watched, seen: Seen): Trail | null => {
    if (seen.type === 'event') {
      if (trails.size >= trailsMax) trails.clear();
      trails.set(seen.path, { event: seen.event, trail: seen.trail });
      return seen.trail;
    }
    const last = trails.get(seen.path);
    return seen.type === 'snapshot' && last !== undefined && last.event === seen.event ? last.trail : null;
  };

  const see = (of: Watched, seen: Seen): void => {
    const nowMs = clock.nowMs();
    if (nowMs - stamp.nowMs >= 1) stamp = { nowMs, wallMs: clock.wallMs() };
    const glimpse = new Glimpse(seen, trailOf(of, seen), nowMs, stamp.wallMs, of.itemOf);
    if (of.recent.size >= inspectLimits.recentMax) of.recent.shift();
    of.recent.push(glimpse, inspectLimits.recentMax);
    for (const on of of.listeners) on(glimpse);
  };

  const forget = (key: string, of: Watched): void => {
    of.untap();
    if (watched.get(key) === of) watched.delete(key);
  };

  const sweep = (): void => {
    sweeping = null;
    const nowMs = clock.nowMs();
    for (const [key, of] of [...watched])
      if (of.listeners.length === 0 && nowMs - of.lookedAtMs >= inspectLimits.recentMs) forget(key, of);
    arm();
  };
  const arm = (): void => {
    if (sweeping === null && watched.size > 0) sweeping = scope.after(sweepMs, sweep);
  };

  /** There is room for one more: whom nobody has asked of for longest makes it. */
  const makeRoom = (): void => {
    if (watched.size < inspectLimits.watchedMax) return;
    let oldest: [string, Watched] | null = null;
    for (const entry of watched)
      if (entry[1].listeners.length === 0 && (oldest === null || entry[1].lookedAtMs < oldest[1].lookedAtMs)) oldest = entry;
    if (oldest !== null) forget(...oldest);
  };

  const look = (subject: Subject): Watched => {
    const key = addressText(subject.address);
    const known = watched.get(key);
    if (known !== undefined && known.subject.life === subject.life) {
      known.lookedAtMs = clock.nowMs();
      return known;
    }
    // Another life under the same address: who follows it finds out by himself.
    if (known !== undefined) forget(key, known);
    else makeRoom();
    const redact = new Set(subject.redact);
    const of: Watched = {
      ...{ subject, listeners: [], recent: new Mailbox<Glimpse>(), trails: new Map() },
      ...{ itemOf: (glimpse: Glimpse) => itemOf(subject, redact, glimpse), untap: () => {}, lookedAtMs: clock.nowMs() },
    };
    watched.set(key, of);
    of.untap = subject.tap((seen) => see(of, seen));
    arm();
    return of;
  };

  return {
    actorItem,
    watch(subject, on) {
      const of = look(subject);
      of.listeners = [...of.listeners, on];
      return () => {
        of.listeners = of.listeners.filter((one) => one !== on);
        of.lookedAtMs = clock.nowMs();
      };
    },
    recent: (subject) =>
      look(subject)
        .recent.items()
        .map((glimpse) => glimpse.item()),
    stop() {
      sweeping?.cancel();
      for (const [key, of] of [...watched]) forget(key, of);
    },
  };
};
