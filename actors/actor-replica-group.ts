// The replicated actors of one group at this node, leader or not: what is folded is told to those who live here, what is to be done is done
// while this node leads, and a replica that differs from its leader says so to it.

import type { Hosted } from '../machines/entity/hosted.ts';
import { catchUpSome, type LedgerHost, lookAt, marksOf } from '../machines/entity/ledger.ts';
import { dropBody } from '../machines/entity/ledger-fold.ts';
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
import { Behind, type BehindPlace } from './actor-replica-behind.ts';
import type { ReplicaActor } from './actor-replica-live.ts';
import { createProposals, type ItemEnd, type Proposals } from './actor-replica-proposals.ts';
import { Reign, type ReignPlace } from './actor-replica-reign.ts';
import type { ReplicaWord } from './actor-replica-words.ts';
import type { GroupLeadership } from './leadership.ts';
import type { PeerId } from './ports/index.ts';

export type GroupPlace = Omit<ReignPlace, 'holds' | 'propose' | 'ask'> &
  Pick<BehindPlace, 'tell' | 'others' | 'isLast'> & {
    readonly find: FindDefinition;
    readonly residents: Residents;
    readonly leadership: (group: string) => GroupLeadership;
    liveOf(name: ActorName): ReplicaActor | undefined;
    /** This node hosts replicated actors. */
    hostsAny(): boolean;
  };

const stepsAtOnce = 256;
const toldEveryMs = 1_000;
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
  readonly #behind: Behind;
  /** The node stops: what happened is written down, and nothing more happens here. */
  #isLeaving = false;

  constructor(group: string, place: GroupPlace) {
    this.group = group;
    this.#place = place;
    this.#behind = new Behind({
      ...place,
      group,
      port: () => this.#port,
      reign: () => this.#reign,
      isIdle: () => this.#proposals?.isIdle !== false,
      record: (name) => this.record(name),
      propose: (item) => this.propose(item),
    });
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
    this.#behind.closed();
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
    this.#behind.changed();
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
    this.#behind.look();
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
      folded: (record, step, why, event, emitted) => {
        this.#reign?.touch(record.name);
        liveOf(record.name)?.folded(record, step, why, event, emitted);
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
    else this.#behind.heard(peer, word);
  }

  /** Another replica differs; it tells what it was like after each of its last steps. */
  #heardDiverged(actor: ActorName, marks: readonly Mark[]): void {
    const record = this.record(actor);
    if (this.#reign === null || record === null || record.presence !== 'live') return;
    const own = new Map(marksOf(record).map((mark) => [mark.seq, mark]));
    const first = marks.find(({ seq, digest }) => own.has(seq) && own.get(seq)!.digest !== digest);
    if (first !== undefined) this.#halt(actor, own.get(first.seq), first.digest);
  }

  // ---------------------------------------------------------------- replicas that lack the code

  /** False: nobody knows what became of it. */
  ask(name: ActorName): boolean {
    return this.#behind.ask(name);
  }

  /** The node stops, before anything else of it ends: what only this node can follow is said. */
  leave(done: () => void): void {
    this.#behind.leave(() => {
      this.#isLeaving = this.#reign !== null;
    }, done);
  }

  #halt(actor: ActorName, own: Mark | undefined, other: number): void {
    if (own === undefined) return;
    const { index, event, digest } = own;
    this.propose({ kind: 'halt', actor, index, event: event.slice(0, ledgerLimits.pathCharsMax), digests: [digest, other] });
  }
}

const hex = (digest: number): string => digest.toString(16).padStart(8, '0');
