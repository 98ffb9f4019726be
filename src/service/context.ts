// What a handler is given beside its input. A call within the call goes on with its deadline, its chain and its principal. What few handlers
// read is made for those who read it: a signal costs a timer.
import type { CallContext, CallsApi } from '../../actors/service-api.ts';
import { failure, PolityError } from '../../machines/errors.ts';
import { realClock } from '../clock.ts';
import { callService, clientOf, streamService } from './client.ts';
import type { MethodDefinitions, ServiceClient, ServiceDefinition } from './define.ts';
import type { ServiceCallOptions } from './options.ts';
import type { ServiceStream } from './stream.ts';

/** Longer than any deadline. */
const timerMsMax = 2 ** 31 - 1;

export class ServiceContext {
  readonly #call: CallContext;
  readonly #calls: CallsApi;
  #controller: AbortController | null = null;
  #timer: NodeJS.Timeout | undefined;
  #over: PolityError | null = null;

  /** By the host of a service. */
  constructor(call: CallContext, calls: CallsApi) {
    this.#call = call;
    this.#calls = calls;
  }

  /** Name of the node that called; this one's own if it was a call from here. */
  get caller(): string {
    return this.#call.caller;
  }

  /** For whom, or null. Whoever called says it: a member is believed. */
  get principal(): string | null {
    return this.#call.principal;
  }

  get service(): string {
    return this.#call.service;
  }

  /** Of this service. */
  get version(): string {
    return this.#call.version;
  }

  get method(): string {
    return this.#call.method;
  }

  /** The same for a call and for its repetitions. */
  get requestId(): string {
    return this.#call.requestId;
  }

  /** Milliseconds until whoever called stops waiting; 0 when he has. */
  get remainingMs(): number {
    return Math.max(0, this.#call.deadlineMs - realClock.nowMs());
  }

  /** W3C traceparent, or ''. */
  get trace(): string {
    return this.#call.trace;
  }

  /** 'node service.method' of each call that led here, first the one that began it; this one last. */
  get chain(): readonly string[] {
    return this.#call.chain;
  }

  /** Aborts when whoever called gives up, when his time is over, or when the node stops and waits no longer. Its reason is a PolityError. */
  get signal(): AbortSignal {
    if (this.#controller !== null) return this.#controller.signal;
    const controller = new AbortController();
    this.#controller = controller;
    if (this.#over !== null) controller.abort(this.#over);
    else if (this.remainingMs === 0) this.#late();
    else {
      this.#timer = setTimeout(() => this.#late(), Math.min(timerMsMax, Math.ceil(this.remainingMs)));
      this.#timer.unref();
    }
    return controller.signal;
  }

  #late(): void {
    const { service, method } = this.#call;
    this.#controller?.abort(new PolityError(failure('DEADLINE_EXCEEDED', `the time of ${service}.${method} is over`)));
  }

  // Made when they are read, so that a handler may take them out of its context: `(input, { client }) => …`.

  /** As `node.call`, within this call. */
  get call(): (service: string, method: string, input?: unknown, options?: ServiceCallOptions) => Promise<unknown> {
    return (service, method, input, options) => callService(this.#calls, service, method, input, options, this.#call);
  }

  /** As `node.stream`, within this call. */
  get stream(): (service: string, method: string, input?: unknown, options?: ServiceCallOptions) => ServiceStream<unknown> {
    return (service, method, input, options) => streamService(this.#calls, service, method, input, options, this.#call);
  }

  /** As `node.service`, within this call. */
  get client(): <Methods extends MethodDefinitions>(
    definition: ServiceDefinition<Methods>,
    options?: ServiceCallOptions,
  ) => ServiceClient<Methods> {
    return (definition, options) => clientOf(this.#calls, definition, options, this.#call);
  }

  /** For the host: the call within which a handler works. */
  static within(context: ServiceContext): CallContext {
    return context.#call;
  }

  /** By the host: nobody waits any more. */
  static cancel(context: ServiceContext): void {
    if (context.#over !== null) return;
    const { service, method } = context.#call;
    context.#over = new PolityError(failure('CANCELLED', `nobody waits for ${service}.${method} any more`));
    context.#controller?.abort(context.#over);
  }

  /** By the host: the handler has ended. */
  static close(context: ServiceContext): void {
    if (context.#timer !== undefined) clearTimeout(context.#timer);
  }
}
