// The rounds of one replica (machines/replicator/rounds-ledger.ts), as they happen: keeps what is known of the ledger on this node's disk,
// does what that means for the objects, begins and begins anew, and says from whom anything may be taken.
import {
  beginIn,
  createRounds,
  dropRounded,
  enterRound,
  judgeSender,
  type Ledger,
  learnLedger,
  learnSeen,
  maySpeak,
  ownRound,
  type RoundsState,
  roundsWithoutLoss,
  type Standing,
  standingOf,
  type Told,
} from '../machines/replicator/index.ts';
import { pack } from '../machines/wire/envelope.ts';
import type { PeerId } from './ports/index.ts';
import type { ReplicaLog } from './replica-log.ts';
import { createReplicaRegistrar, type ReplicaRegistrarArguments, type RetireDone } from './replica-registrar.ts';
import type { ReplicaStore, StoredRounds } from './replica-store.ts';

const checkpointRetryMs = 20;

export type RoundsView = {
  replica: string;
  standing: Standing;
  round: number;
  stable: number;
  ledger: Ledger | null;
};

type FromRegistrar = 'scope' | 'ports' | 'random' | 'options' | 'name' | 'objects' | 'ledger' | 'announce' | 'compare';

export type ReplicaRoundsArguments = Pick<ReplicaRegistrarArguments, FromRegistrar> & {
  log: ReplicaLog;
  store: ReplicaStore;
  known: StoredRounds;
  newReplicaId: () => string;
  /** This node knows of a cluster that was formed, and so has a ledger. */
  isFormed: () => boolean;
  /** Something is to be told, or was not heard. */
  compareSoon: () => void;
  /** These objects were forgotten, to come back from others; comparisons under way say nothing of what is here any more. */
  onDropped: (names: readonly string[]) => void;
  onView: (view: RoundsView) => void;
};

export interface ReplicaRounds {
  readonly state: RoundsState;
  /** Others may hear of what is here. */
  readonly speaks: boolean;
  /** What is here is about to be something else: nothing can be changed now. */
  readonly isChanging: boolean;
  /** Nobody has formed this cluster, so there is no ledger: who is there exchanges as it is, and forgets nothing. */
  readonly isFree: boolean;
  /** Whether objects of this type are going to be dropped here: what would be changed in them would be lost. */
  drops(type: string): boolean;
  /** Whether anything of this sender may be taken. */
  judge(replica: string, edition: number): boolean;
  /** A ledger that somebody told. */
  hear(ledger: Ledger): void;
  /** Somebody is there who knows of no ledger. */
  meetsUnlisted(): void;
  /** A comparison that began after this was told has ended and left nothing out. */
  compared(told: Told): void;
  retire(named: string, done: RetireDone): void;
  /** All that this node ever had. */
  retirePeer(peer: PeerId): void;
  stop(): void;
}

/** A cluster that nobody has formed so long after the start may never be. */
const freeAfterMs = 5_000;

export const createReplicaRounds = (args: ReplicaRoundsArguments): ReplicaRounds => {
  const { scope, objects, log, store } = args;
  const { clock, sink } = args.ports;
  let known = args.known;
  let rounds = createRounds(objects.replica, known);
  let isChanging = false;
  /** The latest ledger heard of, on its way to the disk. */
  let coming: Ledger | null = null;
  let saves = false;
  /** Raised when what is here is not what it was: what was learned of it before says nothing. */
  let generation = 0;

  /**
   * What others may have heard never counts as new later: that is noted before anybody hears or tells anything, and only where somebody
   * is there to hear it. Who is alone, or meets a cluster that was formed, keeps what it has as its own.
   */
  let isFree = false;
  const goFree = (): void => {
    if (isFree || rounds.ledger !== null || args.isFormed() || saves || isChanging) return;
    const free = (): void => {
      isFree = true;
      args.compareSoon();
    };
    if (known.isHeard) return free();
    saves = true;
    const next: StoredRounds = { ...known, isHeard: true };
    store.saveRounds(
      rounds.self,
      next,
      scope.guard((why) => {
        saves = false;
        if (why !== null) return;
        known = next;
        free();
        save();
      }),
    );
  };
  const freeAtMs = clock.nowMs() + freeAfterMs;
  const isFreeNow = (): boolean => isFree && rounds.ledger === null && !args.isFormed();

  const tellView = (): void =>
    args.onView({
      ...{ replica: objects.replica, standing: standingOf(rounds), round: objects.round, stable: objects.stable },
      ledger: rounds.ledger,
    });

  // -------------------------------------------------------------- what is known of the ledger

  const hear = (ledger: Ledger): void => {
    if (ledger.version <= ((coming ?? rounds.ledger)?.version ?? 0)) return;
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
    settle();
    if (!spoke && maySpeak(rounds)) args.compareSoon();
    registrar.learned(ledger.highest > before);
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
    generation++;
    rounds.seen.clear();
    rounds.isBased = false;
    const round = ownRound(rounds);
    const dropped = known.isHeard ? dropRounded(objects) : [];
    objects.stable = 0;
    if (known.isHeard) objects.round = round;
    else beginIn(objects, round);
    if (dropped.length > 0) {
      sink.log('warn', 'REPLICA_BEGINS_ANEW', `${dropped.length} objects are fetched from others as they have them`, {
        replica: objects.replica,
      });
    }
    args.onDropped(dropped);
    rewrite(() => change(rounds.self, { ...known, isReady: true }, () => {}));
  };

  /** The others go on without this replica and take nothing of it any more: it goes on under another id. */
  const beginAnew = (): void => {
    isChanging = true;
    generation++;
    const replica = args.newReplicaId();
    sink.log('warn', 'REPLICA_RETIRED', 'others have retired this replica; it begins anew, and what only it had may be lost', {
      ...{ retired: rounds.self, replica },
    });
    change(replica, { ledger: rounds.ledger, wasListed: false, isHeard: true, isReady: false }, () => {
      objects.replica = replica;
      rounds = createRounds(replica, known);
      registrar.hurry();
    });
  };

  const registrar = createReplicaRegistrar({
    ...{ ...args, rounds: () => rounds, hear },
    latest: () => (isChanging || coming !== null ? false : rounds.ledger),
  });
  settle();

  return {
    get state() {
      return rounds;
    },
    get speaks() {
      return (maySpeak(rounds) || isFreeNow()) && !isChanging;
    },
    get isChanging() {
      return isChanging;
    },
    get isFree() {
      return isFreeNow();
    },
    drops(type) {
      const standing = standingOf(rounds);
      if (!known.isHeard || known.isReady || (standing !== 'apart' && standing !== 'begins')) return false;
      return (rounds.ledger?.highest ?? 0) > roundsWithoutLoss && objects.types.get(type)?.collect !== undefined;
    },
    judge(replica, edition) {
      if (isFreeNow() && edition === 0) return true;
      // While states are written anew what comes would be taken for what was here.
      const judged = isChanging ? 'later' : judgeSender(rounds, replica, edition);
      if (judged === 'welcome') return true;
      sink.count('replica_refused_total', { code: judged === 'later' ? 'LEDGER_BEHIND' : 'REPLICA_UNLISTED' });
      if (judged === 'later') registrar.pollSoon();
      args.compareSoon();
      return false;
    },
    hear,
    meetsUnlisted() {
      if (known.isHeard || clock.nowMs() >= freeAtMs) goFree();
    },
    compared(told) {
      // What came is on the disk before anybody hears that it is here.
      const before = generation;
      log.afterAll(
        'write',
        scope.guard(({ ok }) => {
          if (!ok || generation !== before) return;
          learnSeen(rounds, told);
          registrar.hurry();
        }),
      );
    },
    retire: registrar.retire,
    retirePeer: registrar.retirePeer,
    stop: registrar.stop,
  };
};
