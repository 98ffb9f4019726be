// `WS /v1/inspect`: what happens to actors, as it happens, in the event protocol of @statelyai/inspect. A reader that is slow misses events
// and is told how many; he never makes the node wait.
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import type { NodeApi } from '../../actors/api.ts';
import { type FollowWanted, type InspectBatch, inspectLimits } from '../../actors/inspect-api.ts';
import { type ActorAddress, isActorType, parseAddress } from '../../machines/entity/address.ts';
import type { Failure } from '../../machines/errors.ts';
import type { Metrics } from '../metrics.ts';
import type { GatewayLimits } from './limits.ts';
import { Query, refuse } from './query.ts';
import { createStately, leftOutEvent } from './stately.ts';

export const inspectPath = '/v1/inspect';

/** Readers have nothing to say here. */
const incomingBytesMax = 1_024;
const goingAway = 1001;
const policyViolation = 1008;
const tryAgainLater = 1013;
/** RFC 6455 §5.5: what a close frame can carry. */
const reasonBytesMax = 123;

const addressesOf = (words: readonly string[]): ActorAddress[] =>
  words.map((text) => parseAddress(text) ?? refuse(`'${text.slice(0, 100)}' is no address of an actor`));

/** Throws a PolityError that says what is wrong with it. */
export const wantedOf = (url: string): FollowWanted => {
  const query = Query.of(url, ['address', 'type', 'scope', 'correlation', 'sample']);
  const addresses = addressesOf(query.words('address') ?? []);
  const types = query.words('type') ?? [];
  if (addresses.length + types.length === 0) refuse('name actors by address= or type=, several with commas');
  const { addressesMax, typesMax, correlationCharsMax } = inspectLimits;
  if (addresses.length > addressesMax) refuse(`address= names more than ${addressesMax} actors`);
  if (types.length > typesMax) refuse(`type= names more than ${typesMax} types of actors`);
  const odd = types.findIndex((type) => !isActorType(type));
  if (odd !== -1) refuse(`'${types[odd]!.slice(0, 64)}' is no type of actors`);
  const scope = query.oneOf('scope', ['node', 'cluster']) ?? 'node';
  const correlation = query.text('correlation');
  if (correlation !== undefined && correlation.length > correlationCharsMax)
    refuse(`correlation has at most ${correlationCharsMax} characters`);
  const perSecond = query.count('sample', 1, inspectLimits.perSecondMax) ?? inspectLimits.perSecond;
  return { addresses, types, scope, perSecond, ...(correlation === undefined ? {} : { correlation }) };
};

const cut = (text: string): string => {
  const bytes = Buffer.from(text);
  return bytes.byteLength <= reasonBytesMax
    ? text
    : `${bytes
        .subarray(0, reasonBytesMax - 3)
        .toString('utf8')
        .replace(/\ufffd+$/, '')}…`;
};

class InspectSocket {
  readonly #socket: WebSocket;
  readonly #bytesMax: number;
  readonly #stately = createStately();
  #leftOut = 0;
  #alive = true;

  constructor(socket: WebSocket, bytesMax: number) {
    this.#socket = socket;
    this.#bytesMax = bytesMax;
    socket.on('pong', () => {
      this.#alive = true;
    });
    socket.on('message', () => socket.close(policyViolation, 'this stream takes no messages'));
    // A reset of the connection is followed by close.
    socket.on('error', () => {});
  }

  #send(event: unknown): void {
    this.#socket.send(JSON.stringify(event));
  }

  tell({ items, charts, leftOut }: InspectBatch): void {
    this.#stately.learn(charts);
    this.#leftOut += leftOut;
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    for (const item of items)
      if (this.#socket.bufferedAmount > this.#bytesMax) this.#leftOut++;
      else this.#send(this.#stately.event(item));
    if (this.#leftOut === 0 || this.#socket.bufferedAmount > this.#bytesMax) return;
    this.#send(leftOutEvent(this.#leftOut));
    this.#leftOut = 0;
  }

  beat(): void {
    if (!this.#alive) return this.#socket.terminate();
    this.#alive = false;
    this.#socket.ping();
  }

  end(why: Failure): void {
    const code = why.code === 'STOPPING' ? goingAway : tryAgainLater;
    this.#socket.close(code, cut(`${why.code}: ${why.message}`));
  }

  terminate(): void {
    this.#socket.terminate();
  }
}

export interface InspectSockets {
  readonly size: number;
  /** Throws a PolityError where the request makes no sense. */
  accept(request: IncomingMessage, socket: Duplex, head: Buffer, api: NodeApi): void;
  /** Says goodbye and, after the grace, closes what is left. */
  close(why: Failure): void;
}

export const createInspectSockets = ({ metrics, limits }: { metrics: Metrics; limits: GatewayLimits }): InspectSockets => {
  const server = new WebSocketServer({
    ...{ noServer: true, maxPayload: incomingBytesMax, perMessageDeflate: false, clientTracking: false },
  });
  const open = new Set<InspectSocket>();
  let beat: NodeJS.Timeout | null = null;

  const drop = (one: InspectSocket): void => {
    if (!open.delete(one)) return;
    metrics.streams('inspect', -1);
    if (open.size > 0 || beat === null) return;
    clearInterval(beat);
    beat = null;
  };

  return {
    get size() {
      return open.size;
    },
    accept(request, socket, head, api) {
      const wanted = wantedOf(request.url ?? '');
      server.handleUpgrade(request, socket, head, (accepted) => {
        const one = new InspectSocket(accepted, limits.streamBytesMax);
        open.add(one);
        metrics.streams('inspect', 1);
        beat ??= setInterval(() => {
          for (const each of [...open]) each.beat();
        }, limits.heartbeatMs);
        const stop = api.inspect.follow(
          wanted,
          (batch) => one.tell(batch),
          (why) => {
            metrics.streamEnded('inspect', why.code);
            one.end(why);
          },
        );
        accepted.once('close', () => {
          stop();
          drop(one);
        });
      });
    },
    close(why) {
      for (const one of [...open]) one.end(why);
      setTimeout(() => {
        for (const one of [...open]) one.terminate();
      }, limits.streamGraceMs).unref();
    },
  };
};
