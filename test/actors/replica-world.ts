// Whole nodes moved by hand with replicated actors behind their doors, for tests.
import type { AnyEventObject } from 'xstate';
import { type ActorDefinition, type LiveActor, restartDefault } from '../../actors/actor-api.ts';
import type { Outcome } from '../../actors/api.ts';
import type { ActorAddress } from '../../machines/entity/address.ts';
import { createHandCluster, groupOf, type HandNode, type StartOptions } from './hand-cluster.ts';

export const definitionOf = (logic: ActorDefinition['logic'], more: Partial<ActorDefinition> = {}): ActorDefinition => ({
  ...{ name: 'cart', version: 1, logic, durability: 'replicated', placement: 'sharded', input: () => undefined },
  ...{ replies: {}, restart: restartDefault, mailboxMax: 100, passivateAfterMs: null, remember: false },
  ...{ timers: 'deadline', resume: {}, migrate: {}, redact: [] },
  ...more,
});

export const addressOf = (key: string): ActorAddress => ({ type: 'cart', key, node: null });

export const createReplicaWorld = (
  definitions: (node: string) => readonly ActorDefinition[],
  settings: Parameters<typeof createHandCluster>[0] = {},
  always: StartOptions = {},
) => {
  const cluster = createHandCluster({ balance: { ...balanceOff }, ...settings });

  const start = (name: string, options: StartOptions = {}): HandNode => {
    const node = cluster.start(name, { ...always, ...options });
    for (const definition of definitions(name)) node.api.actors.host(definition);
    return node;
  };

  const leader = (): HandNode | null => {
    for (const node of cluster.nodes.values())
      if (groupOf(node)?.role === 'leader' && node.api.shards.leadership('kv').token !== null) return node;
    return null;
  };

  const asking = (key: string, event: AnyEventObject, wantsReply: boolean, id: string | null): Outcome<unknown> => {
    const ends: Outcome<unknown>[] = [];
    const [node] = cluster.nodes.values();
    const options = id === null ? {} : { id };
    const done = (outcome: Outcome<unknown>): void => void ends.push(outcome);
    if (wantsReply) node!.api.actors.ask(addressOf(key), event, options, done);
    else node!.api.actors.deliver(addressOf(key), event, options, done);
    cluster.until(() => ends.length === 1);
    return ends[0]!;
  };

  return {
    ...{ cluster, start, leader },
    /** What came of it, through the door of the first node there is. */
    ask: (key: string, event: AnyEventObject, id: string | null = null): Outcome<unknown> => asking(key, event, true, id),
    tell: (key: string, event: AnyEventObject, id: string | null = null): Outcome<unknown> => asking(key, event, false, id),
    form(names = ['n1', 'n2', 'n3']): HandNode[] {
      const all = names.map((name) => start(name));
      cluster.until(() => all.every(({ api }) => api.status().state === 'ready') && leader() !== null);
      return all;
    },
    /** Makes this one the leader. */
    lead(node: HandNode): void {
      const ends: Outcome<unknown>[] = [];
      for (let tries = 0; leader() !== node; tries++) {
        if (tries > 20) throw new Error('it does not get to lead');
        ends.length = 0;
        const change = { type: 'transfer', node: node.name } as const;
        node.api.changeGroup('kv', change, { timeoutMs: 1_000 }, (end) => void ends.push(end));
        cluster.until(() => ends.length === 1);
        cluster.pass(200);
      }
    },
    followers: (): HandNode[] => [...cluster.nodes.values()].filter((node) => node !== leader()),
    live: (key: string): LiveActor | null => leader()?.api.actors.find(addressOf(key)) ?? null,
  };
};

const balanceOff = { isOn: false, everyMs: 50, graceMs: 300, settleMs: 200, pauseMs: 100, restMs: 1_000 };

/** The value, or the code of the failure. */
export const said = (outcome: Outcome<unknown>): unknown => (outcome.ok ? outcome.value : outcome.failure.code);
