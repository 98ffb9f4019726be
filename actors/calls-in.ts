// Calls of other nodes, executed here: each once, however often it is asked, as long as this process lives. Handlers hear of a stream's
// reader only what its lane has room for, and of a caller that is gone.

import { type Failure, failure } from '../machines/errors.ts';
import {
  type CallMemory,
  type CallMessage,
  type CallResult,
  callTypes,
  conclude,
  forget,
  forgetNumbered,
  formItem,
  inputHash,
  isUnfit,
  mayBeAskedAgain,
  packValue,
  type Remembered,
  recall,
  remember,
  rpcLimits,
  unpackValue,
} from '../machines/rpc/index.ts';
import type { Outcome } from './api.ts';
import { Bag } from './bag.ts';
import { type CallAnswers, createCallAnswers } from './call-answers.ts';
import { addressOf, idText } from './call-request.ts';
import type { CallPost } from './calls-post.ts';
import { createDeadlines } from './deadlines.ts';
import { type Caller, IncomingCall, type IncomingOwner } from './incoming-call.ts';
import { Numbered } from './numbered.ts';
import type { ClockPort, PeerId, SinkPort } from './ports/index.ts';
import type { Refuse } from './refusals.ts';
import type { ServiceHost } from './service-api.ts';
import type { Scope } from './supervise.ts';

export type CallsInArguments = {
  name: string;
  /** Starts of this process. */
  epoch: number;
  clock: ClockPort;
  sink: SinkPort;
  post: CallPost;
  host: ServiceHost;
  /** Outlives the actor. */
  memory: CallMemory;
  /** An actor before this one failed: what it had begun and not ended is known to nobody. */
  hasForgotten: boolean;
  nameOf: (peer: PeerId) => string | null;
  /** Starts of its process, by the connection that there is; 0: there is none. */
  epochOf: (peer: PeerId) => number;
  refuse: Refuse;
};

export class CallsIn implements IncomingOwner {
  readonly #args: CallsInArguments;
  readonly #answers: CallAnswers;
  readonly #callers = new Map<PeerId, Caller>();
  readonly #calls = new Bag<IncomingCall>();
  /** Executions that are remembered and not ended. */
  readonly #running = new Map<Remembered, IncomingCall>();
  readonly #deadlines: ReturnType<typeof createDeadlines<IncomingCall>>;
  readonly #orphans: ReturnType<typeof createDeadlines<IncomingCall>>;

  constructor(scope: Scope, args: CallsInArguments) {
    this.#args = args;
    this.#answers = createCallAnswers(args.memory, args.post);
    this.#deadlines = createDeadlines(scope, args.clock.nowMs, (call) => this.#expire(call));
    this.#orphans = createDeadlines(scope, args.clock.nowMs, (call) => this.#cancel(call));
  }

  get size(): number {
    return this.#calls.size;
  }

  isExecutingFor(peer: PeerId): boolean {
    return (this.#callers.get(peer)?.calls.size ?? 0) > 0;
  }

  #callerOf(peer: PeerId): Caller {
    const known = this.#callers.get(peer);
    if (known !== undefined) return known;
    if (this.#callers.size >= rpcLimits.callersMax)
      for (const [other, { calls, unheard }] of this.#callers)
        if (calls.size === 0 && unheard.length === 0) this.#callers.delete(other);
    const { nameOf, epochOf } = this.#args;
    const name = nameOf(peer) ?? peer;
    const caller: Caller = { peer, name, epoch: epochOf(peer), calls: new Numbered(), unheard: [], heardTo: 0, serial: 0 };
    this.#callers.set(peer, caller);
    return caller;
  }

  // ---------------------------------------------------------------- a call comes

  called(peer: PeerId, message: CallMessage, timeLeftMs: number, trace: string): void {
    const caller = this.#callerOf(peer);
    const { number } = message;
    if (caller.unheard.length > 0) this.#answers.heard(caller, message.heard);
    const underWay = caller.calls.get(number);
    // Its node heard of the end of a connection when it had sent this on the next one, and asked once more: it is answered once.
    if (underWay?.address === addressOf(message)) return this.#args.sink.count('calls_repeated_total');
    // Numbers are given once.
    if (underWay !== undefined) return this.#args.refuse(peer, 'MESSAGE_MALFORMED', `call ${number} is under way already`);
    const known = recall(this.#args.memory, peer, message.requestId);
    if (known !== undefined) return this.#calledAgain(caller, message, known);
    if (message.epoch > 0 && (message.epoch !== this.#args.epoch || this.#args.hasForgotten))
      return this.#answers.answer(caller, number, null, {
        failure: this.#unknown(message, 'began anew since it was asked first'),
      });
    this.#execute(caller, message, timeLeftMs, trace);
  }

  #unknown(call: CallMessage, what: string): Failure {
    return failure('OUTCOME_UNKNOWN', `${this.#args.name} ${what}: what became of ${addressOf(call)} is not known`);
  }

  #calledAgain(caller: Caller, message: CallMessage, known: Remembered): void {
    const { number } = message;
    const { sink } = this.#args;
    if (known.what !== addressOf(message) || known.input !== inputHash(message.input)) {
      const why = `${idText(message.requestId)} is the id of another call, ${known.what}`;
      return this.#answers.answer(caller, number, null, { failure: failure('IDEMPOTENCY_CONFLICT', why) });
    }
    sink.count('calls_repeated_total');
    if (known.result !== null) return this.#answers.answer(caller, number, null, known.result);
    const running = this.#running.get(known);
    if (running === undefined || running.isStream)
      return this.#answers.answer(caller, number, null, {
        failure: this.#unknown(message, 'gave its items to somebody before'),
      });
    if (running.orphanUntilMs > 0) this.#orphans.delete(running, running.orphanUntilMs);
    running.orphanUntilMs = 0;
    running.waiters.push({ caller, number });
    caller.calls.set(number, running);
  }

  #execute(caller: Caller, message: CallMessage, timeLeftMs: number, trace: string): void {
    const { clock, host, name, refuse } = this.#args;
    const { number, service, method, range, requestId } = message;
    const refuseCall = (why: Failure): void => this.#answers.answer(caller, number, null, { failure: why });
    if (this.#calls.size >= rpcLimits.incomingMax)
      return refuseCall(failure('OVERLOADED', `${name} executes ${this.#calls.size} calls, which is the most`));
    const hosted = host.offers(service, range);
    if (hosted === null) return refuseCall(this.#notOffered(message));
    const offered = Object.hasOwn(hosted.methods, method) ? hosted.methods[method]! : null;
    // It would be asked again where that does harm.
    if (offered !== null && message.idempotent && !offered.idempotent) return refuseCall(this.#notOffered(message));
    const unpacked = unpackValue(message.input);
    if (unpacked === null) {
      refuse(caller.peer, 'MESSAGE_MALFORMED', 'the input of a call is no plain data');
      return refuseCall(failure('INVALID_REQUEST', `the input of ${addressOf(message)} is no plain data`));
    }
    const entry = offered?.idempotent === true && typeof requestId === 'number' ? null : this.#remember(caller, message);
    if (entry === 'full')
      return refuseCall(failure('OVERLOADED', `${name} remembers as many results of calls as it may; later there is room`));
    const nowMs = clock.nowMs();
    const deadlineMs = nowMs + timeLeftMs;
    const address = addressOf(message);
    const call = new IncomingCall(
      this,
      { address, deadlineMs, entry, isStream: offered?.isStream === true, asked: message.credit },
      caller,
      number,
    );
    if (entry !== null) this.#running.set(entry, call);
    this.#calls.add(call);
    caller.calls.set(number, call);
    this.#begin(call, caller, message, unpacked.value, trace, nowMs);
  }

  #begin(call: IncomingCall, caller: Caller, message: CallMessage, input: unknown, trace: string, atMs: number): void {
    const { service, method, range, principal, importance, takesItems, chain, requestId } = message;
    const handle = this.#args.host.execute(
      {
        service,
        version: range,
        method,
        input,
        callerPeer: caller.peer,
        caller: caller.name,
        principal,
        importance,
        takesItems,
        atMs,
        deadlineMs: call.deadlineMs,
        requestId,
        chain,
        trace,
      },
      call,
    );
    if (call.isOver) return;
    call.handle = handle;
    this.#deadlines.add(call, call.deadlineMs);
    if (call.asked > 0) this.#hand(call);
  }

  #notOffered(message: CallMessage): Failure {
    const { service, range } = message;
    const what = range === null ? service : `${service}@${range}`;
    return failure('SERVICE_NOT_FOUND', `${this.#args.name} does not offer ${what} as its caller knows it`);
  }

  #remember(caller: Caller, message: CallMessage): Remembered | 'full' {
    const { memory, clock } = this.#args;
    const { requestId: id, input } = message;
    const call = { caller: caller.peer, id, what: addressOf(message), input: inputHash(input) };
    return remember(memory, clock.nowMs(), call) ?? 'full';
  }

  // ---------------------------------------------------------------- what its handler does

  item(call: IncomingCall, value: unknown): void {
    if (call.isOver) return;
    const { post, sink } = this.#args;
    if (call.handed < 1) {
      sink.log('error', 'SERVICE_UNASKED', `${call.address} gave an item that nobody asked for`, { address: call.address });
      return this.#break(call, failure('INTERNAL', `${call.address} gave an item that nobody asked for`));
    }
    const packed = packValue(value);
    if (isUnfit(packed)) return this.#break(call, this.#unfit(call, 'an item', packed.message));
    call.isStream = true;
    call.handed--;
    const at = call.items++;
    for (const { caller, number } of call.waiters) {
      const said = post.say(caller.peer, callTypes.item, formItem({ number, at, value: packed }), packed.byteLength);
      if (said === 'lost') return this.#break(call, failure('OVERLOADED', `items of ${call.address} are read too slowly`));
    }
    this.#hand(call);
  }

  #unfit({ address }: IncomingCall, what: string, message: string): Failure {
    return failure('SERVICE_FAILED', `${what} of ${address} cannot be sent: ${message}`);
  }

  /** As much of what the reader wants as its lane has room for. A handler that answers at once is not called within its own call. */
  #hand(call: IncomingCall): void {
    if (call.isHanding) return;
    call.isHanding = true;
    for (;;) {
      const more = Math.min(call.asked, rpcLimits.handlerCreditMax - call.handed);
      if (more < 1 || call.handle === null || this.#isSlow(call)) break;
      call.asked -= more;
      call.handed += more;
      call.handle.more(more);
    }
    call.isHanding = false;
  }

  #isSlow({ waiters }: IncomingCall): boolean {
    for (const { caller } of waiters) if (this.#args.post.isSlow(caller.peer)) return true;
    return false;
  }

  ended(call: IncomingCall, outcome: Outcome<unknown>): void {
    if (call.isOver) return;
    this.#close(call, this.#resultOf(call, outcome));
  }

  #resultOf(call: IncomingCall, outcome: Outcome<unknown>): CallResult {
    if (!outcome.ok) return { failure: outcome.failure };
    const packed = packValue(outcome.value);
    return isUnfit(packed) ? { failure: this.#unfit(call, 'the result', packed.message) } : { value: packed };
  }

  /** Ends it from here, whatever its handler does. */
  #break(call: IncomingCall, why: Failure): void {
    const { handle } = call;
    this.#close(call, { failure: why });
    handle?.cancel();
  }

  // ---------------------------------------------------------------- it ends

  #close(call: IncomingCall, result: CallResult): void {
    const { entry, waiters } = call;
    const { memory, clock } = this.#args;
    call.isOver = true;
    this.#calls.delete(call);
    if (call.handle !== null) this.#deadlines.delete(call, call.deadlineMs);
    if (call.orphanUntilMs > 0) this.#orphans.delete(call, call.orphanUntilMs);
    call.handle = null;
    if (entry !== null) {
      this.#running.delete(entry);
      // Nothing was done: who asks again under an id of his own asks for the first time. A number is asked again only by a message
      // that was on its way already, and its refusal is not heard yet.
      if (typeof entry.id === 'string' && 'failure' in result && mayBeAskedAgain(result.failure.code)) forget(memory, entry);
      else conclude(memory, clock.nowMs(), entry, this.#kept(call, result));
    }
    for (const { caller, number } of waiters) {
      caller.calls.delete(number);
      this.#answers.answer(caller, number, entry?.result == null ? null : entry, result);
    }
  }

  /** What whoever asks again is told. */
  #kept(call: IncomingCall, result: CallResult): CallResult {
    const { name } = this.#args;
    if (call.isStream)
      return { failure: failure('OUTCOME_UNKNOWN', `${call.address} was executed at ${name}; its items are not kept`) };
    if ('failure' in result && result.failure.code === 'CANCELLED')
      return { failure: failure('OUTCOME_UNKNOWN', `${call.address} was cancelled at ${name}; it may have happened`) };
    return result;
  }

  // ---------------------------------------------------------------- what its caller does

  more(peer: PeerId, number: number, items: number): void {
    const call = this.#callers.get(peer)?.calls.get(number);
    // It may have ended while this was on its way.
    if (call === undefined) return;
    call.asked = Math.min(call.asked + items, rpcLimits.creditMax);
    this.#hand(call);
  }

  cancelled(peer: PeerId, number: number): void {
    const caller = this.#callers.get(peer);
    const call = caller?.calls.get(number);
    if (caller === undefined || call === undefined) return;
    this.#leave(call, caller, number);
    if (call.waiters.length === 0) this.#cancel(call);
  }

  #leave(call: IncomingCall, caller: Caller, number: number): void {
    caller.calls.delete(number);
    call.waiters = call.waiters.filter((waiter) => waiter.caller !== caller || waiter.number !== number);
  }

  #cancel(call: IncomingCall): void {
    if (call.isOver) return;
    this.#break(call, failure('CANCELLED', `nobody waits for ${call.address} any more`));
  }

  #expire(call: IncomingCall): void {
    const why = `time ran out while ${this.#args.name} worked on ${call.address}; it may have happened`;
    if (!call.isOver) this.#break(call, failure('OUTCOME_UNKNOWN', why));
  }

  // ---------------------------------------------------------------- connections

  drained(peer: PeerId): void {
    for (const call of this.#callers.get(peer)?.calls.values() ?? []) if (call.isStream) this.#hand(call);
  }

  opened(peer: PeerId, epoch: number): void {
    const caller = this.#callers.get(peer);
    if (caller === undefined) return;
    if (caller.epoch !== 0 && caller.epoch !== epoch) this.#begunAnew(peer);
    caller.epoch = epoch;
  }

  /** Its process is another one: nobody there asks for what was asked before. */
  #begunAnew(peer: PeerId): void {
    forgetNumbered(this.#args.memory, peer);
    for (const [entry, call] of [...this.#running])
      if (entry.caller === peer && typeof entry.id === 'number' && call.waiters.length === 0) this.#cancel(call);
  }

  /** Streams end with the connection; what has to be done once goes on for a while, for its caller may ask again. */
  closed(peer: PeerId): void {
    const caller = this.#callers.get(peer);
    if (caller === undefined) return;
    this.#answers.closed(caller);
    const untilMs = this.#args.clock.nowMs() + rpcLimits.reaskMs;
    for (const [number, call] of caller.calls.entries()) {
      this.#leave(call, caller, number);
      if (call.waiters.length > 0 || call.isOver) continue;
      if (call.entry === null || call.isStream) this.#cancel(call);
      else if (untilMs < call.deadlineMs) {
        call.orphanUntilMs = untilMs;
        this.#orphans.add(call, untilMs);
      }
    }
  }

  /** Membership says that it is gone: for good, as far as its calls go. */
  gone(peer: PeerId): void {
    for (const [entry, call] of [...this.#running]) if (entry.caller === peer && call.waiters.length === 0) this.#cancel(call);
    const caller = this.#callers.get(peer);
    if (caller !== undefined && caller.calls.size === 0) this.#callers.delete(peer);
  }

  stop(why: Failure): void {
    for (const call of this.#calls.all())
      this.#break(call, failure('OUTCOME_UNKNOWN', `${why.message}; ${call.address} may have happened`));
  }
}
