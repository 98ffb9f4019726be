// The rounds of one replica (machines/replicator/rounds-ledger.ts), as they happen: keeps what is known of the ledger on this node's disk,
// registers, asks for permission to enter rounds, begins and begins anew, and says from whom anything may be taken. What a comparison
// with another is worth for that is settled by a greeting before it.
import { type Failure, failure } from '../machines/errors.ts';
import { nextBetween, type RandomState } from '../machines/random.ts';
import {
  askPermission,
  awaitsRound,
  beginIn,
  createRounds,
  dropRounded,
  enterRound,
  isBehind,
  judgeSender,
  type Ledger,
  learnLedger,
  learnSeen,
  listReplica,
  maySpeak,
  missing,
  needsRound,
  type Objects,
  ownRound,
  type RoundsState,
  retire,
  type Standing,
  standingOf,
  type Told,
} from '../machines/replicator/index.ts';
import { pack } from '../machines/wire/envelope.ts';
import type { Outcome } from './api.ts';
import type { PeerId, Ports } from './ports/index.ts';
import type { LedgerPort } from './replica-ledger.ts';
import type { ReplicaLog } from './replica-log.ts';
import type { ReplicaStore, StoredRounds } from './replica-store.ts';
import type { Scope } from './supervise.ts';

export type RoundsOptions = {
  /** Between two rounds, at least; with more replicas a second for each. */
  paceMs: number;
  /** The ledger is read about so often; whoever changes it tells it. */
  pollMs: number;
  /** What is due is looked at so often. */
  tickMs: number;
};

export const roundsDefaults: RoundsOptions = { paceMs: 10_000, pollMs: 10_000, tickMs: 1_000 };

const perReplicaMs = 1_000;
/** Who lost a race for the ledger waits up to so long for each replica before the next try. */
const raceMs = 100;
const checkpointRetryMs = 20;
/** Nodes that were evicted and whose replicas are still to be retired. */
const evictedMax = 64;
const wishesMax = 64;
const wishMs = 15_000;
const toldEveryMs = 60_000;

export type RoundsView = {
  replica: string;
  standing: Standing;
  round: number;
  stable: number;
  ledger: Ledger | null;
};

export type ReplicaRoundsArguments = {
  scope: Scope;
  ports: Ports;
  random: RandomState;
  options: RoundsOptions;
  name: string;
  objects: Objects;
  log: ReplicaLog;
  store: ReplicaStore;
  known: StoredRounds;
  /** Null: this cluster has no group that could keep a ledger. */
  ledger: LedgerPort | null;
  newReplicaId: () => string;
  /** Everybody is to hear of a ledger. */
  announce: (ledger: Ledger) => void;
  /** One of these, or anybody, is to be compared with. */
  compare: (peers: readonly PeerId[]) => void;
  /** Something is to be told, or was not heard. */
  compareSoon: () => void;
  /** These objects were forgotten, to come back from others. */
  onDropped: (names: readonly string[]) => void;
  onView: (view: RoundsView) => void;
};

export interface ReplicaRounds {
  readonly state: RoundsState;
  /** Others may hear of what is here. */
  readonly speaks: boolean;
  /** What is here is about to be something else: nothing can be changed now. */
  readonly isChanging: boolean;
  /** Whether anything of this sender may be taken. */
  judge(replica: string, edition: number): boolean;
  /** A ledger that somebody told. */
  hear(ledger: Ledger): void;
  /** A comparison that began after this was told has ended and left nothing out. */
  compared(told: Told): void;
  retire(named: string, done: (outcome: Outcome<{ replica: string; name: string }>) => void): void;
  /** All that this node ever had. */
  retirePeer(peer: PeerId): void;
  stop(): void;
}

/** `atMs`: it is given up. */
type Wish = { atMs: number; named: string; done: (outcome: Outcome<{ replica: string; name: string }>) => void };

export const createReplicaRounds = (args: ReplicaRoundsArguments): ReplicaRounds => {
  const { scope, random, options, objects, log, store } = args;
  const { clock, network, sink } = args.ports;
  let known = args.known;
  let rounds = createRounds(objects.replica, args.ledger === null ? 'free' : known);
  let isChanging = false;
  /** The latest ledger heard of, on its way to the disk. */
  let coming: Ledger | null = null;
  let saves = false;

  const tellView = (): void =>
    args.onView({
      ...{ replica: objects.replica, standing: standingOf(rounds), round: objects.round, stable: objects.stable },
      ledger: rounds.ledger,
    });

  // -------------------------------------------------------------- what is known of the ledger

  const latest = (): Ledger | null => coming ?? rounds.ledger;

  const hear = (ledger: Ledger): void => {
    if (rounds.isFree || ledger.version <= (latest()?.version ?? 0)) return;
    coming = ledger;
    save();
  };

  /** What is decided by it is decided once it is on the disk. */
  const save = (): void => {
    if (saves || isChanging || coming === null) return;
    saves = true;
    const ledger = coming;
    const wasListed = known.wasListed || ledger.listed.some(({ id }) => id === rounds.self);
    const next: StoredRounds = { ...known, ledger, wasListed };
    store.saveRounds(
      rounds.self,
      next,
      scope.guard((why) => {
        saves = false;
        if (why !== null) return;
        known = next;
        if (coming === ledger) coming = null;
        learn(ledger);
        save();
      }),
    );
  };

  const learn = (ledger: Ledger): void => {
    const before = rounds.ledger?.highest ?? 0;
    const spoke = maySpeak(rounds);
    if (!learnLedger(rounds, ledger)) return;
    if (ledger.highest > before) {
      highestAtMs = clock.nowMs();
      wanted = false;
    }
    settle();
    if (!spoke && maySpeak(rounds)) args.compareSoon();
    if (!waitsForLedger) return;
    waitsForLedger = false;
    attempt();
  };

  // -------------------------------------------------------------- what it means for what is here

  const enter = (): void => {
    const { stable } = rounds.ledger!;
    // The log says so too: what stands before it was applied under what was stable then.
    if (stable > objects.stable) log.appendHeard(pack(stable).slice(), 1);
    const collected = enterRound(objects, ownRound(rounds), stable);
    if (collected.length > 0) sink.count('replica_collected_total', {}, collected.length);
  };

  const settle = (): void => {
    const standing = standingOf(rounds);
    if (standing === 'member') enter();
    else if (standing === 'begins' && !known.isReady) return prepare();
    else if (standing === 'begins') objects.round = ownRound(rounds);
    else if (standing === 'retired') return beginAnew();
    tellView();
  };

  /** States are written before anything else is: what lies in the log counts as of another round. */
  const rewrite = (done: () => void): void => {
    if (store.isWriting) scope.after(checkpointRetryMs, () => rewrite(done));
    else store.checkpoint(scope.guard(done));
  };

  const change = (replica: string, next: StoredRounds, done: () => void): void =>
    store.saveRounds(
      replica,
      next,
      scope.guard((why) => {
        // A disk that refuses: nothing can be changed any more, which the writer has told.
        if (why !== null) return;
        known = next;
        isChanging = false;
        done();
        tellView();
        save();
      }),
    );

  /**
   * What it brings counts as of the round in which it was listed. If others may have heard of it already, under an earlier id, some of it
   * may have been removed since, and nobody remembers: then what rounds decide about is forgotten, and comes back from them.
   */
  const prepare = (): void => {
    isChanging = true;
    const round = ownRound(rounds);
    const dropped = known.isHeard ? dropRounded(objects) : [];
    objects.stable = 0;
    if (known.isHeard) objects.round = round;
    else beginIn(objects, round);
    if (dropped.length > 0) {
      sink.log('warn', 'REPLICA_BEGINS_ANEW', `${dropped.length} objects are fetched from others as they have them`, {
        replica: objects.replica,
      });
      args.onDropped(dropped);
    }
    rewrite(() => change(rounds.self, { ...known, isReady: true }, () => {}));
  };

  /** The others go on without this replica and take nothing of it any more: it goes on under another id. */
  const beginAnew = (): void => {
    isChanging = true;
    const replica = args.newReplicaId();
    sink.log('warn', 'REPLICA_RETIRED', 'others have retired this replica; it begins anew, and what only it had may be lost', {
      ...{ retired: rounds.self, replica },
    });
    change(replica, { ledger: rounds.ledger, wasListed: false, isHeard: true, isReady: false }, () => {
      objects.replica = replica;
      rounds = createRounds(replica, known);
      attempt();
    });
  };

  // -------------------------------------------------------------- changing the ledger

  let isBusy = false;
  /** Until what was read is on the disk. */
  let waitsForLedger = false;
  let attemptAtMs = Number.NEGATIVE_INFINITY;
  let pollAtMs = Number.NEGATIVE_INFINITY;
  let highestAtMs = clock.nowMs();
  /** A round is wanted for which nobody has permission; asked for once, then until somebody has. */
  let wanted = false;
  let wishes: Wish[] = [];
  const evicted = new Set<PeerId>();
  let fullToldAtMs = Number.NEGATIVE_INFINITY;

  const nextPoll = (): void => {
    // Between three quarters of it and all of it, so that nodes do not go in step.
    pollAtMs = clock.nowMs() + options.pollMs - nextBetween(random, 0, Math.ceil(options.pollMs / 4));
  };

  const register = (ledger: Ledger | null): Ledger | null => {
    const listed = listReplica(ledger, { id: rounds.self, peer: network.self, name: args.name });
    if (listed !== 'full') return listed;
    if (clock.nowMs() - fullToldAtMs >= toldEveryMs) {
      fullToldAtMs = clock.nowMs();
      sink.log('warn', 'REPLICAS_FULL', 'no more replicas can be listed: retire those that are gone (polity replica list)');
    }
    return null;
  };

  /** Takes the wishes that this ledger fulfils or that cannot be, and answers what it becomes by the first that is left. */
  const fulfil = (ledger: Ledger): { next: Ledger; done: () => void } | null => {
    for (const peer of evicted) {
      const own = ledger.listed.find((one) => one.peer === peer);
      if (own !== undefined) return { next: retire(ledger, own.id)!, done() {} };
      evicted.delete(peer);
    }
    while (wishes.length > 0) {
      const wish = wishes[0]!;
      const { named } = wish;
      const found = ledger.listed.filter(({ id, name }) => id === named || name === named);
      const exact = found.find(({ id }) => id === named) ?? found[0];
      const refuse = (why: Failure): void => {
        wishes.shift();
        wish.done({ ok: false, failure: why });
      };
      if (exact === undefined) refuse(failure('NOT_FOUND', `no replica is listed under '${named.slice(0, 64)}'`));
      else if (found.length > 1 && exact.id !== named)
        refuse(failure('INVALID_REQUEST', `${found.length} replicas are listed under '${named.slice(0, 64)}': give an id`));
      else
        return {
          next: retire(ledger, exact.id)!,
          done() {
            wishes = wishes.filter((one) => one !== wish);
            wish.done({ ok: true, value: { replica: exact.id, name: exact.name } });
          },
        };
    }
    return null;
  };

  /** What this replica would have the ledger be instead of this one. */
  const propose = (ledger: Ledger | null): { next: Ledger; done: () => void } | null => {
    const standing = standingOf(rounds);
    const done = (): void => {};
    if (standing === 'apart') {
      const next = register(ledger);
      return next === null ? null : { next, done };
    }
    if (ledger === null) return null;
    const wish = fulfil(ledger);
    if (wish !== null) return wish;
    if (isChanging || (standing === 'begins' && !known.isReady)) return null;
    const next = askPermission(rounds, ledger, wanted);
    return next === null ? null : { next, done };
  };

  /** Reads the ledger, and writes what it should become; one at a time. Who loses a race looks again a little later. */
  const attempt = (): void => {
    if (isBusy || isChanging || args.ledger === null) return;
    isBusy = true;
    const { ledger: port } = args;
    const end = (againMs: number): void => {
      isBusy = false;
      attemptAtMs = clock.nowMs() + nextBetween(random, Math.ceil(againMs / 2), againMs + 1);
    };
    port.read(
      scope.guard((read) => {
        if (read === null) return end(options.tickMs);
        nextPoll();
        if (read.ledger !== null) hear(read.ledger);
        // A group that was restored from a backup may have an older one.
        const base = latest();
        waitsForLedger = coming !== null;
        if (isChanging || coming !== null) return end(1);
        const proposed = propose(base);
        if (proposed === null) return end(1);
        port.write(
          proposed.next,
          read.index,
          scope.guard((written) => {
            if (written === 'changed') return end(raceMs * (1 + (base?.listed.length ?? 0)));
            if (written === 'unknown') return end(options.tickMs);
            end(1);
            proposed.done();
            hear(proposed.next);
            args.announce(proposed.next);
          }),
        );
      }),
    );
  };

  // -------------------------------------------------------------- what is due

  const paceMs = (): number =>
    Math.max(options.paceMs, options.paceMs === 0 ? 0 : perReplicaMs * (rounds.ledger?.listed.length ?? 0));

  const isWanted = (ledger: Ledger): boolean => {
    if (wanted || clock.nowMs() - highestAtMs < paceMs()) return wanted;
    // To look takes time where there is much; not again at once.
    highestAtMs = clock.nowMs() - paceMs() + Math.ceil(paceMs() / 4);
    wanted = awaitsRound(objects, (last) => needsRound(ledger, last));
    return wanted;
  };

  const hasErrand = (): boolean => {
    const standing = standingOf(rounds);
    if (standing === 'apart' || wishes.length > 0 || evicted.size > 0) return true;
    const { ledger } = rounds;
    if (ledger === null || (standing !== 'member' && standing !== 'begins')) return false;
    return standing === 'begins' || isBehind(rounds) || isWanted(ledger);
  };

  const giveUpWishes = (why: Failure, isOver: (wish: Wish) => boolean): void => {
    const over = wishes.filter(isOver);
    wishes = wishes.filter((wish) => !isOver(wish));
    for (const { done } of over) done({ ok: false, failure: why });
  };

  const onTick = (): void => {
    scope.after(options.tickMs, onTick);
    const nowMs = clock.nowMs();
    giveUpWishes(
      failure('OUTCOME_UNKNOWN', 'the ledger of replicas could not be written in time'),
      ({ atMs }) => nowMs >= atMs,
    );
    if (isChanging) return;
    const isDue = nowMs >= attemptAtMs;
    if (!hasErrand()) return nowMs >= pollAtMs && isDue ? attempt() : undefined;
    const left = missing(rounds);
    const isMissing = left.length > 0 || (standingOf(rounds) === 'begins' && !rounds.isBased);
    if (isMissing) args.compare(left.map(({ peer }) => peer));
    if (isDue && (!isMissing || wishes.length > 0 || evicted.size > 0 || nowMs >= pollAtMs)) attempt();
  };

  settle();
  if (args.ledger !== null) {
    scope.after(Math.min(options.tickMs, 50), onTick);
    nextPoll();
  }

  return {
    get state() {
      return rounds;
    },
    get speaks() {
      return maySpeak(rounds) && !isChanging;
    },
    get isChanging() {
      return isChanging;
    },
    judge(replica, edition) {
      const judged = judgeSender(rounds, replica, edition);
      if (judged === 'welcome') return true;
      sink.count('replica_refused_total', { code: judged === 'later' ? 'LEDGER_BEHIND' : 'REPLICA_UNLISTED' });
      if (judged === 'later') pollAtMs = Math.min(pollAtMs, clock.nowMs());
      args.compareSoon();
      return false;
    },
    hear,
    compared(told) {
      // What came is on the disk before anybody hears that it is here.
      log.afterAll(
        'write',
        scope.guard(({ ok }) => {
          if (!ok) return;
          learnSeen(rounds, told);
          if (hasErrand() && missing(rounds).length === 0 && clock.nowMs() >= attemptAtMs) attempt();
        }),
      );
    },
    retire(named, done) {
      if (args.ledger === null) return done({ ok: false, failure: failure('NOT_FOUND', 'this cluster lists no replicas') });
      if (wishes.length >= wishesMax)
        return done({ ok: false, failure: failure('OVERLOADED', `${wishesMax} replicas are being retired`) });
      wishes.push({ atMs: clock.nowMs() + wishMs, named, done });
      attempt();
    },
    retirePeer(peer) {
      if (evicted.size < evictedMax) evicted.add(peer);
      attempt();
    },
    stop() {
      giveUpWishes(failure('STOPPING', 'the node stops, or its replicator begins anew'), () => true);
    },
  };
};
