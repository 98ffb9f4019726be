// One call at the node that executes it: it waits, runs, and ends once, whatever its handler and its caller do. Who called hears nothing
// more once he does not want it any more; the place in the bulkhead is kept until the handler has ended all the same.
import { type Failure, failure } from '../machines/errors.ts';
import type { Outcome } from './api.ts';
import { idText } from './call-request.ts';
import type { CallContext, CallEvents, CallHandle, Execution, HostedMethod } from './service-api.ts';
import type { Hosted } from './service-table.ts';

/** What stands around runs: the host. */
export interface RunHost {
  readonly name: string;
  abandoned(run: Run): void;
  ended(run: Run, outcome: Outcome<unknown>): void;
  threw(run: Run, error: unknown): Failure;
}

export const failed = (why: Failure): { ok: false; failure: Failure } => ({ ok: false, failure: why });

/** The handle of what has ended already. */
export const ended: CallHandle = { cancel() {}, more() {} };

/** What its handler is told of it, too: a call takes few objects. */
export class Run implements CallHandle, CallEvents, CallContext {
  readonly id: number;
  readonly hosted: Hosted;
  readonly work: HostedMethod;
  readonly execution: Execution;
  startedMs = 0;
  state: 'waiting' | 'running' | 'over' = 'waiting';
  /** Null: nobody wants to hear of it any more. */
  #on: CallEvents | null;
  #handler: CallHandle | null = null;
  /** Items that were asked for before the handler began. */
  #asked = 0;
  readonly #host: RunHost;

  constructor(host: RunHost, id: number, hosted: Hosted, work: HostedMethod, execution: Execution, on: CallEvents) {
    this.#host = host;
    this.id = id;
    this.hosted = hosted;
    this.work = work;
    this.execution = execution;
    this.#on = on;
  }

  /** Its place is there. */
  start(nowMs: number): void {
    this.state = 'running';
    this.startedMs = nowMs;
    let handler: CallHandle;
    try {
      handler = this.work.invoke(this.execution.input, this, this);
    } catch (error) {
      return this.end(failed(this.#host.threw(this, error)));
    }
    // What the compiler does not see: the handler may have ended, or whoever called may have gone, in between.
    if ((this.state as Run['state']) === 'over') return;
    this.#handler = handler;
    if (this.#on === null) return handler.cancel();
    if (this.#asked > 0) handler.more(this.#asked);
  }

  /** It will never run. */
  refuse(why: Failure): void {
    this.state = 'over';
    this.#tell(failed(why));
  }

  /** The node does not wait for it any more. */
  giveUp(why: Failure): void {
    this.#tell(failed(why));
    this.#handler?.cancel();
  }

  /** To whoever called, if he still wants it. */
  #tell(outcome: Outcome<unknown>): void {
    const on = this.#on;
    this.#on = null;
    on?.end(outcome);
  }

  // ---------------------------------------------------------------- what the handler is told

  get service(): string {
    return this.execution.service;
  }

  get version(): string {
    return this.hosted.service.offer.version;
  }

  get method(): string {
    return this.execution.method;
  }

  get caller(): string {
    return this.execution.caller;
  }

  get callerPeer(): string {
    return this.execution.callerPeer;
  }

  get principal(): string | null {
    return this.execution.principal;
  }

  get deadlineMs(): number {
    return this.execution.deadlineMs;
  }

  get requestId(): string {
    const { requestId, caller } = this.execution;
    // Numbers of this node's own calls are not those of others.
    return typeof requestId === 'number' && caller === this.#host.name ? `${caller}-${requestId}` : idText(requestId);
  }

  get trace(): string {
    return this.execution.trace;
  }

  get chain(): readonly string[] {
    const { chain, service, method } = this.execution;
    return [...chain, `${this.#host.name} ${service}.${method}`];
  }

  // ---------------------------------------------------------------- what the handler does

  item(value: unknown): void {
    if (this.state === 'running') this.#on?.item(value);
  }

  end(outcome: Outcome<unknown>): void {
    if (this.state !== 'running') return;
    this.state = 'over';
    this.#handler = null;
    this.#host.ended(this, outcome);
  }

  /** By the host, once the place is free. */
  tell(outcome: Outcome<unknown>): void {
    this.#tell(outcome);
  }

  // ---------------------------------------------------------------- what the caller does

  cancel(): void {
    if (this.state === 'over' || this.#on === null) return;
    const why = failure('CANCELLED', `whoever called ${this.execution.service}.${this.execution.method} gave up`);
    if (this.state === 'waiting') {
      this.#host.abandoned(this);
      return this.refuse(why);
    }
    this.giveUp(why);
  }

  more(items: number): void {
    if (this.state === 'over' || this.#on === null) return;
    if (this.#handler === null) this.#asked += items;
    else this.#handler.more(items);
  }
}
