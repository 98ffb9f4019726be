// All of a node that has to do with actors that users write, in one room: what keeps them alive (a backing for each durability), what says
// where they are, and the door. actors/node.ts has little more to do than to tell it of peers.
import { type ActorAddress, parseAddress } from '../machines/entity/address.ts';
import type { Kind } from '../machines/entity/hosted.ts';
import type { Failure } from '../machines/errors.ts';
import type { MemberView } from '../machines/membership/index.ts';
import type { ActorDefinition, ActorsApi, Backing, BackingEvents, LiveActor, Placing } from './actor-api.ts';
import { createCells } from './actor-cells.ts';
import { createDeadLetters } from './actor-dead-letters.ts';
import { createDirectory, type DirectoryHooks } from './actor-directory.ts';
import { type ActorDoor, createActorDoor } from './actor-door.ts';
import type { FormRef } from './actor-here.ts';
import { createActorList } from './actor-list.ts';
import { createLocating } from './actor-locating.ts';
import { createOnceMemory } from './actor-once.ts';
import { type ActorsCore, type ActorsEvent, actorsAddress, createActors } from './actors.ts';
import type { Carrier } from './calls-post.ts';
import type { PeerId, Ports } from './ports/index.ts';
import type { TalkEnd } from './relay-talk.ts';
import type { Delivery, Router } from './router.ts';
import type { Cell, CellReport, Component, Scope } from './supervise.ts';

export type ActorsRoomArguments = {
  name: string;
  epoch: number;
  ports: Pick<Ports, 'clock' | 'random' | 'sink' | 'network'>;
  router: Pick<Router, 'refuse'>;
  /** The way to other doors. */
  carrier: Carrier;
  /** A message to it would take no way over others. */
  isStraight: (peer: PeerId) => boolean;
  /** What was begun under this number took one. */
  isOver: (number: number) => boolean;
  formRef: FormRef | undefined;
  members: () => readonly MemberView[];
  isMember: (peer: PeerId) => boolean;
  isConnected: (peer: PeerId) => boolean;
  nameOf: (peer: PeerId) => string | null;
  epochOf: (peer: PeerId) => number;
  /** The runtime's own actors. */
  reports: () => Iterable<CellReport>;
  cell: () => Cell<ActorsEvent> | null;
  isStopping: () => boolean;
  /** Where actors are, and who is to know of those that live here. */
  placing: Placing;
  hooks: DirectoryHooks;
  /** Other backings than the cells', by what they tell this room; they are stopped first. */
  backings?: readonly ((events: BackingEvents) => Backing)[];
};

export interface ActorsRoom {
  readonly api: ActorsApi;
  /** The actor behind the door, at the router's address `actors`. */
  create(scope: Scope): Component<ActorsEvent>;
  receive(delivery: Delivery): void;
  /** Where the relay brings what came over others. */
  readonly end: TalkEnd;
  /** Something between actors of this node and that one is under way. */
  isBusy(peer: PeerId): boolean;
  /** Brings it to life here, as a message would that makes it; nothing if it is elsewhere by now. */
  open(definition: ActorDefinition, address: ActorAddress, done: (why: Failure | null) => void): void;
  /** Another node hosts these. */
  learn(kinds: readonly Kind[]): void;
  /** Told of each new type that is hosted here. */
  onHosted(listener: () => void): void;
  /** Releases the actors of this node, once they have handled what waits, or when its patience is over. */
  stop(done: () => void): void;
}

export { actorsAddress };

const nobody: ActorAddress = { type: 'unknown', key: '-', node: null };
/** How long actors may go on with what waits for them when the node stops, and answers to what was asked here may take. */
const drainMs = 2_000;
const answersLookMs = 10;
const numbersPerEpoch = 0x1_0000_0000;
const epochsMax = 0x20_0000;

const isThere = ({ status }: MemberView): boolean => status === 'alive' || status === 'suspect';

export const createActorsRoom = (args: ActorsRoomArguments): ActorsRoom => {
  const { name, epoch, ports, router, carrier, members, isConnected, nameOf, epochOf, placing } = args;
  const { clock, random, sink, network } = ports;
  const letters = createDeadLetters({ clock, sink });
  const memory = createOnceMemory();
  const formRef: FormRef = args.formRef ?? ((address) => address);
  let isStopping = false;
  let core: ActorsCore | null = null;
  // Numbers of two processes of a node differ, so that an answer to a question before a crash is no answer to another one.
  let lastNumber = (epoch % epochsMax) * numbersPerEpoch;

  const called = (node: string): readonly MemberView[] => members().filter((member) => member.name === node);
  const events: BackingEvents = {
    onGone: (actor: LiveActor, why) => directory.gone(actor, why),
    onGivenUp: (actor: LiveActor, end) => directory.givenUp(actor, end),
    onDeadLetter: ({ address, event, source, reason }) =>
      letters.add(parseAddress(address) ?? nobody, { type: event }, { source, correlation: '' }, reason),
  };
  const { onGone, onGivenUp } = events;
  const cells = createCells({ clock, random, sink, deadLetters: letters, holds: placing.holds, onGone, onGivenUp });
  const backings: Backing[] = [...(args.backings ?? []).map((create) => create(events)), cells];
  const openedListeners = new Set<(actor: LiveActor) => void>();
  const hooks: DirectoryHooks = {
    ...args.hooks,
    opened(actor, token) {
      args.hooks.opened(actor, token);
      for (const listener of [...openedListeners]) listener(actor);
    },
  };
  const directory = createDirectory({ name, backings: () => backings, hooks });
  const locating = createLocating(name, directory, () => placing);
  const nextNumber = (): number => ++lastNumber;
  const stopping = (): boolean => isStopping || args.isStopping();

  const changed = (): void => args.cell()?.send({ type: 'changed' });
  placing.onChanged(changed);
  directory.onHosted(changed);

  const door: ActorDoor = createActorDoor({
    ...{ name, self: network.self, directory, locating, letters, carrier, placing, nextNumber, isStopping: stopping },
    core: () => core,
    broke: (error) => args.cell()?.send({ type: 'broke', error }),
  });

  const stop = (done: () => void): void => {
    let isOver = false;
    let isDrained = false;
    const over = (): void => {
      if (isOver) return;
      isOver = true;
      limit.cancel();
      done();
    };
    const limit = clock.after(drainMs, () => {
      if (!isDrained) sink.log('warn', 'ACTORS_NOT_DRAINED', `actors of ${name} still had something to do after ${drainMs} ms`);
      over();
    });
    /** Whoever asked here before hears what came of it, rather than that nobody knows. */
    const answered = (): void => {
      isDrained = true;
      if (isOver) return;
      if (core === null || core.counts().asking === 0) over();
      else clock.after(answersLookMs, answered);
    };
    const next = (at: number): void => {
      const backing = backings[at];
      if (backing === undefined) answered();
      else backing.stop(() => next(at + 1));
    };
    next(0);
  };

  const withCore = (run: (core: ActorsCore) => void): void => {
    if (core === null) return;
    try {
      run(core);
    } catch (error) {
      args.cell()?.send({ type: 'broke', error });
    }
  };
  const receive = (delivery: Delivery): void => {
    if (core === null) sink.count('dead_letters_total', { address: actorsAddress });
    withCore((door) => door.receive(delivery));
  };

  return {
    api: {
      ...door,
      host: (definition) => directory.host(definition),
      definitions: () => directory.definitions(),
      deadLetters: () => letters.view(),
      list: createActorList({ name, backings: () => backings, reports: args.reports }),
      find: (address) => directory.live(address),
      onOpened(listener) {
        openedListeners.add(listener);
        return () => void openedListeners.delete(listener);
      },
    },
    create: (scope) =>
      createActors(scope, {
        ...{ name, epoch, ports, router, carrier, directory, locating, letters, memory, formRef, nextNumber, nameOf, epochOf },
        ...{ isMember: args.isMember, isStopping: stopping, isStraight: args.isStraight, isOver: args.isOver },
        isGone: (node) =>
          called(node).length > 0 && !called(node).some((member) => isThere(member) || isConnected(member.peer)),
        onCore(now) {
          core = now;
        },
      }),
    receive,
    end: {
      receive,
      undelivered: (_peer, type, number, why) => withCore((door) => door.undelivered(type, number, why)),
      lost: (_peer, type, number, why) => withCore((door) => door.lost(type, number, why)),
      cut: (peer, number) => withCore((door) => door.cut(peer, number)),
      closed: (peer) => args.cell()?.send({ type: 'peer-close', peer }),
      gone: (peer) => args.cell()?.send({ type: 'members', changes: [{ peer, before: 'alive', after: null, why: 'said' }] }),
      drained: (peer) => args.cell()?.send({ type: 'drain', peer }),
    },
    isBusy: (peer) => core?.isBusy(peer) === true,
    open(definition, address, done) {
      const at = locating.locate(address);
      if (at.type !== 'here') return done(at.type === 'nowhere' ? at.failure : null);
      const { token } = at.found;
      const job = { makes: true, run: () => done(null), fail: done };
      directory.use(directory.place(definition, at.found.address), token, job);
    },
    learn(kinds) {
      for (const { type, isKept } of kinds) locating.learn(type, isKept);
    },
    onHosted: directory.onHosted,
    stop(done) {
      isStopping = true;
      stop(done);
    },
  };
};
