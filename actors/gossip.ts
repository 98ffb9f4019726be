// Announcements to many (row G6): drives machines/gossip over one topic of the cluster, and over the bulk lanes where something was
// missed. Whoever listens at this node hears each announcement once, in the order of its source unless it is called late.
import { type Failure, failure } from '../machines/errors.ts';
import {
  type Delivery as Announced,
  createGossip,
  formAnnouncement,
  formGossipMessage,
  type GossipCounts,
  type GossipEffect,
  type GossipEvent,
  type GossipOptions,
  type GossipState,
  type GossipSummary,
  gossipSummary,
  type PublishRefusal,
  parseAnnouncement,
  parseGossipMessage,
  step,
  stillTrue,
} from '../machines/gossip/index.ts';
import { decodeEnvelope, encodeEnvelope, wireVersion } from '../machines/wire/envelope.ts';
import { createAlarm } from './alarm.ts';
import type { Outcome } from './api.ts';
import type { PeerId, Ports, SinkPort } from './ports/index.ts';
import type { Delivery, Router } from './router.ts';
import type { Component, Scope } from './supervise.ts';

export const gossipAddress = 'gossip';
/** The one topic of the cluster that all members listen to; what a developer calls a topic is inside. */
export const gossipTopic = 'announcements';
const announcementType = 'announcement';
const exchangeType = 'exchange';
/** Of those who embed the node; its own (the catalog) come on top. */
const listenersMax = 1_024;

/** One who listens; it hears nothing before it was told what still holds. */
export type Listener = {
  readonly hear: (announced: Announced) => void;
  isTold: boolean;
  /** An actor of this node: not one of those whose number is limited. */
  readonly isOwn: boolean;
};

/** Who listens to what at this node; outlives the actor, which may begin anew. */
export type Listeners = {
  add(topic: string, listener: Listener): Failure | null;
  remove(topic: string, listener: Listener): void;
  tell(announced: Announced): void;
  tellOne(listener: Listener, announced: Announced): void;
};

export const createListeners = ({ clock, sink }: Pick<Ports, 'clock' | 'sink'>): Listeners => {
  const of = new Map<string, Set<Listener>>();
  let count = 0;
  let toldAtMs = Number.NEGATIVE_INFINITY;
  // A listener that throws is its owner's fault, and nobody else's: counted, and told once a second.
  const tellOne = ({ hear }: Listener, announced: Announced): void => {
    try {
      hear(announced);
    } catch (error) {
      sink.count('gossip_listeners_threw_total');
      if (clock.nowMs() - toldAtMs < 1_000) return;
      toldAtMs = clock.nowMs();
      sink.log('error', 'LISTENER_THREW', error instanceof Error ? error.message : String(error), { topic: announced.topic });
    }
  };
  const has = (topic: string, listener: Listener): boolean => of.get(topic)?.has(listener) === true;
  return {
    tellOne(listener, announced) {
      // It may have ended while it was told of another.
      if (has(announced.topic, listener)) tellOne(listener, announced);
    },
    add(topic, listener) {
      if (count >= listenersMax && !listener.isOwn)
        return failure('OVERLOADED', `${count} listeners at this node, at most ${listenersMax}`);
      const listeners = of.get(topic) ?? new Set();
      of.set(topic, listeners);
      listeners.add(listener);
      if (!listener.isOwn) count++;
      return null;
    },
    remove(topic, listener) {
      const listeners = of.get(topic);
      if (listeners?.delete(listener) !== true) return;
      if (!listener.isOwn) count--;
      if (listeners.size === 0) of.delete(topic);
    },
    tell(announced) {
      for (const listener of [...(of.get(announced.topic) ?? [])])
        if (listener.isTold && has(announced.topic, listener)) tellOne(listener, announced);
    },
  };
};

export type GossipActorEvent =
  /** From the topic; `peer` is whom the envelope names. */
  | { type: 'published'; peer: PeerId; bytes: Uint8Array }
  | { type: 'delivery'; delivery: Delivery }
  | { type: 'peer-open'; peer: PeerId; epoch: number }
  | { type: 'peer-close' | 'evicted' | 'readmitted'; peer: PeerId }
  | {
      type: 'publish';
      topic: string;
      body: Uint8Array;
      ttlMs: number;
      done: (outcome: Outcome<{ sequence: number }>) => void;
    }
  /** Tells what still holds to one who listens from now on. */
  | { type: 'recall'; topic: string; listener: Listener };

export type GossipArguments = {
  options: GossipOptions;
  /** Starts of this process. */
  epoch: number;
  /** How much an earlier incarnation of this actor has said in this process. */
  said: () => number;
  onSaid: (said: number) => void;
  connected: readonly { peer: PeerId; epoch: number }[];
  evicted: readonly PeerId[];
  ports: Ports;
  router: Router;
  listeners: Listeners;
  checkAll: boolean;
  onSummary: (summary: () => GossipSummary) => void;
};

type PublishAnswer = Extract<GossipEffect, { type: 'published' | 'unpublished' }>;

const failureOf: Record<PublishRefusal, 'INVALID_REQUEST' | 'TOO_LARGE' | 'OVERLOADED'> = {
  TOPIC_INVALID: 'INVALID_REQUEST',
  TTL_INVALID: 'INVALID_REQUEST',
  BODY_INVALID: 'INVALID_REQUEST',
  BODY_TOO_LARGE: 'TOO_LARGE',
  OVERLOADED: 'OVERLOADED',
};

/** Raises the counters by what was counted since the last time. */
const createCounting = (sink: SinkPort, counts: GossipCounts): (() => void) => {
  const told = { ...counts };
  const outcomes = Object.keys(counts) as (keyof GossipCounts)[];
  return () => {
    for (const outcome of outcomes) {
      const more = counts[outcome] - told[outcome];
      if (more === 0) continue;
      told[outcome] = counts[outcome];
      sink.count('gossip_announcements_total', { outcome }, more);
    }
  };
};

export const createGossipActor = (scope: Scope, args: GossipArguments): Component<GossipActorEvent> => {
  const { ports, router, listeners } = args;
  const { clock, network, random, sink } = ports;
  const state: GossipState = createGossip({
    ...{ self: network.self, epoch: args.epoch, said: args.said(), options: args.options },
    ...{ seed: random.uint32(), nowMs: clock.nowMs(), checkAll: args.checkAll },
  });
  const count = createCounting(sink, state.counts);
  const alarm = createAlarm(clock, scope.after, () => run({ type: 'wake' }));

  const fulfil = (effect: GossipEffect, answer: (effect: PublishAnswer) => void): void => {
    switch (effect.type) {
      case 'push': {
        const envelope = {
          ...{ version: wireVersion, source: gossipAddress, target: gossipAddress, type: announcementType },
          ...{ id: 0, correlation: 0, timeLeftMs: 0, trace: '', body: formAnnouncement(effect.announcement) },
        };
        // A queue that is full: who is not told this way hears it by an exchange.
        if (network.publish(gossipTopic, encodeEnvelope(envelope)) === 'full')
          sink.count('publish_lost_total', { reason: 'full' });
        return;
      }
      case 'send':
        router.send(effect.to, 'bulk', gossipAddress, gossipAddress, exchangeType, formGossipMessage(effect.message));
        return;
      case 'deliver': {
        const { type, ...announced } = effect;
        return listeners.tell(announced);
      }
      case 'refused':
        return sink.count('gossip_refused_total', { code: effect.code });
      case 'published':
      case 'unpublished':
        return answer(effect);
    }
  };

  const run = (event: GossipEvent, answer: (effect: PublishAnswer) => void = () => {}): void => {
    const effects = step(state, clock.nowMs(), event);
    args.onSaid(state.said);
    for (const effect of effects) fulfil(effect, answer);
    count();
    alarm.at(state.deadlineMs);
  };

  const onPublished = (peer: PeerId, bytes: Uint8Array): void => {
    const envelope = decodeEnvelope(bytes);
    if ('refused' in envelope) return router.refuse(peer, envelope.refused, envelope.message);
    if (envelope.target !== gossipAddress || envelope.type !== announcementType)
      return router.refuse(peer, 'TYPE_UNKNOWN', `nothing but announcements is published: ${envelope.type.slice(0, 32)}`);
    const parsed = parseAnnouncement(envelope.body);
    if (!parsed.ok) return router.refuse(peer, parsed.refused, parsed.message);
    run({ type: 'heard', from: peer, announcement: parsed.announcement });
  };

  const onDelivery = ({ peer, type, body }: Delivery): void => {
    if (type !== exchangeType) return router.refuse(peer, 'TYPE_UNKNOWN', `no such message to gossip: ${type.slice(0, 32)}`);
    const parsed = parseGossipMessage(body);
    if (!parsed.ok) return router.refuse(peer, parsed.refused, parsed.message);
    run({ type: 'message', from: peer, message: parsed.message });
  };

  const publish = ({ topic, body, ttlMs, done }: Extract<GossipActorEvent, { type: 'publish' }>): void =>
    run({ type: 'publish', topic, body, ttlMs }, (effect) =>
      effect.type === 'published'
        ? done({ ok: true, value: { sequence: effect.sequence } })
        : done({ ok: false, failure: failure(failureOf[effect.code], `${effect.code}: ${effect.message}`) }),
    );

  args.onSummary(() => gossipSummary(state));
  for (const peer of args.evicted) run({ type: 'evicted', peer });
  for (const { peer, epoch } of args.connected) run({ type: 'met', peer, epoch });

  return {
    receive(event) {
      switch (event.type) {
        case 'published':
          return onPublished(event.peer, event.bytes);
        case 'delivery':
          return onDelivery(event.delivery);
        case 'peer-open':
          return run({ type: 'met', peer: event.peer, epoch: event.epoch });
        case 'peer-close':
          return run({ type: 'lost', peer: event.peer });
        case 'evicted':
          return run({ type: 'evicted', peer: event.peer });
        case 'readmitted':
          return run({ type: 'readmitted', peer: event.peer });
        case 'publish':
          return publish(event);
        case 'recall':
          event.listener.isTold = true;
          for (const announced of stillTrue(state, clock.nowMs(), event.topic)) listeners.tellOne(event.listener, announced);
          return;
      }
    },
    stop() {},
  };
};
