// Who offers what, as seen from a program that is no member: what one node knows, which asks no other.
import type {
  ServiceDescription,
  ServiceEndReason,
  ServiceEvent,
  ServiceId,
  ServiceListing,
  ServiceOffer,
  ServiceOwner,
  ServicePage,
  ServiceQuery,
} from '../catalog/index.ts';
import { PolityError } from '../errors.ts';
import type { Attempted, Attempts } from './attempts.ts';
import { isFields } from './entry.ts';
import type { ServerEvent } from './events.ts';
import { encode, invalid, type Parameters, queryOf } from './query.ts';
import { fieldsOfEvent, openEvents } from './stream.ts';

type Fields = Record<string, unknown>;

export type ServicesCallOptions = { timeoutMs?: number; signal?: AbortSignal };

/** Of a watch: `why` is 'unknown' if it ended while no node was watched. */
export type WatchedService =
  | Exclude<ServiceEvent, { type: 'end' }>
  | { type: 'end'; offer: ServiceId & ServiceOwner; why: ServiceEndReason | 'unknown' };

/** Rejections are PolityErrors: INVALID_REQUEST, MEMBER_NOT_FOUND, OVERLOADED, NOT_READY, UNREACHABLE … */
export interface ServicesClient {
  /** A page of what is offered, by name, the highest version first; 1 to 500, default 100. */
  page(asked?: ServiceListing & ServicesCallOptions): Promise<ServicePage>;
  /** Everything, page by page. */
  list(asked?: ServiceQuery & ServicesCallOptions): AsyncIterable<ServicePage['items'][number]>;
  /** All versions of a name, with methods and owners; null: nobody offers it. */
  describe(
    name: string,
    asked?: Omit<ServiceQuery, 'name' | 'prefix'> & ServicesCallOptions,
  ): Promise<ServiceDescription | null>;
  /**
   * What is offered, then `ready`, then what changes, for ever. Goes on at another node when this one is gone: then what is offered there
   * is told as far as it is new, what is not there any more has ended, and `ready` comes again.
   */
  watch(asked?: ServiceQuery & { signal?: AbortSignal }): AsyncIterable<WatchedService>;
}

export type ServicesPorts = {
  run: (attempted: Attempted, options: ServicesCallOptions) => Promise<Fields>;
  /** Of its own, so that a watch moves from node to node without moving the other calls. */
  attempts: () => Attempts;
};

const pageItems = 250;

const encodeAll = (what: string, words: readonly string[] | undefined): string | undefined =>
  words === undefined || words.length === 0 ? undefined : words.map((word) => encode(what, word)).join(',');

const encodeOne = (what: string, word: string | undefined): string | undefined =>
  word === undefined ? undefined : encode(what, word);

const resourcesOf = (resources: ServiceQuery['resources']): string | undefined =>
  encodeAll(
    'a resource',
    Object.entries(resources ?? {}).map(([name, amount]) => {
      if (name.includes('=')) throw invalid(`a resource is called ${name}, with a '='`);
      return `${name}=${amount}`;
    }),
  );

const parametersOf = (asked: ServiceQuery): Parameters => ({
  ...{ kind: encodeOne('the kind', asked.kind), name: encodeOne('the name', asked.name) },
  ...{ prefix: encodeOne('the prefix', asked.prefix), version: encodeOne('the version', asked.version) },
  ...{ node: encodeOne('the node', asked.node), resource: resourcesOf(asked.resources) },
  ...{ capability: encodeAll('a capability', asked.capabilities), tag: encodeAll('a tag', asked.tags) },
});

const keyOf = ({ kind, name, version, peerId }: ServiceId & ServiceOwner): string => [kind, name, version, peerId].join(' ');

/** What the reader of a watch was told, so that he can be told what ended while nobody told him. */
class Told {
  readonly #offers = new Map<string, { offer: ServiceOffer; text: string }>();
  /** Not told again since the watch was opened anew; null: it was told everything. */
  #unseen: Set<string> | null = null;

  opened(): void {
    this.#unseen = new Set(this.#offers.keys());
  }

  *take(event: WatchedService): Generator<WatchedService> {
    if (event.type === 'ready') {
      for (const key of this.#unseen ?? []) yield* this.#end(key, 'unknown');
      this.#unseen = null;
      yield event;
      return;
    }
    const key = keyOf(event.offer);
    this.#unseen?.delete(key);
    if (event.type === 'end') return yield* this.#end(key, event.why);
    const text = JSON.stringify(event.offer);
    if (this.#offers.get(key)?.text === text) return;
    this.#offers.set(key, { offer: event.offer, text });
    yield event;
  }

  *#end(key: string, why: ServiceEndReason | 'unknown'): Generator<WatchedService> {
    const known = this.#offers.get(key);
    if (known === undefined) return;
    this.#offers.delete(key);
    const { kind, name, version, node, peerId } = known.offer;
    yield { type: 'end', offer: { kind, name, version, node, peerId }, why };
  }
}

const eventOf = (sent: ServerEvent): WatchedService | null => {
  const fields = fieldsOfEvent(sent);
  if (!isFields(fields)) return null;
  if (sent.event === 'ready') return { type: 'ready', revision: Number(fields.revision) };
  if (sent.event === 'offer') return { type: 'offer', offer: fields as unknown as ServiceOffer };
  if (sent.event !== 'end') return null;
  const { why, ...offer } = fields;
  return { type: 'end', offer: offer as unknown as ServiceId & ServiceOwner, why: why as ServiceEndReason };
};

class HttpServices implements ServicesClient {
  readonly #ports: ServicesPorts;

  constructor(ports: ServicesPorts) {
    this.#ports = ports;
  }

  #read(path: string, options: ServicesCallOptions): Promise<Fields> {
    return this.#ports.run({ call: () => ({ method: 'GET', path }), effect: false, repeatable: true }, options);
  }

  async page({ limit, cursor, ...asked }: ServiceListing & ServicesCallOptions = {}): Promise<ServicePage> {
    const parameters = { ...parametersOf(asked), limit, cursor: encodeOne('the cursor', cursor ?? undefined) };
    const fields = await this.#read(`/v1/services${queryOf(parameters)}`, asked);
    const items = Array.isArray(fields.items) ? fields.items.filter(isFields) : [];
    const next = typeof fields.cursor === 'string' ? fields.cursor : null;
    return { items: items as unknown as ServicePage['items'], cursor: next, revision: Number(fields.revision) };
  }

  async *list(asked: ServiceQuery & ServicesCallOptions = {}) {
    let cursor: string | null = null;
    do {
      const page: ServicePage = await this.page({ ...asked, limit: pageItems, cursor });
      yield* page.items;
      cursor = page.cursor;
    } while (cursor !== null);
  }

  async describe(name: string, asked: Omit<ServiceQuery, 'name' | 'prefix'> & ServicesCallOptions = {}) {
    if (name === '') throw invalid('the name must not be empty');
    try {
      const path = `/v1/services/${encode('the name', name)}${queryOf(parametersOf(asked))}`;
      return (await this.#read(path, asked)) as unknown as ServiceDescription;
    } catch (error) {
      if (error instanceof PolityError && error.code === 'SERVICE_NOT_FOUND') return null;
      throw error;
    }
  }

  async *watch({ signal, ...asked }: ServiceQuery & { signal?: AbortSignal } = {}) {
    const told = new Told();
    const path = `/v1/watch/services${queryOf(parametersOf(asked))}`;
    const options = { path: () => path, onOpened: () => told.opened(), signal };
    for await (const sent of openEvents(this.#ports.attempts(), options)) {
      const event = eventOf(sent);
      if (event !== null) yield* told.take(event);
    }
  }
}

export const createServices = (ports: ServicesPorts): ServicesClient => new HttpServices(ports);
