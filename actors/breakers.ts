// The breakers of a node (rows B1 to B3): one for each service of each peer that is called, asked before every call and told of its end.
// A plain object, for a call waits for its answer; it outlives the actor that makes the calls. What that one took and never settled is
// a probe that gives its place back when its time is over.
import {
  admit,
  type Breaker,
  type BreakerEffect,
  type BreakerOptions,
  breakerOf,
  command,
  createBreakers as createTable,
  giveUp,
  outcomeOf,
  refusalAt,
  refused,
  settle,
  statusAt,
  type Ticket,
  viewOf,
  wake,
} from '../machines/breaker/index.ts';
import { type ErrorCode, type Failure, failure } from '../machines/errors.ts';
import { textHash } from '../machines/hash.ts';
import type { Change } from '../machines/membership/index.ts';
import { createAlarm } from './alarm.ts';
import { type BreakerEntry, createBreakersApi, isHeld, type NotableBreaker } from './breakers-api.ts';
import type { ClockPort, PeerId, SinkPort } from './ports/index.ts';
import { createSeldom } from './refusals.ts';
import type { BreakersApi } from './service-api.ts';

export const breakersLimits = {
  /** About 1 KiB each. */
  breakersMax: 16_384,
  /** In one report. */
  reportsMax: 1_000,
  /** In the status of a node. */
  notablesMax: 100,
} as const;

const limits = breakersLimits;

/** For whoever chooses among peers: `probes` is how many calls it would let through now, 0 unless half-open. */
export type BreakerStanding = { readonly breaker: 'closed' | 'open' | 'half-open'; readonly probes: number };

export type BreakerChange = { peer: PeerId; service: string } & Omit<BreakerEffect, 'type'>;

export interface BreakersDoor {
  readonly api: BreakersApi;
  /** May this call be made? A ticket that `settle` wants back, once, however the call ends; or 0: it must not be made. */
  admit(peer: PeerId, service: string, nowMs?: number): Ticket;
  /** How the call ended that was admitted with this ticket; `code` null: it was answered. */
  settle(peer: PeerId, service: string, ticket: Ticket, code: ErrorCode | null, tookMs: number, nowMs?: number): void;
  at(peer: PeerId, service: string): BreakerStanding;
  /** BREAKER_OPEN: why a call was not admitted, and when to ask again. */
  refusal(peer: PeerId, service: string): Failure;
  /** Told of each breaker that opens, is half-open, closes. Returns what ends it. */
  onChanged(listener: (change: BreakerChange) => void): () => void;
  /** Of those that are not closed, or are held closed by hand, at most 100. */
  notable(): NotableBreaker[];
  /** Of who has left, was thrown out or is forgotten nothing is remembered any more, but for what somebody holds. */
  members(changes: readonly Change[]): void;
  stop(): void;
}

export type BreakersArguments = {
  options: BreakerOptions;
  /** Own peer id and epoch: those who closed a door together must not knock together. */
  identity: string;
  clock: ClockPort;
  sink: SinkPort;
  nameOf: (peer: PeerId) => string | null;
  /** By a node's name, or a peer id. */
  peerCalled: (node: string) => PeerId | null;
  breakersMax?: number;
};

const closed: BreakerStanding = { breaker: 'closed', probes: 0 };
const open: BreakerStanding = { breaker: 'open', probes: 0 };

/** Names of the table, each made once: to join and to hash two texts takes longer than everything else that a call costs. */
const createNames = (namesMax: number): ((peer: PeerId, service: string) => string) => {
  const names = new Map<PeerId, Map<string, string>>();
  let count = 0;
  const make = (peer: PeerId, service: string): string => {
    if (count >= namesMax) {
      names.clear();
      count = 0;
    }
    let services = names.get(peer);
    if (services === undefined) names.set(peer, (services = new Map()));
    const name = `${peer}\n${service}`;
    services.set(service, name);
    count++;
    return name;
  };
  return (peer, service) => names.get(peer)?.get(service) ?? make(peer, service);
};

const logOf = ({
  clock,
  sink,
  nameOf,
}: BreakersArguments): ((peer: PeerId, service: string, effect: BreakerEffect) => void) => {
  const seldom = createSeldom(clock);
  return (peer, service, { to, why, openForMs }) => {
    const untold = to === 'open' || to === 'forced-open' ? seldom(peer) : null;
    if (untold === null) return;
    const node = nameOf(peer);
    const howLong = openForMs === null ? 'until somebody says otherwise' : `for ${openForMs} ms`;
    const facts = { peer, node, service, why, openForMs, ...untold };
    sink.log('warn', 'BREAKER_OPEN', `'${service}' at ${node ?? peer} is not called ${howLong}`, facts);
  };
};

/** Throws INVALID_REQUEST for options that make no sense. */
export const createBreakers = (args: BreakersArguments): BreakersDoor => {
  const { options, clock, sink, nameOf, peerCalled, breakersMax = limits.breakersMax } = args;
  const table = createTable({ options, seed: textHash(args.identity), breakersMax });
  const nameFor = createNames(2 * breakersMax);
  /** By name, those that are not closed or are held by hand; of the table, or given up since. */
  const notables = new Map<string, BreakerEntry>();
  const listeners = new Set<(change: BreakerChange) => void>();
  const log = logOf(args);
  let isStopped = false;

  const find = (peer: PeerId, service: string): Breaker | undefined => table.of.get(nameFor(peer, service));

  const ring = (): void => {
    const nowMs = clock.nowMs();
    for (const [name, { peer, service, breaker }] of [...notables]) {
      if (table.of.get(name) !== breaker) notables.delete(name);
      else if (breaker.untilMs <= nowMs) {
        const effects: BreakerEffect[] = [];
        wake(breaker, nowMs, effects);
        tell(peer, service, breaker, effects);
      } else alarm.at(breaker.untilMs);
    }
  };
  const alarm = createAlarm(clock, clock.after, ring);

  /** What the machine has just said of this breaker. */
  const tell = (peer: PeerId, service: string, breaker: Breaker, effects: readonly BreakerEffect[]): void => {
    for (const effect of effects) {
      const { from, to, why, openForMs } = effect;
      const name = nameFor(peer, service);
      if (to === 'closed') notables.delete(name);
      else notables.set(name, { peer, service, breaker });
      if (!isStopped) alarm.at(breaker.untilMs);
      sink.count('breaker_changes_total', { to });
      log(peer, service, effect);
      for (const listener of [...listeners]) listener({ peer, service, from, to, why, openForMs });
    }
  };

  const forget = (peer: PeerId): void => {
    for (const [name, breaker] of [...table.of]) {
      if (!name.startsWith(`${peer}\n`) || isHeld(breaker.status)) continue;
      const effects: BreakerEffect[] = [];
      if (breaker.status !== 'closed') command(breaker, clock.nowMs(), 'reset', effects);
      giveUp(table, name);
      tell(peer, name.slice(peer.length + 1), breaker, effects);
    }
  };

  const current = (): BreakerEntry[] =>
    [...notables].flatMap(([name, entry]) => (table.of.get(name) === entry.breaker ? [entry] : []));

  return {
    api: createBreakersApi({
      ...{ table, clock, sink, nameOf, peerCalled, current, tell, reportsMax: limits.reportsMax },
      breaker: (peer, service) => breakerOf(table, nameFor(peer, service), clock.nowMs()),
    }),
    admit(peer, service, nowMs = clock.nowMs()) {
      const breaker = breakerOf(table, nameFor(peer, service), nowMs);
      const effects: BreakerEffect[] = [];
      const ticket = admit(breaker, nowMs, effects);
      if (ticket === refused) sink.count('breaker_refused_total');
      if (effects.length > 0) tell(peer, service, breaker, effects);
      return ticket;
    },
    settle(peer, service, ticket, code, tookMs, nowMs = clock.nowMs()) {
      const breaker = find(peer, service);
      // Given up since: there is nobody whom it would concern.
      if (breaker === undefined) return;
      const effects: BreakerEffect[] = [];
      settle(breaker, nowMs, ticket, outcomeOf(code, tookMs), tookMs, effects);
      if (effects.length > 0) tell(peer, service, breaker, effects);
    },
    at(peer, service) {
      const breaker = find(peer, service);
      if (breaker === undefined || breaker.status === 'closed' || breaker.status === 'forced-closed') return closed;
      const nowMs = clock.nowMs();
      if (statusAt(breaker, nowMs) !== 'half-open') return open;
      const { probesOut, probesDone } = viewOf(breaker, nowMs);
      return { breaker: 'half-open', probes: options.probes - probesOut - probesDone };
    },
    refusal(peer, service) {
      const breaker = find(peer, service);
      const refusal = breaker === undefined ? null : refusalAt(breaker, clock.nowMs());
      const why = {
        open: 'failed too often and is left alone',
        probing: 'failed too often and is being tried by another call',
        'forced-open': 'is left alone because somebody says so',
      };
      const node = nameOf(peer) ?? peer;
      return failure('BREAKER_OPEN', `'${service}' at ${node} ${why[refusal?.why ?? 'open']}`, {
        ...{ node, service, retryAfterMs: refusal === null ? 0 : refusal.retryAfterMs },
      });
    },
    onChanged(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    notable: () =>
      current()
        .slice(0, limits.notablesMax)
        .map(({ peer, service, breaker: { status } }) => ({ peer, node: nameOf(peer), service, status })),
    members(changes) {
      for (const { peer, after } of changes) if (after === null || after === 'left' || after === 'evicted') forget(peer);
    },
    stop() {
      isStopped = true;
      alarm.cancel();
    },
  };
};
