// A whole node out of a configuration: HTTP first, so that a taken port ends the start before any data is touched, then the tree of
// actors, and down again in the reverse order. `createNode` and `polity start` are this with different clothes.
import type { NodeApi, NodeStatus } from '../actors/api.ts';
import type { SinkPort } from '../actors/ports/index.ts';
import { ActorHosting, hostable } from './actor/hosting.ts';
import { definitionsIn } from './actor/module.ts';
import { refPortOf } from './actor/ref.ts';
import type { AnyDefinedActor } from './actor/types.ts';
import { type NodeConfig, settingsOf, splitHostPort } from './config/index.ts';
import type { Gateway } from './gateway/index.ts';
import { followLoad } from './load.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import type { NodeParts } from './node.ts';
import { realRandom } from './random.ts';
import { version } from './version.ts';

export type AssemblyOptions = {
  log: SinkPort['log'];
  /** Starts the tree; tests put their own here. */
  startTree: (parts: NodeParts) => Promise<NodeApi>;
  /** Hosted beside those of the modules that the configuration names. */
  actors?: readonly AnyDefinedActor[];
};

export interface Assembly {
  readonly api: NodeApi;
  readonly actors: ActorHosting;
  readonly metrics: Metrics;
  readonly sink: SinkPort;
  /** Base URL of its HTTP, or null. */
  readonly http: string | null;
  /** Leaves the cluster's conversations, flushes and closes; never rejects. Safe to call twice. */
  stop(): Promise<void>;
}

/** Resolves once the node is in a state that `wanted` accepts, or after the limit; answers the status then. */
export const settledStatus = (api: NodeApi, wanted: (status: NodeStatus) => boolean, limitMs: number): Promise<NodeStatus> =>
  new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(limit);
      stop();
      resolve(api.status());
    };
    const limit = setTimeout(finish, limitMs);
    const stop = api.onStatus((status) => {
      if (wanted(status)) finish();
    });
    if (wanted(api.status())) finish();
  });

const openHttp = async (config: NodeConfig, metrics: Metrics, sink: SinkPort): Promise<Gateway | null> => {
  if (config.http === null) return null;
  const { openGateway } = await import('./gateway/index.ts');
  const { host, port } = splitHostPort(config.http)!;
  return openGateway({ host, port, token: config.token, hosts: config.httpHosts, inspect: config.inspect, metrics, sink });
};

const hostAll = (api: NodeApi, self: string, sink: SinkPort, definitions: readonly AnyDefinedActor[]): ActorHosting => {
  const hosting = new ActorHosting({ port: refPortOf(() => api.actors, sink), self, random: realRandom });
  for (const definition of definitions) hosting.host(definition);
  return hosting;
};

/** What the modules export, and what is given. */
const definitionsOf = async (config: NodeConfig, given: readonly AnyDefinedActor[]): Promise<AnyDefinedActor[]> => {
  const exported: AnyDefinedActor[] = [];
  // One after the other: the first that is bad ends the start.
  for (const path of config.actors.modules) exported.push(...(await definitionsIn(path)));
  return hostable([...given, ...exported]);
};

export const assemble = async (config: NodeConfig, { log, startTree, actors = [] }: AssemblyOptions): Promise<Assembly> => {
  const definitions = await definitionsOf(config, actors);
  const metrics = createMetrics({ name: config.name, version });
  const sink: SinkPort = { log, count: metrics.count };
  const gateway = await openHttp(config, metrics, sink);
  let api: NodeApi;
  let hosting: ActorHosting | null = null;
  const host = (tree: NodeApi): ActorHosting => {
    hosting ??= hostAll(tree, config.name, sink, definitions);
    return hosting;
  };
  try {
    api = await startTree({
      settings: settingsOf(config, version, gateway?.address ?? null),
      ...{ data: config.data, listen: config.listen, announce: config.announce, discover: config.discover },
      ...{ secret: config.secret, messaging: config.messaging, sink },
      host,
    });
    host(api);
  } catch (error) {
    await gateway?.close();
    throw error;
  }
  const unfollow = metrics.follow(api);
  const endLoad = followLoad((load) => api.tellLoad(load));
  gateway?.serve(api);

  let stopping: Promise<void> | null = null;
  const close = async (): Promise<void> => {
    // Requests under way still need the tree: the gateway drains while the tree says goodbye.
    await Promise.all([gateway?.close(), new Promise<void>((resolve) => api.stop(resolve))]);
    endLoad();
    unfollow();
  };
  return {
    api,
    actors: host(api),
    metrics,
    sink,
    http: gateway?.url ?? null,
    stop() {
      stopping ??= close().catch((error: unknown) => log('error', 'STOP_FAILED', 'the node did not stop cleanly', { error }));
      return stopping;
    },
  };
};
