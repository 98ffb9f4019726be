// One kind of conversation over others: calls, or what is said of actors. What this node begins goes its way, and what belongs to it goes
// the same; who begins something here over others is answered the way he came. Whoever waits for something that gets lost between is told.
import { type Failure, failure } from '../machines/errors.ts';
import type { Carrier } from './calls-post.ts';
import type { PeerId } from './ports/index.ts';
import { createCallers } from './relay-callers.ts';
import { numberOf, originOf, type Parcel, toldPeer, type Undelivered } from './relay-parcel.ts';
import type { TalkRules } from './relay-rules.ts';
import type { Transit, TransitArguments } from './relay-transit.ts';
import type { Delivery, Fate } from './router.ts';
import type { Scope } from './supervise.ts';

export const talkLimits = {
  /** What this node has begun over others: what ends in its time, and what lasts. */
  overMax: 8_192,
  lastingMax: 4_096,
  /** Said of something that still waits for its way. */
  afterMax: 16,
  /** What has no time of its own waits so long for a way, and so long it may be told that it went no farther. */
  untimedMs: 5_000,
  /** What lasts is asked for again; if nothing comes twice, its way is lost. */
  renewMs: 10_000,
} as const;

const limits = talkLimits;

/** Where it is said and heard. */
export interface TalkEnd {
  receive(delivery: Delivery): void;
  /** What was begun under this number was surely not handed to its target. */
  undelivered(peer: PeerId, type: string, number: number, why: Failure): void;
  /** It was handed over, and nobody will say what became of it. */
  lost(peer: PeerId, type: string, number: number, why: Failure): void;
  /** Nobody can be told any more who began this here. */
  cut(peer: PeerId, number: number): void;
  closed(peer: PeerId): void;
  /** It is no member any more. */
  gone(peer: PeerId): void;
  drained(peer: PeerId): void;
}

/** What is used without a mailbox. */
export interface TalkCore extends Carrier {
  /** As people name whoever talks over others; null: it is no such one. */
  nameOf(peer: PeerId): string | null;
  /** What was begun under this number went over others: connections of its target are nothing to it. */
  isOver(number: number): boolean;
}

export type TalkArguments = Pick<TransitArguments, 'ports' | 'router' | 'routes' | 'nameOf'> & {
  rules: TalkRules;
  transit: Pick<Transit, 'post' | 'waitForWay'>;
  direct: Carrier;
  end: TalkEnd;
};

export interface Talk {
  readonly core: TalkCore;
  /** It is for this node. */
  arrive(parcel: Parcel, timeLeftMs: number, trace: string): void;
  undelivered(via: PeerId, news: Undelivered): void;
  closed(peer: PeerId): void;
  drained(peer: PeerId): void;
  gone(peer: PeerId): void;
  stop(): void;
}

/** What went to `target` over `via`. */
type Over = { readonly target: PeerId; readonly via: PeerId; readonly type: string; readonly untilMs: number; fate: Fate };
type Lasting = Over & { readonly body: unknown; heardAtMs: number };
/** What waits until its way is known, and what was said of it meanwhile. */
type Held = { readonly target: PeerId; isEnded: boolean; readonly after: { readonly type: string; readonly body: unknown }[] };
type Sent = ReturnType<Carrier['send']>;

const whatever: Fate = { left() {}, dropped() {} };

export const createTalk = (scope: Scope, args: TalkArguments): Talk => {
  const { router, routes, rules, direct, end } = args;
  const { post, waitForWay } = args.transit;
  const { clock, network, sink } = args.ports;
  const over = new Map<number, Over>();
  const lasting = new Map<number, Lasting>();
  const held = new Map<number, Held>();
  let isRenewing = false;
  const callers = createCallers({ closed: end.closed, gone: end.gone, drained: end.drained, cut: end.cut });
  const named = (peer: PeerId): string => args.nameOf(peer) ?? peer;
  const typed = (type: string): string => `${rules.prefix}${type}`;
  const find = (number: number): Over | undefined => over.get(number) ?? lasting.get(number);
  const forget = (number: number): void => void (over.delete(number) || lasting.delete(number));

  // ---------------------------------------------------------------- what this node begins

  const note = (number: number, entry: Over, body: unknown): void => {
    if (rules.begins[entry.type] === 'lasting') {
      lasting.set(number, { ...entry, body, heardAtMs: clock.nowMs() });
      return renewLater();
    }
    for (const [oldest, { untilMs }] of over) {
      if (untilMs > clock.nowMs()) break;
      over.delete(oldest);
    }
    over.set(number, entry);
  };

  const hasRoom = (type: string, number: number): boolean => {
    const how = rules.begins[type];
    if (how === 'lasting') return lasting.size < limits.lastingMax || lasting.has(number);
    if (over.size < limits.overMax) return true;
    // Of what nobody answers the oldest has got there, or will never be told.
    for (const [oldest, entry] of over)
      if (how === 'unanswered' && rules.begins[entry.type] === how) return over.delete(oldest);
    return false;
  };

  const beginOver = (
    target: PeerId,
    via: PeerId,
    type: string,
    body: unknown,
    timeLeftMs: number,
    trace: string,
    fate: Fate,
  ): Sent => {
    const number = numberOf(body);
    if (number === null || !hasRoom(type, number)) return 'full';
    const sent = post(via, { target, travelled: [], back: null, type: typed(type), body }, timeLeftMs, trace, fate);
    if (sent === 'unreachable') routes.broken(target, via);
    if (sent === 'full' || sent === 'unreachable') return sent;
    const untilMs = clock.nowMs() + (timeLeftMs > 0 ? timeLeftMs : limits.untimedMs);
    note(number, { target, via, type, untilMs, fate }, body);
    sink.count('relay_parcels_total', { what: 'sent' });
    return sent;
  };

  const begin: Carrier['send'] = (target, type, body, timeLeftMs, trace, fate) => {
    const way = routes.wayTo(target);
    const isAsked = way === 'asking' || (held.size > 0 && [...held.values()].some((one) => one.target === target));
    if (!isAsked && way !== 'none' && way.via === target) return direct.send(target, type, body, timeLeftMs, trace, fate);
    if (way === 'none' || !rules.mayGoOver(type, body)) return 'unreachable';
    if (!isAsked) return beginOver(target, way.via, type, body, timeLeftMs, trace, fate);
    const deadlineMs = timeLeftMs > 0 ? clock.nowMs() + timeLeftMs : null;
    return hold(target, type, body, deadlineMs, trace, fate) ? 'waits' : 'full';
  };

  /** `deadlineMs` null: it has none. */
  const hold = (target: PeerId, type: string, body: unknown, deadlineMs: number | null, trace: string, fate: Fate): boolean => {
    const number = numberOf(body) ?? 0;
    const waits = waitForWay(target, deadlineMs ?? clock.nowMs() + limits.untimedMs, (via) => {
      const { isEnded = false, after = [] } = held.get(number) ?? {};
      held.delete(number);
      const leftMs = deadlineMs === null ? 0 : Math.floor(deadlineMs - clock.nowMs());
      const canGo = via !== null && (deadlineMs === null || leftMs >= 1) && !isEnded;
      const how = [type, body, leftMs, trace, fate] as const;
      const go = (by: PeerId): Sent => (by === target ? direct.send(target, ...how) : beginOver(target, by, ...how));
      const sent = canGo ? go(via) : 'unreachable';
      if (sent === 'queued') fate.left();
      else if (sent !== 'waits') return fate.dropped();
      for (const said of after) core.send(target, said.type, said.body, 0, '', whatever);
    });
    if (waits) held.set(number, { target, isEnded: false, after: [] });
    return waits;
  };

  /** Null: it does not wait. */
  const sayOfHeld = (target: PeerId, type: string, body: unknown): Sent | null => {
    const one = held.get(numberOf(body) ?? 0);
    if (one === undefined || one.target !== target) return null;
    if (rules.ends.has(type)) one.isEnded = true;
    else if (one.after.length >= limits.afterMax) return 'unreachable';
    else one.after.push({ type, body });
    return 'queued';
  };

  /** What belongs to something goes the way of that. */
  const sayOf: Carrier['send'] = (peer, type, body, timeLeftMs, trace, fate) => {
    const ofHeld = sayOfHeld(peer, type, body);
    if (ofHeld !== null) return ofHeld;
    const number = numberOf(body) ?? 0;
    const entry = find(number);
    if (entry === undefined || entry.target !== peer) return direct.send(peer, type, body, timeLeftMs, trace, fate);
    if (rules.ends.has(type)) lasting.delete(number);
    return post(entry.via, { target: peer, travelled: [], back: null, type: typed(type), body }, timeLeftMs, trace, fate);
  };

  /** To who began something here over others: back the way it came. */
  const reply = (origin: PeerId, type: string, body: unknown): Sent => {
    const number = numberOf(body) ?? 0;
    const way = callers.backOf(origin, number);
    if (way === null) return 'unreachable';
    const [via, ...back] = way;
    const sent = post(via!, { target: origin, travelled: [], back, type: typed(type), body }, 0, '');
    if (rules.lastAnswers.has(type) && sent !== 'full') callers.answered(origin, number);
    return sent;
  };

  const core: TalkCore = {
    send(peer, type, body, timeLeftMs, trace, fate) {
      const origin = originOf(peer);
      if (origin !== null) return reply(origin, type, body);
      if (rules.begins[type] !== undefined) return begin(peer, type, body, timeLeftMs, trace, fate);
      const carrier = rules.belongs.has(type) ? sayOf : direct.send;
      return carrier(peer, type, body, timeLeftMs, trace, fate);
    },
    nameOf(peer) {
      const origin = originOf(peer);
      if (origin === null) return null;
      const between = callers.latest(origin).slice(0, -1).map(named);
      return between.length === 0 ? named(origin) : `${named(origin)} over ${between.toReversed().join(', ')}`;
    },
    isOver: (number) => over.has(number) || lasting.has(number) || held.has(number),
  };

  // ---------------------------------------------------------------- what lasts

  /** It was handed over, and nobody will say what became of it. */
  const lose = (number: number, { target, via, type }: Over, why: string): void => {
    forget(number);
    const message = `${why}, over whom ${named(target)} was spoken to; it may have happened`;
    end.lost(target, type, number, failure('OUTCOME_UNKNOWN', message, { via: named(via) }));
  };

  /** A link between others that breaks is told to nobody who only listens; so he asks now and then. */
  const renew = (): void => {
    isRenewing = false;
    const sinceMs = clock.nowMs() - 2 * limits.renewMs;
    for (const [number, entry] of [...lasting]) {
      const { target, via, type, body, heardAtMs } = entry;
      if (heardAtMs <= sinceMs) lose(number, entry, `nothing more came from ${named(via)}`);
      else if (post(via, { target, travelled: [], back: null, type: typed(type), body }, 0, '') === 'unreachable')
        lose(number, entry, `${named(via)} was lost`);
    }
    if (lasting.size > 0) renewLater();
  };

  const renewLater = (): void => {
    if (isRenewing) return;
    isRenewing = true;
    scope.after(limits.renewMs, renew);
  };

  // ---------------------------------------------------------------- parcels for this node

  const deliver = (peer: PeerId, type: string, body: unknown, timeLeftMs: number, trace: string): void =>
    end.receive({ peer, type, body, timeLeftMs, trace, answer: () => {} });

  const heardOf = (origin: PeerId, via: PeerId, type: string, { body, travelled }: Parcel): void => {
    const number = numberOf(body) ?? 0;
    const entry = find(number);
    if (entry === undefined) {
      sink.count('answers_late_total');
      // Whoever goes on telling is told that nobody listens.
      const [drop] = rules.lastAnswers.has(type) ? [] : [...rules.ends].slice(-1);
      const [, ...back] = travelled.toReversed();
      if (drop !== undefined) post(via, { target: origin, travelled: [], back, type: typed(drop), body: number }, 0, '');
      return;
    }
    if (entry.target !== origin || entry.via !== via)
      return router.refuse(via, 'SPOKE_FOR_ANOTHER', `answered for ${named(origin)} what was not given to it`);
    if (rules.lastAnswers.has(type)) forget(number);
    if ('heardAtMs' in entry) entry.heardAtMs = clock.nowMs();
    deliver(origin, type, body, 0, '');
  };

  const arrive: Talk['arrive'] = (parcel, timeLeftMs, trace) => {
    const { body, travelled } = parcel;
    const type = parcel.type.slice(rules.prefix.length);
    const origin = travelled[0]!;
    if (rules.answers.has(type)) return heardOf(origin, travelled.at(-1)!, type, parcel);
    const number = numberOf(body) ?? 0;
    const how = rules.begins[type];
    callers.note(origin, travelled.toReversed(), number, {
      begins: how !== undefined && how !== 'unanswered',
      ends: rules.ends.has(type),
    });
    deliver(toldPeer(origin), type, body, timeLeftMs, trace);
  };

  const undelivered: Talk['undelivered'] = (via, { target, type: typedAs, number, code, message }) => {
    const type = typedAs.slice(rules.prefix.length);
    // A last answer is the end anyway.
    if (rules.answers.has(type)) return rules.lastAnswers.has(type) ? undefined : callers.undelivered(target, via, number);
    const entry = find(number);
    if (entry === undefined || entry.target !== target || entry.via !== via) return;
    if (code === 'UNREACHABLE' || code === 'LOOP_DETECTED') routes.broken(target, via);
    if (rules.begins[type] === undefined) return lose(number, entry, `the way broke at ${message}`);
    forget(number);
    if (rules.begins[type] === 'unanswered') return entry.fate.dropped();
    const why = `${named(target)} was not reached over ${named(via)}: ${message}`;
    end.undelivered(target, type, number, failure(code, why));
  };

  const mine = (): [number, Over][] => [...over, ...lasting];

  return {
    ...{ core, arrive, undelivered },
    closed(peer) {
      for (const [number, entry] of mine()) if (entry.via === peer) lose(number, entry, `${named(peer)} was lost`);
      callers.lost(peer);
    },
    drained(peer) {
      callers.drained(peer);
      const targets = mine().filter(([, { via }]) => via === peer);
      for (const target of new Set(targets.map(([, entry]) => entry.target))) end.drained(target);
    },
    gone: callers.gone,
    stop() {
      for (const [number, entry] of mine()) lose(number, entry, `the relay of ${named(network.self)} ended`);
      callers.stop();
    },
  };
};
