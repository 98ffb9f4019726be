// `GET /v1/replica/watch/…`: a replicated object as server-sent events, whole, at once and after it changed. An event says what the object is,
// not what happened to it: so the values in between that nobody looked at are left out, the last never is. Whoever watches the same
// is told the same text, made once; all that is made for watchers takes a fifth of the time at most, however often things change.
import type { NodeApi, ReplicaApi } from '../../actors/api.ts';
import { type Failure, failure } from '../../machines/errors.ts';
import { PolityError, toProblem } from '../errors.ts';
import type { Metrics } from '../metrics.ts';
import type { Exchange } from './exchange.ts';
import type { GatewayLimits } from './limits.ts';
import { Outlet } from './outlet.ts';
import { type AskedObject, headOf, objectJson } from './replica-values.ts';

/** What is made at once before others have their turn. */
const lookMsMax = 5;
/** For each millisecond of making, so many of other things. */
const restFactor = 4;

const headers = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  'x-accel-buffering': 'no',
};

const failedText = (why: Failure): string => `event: failed\ndata: ${JSON.stringify(toProblem(why))}\n\n`;

const textOf = (api: ReplicaApi, asked: AskedObject, limits: GatewayLimits): string => {
  const json = objectJson(api, asked, limits);
  return json === null ? `event: nothing\ndata: ${headOf(asked)}}\n\n` : `event: value\ndata: ${json}\n\n`;
};

/** One object as somebody asked for it, and all who watch that. */
type Watched = { id: string; asked: AskedObject; text: string; readers: Set<Outlet>; stop: () => void };

export interface ReplicaWatches {
  /** Throws what cannot be watched, before anything is answered. */
  watch(exchange: Exchange, api: NodeApi, asked: AskedObject, followed: { type: string; key: string }): void;
  /** Ends each with an event that says why. */
  close(why: Failure): void;
}

class Watches implements ReplicaWatches {
  readonly #metrics: Metrics;
  readonly #limits: GatewayLimits;
  readonly #watched = new Map<string, Watched>();
  readonly #open = new Set<Outlet>();
  readonly #changed = new Set<Watched>();
  /** Who was told something since the last beat. */
  readonly #told = new WeakSet<Outlet>();
  #api: ReplicaApi | null = null;
  #look: NodeJS.Timeout | null = null;
  #beat: NodeJS.Timeout | null = null;

  constructor({ metrics, limits }: { metrics: Metrics; limits: GatewayLimits }) {
    this.#metrics = metrics;
    this.#limits = limits;
  }

  watch(exchange: Exchange, { replica }: NodeApi, asked: AskedObject, followed: { type: string; key: string }): void {
    if (this.#open.size >= this.#limits.replicaWatchersMax)
      throw new PolityError(failure('OVERLOADED', `this node has ${this.#open.size} watchers of replicated objects already`));
    // Who left before it was answered would never be missed.
    if (exchange.reply.raw.destroyed) return;
    const unread = this.#unreadBytes();
    if (unread > this.#limits.replicaAnswersBytesMax)
      throw new PolityError(failure('OVERLOADED', `${unread} bytes wait to be read by watchers of replicated objects`));
    this.#api = replica;
    const id = JSON.stringify(asked);
    const watched = this.#watched.get(id) ?? this.#begin(id, replica, asked, followed);
    exchange.claim(200);
    exchange.reply.hijack();
    const { streamBytesMax, streamGraceMs, heartbeatMs } = this.#limits;
    const outlet: Outlet = new Outlet({
      ...{ response: exchange.reply.raw, headers, bytesMax: streamBytesMax, graceMs: streamGraceMs },
      onClosed: () => this.#drop(watched, outlet),
    });
    watched.readers.add(outlet);
    this.#open.add(outlet);
    this.#metrics.streams('replica', 1);
    this.#beat ??= setInterval(() => this.#beatAll(), heartbeatMs);
    this.#tell(outlet, watched.text);
  }

  #begin(id: string, api: ReplicaApi, asked: AskedObject, followed: { type: string; key: string }): Watched {
    const watched: Watched = { id, asked, text: textOf(api, asked, this.#limits), readers: new Set(), stop: () => {} };
    const stopping = failure('STOPPING', 'the node is stopping; go on with another');
    const changed = (): void => this.#onChanged(watched);
    watched.stop = api.follow(followed.type, followed.key, changed, () => this.#fail(watched, stopping));
    this.#watched.set(id, watched);
    return watched;
  }

  #onChanged(watched: Watched): void {
    this.#changed.add(watched);
    this.#look ??= setTimeout(() => this.#lookAtChanged(), this.#limits.replicaLookMs);
  }

  #lookAtChanged(): void {
    const startMs = performance.now();
    for (const watched of this.#changed) {
      this.#changed.delete(watched);
      this.#renew(watched);
      if (performance.now() - startMs >= lookMsMax) break;
    }
    this.#look = null;
    if (this.#changed.size === 0 && performance.now() - startMs < lookMsMax) return;
    const restMs = Math.max(this.#limits.replicaLookMs, (performance.now() - startMs) * restFactor);
    this.#look = setTimeout(() => this.#lookAtChanged(), restMs);
  }

  #renew(watched: Watched): void {
    if (this.#api === null) return;
    let text: string;
    try {
      text = textOf(this.#api, watched.asked, this.#limits);
    } catch (error) {
      const why = error instanceof PolityError ? error.failure : failure('INTERNAL', 'the gateway failed on this watch');
      return this.#fail(watched, why);
    }
    // Inside of a tree, what changed is often something else.
    if (text === watched.text) return;
    watched.text = text;
    let unread = this.#unreadBytes();
    for (const outlet of [...watched.readers]) {
      unread += text.length;
      this.#tell(outlet, text, unread > this.#limits.replicaAnswersBytesMax);
    }
  }

  /** What waits for all watchers together: each alone may be as far behind as a stream may. */
  #unreadBytes(): number {
    let bytes = 0;
    for (const { waitingBytes } of this.#open) bytes += waitingBytes;
    return bytes;
  }

  #tell(outlet: Outlet, text: string, isTooMuch = false): void {
    this.#told.add(outlet);
    const { waitingBytes } = outlet;
    const isBehind = waitingBytes > 0 && (isTooMuch || waitingBytes + text.length > this.#limits.streamBytesMax);
    if (isBehind || !outlet.write(text))
      this.#end(outlet, failure('OVERLOADED', 'the reader is too slow for this watch; begin again to see what it is now'));
  }

  #end(outlet: Outlet, why: Failure): void {
    if (outlet.ended) return;
    this.#metrics.streamEnded('replica', why.code);
    outlet.end(failedText(why));
  }

  #fail(watched: Watched, why: Failure): void {
    this.#forget(watched);
    for (const outlet of [...watched.readers]) this.#end(outlet, why);
  }

  /** Whoever asks for it from now on begins anew. */
  #forget(watched: Watched): void {
    watched.stop();
    this.#changed.delete(watched);
    if (this.#watched.get(watched.id) === watched) this.#watched.delete(watched.id);
  }

  #drop(watched: Watched, outlet: Outlet): void {
    if (!this.#open.delete(outlet)) return;
    this.#metrics.streams('replica', -1);
    watched.readers.delete(outlet);
    if (watched.readers.size === 0) this.#forget(watched);
    if (this.#open.size > 0) return;
    if (this.#beat !== null) clearInterval(this.#beat);
    if (this.#look !== null) clearTimeout(this.#look);
    this.#beat = null;
    this.#look = null;
  }

  #beatAll(): void {
    for (const outlet of this.#open) if (!this.#told.delete(outlet)) outlet.write(': alive\n\n');
  }

  close(why: Failure): void {
    for (const outlet of [...this.#open]) outlet.end(failedText(why));
  }
}

export const createReplicaWatches = (ports: { metrics: Metrics; limits: GatewayLimits }): ReplicaWatches => new Watches(ports);
