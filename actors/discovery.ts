// Where members may live: drives machines/discovery over the look-up port and the members' own word, and keeps what it knows on the
// disk (rows D1 to D4). What it serves is a hint to whoever dials; only admission makes a peer of it.
import {
  createDiscovery,
  type DiscoveryEffect,
  type DiscoveryEvent,
  type DiscoveryOptions,
  type DiscoveryState,
  type DiscoveryView,
  discoveryView,
  type PlaceView,
  type RememberedPlace,
  type SourceFailure,
  step,
} from '../machines/discovery/index.ts';
import type { Contact } from '../machines/membership/index.ts';
import { createAlarm } from './alarm.ts';
import type { LookupEvent, PeerId, Ports, StorageOperation } from './ports/index.ts';
import type { Component, Scope } from './supervise.ts';
import type { Writer } from './writer.ts';

export const discoveryAddress = 'discovery';

export type Found = { places: PlaceView[]; failures: SourceFailure[] };

export type DiscoveryActorEvent =
  | Extract<DiscoveryEvent, { type: 'met' | 'parted' | 'told' | 'untold' | 'evicted' | 'dialled' }>
  | { type: 'lookup-event'; event: LookupEvent }
  | { type: 'lookup'; timeoutMs: number; resultsMax: number; done: (found: Found) => void };

export type DiscoveryActorArguments = {
  options: DiscoveryOptions;
  ports: Ports;
  writer: Writer;
  /** From the disk, as it is when this incarnation of the actor begins. */
  remembered: () => RememberedPlace[];
  memoryOperation: (places: readonly RememberedPlace[]) => StorageOperation;
  /** Connected when this incarnation begins; an earlier one was told of them. */
  connected: readonly { peer: PeerId; name: string; addresses: readonly string[] }[];
  /** To be answered by 'dialled' with these very addresses. */
  onDial: (addresses: readonly string[]) => void;
  onContacts: (contacts: readonly Contact[]) => void;
  /** `view` tells how it is whenever it is asked. */
  onView: (view: () => DiscoveryView) => void;
};

export const createDiscoveryActor = (scope: Scope, args: DiscoveryActorArguments): Component<DiscoveryActorEvent> => {
  const { ports, writer } = args;
  const { clock, lookup, network, random, sink } = ports;
  const state: DiscoveryState = createDiscovery({
    ...{ self: network.self, options: args.options, sources: lookup.sources, remembered: args.remembered() },
    ...{ seed: random.uint32(), nowMs: clock.nowMs() },
  });
  const alarm = createAlarm(clock, scope.after, () => run({ type: 'wake' }));
  const asking = new Map<number, (found: Found) => void>();
  let lookups = 0;

  const fulfil = (effect: DiscoveryEffect): void => {
    switch (effect.type) {
      case 'query':
        return lookup.query(effect.source, effect.timeoutMs);
      case 'dial':
        return args.onDial(effect.addresses);
      case 'contacts':
        return args.onContacts(effect.contacts);
      case 'persist':
        // A disk that refuses is told of by the writer; this memory is only a help.
        return writer.write([args.memoryOperation(effect.places)], { durable: false }, () => {});
      case 'looked-up': {
        const done = asking.get(effect.id);
        asking.delete(effect.id);
        return done?.({ places: effect.places, failures: effect.failures });
      }
      case 'moved': {
        const { peer, addresses, before, after } = effect;
        sink.count('discovery_places_total', { state: after ?? 'forgotten' });
        const who = peer ?? addresses[0]!;
        return sink.log('debug', 'PLACE_MOVED', `${who} is ${after ?? 'forgotten'}, was ${before ?? 'unknown'}`, {
          peer,
          addresses,
        });
      }
      case 'unreached': {
        const { peer, addresses, failures, reason } = effect;
        const facts = { peer, addresses: addresses.join(' '), attempt: failures };
        return sink.log('info', 'DIAL_FAILED', reason ?? 'nobody answered', facts);
      }
      case 'source': {
        const { source, failure } = effect;
        if (failure === null) return sink.log('info', 'SOURCE_ANSWERS', `${source} answers again`, { source });
        return sink.log('warn', failure.code, `${source}: ${failure.message}`, { source });
      }
    }
  };

  const run = (event: DiscoveryEvent): void => {
    for (const effect of step(state, clock.nowMs(), event)) fulfil(effect);
    alarm.at(state.deadlineMs);
  };

  args.onView(() => discoveryView(state, clock.nowMs()));
  for (const { peer, name, addresses } of args.connected) run({ type: 'met', peer, name, addresses });
  run({ type: 'wake' });

  return {
    receive(event) {
      if (event.type === 'lookup-event') return run(event.event);
      if (event.type !== 'lookup') return run(event);
      const id = ++lookups;
      asking.set(id, event.done);
      return run({ type: 'lookup', id, timeoutMs: event.timeoutMs, resultsMax: event.resultsMax });
    },
    stop() {
      for (const done of asking.values()) done({ places: [], failures: [] });
      asking.clear();
    },
  };
};
