// Changes the ledger of rounds for one replica: registers it, asks for permission to enter rounds, retires others when told to; one
// compare-and-set at a time, and only while there is a reason.
import { type Failure, failure } from '../machines/errors.ts';
import { nextBetween, type RandomState } from '../machines/random.ts';
import {
  askPermission,
  awaitsRound,
  isBehind,
  type Ledger,
  listReplica,
  missing,
  needsRound,
  type Objects,
  type RoundsState,
  retire,
  standingOf,
} from '../machines/replicator/index.ts';
import type { Outcome } from './api.ts';
import type { PeerId, Ports } from './ports/index.ts';
import type { LedgerPort } from './replica-ledger.ts';
import type { Scope } from './supervise.ts';

export type RoundsOptions = {
  /** Between two rounds, at least; with more than ten replicas a tenth of it for each. */
  paceMs: number;
  /** The ledger is read about so often; whoever changes it tells it. */
  pollMs: number;
  /** What is due is looked at so often. */
  tickMs: number;
};

export const roundsAt = (paceMs: number): RoundsOptions => ({
  paceMs,
  pollMs: Math.min(10_000, Math.max(500, paceMs)),
  tickMs: Math.min(1_000, Math.max(50, Math.ceil(paceMs / 10))),
});

export const roundsDefaults: RoundsOptions = roundsAt(10_000);

export const registrarLimits = {
  /** Who lost a race for the ledger waits up to so long for each replica before the next try. */
  raceMsPerReplica: 100,
  /** Nodes that were evicted and whose replicas are still to be retired. */
  evictedMax: 64,
  /** Who waits for a replica to be retired, and how long. */
  wishesMax: 64,
  wishMs: 5_000,
  fullToldEveryMs: 60_000,
} as const;

const limits = registrarLimits;

export type RetireDone = (outcome: Outcome<{ replica: string; name: string }>) => void;

export type ReplicaRegistrarArguments = {
  scope: Scope;
  ports: Ports;
  random: RandomState;
  options: RoundsOptions;
  name: string;
  objects: Objects;
  ledger: LedgerPort;
  rounds: () => RoundsState;
  /** The latest ledger that is known; false: it is not on the disk yet, or something is about to be otherwise here. */
  latest: () => Ledger | null | false;
  hear: (ledger: Ledger) => void;
  /** Everybody is to hear of a ledger. */
  announce: (ledger: Ledger) => void;
  /** One of these, or anybody, is to be compared with. */
  compare: (peers: readonly PeerId[]) => void;
};

export interface ReplicaRegistrar {
  /** Another ledger is known now; `isHigher`: somebody has permission for a round that nobody had. */
  learned(isHigher: boolean): void;
  /** What was missing is here. */
  hurry(): void;
  /** There is news of it elsewhere. */
  pollSoon(): void;
  retire(named: string, done: RetireDone): void;
  retirePeer(peer: PeerId): void;
  stop(): void;
}

type Wish = { readonly atMs: number; readonly named: string; readonly done: RetireDone };
type Proposal = { readonly next: Ledger; readonly done: () => void };

const alone = (next: Ledger | null): Proposal | null => (next === null ? null : { next, done() {} });

/** The replica that is meant, or why none is. */
const namedIn = ({ listed }: Ledger, named: string): Ledger['listed'][number] | Failure => {
  const shown = `'${named.slice(0, 64)}'`;
  const byId = listed.find(({ id }) => id === named);
  const [byName, ...more] = listed.filter(({ name }) => name === named);
  const found = byId ?? byName;
  if (found === undefined) return failure('NOT_FOUND', `no replica is listed under ${shown}`);
  if (byId === undefined && more.length > 0)
    return failure('INVALID_REQUEST', `${more.length + 1} replicas are listed under ${shown}: give an id`);
  return found;
};

export const createReplicaRegistrar = (args: ReplicaRegistrarArguments): ReplicaRegistrar => {
  const { scope, random, options, rounds } = args;
  const { clock, network, sink } = args.ports;
  let isBusy = false;
  /** What was read is on its way to the disk. */
  let isAgain = false;
  let attemptAtMs = Number.NEGATIVE_INFINITY;
  let pollAtMs = Number.NEGATIVE_INFINITY;
  let lookAtMs = clock.nowMs() + options.paceMs;
  /** A round for which nobody has permission; asked for once, then until somebody has. */
  let isWanted = false;
  let wishes: Wish[] = [];
  const evicted = new Set<PeerId>();
  let fullToldAtMs = Number.NEGATIVE_INFINITY;

  const nextPoll = (): void => {
    // Between three quarters of it and all of it, so that nodes do not go in step.
    pollAtMs = clock.nowMs() + options.pollMs - nextBetween(random, 0, Math.ceil(options.pollMs / 4));
  };

  // -------------------------------------------------------------- what the ledger should become

  const register = (ledger: Ledger | null): Ledger | null => {
    const listed = listReplica(ledger, { id: rounds().self, peer: network.self, name: args.name });
    if (listed !== 'full') return listed;
    if (clock.nowMs() - fullToldAtMs >= limits.fullToldEveryMs) {
      fullToldAtMs = clock.nowMs();
      sink.log('warn', 'REPLICAS_FULL', 'no more replicas can be listed: retire those that are gone (polity replica members)');
    }
    return null;
  };

  const retireEvicted = (ledger: Ledger): Ledger | null => {
    for (const peer of evicted) {
      const own = ledger.listed.find((one) => one.peer === peer);
      if (own !== undefined) return retire(ledger, own.id);
      evicted.delete(peer);
    }
    return null;
  };

  /** By the first wish that can be fulfilled; those before it are answered why not. */
  const fulfil = (ledger: Ledger): Proposal | null => {
    for (let wish = wishes[0]; wish !== undefined; wish = wishes[0]) {
      const { named, done } = wish;
      const found = namedIn(ledger, named);
      if (!('code' in found))
        return {
          next: retire(ledger, found.id)!,
          done() {
            wishes = wishes.filter((one) => one !== wish);
            done({ ok: true, value: { replica: found.id, name: found.name } });
          },
        };
      wishes.shift();
      done({ ok: false, failure: found });
    }
    return null;
  };

  const propose = (ledger: Ledger | null): Proposal | null => {
    if (standingOf(rounds()) === 'apart') return alone(register(ledger));
    if (ledger === null) return null;
    return alone(retireEvicted(ledger)) ?? fulfil(ledger) ?? alone(askPermission(rounds(), ledger, isWanted));
  };

  /** Reads the ledger, and writes what it should become. Who loses a race looks again a little later. */
  const attempt = (): void => {
    if (isBusy || args.latest() === false) return;
    isBusy = true;
    const end = (againMs: number): void => {
      isBusy = false;
      attemptAtMs = clock.nowMs() + nextBetween(random, Math.ceil(againMs / 2), againMs + 1);
    };
    args.ledger.read(
      scope.guard((read) => {
        if (read === null) return end(options.tickMs);
        nextPoll();
        if (read.ledger !== null) args.hear(read.ledger);
        // Of a group that was restored from a backup it may be older than what is known: then that is what goes on.
        const base = args.latest();
        isAgain = base === false;
        const proposed = base === false ? null : propose(base);
        if (base === false || proposed === null) return end(1);
        args.ledger.write(
          proposed.next,
          read.index,
          scope.guard((written) => {
            if (written === 'changed') return end(limits.raceMsPerReplica * (1 + (base?.listed.length ?? 0)));
            if (written === 'unknown') return end(options.tickMs);
            end(1);
            proposed.done();
            args.hear(proposed.next);
            args.announce(proposed.next);
          }),
        );
      }),
    );
  };

  // -------------------------------------------------------------- what is due

  const paceMs = (replicas: number): number => Math.max(options.paceMs, Math.ceil((options.paceMs * replicas) / 10));

  /** To look takes time where there is much: not again at once. */
  const look = (ledger: Ledger): boolean => {
    if (isWanted || clock.nowMs() < lookAtMs) return isWanted;
    lookAtMs = clock.nowMs() + Math.ceil(paceMs(ledger.listed.length) / 4);
    isWanted = awaitsRound(args.objects, (last) => needsRound(ledger, last));
    return isWanted;
  };

  const hasWishes = (): boolean => wishes.length + evicted.size > 0;

  const hasErrand = (): boolean => {
    const state = rounds();
    const standing = standingOf(state);
    if (standing === 'apart' || standing === 'begins' || hasWishes()) return true;
    return standing === 'member' && state.ledger !== null && (isBehind(state) || look(state.ledger));
  };

  const giveUp = (why: Failure, isOver: (wish: Wish) => boolean): void => {
    const over = wishes.filter(isOver);
    wishes = wishes.filter((wish) => !isOver(wish));
    for (const { done } of over) done({ ok: false, failure: why });
  };

  const onTick = (): void => {
    scope.after(options.tickMs, onTick);
    const nowMs = clock.nowMs();
    giveUp(failure('OUTCOME_UNKNOWN', 'the ledger of replicas could not be written in time'), ({ atMs }) => nowMs >= atMs);
    if (args.latest() === false) return;
    const isPollDue = nowMs >= pollAtMs;
    let isNow = isPollDue;
    if (hasErrand()) {
      const left = missing(rounds());
      const lacks = left.length > 0 || (standingOf(rounds()) === 'begins' && !rounds().isBased);
      if (lacks) args.compare(left.map(({ peer }) => peer));
      isNow = isPollDue || !lacks || hasWishes();
    }
    if (isNow && nowMs >= attemptAtMs) attempt();
  };

  scope.after(Math.min(options.tickMs, 50), onTick);
  nextPoll();
  return {
    learned(isHigher) {
      if (isHigher) {
        lookAtMs = clock.nowMs() + paceMs(rounds().ledger?.listed.length ?? 0);
        isWanted = false;
      }
      if (!isAgain) return;
      isAgain = false;
      attempt();
    },
    hurry() {
      if (args.latest() !== false && hasErrand() && missing(rounds()).length === 0 && clock.nowMs() >= attemptAtMs) attempt();
    },
    pollSoon() {
      pollAtMs = Math.min(pollAtMs, clock.nowMs());
    },
    retire(named, done) {
      if (wishes.length >= limits.wishesMax)
        return done({ ok: false, failure: failure('OVERLOADED', `${limits.wishesMax} replicas are being retired`) });
      wishes.push({ atMs: clock.nowMs() + limits.wishMs, named, done });
      attempt();
    },
    retirePeer(peer) {
      if (evicted.size < limits.evictedMax) evicted.add(peer);
      attempt();
    },
    stop() {
      giveUp(failure('STOPPING', 'the node stops, or its replicator begins anew'), () => true);
    },
  };
};
