// Actors as who looks on sees them, from a program that is no member: lists, descriptions, and what happens, over the HTTP of one node.
import type { ActorDescription, ListedActor } from '../../actors/inspect-api.ts';
import type { ShardView } from '../../actors/shard-api.ts';
import { type ErrorCode, errorTable, failure } from '../../machines/errors.ts';
import { PolityError } from '../errors.ts';
import { type Attempted, type Attempts, failureOfAnswer } from './attempts.ts';
import type { CallOptions } from './client.ts';
import { isFields } from './entry.ts';
import { collect, type Wire } from './http.ts';
import { encode, invalid, queryOf } from './query.ts';

/** As `GET /v1/actors` answers: a fencing token is `term.index`. */
export type ShownActor = Omit<ListedActor, 'token'> & { readonly token: string | null };

export type ShownActors = {
  readonly actors: readonly ShownActor[];
  /** `after` of the next page; null: there is no more. */
  readonly next: string | null;
  /** Members who did not answer, with the fields of a problem. */
  readonly silent: readonly { node: string; code: string; detail?: string }[];
};

export type ShownDescription = Omit<ActorDescription, 'view'> & { readonly view: ShownActor };

/** A group that actors of the cluster are spread over, as the node knows it that answers. */
export type ShownShard = Omit<ShardView, 'token'> & { readonly token: string | null };

export type ShownShards = {
  readonly groups: readonly ShownShard[];
  /** Of the address that was asked for; `failure`, with the fields of a problem: why nobody would get there. */
  readonly place: {
    readonly address: string;
    /** Null: it belongs to a node. */
    readonly group: string | null;
    readonly node: string | null;
    readonly failure: { readonly code: string; readonly detail?: string } | null;
  } | null;
};

export type ListActorsOptions = CallOptions & {
  type?: string;
  /** Of the key. */
  prefix?: string;
  /** Only of the node of this name; 'cluster': all members, asked side by side. */
  of?: 'cluster' | { node: string };
  after?: string;
  /** 1 to 1 000, default 100. */
  limit?: number;
};

export type FollowActorsOptions = {
  /** As text. One without a node is followed wherever it lives. */
  addresses?: readonly string[];
  types?: readonly string[];
  /** Actors of `types` at every member, not only at the node that answers. */
  everywhere?: boolean;
  correlation?: string;
  /** Of each node, 1 to 5 000, default 500. */
  perSecond?: number;
  /** Until the first word, default 5 000. */
  timeoutMs?: number;
  signal?: AbortSignal;
};

/**
 * As `WS /v1/inspect` tells it (docs/reference/http.md): `@xstate.actor`, `@xstate.event`, `@xstate.snapshot` of the protocol of
 * @statelyai/inspect, `@polity.left-out`, `@polity.node`.
 */
export type InspectedEvent = { readonly type: string; readonly [field: string]: unknown };

export interface InspectionClient {
  list(options?: ListActorsOptions): Promise<ShownActors>;
  /** By its address as text, wherever it lives. Rejects with NOT_FOUND. */
  describe(address: string, options?: CallOptions): Promise<ShownDescription>;
  /** Which groups hold actors of the cluster, who leads them and who should; with an address as text, where that actor is, and why. */
  shards(options?: CallOptions & { address?: string }): Promise<ShownShards>;
  /** What happens from now on, from the node that answered last, until it is broken off: then it rejects with UNREACHABLE. */
  follow(wanted: FollowActorsOptions): AsyncGenerator<InspectedEvent, void, undefined>;
}

/** More than these wait for the reader: the node is to keep the rest, and counts what is too much. */
const waitingMax = 1_000;
const timeoutMsDefault = 5_000;

const split = (address: string): { type: string; key: string; node: string | undefined } => {
  const slash = address.indexOf('/');
  const at = address.lastIndexOf('@');
  if (slash < 1) throw invalid(`'${address}' is no address of an actor (TYPE/KEY or TYPE/KEY@NODE)`);
  const node = at > slash ? address.slice(at + 1) : undefined;
  const key = address.slice(slash + 1, node === undefined ? undefined : at);
  try {
    return { type: address.slice(0, slash), key: decodeURIComponent(key), node };
  } catch {
    throw invalid(`'${address}' is no address of an actor: a '%' in a key is written %25`);
  }
};

const list = (words: readonly string[] | undefined, what: string): string | undefined =>
  words === undefined || words.length === 0 ? undefined : words.map((word) => encode(what, word)).join();

/** A socket's messages, one after the other; what waits is bounded by not reading on. */
async function* read(wire: Wire, path: string, options: FollowActorsOptions): AsyncGenerator<InspectedEvent, void, undefined> {
  // Loaded by those who use it: a client has no need of it otherwise.
  const { WebSocket } = await import('ws');
  const url = new URL(`${wire.base.pathname.replace(/\/$/, '')}${path}`, wire.base);
  url.protocol = url.protocol.replace('http', 'ws');
  const socket = new WebSocket(url, {
    ...{ headers: wire.headers, handshakeTimeout: options.timeoutMs ?? timeoutMsDefault, perMessageDeflate: false },
  });
  const waiting: InspectedEvent[] = [];
  let over: unknown = null;
  let wake = (): void => {};
  const end = (why: unknown): void => {
    over ??= why;
    wake();
  };
  const broken = (message: string, cause?: unknown): PolityError =>
    new PolityError(failure('UNREACHABLE', `${wire.base.origin} ${message}`), { cause });
  /** A node that ends a stream says why. */
  const ended = (reason: string): PolityError => {
    const [, code = '', message = ''] = /^([A-Z_]+): (.*)$/s.exec(reason) ?? [];
    return Object.hasOwn(errorTable, code)
      ? new PolityError(failure(code as ErrorCode, message))
      : broken(`broke off${reason === '' ? '' : `: ${reason}`}`);
  };
  const onAbort = (): void => end(options.signal?.reason ?? new Error('aborted'));
  options.signal?.addEventListener('abort', onAbort, { once: true });
  if (options.signal?.aborted === true) onAbort();
  socket.on('message', (data) => {
    const event = parsed(String(data));
    if (event !== null) waiting.push(event);
    if (waiting.length >= waitingMax) socket.pause();
    wake();
  });
  // What the answer says is worth more than that the connection ended with it.
  let isRefused = false;
  const ends = (why: PolityError): void => {
    if (!isRefused) end(why);
  };
  socket.on('unexpected-response', (_request, response) => {
    isRefused = true;
    collect(response).then(
      (bytes) =>
        end(
          new PolityError(
            failureOfAnswer({ status: response.statusCode ?? 500, headers: response.headers, bytes }, wire.base.origin),
          ),
        ),
      (error: unknown) => end(broken('broke off', error)),
    );
  });
  socket.on('error', (error) => ends(broken(`cannot be reached: ${error.message}`, error)));
  socket.on('close', (_code, reason) => ends(ended(String(reason))));
  try {
    for (;;) {
      for (let event = waiting.shift(); event !== undefined; event = waiting.shift()) yield event;
      if (over !== null) throw over;
      socket.resume();
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  } finally {
    options.signal?.removeEventListener('abort', onAbort);
    socket.terminate();
  }
}

const parsed = (text: string): InspectedEvent | null => {
  try {
    const value = JSON.parse(text) as unknown;
    return isFields(value) && typeof value.type === 'string' ? (value as InspectedEvent) : null;
  } catch {
    return null;
  }
};

export type InspectionPorts = {
  run: (attempted: Attempted, options: CallOptions) => Promise<Record<string, unknown>>;
  attempts: () => Pick<Attempts, 'wire' | 'count' | 'next'>;
};

/** At the node that answered last. One that is gone or cannot serve is left for the next, all of them as long as nothing was heard. */
async function* follow(
  attempts: ReturnType<InspectionPorts['attempts']>,
  path: string,
  options: FollowActorsOptions,
): AsyncGenerator<InspectedEvent, void, undefined> {
  let hasHeard = false;
  for (let tried = 1; ; tried++) {
    const { wire } = attempts;
    try {
      for await (const event of read(wire, path, options)) {
        hasHeard = true;
        yield event;
      }
    } catch (error) {
      if (!(error instanceof PolityError) || !error.retryable) throw error;
      // Unless another call has gone on already.
      if (attempts.wire === wire) attempts.next();
      if (hasHeard || tried >= attempts.count) throw error;
    }
  }
}

export const createInspectionClient = ({ run, attempts }: InspectionPorts): InspectionClient => {
  const get = (path: (timeLimitMs: number) => string, options: CallOptions): Promise<Record<string, unknown>> =>
    run({ call: (timeLimitMs) => ({ method: 'GET', path: path(timeLimitMs) }), effect: false, repeatable: true }, options);
  return {
    async list({ type, prefix, of, after, limit, ...options } = {}) {
      const parameters = {
        ...{ type: type === undefined ? undefined : encode('the type', type), limit },
        prefix: prefix === undefined ? undefined : encode('the prefix', prefix),
        after: after === undefined ? undefined : encode('after', after),
        ...(of === undefined ? {} : of === 'cluster' ? { scope: 'cluster' } : { node: encode('the node', of.node) }),
      };
      const path = (timeLimitMs: number): string => `/v1/actors${queryOf({ ...parameters, 'timeout-ms': timeLimitMs })}`;
      return (await get(path, options)) as unknown as ShownActors;
    },
    async describe(address, options = {}) {
      const { type, key, node } = split(address);
      const named = node === undefined ? undefined : encode('the node', node);
      const path = `/v1/actors/${encode('the type', type)}/${encode('the key', key)}`;
      const query = (timeLimitMs: number): string => queryOf({ node: named, 'timeout-ms': timeLimitMs });
      return (await get((timeLimitMs) => `${path}${query(timeLimitMs)}`, options)) as unknown as ShownDescription;
    },
    async shards({ address, ...options } = {}) {
      const { type, key, node } = address === undefined ? { type: undefined, key: undefined, node: undefined } : split(address);
      const encoded = (what: string, word: string | undefined): string | undefined =>
        word === undefined ? undefined : encode(what, word);
      const query = queryOf({ type: encoded('the type', type), key: encoded('the key', key), node: encoded('the node', node) });
      return (await get(() => `/v1/actors/shards${query}`, options)) as unknown as ShownShards;
    },
    follow(wanted) {
      const { addresses, types, everywhere, correlation, perSecond } = wanted;
      const query = queryOf({
        address: list(addresses, 'an address'),
        type: list(types, 'a type'),
        scope: everywhere === true ? 'cluster' : undefined,
        correlation: correlation === undefined ? undefined : encode('the correlation', correlation),
        sample: perSecond,
      });
      return follow(attempts(), `/v1/inspect${query}`, wanted);
    },
  };
};
