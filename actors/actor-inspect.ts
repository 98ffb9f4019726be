// For those who look on (row N7): lists, descriptions and what happens, of the actors of this node, the runtime's own among them, and of
// those of other members, who are asked at the same address. Who looks on may see other people's data: whether he may is checked at the
// door where he comes in, and a node whose settings say so shows nothing to anybody.
import { type ActorAddress, isActorAddress, parseAddress, runtimeType } from '../machines/entity/address.ts';
import { type Failure, failure } from '../machines/errors.ts';
import type { MemberView } from '../machines/membership/index.ts';
import type { Outcome } from './api.ts';
import { type AbroadWanted, followAbroad } from './inspect-abroad.ts';
import {
  type ActorDescription,
  type ActorPage,
  type FollowWanted,
  type InspectApi,
  type InspectBatch,
  inspectLimits,
} from './inspect-api.ts';
import { followHere, type LocalFollow, type LocalWanted } from './inspect-follow.ts';
import { createLocalActors, type InspectedActors } from './inspect-local.ts';
import { createAskedMembers, notHere } from './inspect-members.ts';
import type { RuntimeSubjects } from './inspect-runtime.ts';
import { createSessions } from './inspect-sessions.ts';
import { createWatches } from './inspect-watch.ts';
import {
  areTypes,
  type CheckedQuery,
  checkQuery,
  formDescription,
  formOutcome,
  formPage,
  isRate,
  parseNext,
  parseQuery,
} from './inspect-wire.ts';
import type { PeerId, Ports } from './ports/index.ts';
import type { Delivery, Router } from './router.ts';
import type { Cell, Component, Scope } from './supervise.ts';

export { inspectAddress } from './inspect-wire.ts';

type Done<Value> = (outcome: Outcome<Value>) => void;

type Wanted = LocalWanted & { readonly isEverywhere: boolean };

type Reader = {
  readonly wanted: Wanted;
  readonly on: (batch: InspectBatch) => void;
  readonly ended: (why: Failure) => void;
  isOver: boolean;
};

export type InspectActorEvent =
  | { type: 'list-all'; query: CheckedQuery; node: string | null; timeoutMs: number; done: Done<ActorPage> }
  | { type: 'describe'; address: ActorAddress; timeoutMs: number; done: Done<ActorDescription> }
  | { type: 'follow' | 'unfollow'; reader: Reader }
  | { type: 'delivery'; delivery: Delivery }
  | { type: 'peer-close'; peer: PeerId };

export type InspectArguments = {
  /** This node's name. */
  name: string;
  /** False: nobody is shown anything. */
  isOn: boolean;
  ports: Pick<Ports, 'clock' | 'random' | 'sink'>;
  router: Router;
  actors: () => InspectedActors;
  runtime: RuntimeSubjects;
  members: () => readonly MemberView[];
};

const isOff = (name: string): Failure => failure('FORBIDDEN', `${name} does not let anybody look on (inspect: off)`);

// ---------------------------------------------------------------- what a reader wants

const refusal = (message: string): { ok: false; failure: Failure } => ({
  ok: false,
  failure: failure('INVALID_REQUEST', message),
});

const checkWanted = (given: FollowWanted, name: string): Outcome<Wanted> => {
  const { addresses = [], types = [], scope = 'node', correlation = null, perSecond = inspectLimits.perSecond } = given;
  const { addressesMax, typesMax, perSecondMax, correlationCharsMax } = inspectLimits;
  if (addresses.length > addressesMax || !addresses.every(isActorAddress))
    return refusal(`addresses are those of at most ${addressesMax} actors`);
  if (!areTypes(types)) return refusal(`types are those of actors, at most ${typesMax}`);
  if (addresses.length + types.length === 0) return refusal('name the addresses or the types of actors to follow');
  if (scope !== 'node' && scope !== 'cluster') return refusal('scope is node or cluster');
  if (!isRate(perSecond)) return refusal(`perSecond is a whole number from 1 to ${perSecondMax}`);
  if (correlation !== null && (typeof correlation !== 'string' || correlation.length > correlationCharsMax))
    return refusal(`correlation has at most ${correlationCharsMax} characters`);
  const whole = addresses.map((address) => withNode(address, name));
  return { ok: true, value: { addresses: whole, types, correlation, perSecond, isEverywhere: scope === 'cluster' } };
};

/** The runtime's own are at every node; which one is meant must be said, or it is this one. */
const withNode = (address: ActorAddress, name: string): ActorAddress =>
  address.type === runtimeType && address.node === null ? { ...address, node: name } : address;

const wantedHere = ({ isEverywhere: _, ...wanted }: Wanted, name: string): LocalWanted => ({
  ...wanted,
  addresses: wanted.addresses.filter(({ node }) => node === null || node === name),
});

/** Null: nothing is wanted of other nodes. */
const wantedAbroad = ({ isEverywhere, ...wanted }: Wanted, name: string): AbroadWanted | null => {
  const types = isEverywhere ? wanted.types : [];
  const of = (other: string): LocalWanted | null => {
    const addresses = wanted.addresses.filter(({ node }) => node === null || node === other);
    return addresses.length + types.length === 0 ? null : { ...wanted, addresses, types };
  };
  const named = new Set(wanted.addresses.flatMap(({ node }) => (node === null || node === name ? [] : [node])));
  const isAnywhere = types.length > 0 || wanted.addresses.some(({ node }) => node === null);
  return named.size === 0 && !isAnywhere ? null : { of, named: [...named] };
};

const checkTimeout = (timeoutMs: number = inspectLimits.timeoutMs): Failure | null =>
  timeoutMs >= 1 && timeoutMs <= inspectLimits.timeoutMsMax
    ? null
    : failure('INVALID_REQUEST', `timeoutMs is from 1 to ${inspectLimits.timeoutMsMax}`);

// ---------------------------------------------------------------- the actor

export const createInspectActor = (scope: Scope, args: InspectArguments): Component<InspectActorEvent> => {
  const { name, ports, router, members } = args;
  const { clock, random, sink } = ports;
  const watches = createWatches(scope, name, clock);
  const local = createLocalActors(name, args.actors(), args.runtime);
  const asked = createAskedMembers({ scope, router, members });
  const readers = new Map<Reader, (() => void)[]>();
  const here = (wanted: LocalWanted, on: (batch: InspectBatch) => void): LocalFollow =>
    followHere({
      ...{ scope, clock, watches, wanted, find: local.find, listed: local.ofType, onOpened: local.onOpened, on },
    });
  const sessions = createSessions({ scope, clock, follow: here });

  const drop = (reader: Reader): void => {
    for (const end of readers.get(reader) ?? []) end();
    readers.delete(reader);
  };
  const end = (reader: Reader, why: Failure): void => {
    drop(reader);
    if (reader.isOver) return;
    reader.isOver = true;
    reader.ended(why);
  };

  /** Whoever reads is not ours: what he throws ends him. */
  const give = (reader: Reader, batch: InspectBatch): void => {
    if (reader.isOver) return;
    try {
      reader.on(batch);
    } catch (error) {
      sink.log('warn', 'INSPECT_READER_THREW', 'who looks on threw, and is shown no more', { error });
      end(reader, failure('INTERNAL', 'the reader threw'));
    }
  };

  const follow = (reader: Reader): void => {
    if (reader.isOver) return;
    if (readers.size >= inspectLimits.followsMax)
      return end(reader, failure('OVERLOADED', `${readers.size} readers follow actors by way of ${name} already`));
    const ends: (() => void)[] = [];
    readers.set(reader, ends);
    const on = (batch: InspectBatch): void => give(reader, batch);
    ends.push(here(wantedHere(reader.wanted, name), on).stop);
    const abroad = wantedAbroad(reader.wanted, name);
    if (abroad === null) return;
    const newId = (): number => random.uint32();
    ends.push(followAbroad({ scope, clock, router, members, newId, wanted: abroad, on }).stop);
  };

  const list = ({ query, node, timeoutMs, done }: Extract<InspectActorEvent, { type: 'list-all' }>): void => {
    if (node === name) return done({ ok: true, value: { ...local.page(query), silent: [] } });
    asked.pages(node === null ? local.page(query) : null, node, query, timeoutMs, done);
  };

  const describe = (address: ActorAddress, timeoutMs: number, done: Done<ActorDescription>): void => {
    const subject = local.find(address);
    if (subject !== null) return done({ ok: true, value: local.describe(subject, watches) });
    if (address.node === name) return done({ ok: false, failure: notHere(address, name) });
    asked.describe(address, timeoutMs, done);
  };

  const answered = (delivery: Delivery): void => {
    const { peer, type, body } = delivery;
    const malformed = (): void => router.refuse(peer, 'MESSAGE_MALFORMED', 'what it wants to see of actors makes no sense');
    const answer = (outcome: Outcome<unknown>): void => delivery.answer(formOutcome(outcome));
    if (!args.isOn) return answer({ ok: false, failure: isOff(name) });
    switch (type) {
      case 'list': {
        const query = parseQuery(body);
        return query === null ? malformed() : answer({ ok: true, value: formPage(local.page(query)) });
      }
      case 'describe': {
        const address = parseAddress(body);
        if (address === null) return malformed();
        const subject = local.find(address);
        if (subject === null) return answer({ ok: false, failure: notHere(address, name) });
        return answer({ ok: true, value: formDescription(local.describe(subject, watches)) });
      }
      case 'next': {
        const next = parseNext(body);
        return next === null ? malformed() : sessions.next(peer, next.id, next.wanted, delivery.answer);
      }
      default:
        return router.refuse(peer, 'TYPE_UNKNOWN', `no such question about actors: ${type.slice(0, 32)}`);
    }
  };

  return {
    receive(event) {
      switch (event.type) {
        case 'delivery':
          return answered(event.delivery);
        case 'list-all':
          return list(event);
        case 'describe':
          return describe(event.address, event.timeoutMs, event.done);
        case 'follow':
          return follow(event.reader);
        case 'unfollow':
          return drop(event.reader);
        case 'peer-close':
          return sessions.peerClosed(event.peer);
      }
    },
    stop(reason) {
      sessions.stop();
      const why =
        reason === null ? failure('STOPPING', `${name} is stopping`) : failure('NOT_READY', `looking on failed: ${reason}`);
      for (const reader of [...readers.keys()]) end(reader, why);
      watches.stop();
    },
  };
};

// ---------------------------------------------------------------- the door

export interface InspectDoor {
  readonly api: InspectApi;
  undelivered(event: InspectActorEvent): void;
}

export const createInspectDoor = (args: InspectArguments & { cell: () => Cell<InspectActorEvent> | null }): InspectDoor => {
  const { name } = args;
  const refusalNow = (): Failure | null => {
    if (!args.isOn) return isOff(name);
    return args.cell() === null ? failure('NOT_READY', `${name} is starting`) : null;
  };
  const undelivered = (event: InspectActorEvent): void => {
    const why = failure('NOT_READY', `looking on is being restarted at ${name}, or ${name} is stopping`);
    if (event.type === 'list-all' || event.type === 'describe') event.done({ ok: false, failure: why });
    if (event.type !== 'follow' || event.reader.isOver) return;
    event.reader.isOver = true;
    event.reader.ended(why);
  };

  return {
    undelivered,
    api: {
      list(query) {
        const why = args.isOn ? null : isOff(name);
        if (why !== null) return { ok: false, failure: why };
        const checked = checkQuery(query);
        if (!checked.ok) return checked;
        return { ok: true, value: { ...createLocalActors(name, args.actors(), args.runtime).page(checked.value), silent: [] } };
      },
      listAll({ timeoutMs = inspectLimits.timeoutMs, node = null, ...query }, done) {
        const checked = checkQuery(query);
        const why = refusalNow() ?? checkTimeout(timeoutMs) ?? (checked.ok ? null : checked.failure);
        if (why !== null || !checked.ok) return done({ ok: false, failure: why! });
        args.cell()!.send({ type: 'list-all', query: checked.value, node, timeoutMs, done });
      },
      describe(given, { timeoutMs = inspectLimits.timeoutMs }, done) {
        const isAddress = isActorAddress(given);
        const why =
          refusalNow() ??
          checkTimeout(timeoutMs) ??
          (isAddress ? null : failure('INVALID_REQUEST', 'this is no address of an actor'));
        if (why !== null) return done({ ok: false, failure: why });
        args.cell()!.send({ type: 'describe', address: withNode(given, name), timeoutMs, done });
      },
      follow(wanted, on, ended) {
        const checked = checkWanted(wanted, name);
        const why = refusalNow() ?? (checked.ok ? null : checked.failure);
        if (why !== null || !checked.ok) {
          ended(why!);
          return () => {};
        }
        const reader: Reader = { wanted: checked.value, on, ended, isOver: false };
        args.cell()!.send({ type: 'follow', reader });
        return () => {
          if (reader.isOver) return;
          reader.isOver = true;
          args.cell()?.send({ type: 'unfollow', reader });
        };
      },
    },
  };
};
