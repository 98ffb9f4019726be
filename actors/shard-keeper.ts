// What placing actors takes besides answering: nodes tell each other which types they host, leaders keep their lease up while somebody lives
// by it and open those that live without being asked, leadership is handed to who should have it, and nodes without a replica of a
// group learn who leads it. All of it can begin anew at any moment.
import type { ActorAddress } from '../machines/entity/address.ts';
import type { BalanceOptions } from '../machines/entity/balance.ts';
import { formHosted, formKinds, type Hosted, parseHosted, parseKinds } from '../machines/entity/hosted.ts';
import type { MemberView } from '../machines/membership/index.ts';
import type { FencingToken } from '../machines/register/types.ts';
import { type ActorDefinition, onlyKey } from './actor-api.ts';
import { isOfCluster, type ShardFacts } from './actor-shards.ts';
import type { Leaderships } from './leadership.ts';
import type { PeerId, Ports } from './ports/index.ts';
import type { Delivery, Router } from './router.ts';
import { createShardBalance } from './shard-balance.ts';
import { answerLeader, createShardLeaders } from './shard-leaders.ts';
import { isSameToken } from './shard-lives.ts';
import { createOpenings } from './shard-openings.ts';
import type { Component, Scope } from './supervise.ts';

export const shardsAddress = 'shards';

export type ShardsEvent =
  /** Types hosted here have changed. */
  | { type: 'hosted' }
  /** This node leads the group, or does not any more, or somebody else does. */
  | { type: 'leading'; group: string }
  | { type: 'peer-open' | 'peer-close'; peer: PeerId }
  /** The node is about to stop. */
  | { type: 'drain' }
  | { type: 'delivery'; delivery: Delivery };

export type ShardKeeperArguments = {
  name: string;
  ports: Pick<Ports, 'clock' | 'sink' | 'network'>;
  router: Router;
  options: BalanceOptions;
  leaderships: Leaderships;
  facts: ShardFacts;
  /** Connected when this begins. */
  connected: readonly PeerId[];
  members: () => readonly MemberView[];
  guide: (group: string) => PeerId | null;
};

/** Nobody has asked for so long and nobody lives here: the lease is not kept up any more. */
const attendedMs = 5_000;
const readAgainMs = 500;
const leaseLookMs = 20;

const nothing: Hosted = new Map();

export const createShardKeeper = (scope: Scope, args: ShardKeeperArguments): Component<ShardsEvent> => {
  const { name, ports, router, options, leaderships, facts } = args;
  const { clock, sink, network } = ports;
  /** What connected peers host, and who is to be told what this node does. */
  const others = new Map<PeerId, Hosted>(args.connected.map((peer) => [peer, nothing]));
  const untold = new Set<PeerId>(args.connected);
  const reigns = new Map<string, FencingToken>();
  let isTicking = false;

  const leaders = createShardLeaders({
    ...{ scope, router, nowMs: clock.nowMs, address: shardsAddress, self: network.self, guide: args.guide },
    onLearnt: facts.notify,
  });
  facts.learnt = leaders;
  facts.hostedAt = (peer) => others.get(peer) ?? null;
  const balance = createShardBalance({
    ...{ name, self: network.self, clock, sink, options, leaderships, facts, members: args.members },
    hostedAt: (peer) => others.get(peer) ?? nothing,
  });
  const openings = createOpenings({
    ...{ scope, sink },
    open: (definition, address, done) => facts.host()?.open(definition, address, done),
  });

  // -------------------------------------------------------------- what is hosted where

  const tellOthers = (): void => {
    const definitions = facts.host()?.definitions() ?? [];
    if (definitions.length === 0) return;
    const kinds = formKinds(definitions.map((one) => ({ type: one.name, isKept: one.durability !== 'none' })));
    const hosted = facts.hosted();
    const tell = (peer: PeerId, type: string, body: unknown): boolean =>
      router.send(peer, 'calls', shardsAddress, shardsAddress, type, body) === 'queued';
    for (const peer of untold)
      if (tell(peer, 'kinds', kinds) && (hosted.size === 0 || tell(peer, 'hosts', formHosted(hosted)))) untold.delete(peer);
  };

  const onKinds = ({ peer, body }: Delivery): void => {
    const kinds = parseKinds(body);
    if (kinds === null) return router.refuse(peer, 'MESSAGE_MALFORMED', 'it does not say what its actors remember');
    facts.host()?.learn?.(kinds);
  };

  const onHosts = ({ peer, body }: Delivery): void => {
    const hosted = parseHosted(body);
    if (hosted === null) return router.refuse(peer, 'MESSAGE_MALFORMED', 'it does not say which actors it hosts');
    if (!others.has(peer)) return;
    others.set(peer, hosted);
    tick();
  };

  const onWanted = (peer: PeerId): void => {
    if (!others.has(peer)) return;
    untold.add(peer);
    tellOthers();
  };

  const leaderOf = (group: string): PeerId | null =>
    facts.groups().includes(group) && leaderships.of(group).replica() !== null ? leaderships.of(group).now().leader : null;

  // -------------------------------------------------------------- those that live without being asked

  const openIn = (group: string, token: FencingToken, address: ActorAddress): void => {
    const definition = definitionOf(address.type);
    if (definition === undefined) return;
    const isWanted = (): boolean => isSameToken(leaderships.of(group).reign(), token);
    openings.add({ definition, address, isWanted });
  };

  const definitionOf = (type: string): ActorDefinition | undefined =>
    facts
      .host()
      ?.definitions()
      .find((one) => one.name === type);

  /** Those of a group that this node leads, once it has the lease: what is opened before would be refused. */
  const openAll = (group: string, token: FencingToken): void => {
    const host = facts.host();
    if (host === null || facts.hosted().size === 0 || !facts.memory.isRead(group) || !rules(group, token)) return;
    const leadership = leaderships.of(group);
    leadership.attend(true);
    if (!leadership.holds(token)) return void scope.after(leaseLookMs, () => openAll(group, token));
    for (const definition of host.definitions()) {
      if (!definition.remember || !isOfCluster(definition.placement)) continue;
      for (const actor of facts.memory.of(group, definition))
        if (facts.groupOf(actor) === group) openIn(group, token, { ...actor, node: null });
    }
  };

  const openEach = (): void => {
    for (const definition of facts.host()?.definitions() ?? [])
      if (definition.placement === 'each')
        openings.add({ definition, address: { type: definition.name, key: onlyKey, node: name }, isWanted: () => true });
  };

  const rules = (group: string, token: FencingToken): boolean => isSameToken(reigns.get(group) ?? null, token);

  const begin = (group: string, token: FencingToken): void =>
    facts.memory.read(
      group,
      scope.guard((why) => {
        if (why === null) return openAll(group, token);
        // Its replica begins anew, or its disk fails: then it leads no more.
        scope.after(readAgainMs, () => {
          if (rules(group, token)) begin(group, token);
        });
      }),
    );

  const onLeading = (group: string): void => {
    const reign = leaderships.of(group).reign();
    balance.led(group, reign !== null);
    if (isSameToken(reign, reigns.get(group) ?? null)) return;
    facts.memory.forget(group);
    if (reign === null) return void reigns.delete(group);
    reigns.set(group, reign);
    begin(group, reign);
  };

  // -------------------------------------------------------------- now and then

  const attend = (): void => {
    const sinceMs = clock.nowMs() - attendedMs;
    for (const group of facts.groups()) {
      const isAsked = (facts.askedAtMs.get(group) ?? Number.NEGATIVE_INFINITY) > sinceMs;
      leaderships.of(group).attend(facts.hosted().size > 0 && (isAsked || facts.lives.count(group) > 0));
    }
  };

  /** Nobody is woken in a cluster without actors. */
  const tick = (): void => {
    if (isTicking || (facts.hosted().size === 0 && ![...others.values()].some(({ size }) => size > 0))) return;
    isTicking = true;
    scope.after(options.everyMs, () => {
      isTicking = false;
      tellOthers();
      attend();
      balance.look();
      tick();
    });
  };

  const onHosted = (): void => {
    for (const peer of others.keys()) untold.add(peer);
    tellOthers();
    openEach();
    for (const [group, token] of reigns) openAll(group, token);
    tick();
  };

  const receive = (event: ShardsEvent): void => {
    switch (event.type) {
      case 'hosted':
        return onHosted();
      case 'leading':
        return onLeading(event.group);
      case 'peer-open':
        others.set(event.peer, nothing);
        untold.add(event.peer);
        tellOthers();
        return facts.notify();
      case 'peer-close':
        others.delete(event.peer);
        untold.delete(event.peer);
        leaders.lost(event.peer);
        return facts.notify();
      case 'drain':
        return balance.drain();
      case 'delivery':
        if (event.delivery.type === 'hosts') return onHosts(event.delivery);
        if (event.delivery.type === 'kinds') return onKinds(event.delivery);
        if (event.delivery.type === 'hosts-wanted') return onWanted(event.delivery.peer);
        if (event.delivery.type === 'leader') return answerLeader(event.delivery, leaderOf);
        return router.refuse(event.delivery.peer, 'TYPE_UNKNOWN', `no such message: ${event.delivery.type.slice(0, 32)}`);
    }
  };

  for (const group of facts.groups()) onLeading(group);
  // They told the one before.
  for (const peer of args.connected) router.send(peer, 'calls', shardsAddress, shardsAddress, 'hosts-wanted', null);
  onHosted();
  return {
    receive,
    stop() {
      for (const group of facts.groups()) leaderships.of(group).attend(false);
    },
  };
};
