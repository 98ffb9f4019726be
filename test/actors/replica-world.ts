// Whole nodes moved by hand with replicated actors in their group, and a door that finds the leader, for tests.
import type { AnyEventObject } from 'xstate';
import type { ActorDefinition, LiveActor } from '../../actors/actor-api.ts';
import { restartDefault } from '../../actors/actor-api.ts';
import { createReplicas, type Replicas } from '../../actors/actor-replica.ts';
import type { Outcome } from '../../actors/api.ts';
import type { Leaderships } from '../../actors/leadership.ts';
import type { ActorAddress } from '../../machines/entity/address.ts';
import { failure } from '../../machines/errors.ts';
import { createHandCluster, groupOf, type HandNode, type StartOptions } from './hand-cluster.ts';

export const definitionOf = (logic: ActorDefinition['logic'], more: Partial<ActorDefinition> = {}): ActorDefinition => ({
  ...{ name: 'cart', version: 1, logic, durability: 'replicated', placement: 'sharded', input: () => undefined },
  ...{ replies: {}, restart: restartDefault, mailboxMax: 100, passivateAfterMs: null, remember: false },
  ...{ timers: 'deadline', resume: {}, migrate: {}, redact: [] },
  ...more,
});

export type Hosted = { node: HandNode; replicas: Replicas; leaderships: Leaderships; gone: string[]; letters: string[] };

export const createReplicaWorld = (
  definitions: (node: string) => readonly ActorDefinition[],
  settings: Parameters<typeof createHandCluster>[0] = {},
) => {
  const cluster = createHandCluster(settings);
  const hosted = new Map<string, Hosted>();
  const known = new Map<string, readonly ActorDefinition[]>();

  const start = (name: string, options: StartOptions = {}): Hosted => {
    known.set(name, definitions(name));
    const made: Partial<Hosted> & { gone: string[]; letters: string[] } = { gone: [], letters: [] };
    made.node = cluster.start(name, {
      ...options,
      replicas(place) {
        made.leaderships = place.leaderships;
        made.replicas = createReplicas({
          ...place,
          groupOf: () => 'kv',
          definition: (type) => known.get(name)?.find((one) => one.name === type),
          formRef: (address) => address,
          deliver: (address, event, { id }, done) => {
            deliver(address, event, id ?? null, false, done as (outcome: Outcome<unknown>) => void);
            return () => {};
          },
          events: {
            onGone: (actor, why) => void made.gone.push(`${actor.address.key} ${typeof why === 'string' ? why : why.reason}`),
            onDeadLetter: (letter) => void made.letters.push(`${letter.address} ${letter.event} ${letter.reason}`),
          },
        });
        return made.replicas;
      },
    });
    const whole = made as Hosted;
    hosted.set(name, whole);
    return whole;
  };

  const leader = (): Hosted | null => {
    for (const one of hosted.values()) {
      const reign = cluster.nodes.has(one.node.name) ? one.leaderships.of('kv').reign() : null;
      if (reign !== null && groupOf(one.node)?.role === 'leader') return one;
    }
    return null;
  };

  const opened = (address: ActorAddress, done: (outcome: Outcome<LiveActor>) => void): void => {
    const at = leader();
    const why = failure('NOT_READY', 'nobody leads');
    if (at === null) return done({ ok: false, failure: why });
    for (const actor of at.replicas.live()) if (actor.address.key === address.key) return done({ ok: true, value: actor });
    const definition = known.get(at.node.name)?.find((one) => one.name === address.type);
    if (definition === undefined) return done({ ok: false, failure: failure('ACTOR_NOT_FOUND', 'no definition') });
    at.replicas.open(definition, address, at.leaderships.of('kv').reign(), done);
  };

  const deliver = (
    address: ActorAddress,
    event: AnyEventObject,
    id: string | null,
    wantsReply: boolean,
    done: (outcome: Outcome<unknown>) => void,
  ): void =>
    opened(address, (outcome) => {
      if (!outcome.ok) return done(outcome);
      const trail = { source: 'test', correlation: '' };
      outcome.value.deliver(event, { id, wantsReply, leftMs: 5_000, trail }, done);
    });

  const saying = (key: string, event: AnyEventObject, wantsReply: boolean, id: string | null): Outcome<unknown> => {
    const ends: Outcome<unknown>[] = [];
    deliver({ type: 'cart', key, node: null }, event, id, wantsReply, (outcome) => void ends.push(outcome));
    cluster.until(() => ends.length === 1);
    return ends[0]!;
  };

  return {
    ...{ cluster, hosted, start, leader, deliver, opened, known },
    /** What came of it; asked until somebody leads. */
    ask: (key: string, event: AnyEventObject, id: string | null = null): Outcome<unknown> => saying(key, event, true, id),
    tell: (key: string, event: AnyEventObject, id: string | null = null): Outcome<unknown> => saying(key, event, false, id),
    form(names = ['n1', 'n2', 'n3']): Hosted[] {
      const all = names.map((name) => start(name));
      cluster.until(() => all.every(({ node }) => node.api.status().state === 'ready') && leader() !== null);
      return all;
    },
    /** Makes this one the leader. */
    lead(one: Hosted): void {
      const ends: Outcome<unknown>[] = [];
      for (let tries = 0; leader() !== one; tries++) {
        if (tries > 20) throw new Error('it does not get to lead');
        ends.length = 0;
        one.node.api.changeGroup(
          'kv',
          { type: 'transfer', node: one.node.name },
          { timeoutMs: 1_000 },
          (end) => void ends.push(end),
        );
        cluster.until(() => ends.length === 1);
        cluster.pass(200);
      }
    },
    followers: (): Hosted[] => [...hosted.values()].filter((one) => cluster.nodes.has(one.node.name) && one !== leader()),
    kill(one: Hosted): ReturnType<typeof cluster.kill> {
      const contents = cluster.kill(one.node);
      hosted.delete(one.node.name);
      return contents;
    },
  };
};

export const said = (outcome: Outcome<unknown>): unknown => (outcome.ok ? outcome.value : outcome.failure.code);
