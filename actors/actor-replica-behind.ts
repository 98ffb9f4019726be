// Actors of a group that some replica cannot follow, since it lacks their code: it asks for their state, who has it tells it, a leader by the
// log, and the last node that could follow them says what came of their last events before it stops.
import { dumpOf } from '../machines/entity/ledger.ts';
import { typeOfName } from '../machines/entity/ledger-items.ts';
import { versionsOf } from '../machines/entity/ledger-store.ts';
import type { ActorName, ActorRecord, LedgerItem } from '../machines/entity/ledger-types.ts';
import type { ActorDefinition } from './actor-api.ts';
import type { ActorGroup } from './actor-groups.ts';
import type { Reign } from './actor-replica-reign.ts';
import { type ReplicaWord, wordLimits } from './actor-replica-words.ts';
import type { ClockPort, PeerId, Timer } from './ports/index.ts';

export type BehindPlace = {
  readonly group: string;
  readonly clock: Pick<ClockPort, 'nowMs' | 'after'>;
  /** Null: there is no replica here that is loaded. */
  port(): ActorGroup | null;
  /** Null: this node does not lead. */
  reign(): Reign | null;
  /** Nothing of this node is on its way into the log. */
  isIdle(): boolean;
  record(name: ActorName): ActorRecord | null;
  propose(item: LedgerItem): void;
  definition(type: string): ActorDefinition | undefined;
  /** To that node; null: to the leader of the group or, if that is this node, to its others. Lost if it is lost. */
  tell(word: ReplicaWord, to: PeerId | null): void;
  /** Members of the group but this node, whether they are there or not. */
  others(group: string): readonly PeerId[];
  /** Others are there, and none of them can follow actors of this version. */
  isLast(group: string, type: string, version: number): boolean;
};

const everyMs = 500;
/** Somebody waits for it. */
const soonMs = 50;
const askedMax = 1_024;
const leaveMs = 1_000;
/** States of a node that stops, at once. */
const statesAtOnce = 64;
const idleLookMs = 5;

export class Behind {
  readonly #place: BehindPlace;
  #timer: Timer | null = null;
  /** By actor that this replica, which leads, cannot follow: who said that he cannot either, and when all were asked last. */
  readonly #asked = new Map<ActorName, { lacking: Set<PeerId>; atMs: number }>();

  constructor(place: BehindPlace) {
    this.#place = place;
  }

  /** The replica is not there any more. */
  closed(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  /** This node leads now, or does not. */
  changed(): void {
    this.#asked.clear();
  }

  // ---------------------------------------------------------------- asking

  /** While this replica cannot follow some, it asks now and then for what became of them. */
  look(): void {
    const port = this.#place.port();
    if (this.#timer !== null || port === null || port.ledger().store.behind.size === 0) return;
    this.#timer = port.scope.after(everyMs, () => {
      this.#timer = null;
      const actors: ActorName[] = [];
      for (const name of port.ledger().store.behind) {
        if (actors.length >= wordLimits.actorsMax) break;
        actors.push(name);
      }
      if (actors.length === 0) return;
      this.#place.tell({ type: 'behind', group: this.#place.group, actors }, null);
      this.look();
    });
  }

  /** The others are asked for what this replica, which leads, cannot follow. False: they all said that they cannot either. */
  ask(name: ActorName): boolean {
    const { group, clock, tell, others } = this.#place;
    if (this.#asked.size >= askedMax) this.#asked.clear();
    const asked = this.#asked.get(name) ?? { lacking: new Set(), atMs: Number.NEGATIVE_INFINITY };
    this.#asked.set(name, asked);
    if (clock.nowMs() - asked.atMs >= soonMs) {
      asked.atMs = clock.nowMs();
      tell({ type: 'behind', group, actors: [name] }, null);
    }
    return others(group).some((peer) => !asked.lacking.has(peer));
  }

  // ---------------------------------------------------------------- being asked, and told

  heard(peer: PeerId, word: Extract<ReplicaWord, { type: 'behind' | 'lacking' | 'state' }>): void {
    if (word.type === 'behind') this.#heardBehind(peer, word.actors);
    else if (word.type === 'state') this.#heardState(word);
    else for (const actor of word.actors) this.#asked.get(actor)?.lacking.add(peer);
  }

  #heardBehind(peer: PeerId, actors: readonly ActorName[]): void {
    const { group, record: recordOf, reign, tell } = this.#place;
    const lacking: ActorName[] = [];
    for (const actor of actors) {
      const record = recordOf(actor);
      if (record === null || record.presence !== 'live' || record.sinceState.steps === 0) continue;
      if (record.backlog.length > 0) lacking.push(actor);
      else this.#tellState(record, peer);
    }
    if (lacking.length > 0 && reign() === null) tell({ type: 'lacking', group, actors: lacking }, peer);
  }

  /** A leader puts it into the log, where everybody finds it. */
  #tellState(record: ActorRecord, peer: PeerId | null): void {
    const { group, reign, tell } = this.#place;
    const leading = reign();
    if (leading !== null) return leading.checkpoint(record);
    const state = dumpOf(record);
    const { name: actor, version } = record;
    if (state !== null) tell({ type: 'state', group, actor, version, ...state }, peer);
  }

  #heardState({ actor, seq, version, dump }: Extract<ReplicaWord, { type: 'state' }>): void {
    const record = this.#place.record(actor);
    if (this.#place.reign() === null || record === null || record.presence !== 'live' || record.version !== version) return;
    // What this replica has itself is as good.
    if (seq > record.seq || seq <= record.seq - record.backlog.length) return;
    this.#place.propose({ kind: 'state', actor, why: 'checkpoint', seq, version, dump });
  }

  // ---------------------------------------------------------------- the last that can follow them stops

  /** Told at once if there is nothing to be said. From now on nothing but states may be proposed here. */
  leave(stopsOthers: () => void, done: () => void): void {
    const { clock, port: portOf, isIdle } = this.#place;
    const port = portOf();
    if (port === null || ![...versionsOf(port.ledger().store)].some(([type]) => this.#isLast(type))) return done();
    const untilMs = clock.nowMs() + leaveMs;
    // Not the group's own timers: it may fail meanwhile, and the node stops all the same.
    const whenIdle = (run: () => void): void => {
      if (portOf() !== port || clock.nowMs() >= untilMs) return done();
      if (isIdle()) return run();
      clock.after(idleLookMs, () => whenIdle(run));
    };
    const tellSome = (names: ActorName[]): void => {
      if (names.length === 0) return done();
      for (const name of names.splice(0, statesAtOnce)) {
        const record = this.#place.record(name);
        if (record !== null && record.presence === 'live') this.#tellState(record, null);
      }
      whenIdle(() => tellSome(names));
    };
    stopsOthers();
    whenIdle(() => tellSome(this.#unsaid(port)));
  }

  #unsaid(port: ActorGroup): ActorName[] {
    const names: ActorName[] = [];
    for (const [name, { record }] of port.ledger().store.loaded)
      if (record.presence === 'live' && record.sinceState.steps > 0 && this.#isLast(typeOfName(name))) names.push(name);
    return names;
  }

  #isLast(type: string): boolean {
    const { group, definition: definitionOf, isLast } = this.#place;
    const definition = definitionOf(type);
    return definition?.durability === 'replicated' && isLast(group, type, definition.version);
  }
}
