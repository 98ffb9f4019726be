// A response that goes on: chunks until somebody ends it. A reader that is too slow is ended, not waited for, and a reader that is
// gone ends its source; both happen once.
import type { ServerResponse } from 'node:http';

export type OutletOptions = {
  response: ServerResponse;
  headers: Record<string, string>;
  /** What may wait for the reader. */
  bytesMax: number;
  /** How long the reader may take for the rest after the end. */
  graceMs: number;
  /** The reader is gone or the stream was ended: stop the source. Called once. */
  onClosed(): void;
};

export class Outlet {
  readonly #response: ServerResponse;
  readonly #bytesMax: number;
  readonly #graceMs: number;
  #ended = false;

  constructor({ response, headers, bytesMax, graceMs, onClosed }: OutletOptions) {
    this.#response = response;
    this.#bytesMax = bytesMax;
    this.#graceMs = graceMs;
    response.once('close', () => {
      this.#ended = true;
      onClosed();
    });
    // A reader that resets its connection is no fault; `close` follows.
    response.on('error', () => {});
    response.writeHead(200, headers);
    response.flushHeaders();
    response.socket?.setNoDelay(true);
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** What waits for the reader, in this response and in its socket. */
  get waitingBytes(): number {
    return this.#response.writableLength;
  }

  /** False: the reader is too far behind, nothing was written. */
  write(chunk: string): boolean {
    if (this.#ended) return true;
    if (this.waitingBytes > this.#bytesMax) return false;
    this.#response.write(chunk);
    return true;
  }

  /** Calls `run` once the reader has taken most of what waits; at once if it has. */
  drained(run: () => void): void {
    if (!this.#response.writableNeedDrain) return run();
    this.#response.once('drain', run);
  }

  end(last: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#response.end(last);
    const limit = setTimeout(() => this.#response.destroy(), this.#graceMs);
    this.#response.once('close', () => clearTimeout(limit));
  }
}
