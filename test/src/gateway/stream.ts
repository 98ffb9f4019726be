// Reads a server-sent event stream event by event.
import http from 'node:http';
import type { Gateway } from '../../../src/gateway/index.ts';

export type Sent = { event: string; id: string | null; data: Record<string, unknown> };

export class Stream {
  readonly response: http.IncomingMessage;
  readonly #events: Sent[] = [];
  readonly #waiting: (() => void)[] = [];
  #text = '';
  ended = false;

  private constructor(response: http.IncomingMessage) {
    this.response = response;
    response.setEncoding('utf8');
    response.on('data', (text: string) => this.#take(text));
    const end = (): void => {
      this.ended = true;
      for (const wake of this.#waiting.splice(0)) wake();
    };
    response.on('end', end);
    response.on('error', end);
    response.on('close', end);
  }

  static open(gateway: Gateway, path: string, headers: Record<string, string> = {}): Promise<Stream> {
    const { hostname, port } = new URL(gateway.url);
    return new Promise((resolve, reject) => {
      const request = http.get({ hostname, port, path, headers, agent: false }, (response) => resolve(new Stream(response)));
      request.on('error', reject);
    });
  }

  #take(text: string): void {
    this.#text += text;
    for (let end = this.#text.indexOf('\n\n'); end !== -1; end = this.#text.indexOf('\n\n')) {
      const lines = this.#text.slice(0, end).split('\n');
      this.#text = this.#text.slice(end + 2);
      const field = (name: string) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? null;
      const event = field('event');
      if (event !== null) this.#events.push({ event, id: field('id'), data: JSON.parse(field('data')!) as Sent['data'] });
    }
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** The next event, or null at the end. */
  async next(): Promise<Sent | null> {
    while (this.#events.length === 0 && !this.ended) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return this.#events.shift() ?? null;
  }

  close(): void {
    this.response.destroy();
  }
}
