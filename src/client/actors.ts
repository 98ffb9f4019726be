// Actors as seen from a program that is no member, over the HTTP of any node: that node finds where they live.
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { actorLimits } from '../../actors/actor-api.ts';
import { type ActorAddress, parseAddress } from '../../machines/entity/address.ts';
import { failure } from '../../machines/errors.ts';
import type { AnyDefinedActor, AskedEvent, EventTo, ReplyTo, SnapshotOf, ValueAt } from '../actor/types.ts';
import { fromProblem, PolityError } from '../errors.ts';
import { plainOf } from '../replica-json.ts';
import { jsonOfValue } from '../service-json.ts';
import { type Attempted, type Attempts, backoffMs, failureOfAnswer, jsonOf, sleep } from './attempts.ts';
import { isFields } from './entry.ts';
import { type Call, collect, NoAnswer } from './http.ts';
import { linesOf } from './lines.ts';
import { encode, invalid, type Parameters, queryOf } from './query.ts';

export type ActorCallOptions = {
  /** 1 to 60 000, default 5 000: for the whole call, at whatever nodes. */
  timeoutMs?: number;
  signal?: AbortSignal;
};
export type ActorDeliverOptions = ActorCallOptions & {
  /** The same id twice has one effect; made up when absent, so that a lost answer is asked for again. */
  id?: string;
};

/** How what was watched ended. */
export type ActorEnded = { readonly reason: 'done' | 'stopped'; readonly output?: unknown };

/**
 * One actor, as `Ref` is to a member; typed by its definition: `client.actor<typeof Counter>('counter/visits')`. Events, replies and
 * snapshots are plain data, a reference is `{ $ref: 'type/key' }`. Rejections are PolityErrors.
 */
export interface ActorClient<Actor extends AnyDefinedActor = AnyDefinedActor> {
  readonly address: ActorAddress;
  /** At most once. Resolves when a node has taken it to send it on. */
  send(event: EventTo<Actor>, options?: ActorCallOptions): Promise<void>;
  /** At least once, with one effect for each id. Resolves when it is handled, and as durable as its definition promises. */
  deliver(event: EventTo<Actor>, options?: ActorDeliverOptions): Promise<void>;
  /** The same, and resolves with the reply. */
  ask<Event extends AskedEvent<Actor>>(event: Event, options?: ActorDeliverOptions): Promise<ReplyTo<Actor, Event>>;
  snapshot(options?: ActorCallOptions): Promise<SnapshotOf<Actor>>;
  /** What is at a path of it, as in `context.count`; null where nothing is. */
  snapshot<Path extends string>(options: ActorCallOptions & { select: Path }): Promise<ValueAt<SnapshotOf<Actor>, Path>>;
  /** Its snapshots now and whenever they change, the latest of those that come at once; goes on at another node. Returns how it ended. */
  watch(options?: { signal?: AbortSignal }): AsyncGenerator<SnapshotOf<Actor>, ActorEnded, undefined>;
  watch<Path extends string>(options: {
    select: Path;
    signal?: AbortSignal;
  }): AsyncGenerator<ValueAt<SnapshotOf<Actor>, Path>, ActorEnded, undefined>;
  /** Of a replicated one that was stopped because replicas of it differ (ACTOR_DIVERGED): it goes on as the leader of its group has it. */
  reset(options?: ActorCallOptions): Promise<void>;
  /** For good, with what is durable of it. `isHard`: what waits in its mailbox is not handled any more; one that cannot be read goes unread. */
  stop(options?: ActorCallOptions & { isHard?: boolean }): Promise<void>;
}

export type ActorPorts = {
  run: (attempted: Attempted, limits: { timeoutMs: number; signal?: AbortSignal }) => Promise<Uint8Array>;
  /** Of its own, so that a watch moves from node to node without moving the other calls. */
  attempts: () => Attempts;
};

const openMs = 10_000;
/** A node says something every 10 s. */
const silenceMs = 30_000;
const lineBytesMax = 8 << 20;

const bodyOf = (event: unknown): Uint8Array => {
  const text = jsonOfValue(event);
  if (text === null || typeof event !== 'object' || event === null)
    throw invalid('an event is an object of plain data with a type');
  return new TextEncoder().encode(text);
};

const limitsOf = ({ timeoutMs = actorLimits.timeoutMs, signal }: ActorCallOptions) => {
  if (!(timeoutMs >= 1 && timeoutMs <= actorLimits.timeoutMsMax))
    throw invalid(`timeoutMs must be from 1 to ${actorLimits.timeoutMsMax}`);
  return { timeoutMs, ...(signal === undefined ? {} : { signal }) };
};

type Said = { value: unknown } | { end: ActorEnded } | null;

/** Null: only a sign of life. Throws what it ended with. */
const saidBy = (line: Buffer): Said => {
  if (line.byteLength === 0) return null;
  const said = jsonOf(line);
  if (!isFields(said)) throw new PolityError(failure('UNREACHABLE', 'a line of the watch is not ours'));
  if ('failed' in said)
    throw new PolityError(fromProblem(said.failed) ?? failure('UNREACHABLE', 'the watch ended without a reason'));
  if (!('end' in said)) return { value: plainOf(said.value) };
  const reason = said.end === 'done' ? 'done' : 'stopped';
  return { end: 'output' in said ? { reason, output: plainOf(said.output) } : { reason } };
};

const isBroken = (error: unknown): boolean =>
  error instanceof NoAnswer || typeof (error as NodeJS.ErrnoException).code === 'string';

class HttpActor implements ActorClient {
  readonly address: ActorAddress;
  readonly #ports: ActorPorts;
  readonly #path: string;

  constructor(ports: ActorPorts, text: string) {
    const address = parseAddress(text);
    if (address === null) throw invalid(`'${String(text).slice(0, 64)}' is no address of an actor: TYPE/KEY or TYPE/KEY@NODE`);
    this.address = address;
    this.#ports = ports;
    this.#path = `/v1/actors/${address.type}/${encode('the key', address.key)}`;
  }

  #call(method: string, path: string, parameters: Parameters, body?: Uint8Array, headers?: Record<string, string>) {
    const { node } = this.address;
    return (timeLimitMs: number | undefined): Call => ({
      ...{
        method,
        path: `${this.#path}${path}${queryOf({ node: node ?? undefined, ...parameters, 'timeout-ms': timeLimitMs })}`,
      },
      ...(body === undefined ? {} : { body }),
      ...(headers === undefined ? {} : { headers }),
    });
  }

  async send(event: unknown, options: ActorCallOptions = {}): Promise<void> {
    const made = this.#call('POST', '/send', {}, bodyOf(event));
    await this.#ports.run({ call: () => made(undefined), effect: true, repeatable: false }, limitsOf(options));
  }

  async deliver(event: unknown, options: ActorDeliverOptions = {}): Promise<void> {
    await this.#put('/deliver', event, options);
  }

  async ask(event: unknown, options: ActorDeliverOptions = {}): Promise<never> {
    return plainOf(jsonOf(await this.#put('/ask', event, options))) as never;
  }

  #put(path: string, event: unknown, { id = randomUUID(), ...options }: ActorDeliverOptions): Promise<Uint8Array> {
    const call = this.#call('POST', path, {}, bodyOf(event), { 'idempotency-key': id });
    // A reply may take its time: another node is turned to when this one is gone, not because it is slow.
    return this.#ports.run({ call, effect: true, repeatable: true, isWhole: true } as Attempted, limitsOf(options));
  }

  async snapshot({ select, ...options }: ActorCallOptions & { select?: string } = {}): Promise<never> {
    const call = this.#call('GET', '/snapshot', this.#selecting(select));
    const bytes = await this.#ports.run({ call, effect: false, repeatable: true }, limitsOf(options));
    return plainOf(jsonOf(bytes)) as never;
  }

  #selecting(select: string | undefined): Parameters {
    return select === undefined ? {} : { select: encode('select', select) };
  }

  async reset(options: ActorCallOptions = {}): Promise<void> {
    const call = this.#call('POST', '/reset', {});
    await this.#ports.run({ call, effect: true, repeatable: true, isWhole: true } as Attempted, limitsOf(options));
  }

  async stop({ isHard = false, ...options }: ActorCallOptions & { isHard?: boolean } = {}): Promise<void> {
    const call = this.#call('DELETE', '', isHard ? { hard: 'true' } : {});
    await this.#ports.run({ call, effect: true, repeatable: true, isWhole: true } as Attempted, limitsOf(options));
  }

  async *watch({
    select,
    signal,
  }: {
    select?: string;
    signal?: AbortSignal;
  } = {}): AsyncGenerator<never, ActorEnded, undefined> {
    const attempts = this.#ports.attempts();
    const call = this.#call('GET', '/watch', this.#selecting(select))(undefined);
    let last: string | null = null;
    for (let round = 0; ; round++) {
      signal?.throwIfAborted();
      try {
        for await (const said of this.#said(attempts, call, signal)) {
          round = 0;
          if ('end' in said) return said.end;
          const text = JSON.stringify(said.value);
          // Another node begins with what this one has told already.
          if (text !== last) yield said.value as never;
          last = text;
        }
      } catch (error) {
        signal?.throwIfAborted();
        if (!(error instanceof PolityError ? error.retryable : isBroken(error))) throw error;
      }
      attempts.next();
      await sleep(backoffMs(Math.min(round, 5)), signal);
    }
  }

  /** What one node says, until it breaks off. */
  async *#said(attempts: Attempts, call: Call, signal: AbortSignal | undefined) {
    const { wire } = attempts;
    const stream: IncomingMessage = await wire.open(call, openMs + silenceMs, silenceMs, signal);
    try {
      if (stream.statusCode !== 200) {
        const answer = { status: stream.statusCode!, headers: stream.headers, bytes: await collect(stream) };
        throw new PolityError(failureOfAnswer(answer, wire.base.origin));
      }
      const tooLong = (): Error => new PolityError(failure('TOO_LARGE', `a snapshot has more than ${lineBytesMax} bytes`));
      for await (const line of linesOf(stream, lineBytesMax, tooLong)) {
        const said = saidBy(line);
        if (said !== null) yield said;
      }
    } finally {
      stream.destroy();
    }
  }
}

/** `address` as text: `counter/visits`, or `counter/visits@n1` for one of a node. Throws INVALID_REQUEST. */
export const actorOver = <Actor extends AnyDefinedActor>(ports: ActorPorts, address: string): ActorClient<Actor> =>
  new HttpActor(ports, address) as ActorClient<Actor>;
