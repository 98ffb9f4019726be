// What strangers may cost. The DHT's host serves whoever comes, so it has limits of its own, apart from those of the cluster's
// host: so many connections, few from one address, so many requests a second, and so many bytes a request (kad-dht would read
// four megabytes a stream, libp2p allow 32 streams a connection).
export const guardLimits = {
  connectionsMax: 128,
  inboundMax: 96,
  /** With `lan` many hosts may stand behind one address, as on one machine. */
  inboundPerAddressMax: 4,
  inboundPerLanAddressMax: 64,
  pendingMax: 16,
  streamsPerConnectionMax: 32,
  requestStreamsMax: 16,
  /** A request or an answer: a board and twenty peers with their addresses are below 16 KiB. */
  streamBytesMax: 48 << 10,
  requestsPerSecondMax: 200,
  requestsBurstMax: 400,
} as const;

type Closing = { addEventListener(type: 'close', run: () => void): void };

/** Counts inbound connections until they close. */
export class InboundGate {
  readonly #perAddressMax: number;
  readonly #open = new Map<string, number>();
  #inbound = 0;

  constructor(isLan: boolean) {
    this.#perAddressMax = isLan ? guardLimits.inboundPerLanAddressMax : guardLimits.inboundPerAddressMax;
  }

  get inbound(): number {
    return this.#inbound;
  }

  /** True keeps the connection out. */
  denies(connection: Closing & { remoteAddr: { toString(): string } }): boolean {
    const address = connection.remoteAddr.toString().split('/')[2] ?? '';
    const open = this.#open.get(address) ?? 0;
    if (this.#inbound >= guardLimits.inboundMax || open >= this.#perAddressMax) return true;
    this.#open.set(address, open + 1);
    this.#inbound++;
    connection.addEventListener('close', () => this.#leave(address));
    return false;
  }

  #leave(address: string): void {
    this.#inbound--;
    const open = this.#open.get(address) ?? 0;
    if (open > 1) this.#open.set(address, open - 1);
    else this.#open.delete(address);
  }
}

type GuardedStream = { direction: string; abort(error: Error): void; onData?(data: { byteLength: number }): void };

/**
 * Libp2p's middleware of streams. Bytes are counted where they come in: a listener would be called before kad-dht's own is there, and
 * what is delivered then is lost.
 */
export const guardStreams = (nowMs: () => number) => {
  let tokens: number = guardLimits.requestsBurstMax;
  let atMs = nowMs();
  const isTooMany = (): boolean => {
    const now = nowMs();
    const refilled = tokens + ((now - atMs) / 1000) * guardLimits.requestsPerSecondMax;
    tokens = Math.min(guardLimits.requestsBurstMax, refilled);
    atMs = now;
    if (tokens < 1) return true;
    tokens--;
    return false;
  };
  return (stream: GuardedStream, connection: unknown, next: (stream: never, connection: never) => void): void => {
    if (stream.direction === 'inbound' && isTooMany()) throw new Error('too many requests');
    const deliver = stream.onData?.bind(stream);
    if (deliver === undefined) throw new Error('a stream whose bytes cannot be counted');
    let bytes = 0;
    stream.onData = (data) => {
      bytes += data.byteLength;
      if (bytes <= guardLimits.streamBytesMax) deliver(data);
      else stream.abort(new Error('too many bytes on one stream'));
    };
    next(stream as never, connection as never);
  };
};
