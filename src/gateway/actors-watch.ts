// `GET /v1/actors/{type}/{key}/watch`: what an actor shows, as JSON lines. A reader that is slow is told the latest when he has read what he
// was told before, so nothing waits for him; a last line says how it ended.
import type { ActorEnd } from '../../actors/actor-api.ts';
import { plainOf } from '../../actors/actor-values.ts';
import { type Failure, failure } from '../../machines/errors.ts';
import { failureOfEnd } from '../actor/first.ts';
import { toProblem } from '../errors.ts';
import type { Metrics } from '../metrics.ts';
import { jsonOfValue } from '../service-json.ts';
import type { Exchange } from './exchange.ts';
import type { GatewayLimits } from './limits.ts';
import { Outlet } from './outlet.ts';

const headers = { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store', 'x-accel-buffering': 'no' };

type Subscribe = (on: (value: unknown) => void, ended: (end: ActorEnd) => void) => () => void;

type Parts = { exchange: Exchange; metrics: Metrics; limits: GatewayLimits; onClosed: () => void };

/** Null: it holds what JSON cannot carry. */
const jsonOf = (value: unknown): string | null => {
  const plain = plainOf(value ?? null);
  return plain.ok ? jsonOfValue(plain.value) : null;
};

const lineOf = (value: unknown): string | null => {
  const json = jsonOf(value);
  return json === null ? null : `{"value":${json}}\n`;
};

export class ActorWatch {
  readonly #parts: Parts;
  #outlet: Outlet | null = null;
  #unsubscribe: (() => void) | null = null;
  #heartbeat: NodeJS.Timeout | null = null;
  #next: { value: unknown } | null = null;
  /** The reader has not read yet what he was told. */
  #isWaiting = false;
  #toldSince = false;
  #isOver = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    parts.metrics.streams('actor', 1);
    parts.exchange.reply.raw.once('close', () => this.#finish());
  }

  begin(subscribe: Subscribe): void {
    const unsubscribe = subscribe(
      (value) => this.#show(value),
      (end) => this.#ended(end),
    );
    if (this.#isOver) return unsubscribe();
    this.#unsubscribe = unsubscribe;
    // What is far away may take its time to show itself: the reader hears that somebody is there.
    this.#heartbeat = setInterval(() => this.#beat(), this.#parts.limits.heartbeatMs);
  }

  #opened(): Outlet {
    if (this.#outlet !== null) return this.#outlet;
    const { exchange, limits } = this.#parts;
    exchange.claim(200);
    exchange.reply.hijack();
    const { streamBytesMax: bytesMax, streamGraceMs: graceMs } = limits;
    this.#outlet = new Outlet({ response: exchange.reply.raw, headers, bytesMax, graceMs, onClosed: () => this.#finish() });
    return this.#outlet;
  }

  #show(value: unknown): void {
    if (this.#isOver) return;
    this.#next = { value };
    if (!this.#isWaiting) this.#tell();
  }

  #tell(): void {
    const next = this.#next;
    this.#next = null;
    if (next === null || this.#isOver) return;
    const line = lineOf(next.value);
    if (line === null) return this.fail(failure('ACTOR_REFUSED', 'it shows what JSON cannot carry'));
    this.#toldSince = true;
    const outlet = this.#opened();
    outlet.write(line);
    this.#isWaiting = true;
    outlet.drained(() => {
      this.#isWaiting = false;
      this.#tell();
    });
  }

  #beat(): void {
    if (!this.#toldSince) this.#opened().write('\n');
    this.#toldSince = false;
  }

  #ended(end: ActorEnd): void {
    if (this.#isOver) return;
    const why = failureOfEnd(end);
    if (why !== null) return this.fail(why);
    const last = this.#next === null ? '' : (lineOf(this.#next.value) ?? '');
    const output = end.output === undefined ? '' : `,"output":${jsonOf(end.output) ?? 'null'}`;
    this.#opened().end(`${last}{"end":"${end.reason}"${output}}\n`);
    this.#finish();
  }

  fail(why: Failure): void {
    if (this.#isOver) return;
    if (this.#outlet === null) this.#parts.exchange.problem(why);
    else {
      this.#parts.metrics.streamEnded('actor', why.code);
      this.#outlet.end(`${JSON.stringify({ failed: toProblem(why) })}\n`);
    }
    this.#finish();
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#heartbeat !== null) clearInterval(this.#heartbeat);
    this.#unsubscribe?.();
    this.#parts.metrics.streams('actor', -1);
    this.#parts.onClosed();
  }
}
