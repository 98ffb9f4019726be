// The replicated actors of one group at this node, leader or not: what is folded is told to those who live here, what is to be done is done
// while this node leads, and a replica that differs from its leader says so to it.

import type { Hosted } from '../machines/entity/hosted.ts';
import { catchUpSome, dumpOf, type LedgerHost, lookAt } from '../machines/entity/ledger.ts';
import { dropBody } from '../machines/entity/ledger-fold.ts';
import { typeOfName } from '../machines/entity/ledger-items.ts';
import { type Residents, versionsOf } from '../machines/entity/ledger-store.ts';
import {
  type ActorName,
  type ActorRecord,
  type Divergence,
  type FindDefinition,
  type LedgerItem,
  type LedgerWatch,
  ledgerLimits,
  type Mark,
} from '../machines/entity/ledger-types.ts';
import { failure } from '../machines/errors.ts';
import type { FencingToken } from '../machines/register/types.ts';
import type { ActorGroup } from './actor-groups.ts';
import type { ReplicaActor } from './actor-replica-live.ts';
import { createProposals, type ItemEnd, type Proposals } from './actor-replica-proposals.ts';
import { Reign, type ReignPlace } from './actor-replica-reign.ts';
import { type ReplicaWord, wordLimits } from './actor-replica-words.ts';
import type { GroupLeadership } from './leadership.ts';
import type { PeerId, Timer } from './ports/index.ts';

export type GroupPlace = Omit<ReignPlace, 'holds' | 'propose' | 'ask'> & {
  readonly find: FindDefinition;
  readonly residents: Residents;
  readonly leadership: (group: string) => GroupLeadership;
  /** To that node; null: to the leader of the group or, if that is this node, to its others. Lost if it is lost. */
  tell(word: ReplicaWord, to: PeerId | null): void;
  liveOf(name: ActorName): ReplicaActor | undefined;
  /** This node hosts replicated actors. */
  hostsAny(): boolean;
  /** Members of the group but this node, whether they are there or not. */
  others(group: string): readonly PeerId[];
  /** Another member that is there can follow actors of this version. */
  isFollowed(group: string, type: string, version: number): boolean;
};

const stepsAtOnce = 256;
const toldEveryMs = 1_000;
const behindEveryMs = 500;
/** Somebody waits for it. */
const behindSoonMs = 50;
const leaveMs = 1_000;
const idleLookMs = 5;
const toldMax = 1_024;

export class ReplicaGroup {
  readonly group: string;
  readonly host: LedgerHost;
  readonly #place: GroupPlace;
  #port: ActorGroup | null = null;
  #proposals: Proposals | null = null;
  #reign: Reign | null = null;
  /** When the leader was told last that this replica differs. */
  readonly #told = new Map<ActorName, number>();
  #behindTimer: Timer | null = null;
  /** Actors that this replica cannot follow: who said that he cannot either, and when all were asked last. */
  readonly #lacking = new Map<ActorName, { peers: Set<PeerId>; askedMs: number }>();
  /** The node stops: what happened is written down, and nothing more happens here. */
  #isLeaving = false;

  constructor(group: string, place: GroupPlace) {
    this.group = group;
    this.#place = place;
    this.host = { find: place.find, watch: this.#watch(), residents: place.residents };
  }

  get isOpen(): boolean {
    return this.#port !== null;
  }

  get token(): FencingToken | null {
    return this.#reign?.token ?? null;
  }

  // ---------------------------------------------------------------- life

  opened(port: ActorGroup): void {
    this.closed();
    this.#port = port;
    this.#proposals = createProposals(port.scope, port.propose, () => this.#reign?.takeDigests() ?? [], port.whyNot);
    if (this.#place.hostsAny()) port.want();
    this.changed();
    this.#catchUp();
  }

  closed(): void {
    this.#behindTimer?.cancel();
    this.#behindTimer = null;
    this.#reign?.stop();
    this.#reign = null;
    this.#port = null;
    this.#proposals?.stop(failure('NOT_READY', `the replica of '${this.group}' on this node has stopped`));
    this.#proposals = null;
  }

  /** Leadership may have changed. */
  changed(): void {
    const token = this.#port === null ? null : this.#place.leadership(this.group).reign();
    const before = this.token;
    if (before?.term === token?.term && before?.index === token?.index) return;
    this.#reign?.stop();
    this.#reign = null;
    this.#lacking.clear();
    if (token === null || this.#port === null) return;
    const current = this.#place.leadership(this.group);
    const { clock } = this.#place;
    const { after, soon } = this.#port.scope;
    const reign: ReignPlace = {
      ...this.#place,
      clock: { nowMs: () => clock.nowMs(), wallMs: () => clock.wallMs(), after, soon },
      // A leader that has gone quiet has no lease: it is asked to have one for as long as there is something to do.
      holds() {
        if (current.holds(token)) return true;
        current.attend(true);
        return false;
      },
      propose: (item, done) => this.propose(item, done),
      ask: (name) => this.ask(name),
    };
    this.#reign = new Reign(reign, this.#port, token);
    this.#reign.applied();
  }

  applied(isReplaced: boolean): void {
    if (isReplaced) this.#told.clear();
    this.#reign?.applied();
    this.#lookBehind();
  }

  hosted(): void {
    if (this.#place.hostsAny()) this.#port?.want();
    this.#reign?.hosted();
    this.#catchUp();
  }

  /** Folds what was kept for want of code that is here now, a part at a time. */
  #catchUp(): void {
    const port = this.#port;
    if (port === null || port.ledger().store.behind.size === 0) return;
    port.scope.after(0, () => {
      if (this.#port === port && catchUpSome(port.ledger(), port.read, stepsAtOnce)) this.#catchUp();
    });
  }

  // ---------------------------------------------------------------- the log

  propose(item: LedgerItem, done?: (end: ItemEnd) => void): void {
    if (this.#isLeaving && item.kind !== 'state')
      return done?.({
        type: 'not-taken',
        failure: failure('NOT_READY', `this node hands '${this.group}' over: it is stopping`),
      });
    if (this.#proposals !== null) return this.#proposals.add(item, done);
    done?.({ type: 'not-taken', failure: failure('NOT_READY', `this node has no replica of '${this.group}' that is loaded`) });
  }

  /** By type, the versions of what is in it. */
  get versions(): Hosted {
    return this.#port === null ? new Map() : versionsOf(this.#port.ledger().store);
  }

  record(name: ActorName): ActorRecord | null {
    if (this.#port === null) return null;
    const { scope, ledger, read } = this.#port;
    try {
      return lookAt(ledger(), name, read);
    } catch (error) {
      // The keyspace is not what it should be: that is the group's failure, whoever looked.
      scope.soon(() => {
        throw error;
      });
      return null;
    }
  }

  /** Nobody needs its body for now. */
  passivated(name: ActorName): void {
    const store = this.#port?.ledger().store;
    const record = store?.loaded.get(name)?.record;
    if (record !== undefined && store?.pinned.has(name) === false) dropBody(record);
  }

  sent(name: ActorName, path: string, event: { type: string }): void {
    this.#reign?.sent(name, path, event);
  }

  // ---------------------------------------------------------------- what the ledger tells

  #watch(): LedgerWatch {
    const { liveOf } = this.#place;
    return {
      folded: (record, step, why, event) => {
        this.#reign?.touch(record.name);
        liveOf(record.name)?.folded(record, step, why, event);
        if (why?.code === 'ACTOR_FAILED') this.#failed(record, why.message);
      },
      halted: (record) => {
        this.#reign?.touch(record.name);
        this.#tellHalt(record);
        liveOf(record.name)?.replaced();
      },
      removed: (record) => {
        this.#reign?.touch(record.name);
        this.#told.delete(record.name);
        liveOf(record.name)?.removed();
      },
      replaced: (record) => {
        this.#reign?.touch(record.name);
        liveOf(record.name)?.replaced();
      },
      diverged: (divergence) => this.#diverged(divergence),
    };
  }

  #failed({ name, standing }: ActorRecord, message: string): void {
    const { sink } = this.#place;
    sink.count('actor_events_failed_total', { group: this.group });
    const level = standing === 'failed' ? 'error' : 'warn';
    sink.log(level, 'ACTOR_FAILED', message, { group: this.group, actor: name, standing });
  }

  #tellHalt({ name, halt }: ActorRecord): void {
    if (halt === null) return;
    const { sink } = this.#place;
    const { index, event } = halt;
    const [leaders, others] = halt.digests.map(hex) as [string, string];
    sink.count('actors_diverged_total', { group: this.group });
    const what = `replicas of actor '${name}' differ since '${event}', entry ${index} of '${this.group}'`;
    sink.log(
      'error',
      'ACTOR_DIVERGED',
      `${what} (${leaders} at the leader, ${others} elsewhere): it is stopped until it is reset`,
      {
        ...{ actor: name, group: this.group, index, event, leader: leaders, other: others },
      },
    );
  }

  // ---------------------------------------------------------------- replicas that differ

  #diverged(divergence: Divergence): void {
    const { clock, tell } = this.#place;
    const nowMs = clock.nowMs();
    const before = this.#told.get(divergence.actor);
    if (before !== undefined && nowMs - before < toldEveryMs) return;
    if (this.#told.size >= toldMax) this.#told.clear();
    this.#told.set(divergence.actor, nowMs);
    this.#port?.scope.soon(() => {
      const { actor, marks } = divergence;
      if (this.#reign === null) tell({ type: 'diverged', group: this.group, actor, marks }, null);
      // An earlier leader was otherwise; nobody knows where it began.
      else this.#halt(divergence.actor, divergence.marks.at(-1), divergence.digest);
    });
  }

  heard(peer: PeerId, word: ReplicaWord): void {
    if (word.type === 'diverged') this.#heardDiverged(word.actor, word.marks);
    else if (word.type === 'behind') this.#heardBehind(peer, word.actors);
    else if (word.type === 'lacking') for (const actor of word.actors) this.#lacking.get(actor)?.peers.add(peer);
    else this.#heardState(word);
  }

  /** Another replica differs; it tells what it was like after each of its last steps. */
  #heardDiverged(actor: ActorName, marks: readonly Mark[]): void {
    const record = this.record(actor);
    if (this.#reign === null || record === null || record.presence !== 'live') return;
    const own = new Map(record.marks.map((mark) => [mark.seq, mark]));
    const first = marks.find(({ seq, digest }) => own.has(seq) && own.get(seq)!.digest !== digest);
    if (first !== undefined) this.#halt(actor, own.get(first.seq), first.digest);
  }

  // ---------------------------------------------------------------- replicas that lack the code

  /** While this replica cannot follow some, it asks now and then for what became of them. */
  #lookBehind(): void {
    if (this.#behindTimer !== null || this.#port === null || this.#port.ledger().store.behind.size === 0) return;
    this.#behindTimer = this.#port.scope.after(behindEveryMs, () => {
      this.#behindTimer = null;
      const actors: ActorName[] = [];
      for (const name of this.#port?.ledger().store.behind ?? []) {
        if (actors.length >= wordLimits.actorsMax) break;
        actors.push(name);
      }
      if (actors.length === 0) return;
      this.#place.tell({ type: 'behind', group: this.group, actors }, null);
      this.#lookBehind();
    });
  }

  /** A leader puts the state into the log, where everybody finds it; another tells it to the leader that asked. */
  #heardBehind(peer: PeerId, actors: readonly ActorName[]): void {
    const lacking: ActorName[] = [];
    for (const actor of actors) {
      const record = this.record(actor);
      if (record === null || record.presence !== 'live' || record.sinceState.steps === 0) continue;
      if (record.backlog.length > 0) lacking.push(actor);
      else this.#tellState(record, peer);
    }
    if (lacking.length > 0 && this.#reign === null)
      this.#place.tell({ type: 'lacking', group: this.group, actors: lacking }, peer);
  }

  #tellState(record: ActorRecord, peer: PeerId | null): void {
    const state = dumpOf(record);
    if (state === null) return;
    const { name: actor, version } = record;
    if (this.#reign !== null) this.#reign.checkpoint(record);
    else this.#place.tell({ type: 'state', group: this.group, actor, version, ...state }, peer);
  }

  /** The others are asked for what this replica, which leads, cannot follow. False: they all said that they cannot either. */
  ask(name: ActorName): boolean {
    const { clock, tell, others } = this.#place;
    const known = this.#lacking.get(name) ?? { peers: new Set(), askedMs: Number.NEGATIVE_INFINITY };
    this.#lacking.set(name, known);
    if (clock.nowMs() - known.askedMs >= behindSoonMs) {
      known.askedMs = clock.nowMs();
      tell({ type: 'behind', group: this.group, actors: [name] }, null);
    }
    return others(this.group).some((peer) => !known.peers.has(peer));
  }

  // ---------------------------------------------------------------- the node stops

  /**
   * The last node that can follow some of them tells what came of their last events, before it lets go of them: a leader by the log, in which
   * nothing comes after it, another to the leader.
   */
  leave(done: () => void): void {
    const port = this.#port;
    if (port === null || ![...versionsOf(port.ledger().store)].some(([type]) => this.#isLast(type))) return done();
    const untilMs = this.#place.clock.nowMs() + leaveMs;
    const whenIdle = (run: () => void): void => {
      if (this.#port !== port) return done();
      if (this.#proposals?.isIdle !== false || this.#place.clock.nowMs() >= untilMs) return run();
      // Not the group's own timer: it may fail meanwhile, and the node stops all the same.
      this.#place.clock.after(idleLookMs, () => whenIdle(run));
    };
    this.#isLeaving = this.#reign !== null;
    whenIdle(() => {
      for (const { record } of port.ledger().store.loaded.values())
        if (record.presence === 'live' && record.sinceState.steps > 0 && this.#isLast(typeOfName(record.name)))
          this.#tellState(record, null);
      whenIdle(done);
    });
  }

  #isLast(type: string): boolean {
    const definition = this.#place.definition(type);
    return definition?.durability === 'replicated' && !this.#place.isFollowed(this.group, type, definition.version);
  }

  #heardState({ actor, seq, version, dump }: Extract<ReplicaWord, { type: 'state' }>): void {
    const record = this.record(actor);
    if (this.#reign === null || record === null || record.presence !== 'live' || record.version !== version) return;
    // What this replica has itself is as good.
    if (seq > record.seq || seq <= record.seq - record.backlog.length) return;
    this.propose({ kind: 'state', actor, why: 'checkpoint', seq, version, dump });
  }

  #halt(actor: ActorName, own: Mark | undefined, other: number): void {
    if (own === undefined) return;
    const { index, event, digest } = own;
    this.propose({ kind: 'halt', actor, index, event: event.slice(0, ledgerLimits.pathCharsMax), digests: [digest, other] });
  }
}

const hex = (digest: number): string => digest.toString(16).padStart(8, '0');
