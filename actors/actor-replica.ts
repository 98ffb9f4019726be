// Actors of durability 'replicated' at a node (decision 15): for each group that it has a replica of, what is in it (actor-replica-group.ts),
// and those actors that the door has opened here because this node leads their group. Docs: docs/internals/actors-replicated.md.

import { type ActorAddress, addressText } from '../machines/entity/address.ts';
import type { Hosted } from '../machines/entity/hosted.ts';
import { dumpOf, removalOf } from '../machines/entity/ledger.ts';
import { isActorName, typeOfName } from '../machines/entity/ledger-items.ts';
import { createResidents } from '../machines/entity/ledger-store.ts';
import type { ActorName } from '../machines/entity/ledger-types.ts';
import { type Failure, failure } from '../machines/errors.ts';
import type { FencingToken } from '../machines/register/types.ts';
import { parseFailure } from '../machines/wire/failure.ts';
import {
  type ActorDefinition,
  type ActorsApi,
  actorLimits,
  type Backing,
  type BackingEvents,
  type LiveActor,
} from './actor-api.ts';
import type { ActorBody, BodyArguments } from './actor-body-api.ts';
import type { ActorGroups } from './actor-groups.ts';
import { addressOfName, createReplicaCode, type FormRef, nameOfAddress } from './actor-replica-code.ts';
import { ReplicaGroup } from './actor-replica-group.ts';
import { ReplicaActor } from './actor-replica-live.ts';
import { openReplica } from './actor-replica-opening.ts';
import { formWord, parseWord, type ReplicaWord, replicasAddress } from './actor-replica-words.ts';
import type { Outcome } from './api.ts';
import { createDeadlines } from './deadlines.ts';
import type { Leaderships } from './leadership.ts';
import type { PeerId, Ports } from './ports/index.ts';
import type { Delivery, Router } from './router.ts';

export { replicasAddress };

export type ReplicasArguments = Pick<Ports, 'clock' | 'sink' | 'network'> & {
  readonly router: Pick<Router, 'send' | 'ask' | 'refuse'>;
  readonly leaderships: Leaderships;
  /** Null before the cluster is known. */
  readonly groupOf: (address: Pick<ActorAddress, 'type' | 'key'>) => string | null;
  readonly definitions: () => readonly ActorDefinition[];
  /** What a peer hosts; null: it is not there. */
  readonly hostedAt: (peer: PeerId) => Hosted | null;
  readonly formRef: FormRef | undefined;
  readonly deliver: ActorsApi['deliver'];
  readonly events: BackingEvents;
  /** For tests. */
  readonly makeBody?: (args: BodyArguments) => ActorBody;
  readonly residentsMax?: number;
};

export interface Replicas extends Backing, ActorGroups {
  /** A definition came: what was kept for want of it is folded. */
  hosted(): void;
  /** The node stops, before anything else of it ends: see ReplicaGroup.leave. */
  leave(done: () => void): void;
  /** By type, the versions of the actors in a group. */
  persisted(group: string): Hosted;
  /** What another node says here. */
  receive(delivery: Delivery): void;
  /**
   * For an actor that was stopped because replicas of it differ: it goes on as the leader of its group has it. By hand of an operator, at any
   * node. NO_QUORUM where nobody leads, ACTOR_STOPPED where there is no such actor, ACTOR_VERSION where the leader lacks its code.
   */
  reset(address: ActorAddress, timeoutMs: number, done: (outcome: Outcome<null>) => void): void;
}

export const createReplicas = (args: ReplicasArguments): Replicas => new ReplicaTable(args);

class ReplicaTable implements Replicas {
  readonly durability = 'replicated';
  readonly #args: ReplicasArguments;
  readonly #groups = new Map<string, ReplicaGroup>();
  readonly #live = new Map<ActorName, ReplicaActor>();
  readonly #find;
  readonly #formRef: FormRef;
  #definitions: ReadonlyMap<string, ActorDefinition> = new Map();
  readonly #residents;
  readonly #idle;
  #isStopping = false;

  constructor(args: ReplicasArguments) {
    this.#args = args;
    const { sink } = args;
    this.#formRef = args.formRef ?? ((address) => address);
    this.#residents = createResidents(args.residentsMax);
    this.#find = createReplicaCode({
      ...{ definition: (type) => this.#definitions.get(type), formRef: this.#formRef },
      onSent: (name, path, event) => this.#groupOf(name)?.sent(name, path, event),
      onLog: (name, line) => sink.log('info', 'ACTOR_SAYS', line.map(String).join(' '), { address: name }),
      ...(args.makeBody === undefined ? {} : { makeBody: args.makeBody }),
    });
    this.#idle = createDeadlines<ReplicaActor>(args.clock, args.clock.nowMs, (actor) => actor.look());
    args.leaderships.onChanged((group) => this.#groups.get(group)?.changed());
  }

  #group(group: string): ReplicaGroup {
    let known = this.#groups.get(group);
    if (known === undefined) {
      const { clock, sink, deliver, leaderships, events } = this.#args;
      known = new ReplicaGroup(group, {
        ...{ clock, sink, formRef: this.#formRef, deliver, find: this.#find, residents: this.#residents },
        definition: (type) => this.#definitions.get(type),
        leadership: (of) => leaderships.of(of),
        tell: (word, to) => this.#tell(word, to),
        liveOf: (name) => this.#live.get(name),
        others: (of) => this.#others(of),
        isLast: (of, type, version) => this.#isLast(of, type, version),
        hostsAny: () => [...this.#definitions.values()].some(({ durability }) => durability === 'replicated'),
        onDeadLetter: (address, event, source, reason) =>
          events.onDeadLetter({ address: addressText(address), event: event.type, source, reason }),
      });
      this.#groups.set(group, known);
    }
    return known;
  }

  #isLast(group: string, type: string, version: number): boolean {
    const there = this.#others(group).flatMap((peer) => this.#args.hostedAt(peer) ?? []);
    return there.length > 0 && !there.some((hosted) => hosted.get(type)?.newest === version);
  }

  #groupOf(name: ActorName): ReplicaGroup | undefined {
    const type = typeOfName(name);
    const group = this.#args.groupOf({ type, key: name.slice(type.length + 1) });
    return group === null ? undefined : this.#groups.get(group);
  }

  // ---------------------------------------------------------------- told by groups

  host(group: string) {
    return this.#group(group).host;
  }

  opened(port: Parameters<ActorGroups['opened']>[0]): void {
    this.#group(port.group).opened(port);
  }

  applied(group: string, isReplaced: boolean): void {
    this.#groups.get(group)?.applied(isReplaced);
  }

  closed(group: string): void {
    this.#groups.get(group)?.closed();
  }

  hosted(): void {
    this.#definitions = new Map(this.#args.definitions().map((one) => [one.name, one]));
    for (const group of this.#groups.values()) group.hosted();
  }

  persisted(group: string): Hosted {
    return this.#groups.get(group)?.versions ?? new Map();
  }

  // ---------------------------------------------------------------- the backing

  open(
    definition: ActorDefinition,
    address: ActorAddress,
    token: FencingToken | null,
    done: (outcome: Outcome<LiveActor>) => void,
    onlyIfMade = false,
  ): void {
    const fail = (code: Failure['code'], message: string): void => done({ ok: false, failure: failure(code, message) });
    const name = nameOfAddress(address);
    const text = addressText(address);
    const group = this.#groupOf(name);
    if (this.#isStopping) return fail('STOPPING', 'the node is stopping');
    if (group === undefined || !group.isOpen) return fail('NOT_READY', `this node has no replica of the group of ${text}`);
    if (this.#live.size >= actorLimits.actorsMax) return fail('OVERLOADED', `${this.#live.size} actors live here already`);
    const { clock } = this.#args;
    openReplica(
      {
        propose: (item, end) => group.propose(item, end),
        record: (of) => group.record(of),
        find: this.#find,
        ask: (of) => group.ask(of),
      },
      definition,
      name,
      onlyIfMade,
      (why) =>
        clock.soon(() => {
          if (why !== null) return done({ ok: false, failure: why });
          if (this.#isStopping) return fail('STOPPING', 'the node is stopping');
          const actor = this.#made(definition, address, name, token, group);
          done({ ok: true, value: actor });
          actor.begun();
        }),
    );
  }

  #made(
    definition: ActorDefinition,
    address: ActorAddress,
    name: ActorName,
    token: FencingToken | null,
    group: ReplicaGroup,
  ): ReplicaActor {
    const { clock, sink, events } = this.#args;
    const actor = new ReplicaActor(definition, address, name, token, {
      ...{ clock, sink, formRef: this.#formRef },
      propose: (item, done) => group.propose(item, done),
      record: (of) => group.record(of),
      lookAt: (one, atMs) => this.#idle.add(one, atMs),
      fold: (record) => this.#find(typeOfName(record.name), record.version),
      onGone: (gone, why) => {
        if (this.#live.get(name) === gone) this.#live.delete(name);
        if (why === 'passivated') group.passivated(name);
        events.onGone(gone, why);
      },
      onDeadLetter: (gone, event, source, reason) =>
        events.onDeadLetter({ address: addressText(gone.address), event: event.type, source, reason }),
    });
    this.#live.set(name, actor);
    return actor;
  }

  /** What the fold has not said (which deliveries failed) stays unsaid: OUTCOME_UNKNOWN for who delivers them once more. */
  removal(address: ActorAddress, why: Failure): ((done: (why: Failure | null) => void) => void) | null {
    if (why.code !== 'ACTOR_VERSION') return null;
    const name = nameOfAddress(address);
    const text = addressText(address);
    const { clock, sink } = this.#args;
    return (done) => {
      const group = this.#groupOf(name);
      if (group === undefined || !group.isOpen)
        return done(failure('NOT_READY', `this node has no replica of the group of ${text}`));
      const item = removalOf(name, group.record(name));
      group.propose(item, (end) =>
        clock.soon(() => {
          if (end.type === 'not-taken') return done(end.failure);
          if (end.type === 'unknown') return done(failure('OUTCOME_UNKNOWN', `the leader was lost while ${text} was removed`));
          sink.log('warn', 'ACTOR_REMOVED_UNREAD', `${text} was removed by a hard stop`, { address: text });
          done(null);
        }),
      );
    };
  }

  live(): Iterable<LiveActor> {
    return this.#live.values();
  }

  leave(done: () => void): void {
    let left = this.#groups.size;
    if (left === 0) return done();
    for (const group of [...this.#groups.values()])
      group.leave(() => {
        if (--left === 0) done();
      });
  }

  stop(done: () => void): void {
    this.#isStopping = true;
    let left = this.#live.size;
    const over = (): void => {
      this.#idle.end();
      done();
    };
    if (left === 0) return over();
    for (const actor of [...this.#live.values()])
      actor.release('stopping', () => {
        if (--left === 0) over();
      });
  }

  // ---------------------------------------------------------------- what replicas say to each other

  /** To the leader of the group or, if that is this node, to the others. */
  #tell(word: ReplicaWord, to: PeerId | null): void {
    const { leaderships, router, network } = this.#args;
    const { leader } = leaderships.of(word.group).now();
    const peers = to !== null ? [to] : leader === network.self ? this.#others(word.group) : leader === null ? [] : [leader];
    for (const peer of peers) router.send(peer, 'calls', replicasAddress, replicasAddress, word.type, formWord(word));
  }

  #members(group: string): PeerId[] {
    const members = this.#args.leaderships.of(group).replica()?.configuration.members ?? {};
    return Object.values(members).map(({ peer }) => peer);
  }

  #others(group: string): PeerId[] {
    return this.#members(group).filter((peer) => peer !== this.#args.network.self);
  }

  receive(delivery: Delivery): void {
    const { peer, type, body } = delivery;
    const { router } = this.#args;
    if (type === 'reset') return this.#askedToReset(delivery);
    const word = parseWord(type, body);
    if (word === null) return router.refuse(peer, 'MESSAGE_MALFORMED', `no word of replicas: ${type.slice(0, 32)}`);
    // Who has just begun does not know its groups yet.
    if (this.#args.leaderships.of(word.group).replica() === null) return;
    if (!this.#members(word.group).includes(peer))
      return router.refuse(peer, 'SPOKE_FOR_ANOTHER', `it has no replica of '${word.group}'`);
    this.#groups.get(word.group)?.heard(peer, word);
  }

  reset(address: ActorAddress, timeoutMs: number, done: (outcome: Outcome<null>) => void): void {
    const { leaderships, router, network } = this.#args;
    const name = nameOfAddress(address);
    const group = this.#args.groupOf(address);
    const leader = group === null ? null : leaderships.of(group).now().leader;
    if (leader === network.self) return this.#resetHere(address, done);
    const fail = (code: Failure['code'], message: string): void => done({ ok: false, failure: failure(code, message) });
    if (leader === null) return fail('NO_QUORUM', `nobody is known to lead the group of ${addressText(address)}`);
    const question = { lane: 'calls', source: replicasAddress, target: replicasAddress, type: 'reset', body: name } as const;
    router.ask({ ...question, peer: leader, timeoutMs }, (why, body) => {
      if (why !== null) return fail(why.code, `the leader of the group of ${addressText(address)} gave no answer`);
      if (body === null) return done({ ok: true, value: null });
      done({ ok: false, failure: parseFailure(body) ?? failure('INTERNAL', 'the leader gave an answer that is none') });
    });
  }

  #askedToReset({ peer, body, answer }: Delivery): void {
    const name = typeof body === 'string' && isActorName(body) ? body : null;
    const address = name === null ? null : addressOfName(name);
    const group = address === null ? null : this.#args.groupOf(address);
    if (address === null || group === null || !this.#members(group).includes(peer))
      return this.#args.router.refuse(peer, 'MESSAGE_MALFORMED', 'no actor of a group that it is a member of is to be reset');
    this.#resetHere(address, (outcome) => answer(outcome.ok ? null : outcome.failure));
  }

  #resetHere(address: ActorAddress, done: (outcome: Outcome<null>) => void): void {
    const name = nameOfAddress(address);
    const group = this.#groupOf(name);
    const record = group?.record(name) ?? null;
    const fail = (code: Failure['code'], message: string): void => done({ ok: false, failure: failure(code, message) });
    if (group === undefined || group.token === null)
      return fail('NOT_READY', `this node does not lead the group of ${addressText(address)}: ask the one that does`);
    if (record === null) return fail('ACTOR_STOPPED', `there is no actor ${addressText(address)}`);
    const state = dumpOf(record);
    if (state === null) return fail('ACTOR_VERSION', `this node has not followed ${addressText(address)}: it lacks its code`);
    group.propose({ kind: 'state', actor: name, why: 'reset', version: record.version, ...state }, (end) => {
      if (end.type === 'applied' && end.outcome.type !== 'refused') return done({ ok: true, value: null });
      if (end.type === 'not-taken') return done({ ok: false, failure: end.failure });
      fail('OUTCOME_UNKNOWN', `the leader was lost while ${addressText(address)} was reset`);
    });
  }
}
