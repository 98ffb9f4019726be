// Serving: the node executes the service from now on, and the catalog tells the others.
import type { NodeApi } from '../../actors/api.ts';
import type { SinkPort } from '../../actors/ports/index.ts';
import { idOf, type Offer, type OfferId } from '../../machines/catalog/index.ts';
import { type Failure, PolityError } from '../../machines/errors.ts';
import type { Handlers, MethodDefinitions, ServiceDefinition } from './define.ts';
import { hostedFrom } from './hosted.ts';

export interface ServedService {
  readonly name: string;
  readonly version: string;
  /** Takes no more calls; those that run go on until they end. Safe to call twice. */
  stop(): Promise<void>;
}

const offered = (api: NodeApi, offer: Offer): Promise<Failure | null> =>
  new Promise((resolve) => api.catalog.offer(offer, (outcome) => resolve(outcome.ok ? null : outcome.failure)));

const withdrawn = (api: NodeApi, id: OfferId): Promise<void> =>
  // A node that stops has said already that it offers nothing any more.
  new Promise((resolve) => api.catalog.withdraw(id, () => resolve()));

/** Rejects with a PolityError: INVALID_REQUEST (it is served here already, a handler is missing), OVERLOADED or STOPPING. */
export const serve = async <Methods extends MethodDefinitions>(
  api: NodeApi,
  sink: SinkPort,
  definition: ServiceDefinition<Methods>,
  handlers: Handlers<Methods>,
): Promise<ServedService> => {
  const hosted = hostedFrom(definition, handlers, { node: api.status().name, calls: api.calls, sink });
  // First it is executed, then it is told: whoever hears of it may call at once.
  const why = api.host.add(hosted);
  if (why !== null) throw new PolityError(why);
  const id = idOf(hosted.offer);
  const untold = await offered(api, hosted.offer);
  if (untold !== null) {
    api.host.remove(id);
    throw new PolityError(untold);
  }
  let stopping: Promise<void> | null = null;
  const stop = async (): Promise<void> => {
    await withdrawn(api, id);
    api.host.remove(id);
  };
  return {
    ...{ name: id.name, version: id.version },
    stop() {
      stopping ??= stop();
      return stopping;
    },
  };
};
