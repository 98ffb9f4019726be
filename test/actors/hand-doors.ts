// Doors of several nodes over a network that a test moves by hand: processes crash, connections go, actors of the cluster move.
import { type EventObject, fromTransition } from 'xstate';
import type { ActorDefinition, Placing, Whereabouts } from '../../actors/actor-api.ts';
import { noHooks } from '../../actors/actor-directory.ts';
import type { ActorsEvent } from '../../actors/actors.ts';
import { type ActorsRoom, actorsAddress, createActorsRoom } from '../../actors/actors-room.ts';
import { directly } from '../../actors/calls-post.ts';
import type { NetworkPort } from '../../actors/ports/index.ts';
import { createRouter, type Fate, type Post, type Router } from '../../actors/router.ts';
import { type Cell, supervise } from '../../actors/supervise.ts';
import type { ActorAddress } from '../../machines/entity/address.ts';
import { failure } from '../../machines/errors.ts';
import type { MemberView } from '../../machines/membership/index.ts';
import { nextUint32, randomFrom } from '../../machines/random.ts';
import { createHandClock, quietSink } from './hand-clock.ts';
import { createHandNetwork } from './hand-network.ts';
import { createNodePlacing } from './hand-places.ts';
import { createHandReplicas, type HandLog, type HandReplicas, handDefinition } from './hand-replicas.ts';

export type Door = {
  name: string;
  epoch: number;
  room: ActorsRoom;
  cell: Cell<ActorsEvent>;
  replicas: HandReplicas;
  router: Router;
  lines: string[];
};

export type Effect = { readonly at: string; readonly address: ActorAddress; readonly event: EventObject };

/** `tally` of durability none at the node that is named, `meter` and `ledger`, which is replicated, where the test has put them. */
export const createHandDoors = (names: readonly string[]) => {
  const clock = createHandClock();
  const network = createHandNetwork();
  const doors = new Map<string, Door>();
  const epochs = new Map<string, number>();
  const log: HandLog = new Map();
  const effects: Effect[] = [];
  /** Where a ledger is, by its key; null: nobody knows now. */
  const places = new Map<string, string | null>();
  const changed = new Set<() => void>();
  const statuses = new Map<string, MemberView['status']>();
  /** Doors of these nodes fail when they are asked next. */
  const breaks = new Set<string>();

  const tally = (name: string): ActorDefinition =>
    handDefinition('tally', {
      logic: fromTransition(
        (state: { count: number }, event: EventObject) => {
          effects.push({ at: name, address: { type: 'tally', key: '-', node: name }, event });
          if (event.type === 'fail') throw new Error('planned');
          return { count: state.count + 1 };
        },
        { count: 0 },
      ),
    });
  const meter = (name: string): ActorDefinition => ({ ...tally(name), name: 'meter', placement: 'sharded' });
  const ledger = handDefinition('ledger', { durability: 'replicated', placement: 'sharded' });

  const placingOf = (name: string): Placing => {
    const ofNode = createNodePlacing({
      name,
      peerNamed: (node) => (opens || network.connected(`p-${name}`, `p-${node}`) ? `p-${node}` : null),
      isKnown: (node) => names.includes(node),
    });
    return {
      ...ofNode,
      locate(definition, address): Whereabouts {
        if (breaks.delete(name)) throw new Error('planned');
        if (definition.placement !== 'sharded') return ofNode.locate(definition, address);
        const at = places.get(address.key) ?? null;
        if (at === name) return { where: 'here', token: { term: 1, index: 1 } };
        if (at === null || !network.connected(`p-${name}`, `p-${at}`))
          return { where: 'nowhere', failure: failure('NOT_READY', 'nobody leads'), againMs: 20 };
        return { where: 'at', peer: `p-${at}`, node: at };
      },
      onChanged(listener) {
        changed.add(listener);
        return () => void changed.delete(listener);
      },
    };
  };

  /** While it is true, what is said to somebody who is not connected waits for a connection. */
  const waiting: { from: string; to: string; leave: () => void; fate: Fate }[] = [];
  let opens = false;
  const sendOrWait =
    (from: string, port: Post | NetworkPort): Post['send'] =>
    (to, lane, bytes, target, fate) => {
      if (!opens || network.connected(from, to)) return (port as Post).send(to, lane, bytes, target, fate);
      waiting.push({ from, to, fate, leave: () => void (port as Post).send(to, lane, bytes, target, fate) });
      return 'waits';
    };

  const start = (name: string): Door => {
    const peer = `p-${name}`;
    const epoch = (epochs.get(name) ?? 0) + 1;
    epochs.set(name, epoch);
    const state = randomFrom(epoch * 31 + names.indexOf(name));
    const random = { uint32: () => nextUint32(state), bytes: (length: number) => new Uint8Array(length) };
    const sink = quietSink();
    const port = network.port(peer);
    const router = createRouter({ network: { send: sendOrWait(peer, port) }, clock, sink, epoch });
    const known = new Map<string, number>();
    let replicas: HandReplicas | null = null;
    let cell: Cell<ActorsEvent> | null = null;
    const room = createActorsRoom({
      ...{ name, epoch, ports: { clock, random, sink, network: port }, router, formRef: undefined },
      ...{ carrier: directly(router, actorsAddress), isStraight: () => true, isOver: () => false },
      members: () => names.map((one) => ({ name: one, peer: `p-${one}`, status: statuses.get(one) ?? 'alive' }) as MemberView),
      ...{ isMember: () => true, isConnected: (one) => known.has(one), nameOf: (one) => one.slice(2) },
      ...{ epochOf: (one) => known.get(one) ?? 0, reports: () => [], cell: () => cell },
      ...{ isStopping: () => false, placing: placingOf(name) },
      hooks: {
        ...noHooks,
        // What places actors releases one that is opened too late.
        opened(actor) {
          const { type, key } = actor.address;
          if (type === 'ledger' && places.get(key) !== name) clock.soon(() => actor.release('moved', () => {}));
        },
      },
      backings: [
        (events) =>
          (replicas = createHandReplicas(
            log,
            clock,
            events,
            (address, event) => void effects.push({ at: name, address, event }),
          )),
      ],
    });
    room.api.host(tally(name));
    room.api.host(meter(name));
    room.api.host(ledger);
    cell = supervise<ActorsEvent>({ address: actorsAddress, create: room.create, clock, random, sink, onChange: () => {} });
    router.on(actorsAddress, room.receive);
    network.listen(peer, (event) => {
      if (event.type === 'message') router.receive(event.peer, event.lane, event.bytes);
      if (event.type === 'peer-open') {
        known.set(event.peer, event.epoch);
        cell.send({ type: 'peer-open', peer: event.peer, epoch: event.epoch });
      }
      if (event.type === 'peer-close') {
        known.delete(event.peer);
        cell.send({ type: 'peer-close', peer: event.peer });
      }
      if (event.type === 'drain') cell.send({ type: 'drain', peer: event.peer });
    });
    const door: Door = { name, epoch, room, cell, replicas: replicas!, router, lines: sink.lines };
    doors.set(name, door);
    for (const other of doors.keys()) if (other !== name) join(name, other);
    return door;
  };

  const join = (a: string, b: string): void => {
    if (network.connected(`p-${a}`, `p-${b}`) || !doors.has(a) || !doors.has(b)) return;
    network.connect(`p-${a}`, `p-${b}`, { [`p-${a}`]: { epoch: epochs.get(a)! }, [`p-${b}`]: { epoch: epochs.get(b)! } });
    clock.settle();
    tellChanged();
  };
  const cut = (a: string, b: string): void => {
    if (network.connected(`p-${a}`, `p-${b}`)) network.disconnect(`p-${a}`, `p-${b}`);
    clock.settle();
    tellChanged();
  };
  const tellChanged = (): void => {
    for (const listener of [...changed]) listener();
  };

  /** Its process is gone, with all that was in its memory; what waits on its side is told nothing. */
  const kill = (name: string): void => {
    doors.get(name)?.router.stop();
    doors.delete(name);
    network.listen(`p-${name}`, () => {});
    for (const other of names) if (other !== name) cut(name, other);
  };

  for (const name of names) start(name);
  clock.settle();

  return {
    ...{ clock, network, doors, epochs, log, effects, places, statuses, breaks, join, cut, kill, start, tellChanged },
    api: (name: string) => doors.get(name)!.room.api,
    /** Connections are opened for messages from now on; what waits for them lies here. */
    onDemand: () => {
      opens = true;
      return waiting;
    },
    /** The connection is there: what waits leaves. */
    opened(a: string, b: string): void {
      join(a, b);
      for (const one of waiting.splice(0)) {
        one.leave();
        one.fate.left();
      }
      clock.settle();
    },
    crash(name: string): void {
      kill(name);
      start(name);
    },
    move(key: string, to: string | null): void {
      const from = places.get(key);
      places.set(key, to);
      if (from != null) doors.get(from)?.replicas.moved({ type: 'ledger', key, node: null });
      tellChanged();
      clock.settle();
    },
    /** One letter; of two between the same nodes the first is the first. */
    deliver(which: number): void {
      const { letters } = network;
      if (letters.length === 0) return;
      const { from, to } = letters[which % letters.length]!;
      network.deliver(letters.findIndex((letter) => letter.from === from && letter.to === to));
      clock.settle();
    },
    /** Lets time pass with everything that is on its way. */
    pass(ms: number): void {
      for (let at = 0; at < ms; at += 5) {
        clock.pass(5);
        for (let count = 0; network.letters.length > 0; count++) {
          if (count > 100_000) throw new Error('they never stop writing to each other');
          network.deliver();
          clock.settle();
        }
        for (const { replicas } of doors.values()) replicas.work();
        clock.settle();
      }
    },
  };
};

export type HandDoors = ReturnType<typeof createHandDoors>;
export const tallyAt = (node: string): ActorAddress => ({ type: 'tally', key: '-', node });
export const meterOf = (key: string): ActorAddress => ({ type: 'meter', key, node: null });
export const ledgerOf = (key: string): ActorAddress => ({ type: 'ledger', key, node: null });
