// Calls of services that this node offers itself: no balancer, no breaker, no wire, no copy. What is not taken here, for there is no room,
// goes on to another node.

import { type Failure, failure } from '../machines/errors.ts';
import { verdictOf } from '../machines/rpc/index.ts';
import type { Outcome } from './api.ts';
import { Bag } from './bag.ts';
import { chainOf } from './call-failures.ts';
import { addressOf } from './call-request.ts';
import { createDeadlines } from './deadlines.ts';
import type { Prepared } from './outgoing-call.ts';
import type { ClockPort, PeerId, SinkPort } from './ports/index.ts';
import type { CallEvents, CallHandle, CallTrail, ServiceHost } from './service-api.ts';
import type { Scope } from './supervise.ts';

export type CallsLocalArguments = {
  name: string;
  self: PeerId;
  clock: ClockPort;
  sink: SinkPort;
  host: ServiceHost;
  /** Puts it to another node, if there is one. */
  elsewhere: (prepared: Prepared, why: Failure) => CallHandle;
};

interface LocalOwner {
  item(call: LocalCall, value: unknown): void;
  ended(call: LocalCall, outcome: Outcome<unknown>): void;
}

/** Here nothing was executed, and another node may have room: the rule of attempts at other nodes. */
const mayGoOn = ({ code }: Failure): boolean => verdictOf('answered', code, false) !== 'end';

class LocalCall implements CallEvents, CallHandle {
  readonly prepared: Prepared;
  /** Of the handler, or of the call that goes on elsewhere; null until there is one. */
  handle: CallHandle | null = null;
  hasItems = false;
  /** It waits for its handler, at the latest until its deadline. */
  isKept = false;
  isOver = false;
  place = -1;
  /** Items asked for before there was a handle. */
  readonly #owner: LocalOwner;

  constructor(owner: LocalOwner, prepared: Prepared) {
    this.#owner = owner;
    this.prepared = prepared;
  }

  item(value: unknown): void {
    this.#owner.item(this, value);
  }

  end(outcome: Outcome<unknown>): void {
    this.#owner.ended(this, outcome);
  }

  cancel(): void {
    this.handle?.cancel();
  }

  more(items: number): void {
    this.handle?.more(items);
  }
}

export class CallsLocal implements LocalOwner {
  readonly #args: CallsLocalArguments;
  readonly #calls = new Bag<LocalCall>();
  readonly #deadlines: ReturnType<typeof createDeadlines<LocalCall>>;
  readonly #trail: CallTrail;
  readonly #streamTrail: CallTrail;
  #lastNumber = 0;

  constructor(scope: Scope, args: CallsLocalArguments) {
    this.#args = args;
    this.#deadlines = createDeadlines(scope, args.clock.nowMs, (call) => this.#expire(call));
    this.#trail = { node: args.name, attempts: 1, isStream: false };
    this.#streamTrail = { node: args.name, attempts: 1, isStream: true };
  }

  get size(): number {
    return this.#calls.size;
  }

  begin(prepared: Prepared, atMs: number): CallHandle {
    const { name, self, host } = this.#args;
    const { call, deadlineMs, principal, chain, trace } = prepared;
    const local = new LocalCall(this, prepared);
    const handle = host.execute(
      {
        service: call.service,
        version: call.version ?? null,
        method: call.method,
        input: call.input,
        callerPeer: self,
        caller: name,
        principal,
        importance: call.importance ?? null,
        takesItems: call.takesItems,
        atMs,
        deadlineMs,
        requestId: ++this.#lastNumber,
        chain,
        trace,
      },
      local,
    );
    if (local.isOver) return local;
    local.handle = handle;
    local.isKept = true;
    this.#calls.add(local);
    this.#deadlines.add(local, deadlineMs);
    return local;
  }

  item(call: LocalCall, value: unknown): void {
    if (call.isOver) return;
    call.hasItems = true;
    this.#tell(() => call.prepared.on.item(value));
  }

  ended(call: LocalCall, outcome: Outcome<unknown>): void {
    if (call.isOver) return;
    this.#close(call);
    if (outcome.ok) return this.#end(call, outcome);
    if (mayGoOn(outcome.failure) && !call.hasItems && call.prepared.call.node === undefined) {
      call.handle = this.#args.elsewhere(call.prepared, outcome.failure);
      return;
    }
    this.#end(call, { ok: false, failure: this.#described(call, outcome.failure) });
  }

  #close(call: LocalCall): void {
    call.isOver = true;
    call.handle = null;
    if (!call.isKept) return;
    this.#calls.delete(call);
    this.#deadlines.delete(call, call.prepared.deadlineMs);
  }

  #described({ prepared: { call, chain } }: LocalCall, why: Failure): Failure {
    const { name } = this.#args;
    const address = addressOf(call);
    const facts = { address, node: name, state: 'alive', chain: chainOf(chain, name, address), attempts: 1 };
    return failure(why.code, why.message, { ...facts, ...why.details });
  }

  #end({ prepared: { on }, hasItems }: LocalCall, outcome: Outcome<unknown>): void {
    try {
      on.end(outcome, hasItems ? this.#streamTrail : this.#trail);
    } catch (error) {
      this.#threw(error);
    }
  }

  #tell(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#threw(error);
    }
  }

  #threw(error: unknown): void {
    this.#args.sink.log('error', 'CALLER_THREW', error instanceof Error ? error.message : String(error), { error });
  }

  #expire(call: LocalCall): void {
    if (call.isOver) return;
    const why = `${addressOf(call.prepared.call)} has not ended in time; it may have happened`;
    this.#abandon(call, failure('OUTCOME_UNKNOWN', why));
  }

  #abandon(call: LocalCall, why: Failure): void {
    const { handle } = call;
    this.#close(call);
    handle?.cancel();
    this.#end(call, { ok: false, failure: this.#described(call, why) });
  }

  stop(why: Failure): void {
    for (const call of this.#calls.all())
      this.#abandon(call, failure('OUTCOME_UNKNOWN', `${why.message}; ${addressOf(call.prepared.call)} may have happened`));
  }
}
