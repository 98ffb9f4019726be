// Beats between nodes: drives machines/liveness and tells the groups when the node that leads them fell silent (decision 13).
import {
  createLiveness,
  deadlineMs,
  formBeat,
  type LivenessEffect,
  type LivenessEvent,
  type LivenessOptions,
  parseBeat,
  type QuietGroup,
  rttMs,
  step,
} from '../machines/liveness/index.ts';
import { limits } from '../machines/wire/limits.ts';
import { createAlarm } from './alarm.ts';
import type { PeerId, Ports } from './ports/index.ts';
import type { Delivery, Router } from './router.ts';
import type { Component, Scope } from './supervise.ts';

export const livenessAddress = 'liveness';

export type LivenessActorEvent =
  | { type: 'peer-open' | 'peer-close' | 'heard'; peer: PeerId }
  | { type: 'delivery'; delivery: Delivery }
  | { type: 'leading'; peer: PeerId; groups: QuietGroup[] }
  | { type: 'following'; peer: PeerId; groups: string[] };

export type LivenessArguments = {
  options: LivenessOptions;
  /** Connected when this incarnation begins; an earlier one was told of them. */
  connected: readonly PeerId[];
  ports: Ports;
  router: Router;
  /** The peer no longer keeps these groups (or any) quiet. */
  onLost: (peer: PeerId, groups: string[] | 'all') => void;
  onRtt: (peer: PeerId, rttMs: number) => void;
};

export const createLivenessActor = (scope: Scope, args: LivenessArguments): Component<LivenessActorEvent> => {
  const { ports, router } = args;
  const { clock, network, sink } = ports;
  const state = createLiveness(args.options, clock.nowMs());
  const alarm = createAlarm(clock, scope.after, () => run({ type: 'wake' }));

  const fulfil = (effect: LivenessEffect): void => {
    switch (effect.type) {
      case 'send-beat':
        router.send(effect.peer, 'control', livenessAddress, livenessAddress, 'beat', formBeat(effect.beat));
        return;
      case 'send-answer':
        router.send(effect.peer, 'control', livenessAddress, livenessAddress, 'beat-answer', effect.sequence);
        return;
      case 'lost':
        return args.onLost(effect.peer, effect.groups);
      case 'drop':
        sink.log('warn', 'PEER_SILENT', `nothing heard for ${Math.round(effect.silentMs)} ms; the connection is dropped`, {
          peer: effect.peer,
        });
        sink.count('peers_dropped_total');
        return network.drop(effect.peer, 'silent');
    }
  };

  const run = (event: LivenessEvent): void => {
    for (const effect of step(state, clock.nowMs(), event)) fulfil(effect);
    if (!alarm.isSet || !onlyPutsOff(event)) alarm.at(deadlineMs(state));
  };

  /** To hear of somebody brings nothing forward: no need to look at every peer for each message. The timer that is set will see. */
  const onlyPutsOff = (event: LivenessEvent): boolean =>
    event.type === 'heard' || event.type === 'answer' || (event.type === 'beat' && event.beat.led === null);

  const onDelivery = ({ peer, type, body }: Delivery): void => {
    if (type === 'beat-answer' && typeof body === 'number') {
      run({ type: 'answer', peer, sequence: body });
      const rtt = rttMs(state, peer);
      if (rtt !== null) args.onRtt(peer, rtt);
      return;
    }
    const beat = type === 'beat' ? parseBeat(body, limits.groupsMax) : null;
    if (beat === null) return router.refuse(peer, 'MESSAGE_MALFORMED', 'what should be a beat is none');
    run({ type: 'beat', peer, beat });
  };

  for (const peer of args.connected) run({ type: 'peer-open', peer });

  return {
    receive: (event) => (event.type === 'delivery' ? onDelivery(event.delivery) : run(event)),
    stop: () => {},
  };
};
