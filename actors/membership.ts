// Who is there: drives machines/membership over the control lanes and keeps its incarnation on the disk (rows G5, N1, N2). What it
// suspects is advice; whom a group counts is decided by Raft's own time-outs (decision 13).
import {
  type Change,
  type Contact,
  createMembership,
  type Evicted,
  formMembershipMessage,
  type MembershipEffect,
  type MembershipEvent,
  type MembershipOptions,
  type MembershipState,
  type MemberView,
  membersView,
  type Profile,
  parseMembershipMessage,
  restoreEvicted,
  step,
  type Told,
} from '../machines/membership/index.ts';
import { createAlarm } from './alarm.ts';
import { createMemberLines } from './member-lines.ts';
import type { PeerId, Ports, StorageOperation } from './ports/index.ts';
import type { Delivery, Router } from './router.ts';
import type { Component, Scope } from './supervise.ts';
import type { Writer } from './writer.ts';

export const membershipAddress = 'membership';
const messageType = 'membership';

export type MembershipActorEvent =
  | { type: 'peer-open' | 'peer-close' | 'unreachable' | 'heard' | 'evict'; peer: PeerId }
  | { type: 'delivery'; delivery: Delivery }
  | { type: 'profile'; profile: Told }
  | { type: 'load'; load: number }
  | { type: 'contacts'; contacts: readonly Contact[] }
  /** Says good-bye; `done` when enough have heard it, or nobody is there to hear it. */
  | { type: 'leave'; done: () => void };

export type MembershipArguments = {
  options: MembershipOptions;
  profile: Profile;
  contacts: readonly Contact[];
  /** Connected when this incarnation of the actor begins; an earlier one was told of them. */
  connected: readonly PeerId[];
  /** The incarnation that is on the disk; 0 = none. */
  restored: () => number;
  incarnationOperation: (incarnation: number) => StorageOperation;
  /** Who the disk says was thrown out. */
  evicted: () => Evicted[];
  evictedOperation: (evicted: readonly Evicted[]) => StorageOperation;
  ports: Ports;
  router: Router;
  writer: Writer;
  checkAll: boolean;
  /** As many as these, whom nothing has to be opened for: news is as well told to them. */
  nearby: (peers: readonly PeerId[]) => readonly PeerId[];
  /** To be connected to whoever lives there would be good. */
  onDial: (peer: PeerId | null, addresses: readonly string[]) => void;
  /** Who is there changed; `view` tells how it is whenever it is asked. */
  onChanged: (changes: readonly Change[], view: () => MemberView[]) => void;
};

export const createMembershipActor = (scope: Scope, args: MembershipArguments): Component<MembershipActorEvent> => {
  const { ports, router, writer } = args;
  const { clock, network, random, sink } = ports;
  const state: MembershipState = createMembership({
    ...{ self: network.self, profile: args.profile, options: args.options, restored: args.restored() },
    ...{ seed: random.uint32(), nowMs: clock.nowMs(), checkAll: args.checkAll },
  });
  restoreEvicted(state, args.evicted(), clock.nowMs());
  const tell = createMemberLines({ sink, after: scope.after });
  const view = (): MemberView[] => membersView(state, clock.nowMs());
  const alarm = createAlarm(clock, scope.after, () => run({ type: 'wake' }));
  const leaving: (() => void)[] = [];

  const gone = (): void => {
    for (const done of leaving.splice(0)) done();
  };

  const fulfil = (effect: MembershipEffect): void => {
    switch (effect.type) {
      case 'send': {
        const { message, lane } = effect;
        const body = formMembershipMessage(message);
        const to = message.type === 'gossip' ? args.nearby(effect.to) : effect.to;
        // What cannot be sent is lost, as it may be: whoever does not answer is probed by others.
        for (const peer of to) router.send(peer, lane, membershipAddress, membershipAddress, messageType, body);
        return;
      }
      case 'dial':
        return args.onDial(effect.peer, effect.addresses);
      case 'persist': {
        const { incarnation } = effect;
        writer.write(
          [args.incarnationOperation(incarnation)],
          { durable: true },
          // A disk that refuses: nothing above what it has is ever said.
          scope.guard((why) => (why === null ? run({ type: 'persisted', incarnation }) : undefined)),
        );
        return;
      }
      case 'remember':
        // A disk that refuses is told by the writer; the other members remember it, too.
        return writer.write([args.evictedOperation(effect.evicted)], { durable: true }, () => {});
      case 'changed':
        for (const change of effect.changes) tell(change);
        return args.onChanged(effect.changes, view);
      case 'left':
        return gone();
      case 'evicted':
        sink.log('error', 'EVICTED', 'an operator threw this node out: it says nothing any more', {});
        return gone();
      case 'warn':
        sink.count('membership_warnings_total', { code: effect.code });
        return sink.log('warn', effect.code, effect.message, { peer: effect.peer });
    }
  };

  const run = (event: MembershipEvent): void => {
    for (const effect of step(state, clock.nowMs(), event)) fulfil(effect);
    alarm.at(state.deadlineMs);
  };

  const onDelivery = ({ peer, type, body }: Delivery): void => {
    if (type !== messageType) return router.refuse(peer, 'TYPE_UNKNOWN', `no such message to membership: ${type.slice(0, 32)}`);
    const parsed = parseMembershipMessage(body);
    if (!parsed.ok) return router.refuse(peer, parsed.refused, parsed.message);
    run({ type: 'message', from: peer, message: parsed.message });
  };

  args.onChanged([], view);
  run({ type: 'contacts', contacts: args.contacts });
  for (const peer of args.connected) run({ type: 'met', peer });

  return {
    receive(event) {
      switch (event.type) {
        case 'delivery':
          return onDelivery(event.delivery);
        case 'peer-open':
          return run({ type: 'met', peer: event.peer });
        case 'peer-close':
        case 'unreachable':
          return run({ type: 'unreachable', peer: event.peer });
        case 'evict':
          return run({ type: 'evict', peer: event.peer });
        case 'heard':
          // Often, and never with an effect or an earlier deadline.
          return void step(state, clock.nowMs(), { type: 'heard', peer: event.peer });
        case 'leave':
          leaving.push(event.done);
          if (state.phase === 'left' || state.phase === 'evicted') return gone();
          return run({ type: 'leave' });
        default:
          return run(event);
      }
    },
    stop: gone,
  };
};
