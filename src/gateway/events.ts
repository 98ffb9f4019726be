// `WS /v1/events`: the status of the node, whole, at once and after every change. A status replaces the one before, so a slow
// reader misses some and is told how many, and what waits for it stays one message.
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import type { NodeApi, NodeStatus } from '../../actors/api.ts';
import type { Metrics } from '../metrics.ts';
import type { GatewayLimits } from './limits.ts';

/** Readers have nothing to say here. */
const incomingBytesMax = 1_024;
/** One status of a large cluster may be under way; more waits here, not in the socket. */
const waitingBytesMax = 64 << 10;
const goingAway = 1001;
const policyViolation = 1008;

class EventSocket {
  readonly #socket: WebSocket;
  #dropped = 0;
  #latest: NodeStatus | null = null;
  #sending = false;
  #alive = true;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('pong', () => {
      this.#alive = true;
    });
    socket.on('message', () => socket.close(policyViolation, 'this stream takes no messages'));
    // A reset of the connection is followed by close.
    socket.on('error', () => {});
  }

  tell(status: NodeStatus): void {
    if (this.#latest !== null) this.#dropped++;
    this.#latest = status;
    this.#flush();
  }

  #flush(): void {
    if (this.#sending || this.#latest === null || this.#socket.readyState !== this.#socket.OPEN) return;
    if (this.#socket.bufferedAmount > waitingBytesMax) return;
    const status = this.#latest;
    this.#latest = null;
    if (this.#dropped > 0) this.#socket.send(JSON.stringify({ type: 'dropped', count: this.#dropped }));
    this.#dropped = 0;
    this.#sending = true;
    this.#socket.send(JSON.stringify({ type: 'status', status }), () => {
      this.#sending = false;
      this.#flush();
    });
  }

  /** Ends a reader that did not answer the ping before. */
  beat(): void {
    if (!this.#alive) return this.#socket.terminate();
    this.#alive = false;
    this.#socket.ping();
  }

  close(reason: string): void {
    this.#socket.close(goingAway, reason);
  }

  terminate(): void {
    this.#socket.terminate();
  }
}

export interface EventSockets {
  readonly size: number;
  accept(request: IncomingMessage, socket: Duplex, head: Buffer, api: NodeApi): void;
  /** Says goodbye and, after the grace, closes what is left. */
  close(reason: string): void;
}

export const createEventSockets = ({ metrics, limits }: { metrics: Metrics; limits: GatewayLimits }): EventSockets => {
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: incomingBytesMax,
    perMessageDeflate: false,
    clientTracking: false,
  });
  const open = new Set<EventSocket>();
  let beat: NodeJS.Timeout | null = null;

  const drop = (one: EventSocket): void => {
    if (!open.delete(one)) return;
    metrics.streams('events', -1);
    if (open.size > 0 || beat === null) return;
    clearInterval(beat);
    beat = null;
  };

  return {
    get size() {
      return open.size;
    },
    accept(request, socket, head, api) {
      server.handleUpgrade(request, socket, head, (accepted) => {
        const one = new EventSocket(accepted);
        open.add(one);
        metrics.streams('events', 1);
        const stop = api.onStatus((status) => one.tell(status));
        accepted.once('close', () => {
          stop();
          drop(one);
        });
        one.tell(api.status());
        beat ??= setInterval(() => {
          for (const each of [...open]) each.beat();
        }, limits.heartbeatMs);
      });
    },
    close(reason) {
      for (const one of [...open]) one.close(reason);
      setTimeout(() => {
        for (const one of [...open]) one.terminate();
      }, limits.streamGraceMs).unref();
    },
  };
};
