// Calls to other nodes: whom each goes to, what becomes of it when an attempt fails, and its one end. What is tried again, and where, is
// said by machines/rpc; here it is done. No message takes a mailbox and no call a timer of its own, for there are tens of thousands a second.

import { type ChoiceRefusal, choose, type StrategyName } from '../machines/balancer/index.ts';
import { type Failure, failure } from '../machines/errors.ts';
import {
  type AttemptEnd,
  endOf,
  noteCall,
  pauseMs,
  retryAfterOf,
  rpcLimits,
  takeRetry,
  verdictOf,
} from '../machines/rpc/index.ts';
import type { Outcome } from './api.ts';
import { Bag } from './bag.ts';
import { type AttemptsOwner, CallAttempts, type CallAttemptsArguments, localTicket } from './call-attempts.ts';
import type { Candidates, Plan } from './call-candidates.ts';
import { describeFailure } from './call-failures.ts';
import { addressOf } from './call-request.ts';
import { createDeadlines } from './deadlines.ts';
import { type Attempt, type CallOwner, OutgoingCall, type Prepared } from './outgoing-call.ts';
import type { PeerId, RandomPort } from './ports/index.ts';
import type { CallHandle } from './service-api.ts';
import type { Scope } from './supervise.ts';

export type CallsOutArguments = CallAttemptsArguments & {
  random: RandomPort;
  candidates: Candidates;
  strategy: StrategyName;
  peerNamed: (name: string) => PeerId | null;
};

export const isFailure = (value: object): value is Failure => 'code' in value && 'message' in value;

/** What threw while a call began that has been told its end. */
export class BrokenCall extends Error {
  constructor(cause: unknown) {
    super('a call could not begin', { cause });
    this.name = 'BrokenCall';
  }
}

export class CallsOut implements CallOwner, AttemptsOwner {
  readonly attempts: CallAttempts;
  readonly #args: CallsOutArguments;
  readonly #scope: Scope;
  readonly #calls = new Bag<OutgoingCall>();
  readonly #deadlines: ReturnType<typeof createDeadlines<OutgoingCall>>;

  constructor(scope: Scope, args: CallsOutArguments) {
    this.#scope = scope;
    this.#args = args;
    this.attempts = new CallAttempts(scope, args, this);
    this.#deadlines = createDeadlines(scope, args.clock.nowMs, (out) => this.#expire(out));
  }

  get size(): number {
    return this.#calls.size;
  }

  // ---------------------------------------------------------------- a call begins

  /** `here`: this node offers it, and is asked before all others; `why`: it was, and did not take it. */
  begin(prepared: Prepared, input: Uint8Array, here: Plan | null, why: Failure | null, nowMs: number): CallHandle | Failure {
    const { candidates } = this.#args;
    const { hedgeAfterMs } = prepared.call;
    if (this.#calls.size >= rpcLimits.outgoingMax)
      return failure('OVERLOADED', `${this.#calls.size} calls to other nodes are under way here, which is the most`);
    const room = candidates.room(prepared.call.service);
    if (isFailure(room)) return room;
    const out = new OutgoingCall(this, prepared, room, input);
    out.here = here;
    out.why = why;
    room.calls++;
    this.#calls.add(out);
    this.#deadlines.add(out, prepared.deadlineMs);
    noteCall(room.budget, nowMs);
    try {
      this.#try(out, nowMs);
    } catch (error) {
      this.#fail(out, failure('INTERNAL', `${addressOf(prepared.call)} failed on its way`));
      throw new BrokenCall(error);
    }
    if (hedgeAfterMs !== undefined && !out.isOver && out.timer === null)
      out.timer = this.#scope.after(hedgeAfterMs, () => this.#hedge(out));
    return out;
  }

  #plan(out: OutgoingCall): Plan | Failure {
    const { call } = out.prepared;
    if (out.here !== null) return out.here;
    const plan = this.#args.candidates.plan(out.room, call);
    if (call.node === undefined || isFailure(plan)) return plan;
    const peer = plan.offers.has(call.node) ? call.node : this.#args.peerNamed(call.node);
    const only = peer === null ? null : this.#args.candidates.only(plan, peer);
    return only ?? failure('SERVICE_NOT_FOUND', `no node called ${call.node} is known to offer ${call.service}`);
  }

  /** Puts it to somebody, or ends it because there is nobody. */
  #try(out: OutgoingCall, nowMs = this.#args.clock.nowMs()): void {
    const { call } = out.prepared;
    const { balancer } = out.room;
    const plan = this.#plan(out);
    if (isFailure(plan)) return this.#fail(out, plan);
    const strategy = call.strategy ?? this.#args.strategy;
    for (;;) {
      const { key } = call;
      const { excluded } = out;
      const candidates = plan.list;
      const choice =
        key === undefined && excluded === null
          ? choose(balancer, nowMs, { candidates, strategy })
          : choose(balancer, nowMs, { candidates, strategy, key: key ?? '', excluded: excluded ?? new Set() });
      if (!choice.ok) return this.#nobody(out, plan, choice.code, choice.message);
      if (out.tries >= rpcLimits.triesMax) return this.#fail(out, out.why!);
      if (this.#put(out, plan, choice.node, nowMs)) return;
    }
  }

  /** False: another one is to be chosen. */
  #put(out: OutgoingCall, plan: Plan, peer: PeerId, nowMs: number): boolean {
    const { breakers } = this.#args;
    const { service } = out.room;
    const why = this.#adopt(out, plan, peer);
    if (why !== null) {
      this.#fail(out, why);
      return true;
    }
    // No breaker stands before this node itself.
    const ticket = out.here === null ? breakers.admit(peer, service, nowMs) : localTicket;
    if (ticket === 0) {
      this.#exclude(out, peer, breakers.refusal(peer, service));
      return false;
    }
    const attempt = this.attempts.open(out, peer, ticket, nowMs);
    const sent = this.attempts.send(attempt, nowMs);
    if (sent === 'queued' || sent === 'waits') {
      out.isPaid = false;
      out.attempts++;
      if (out.tries > 1 && out.why !== null) this.#args.sink.count('calls_retried_total', { why: out.why.code });
      return true;
    }
    const unsent = this.attempts.unsent(peer, sent);
    this.attempts.end(attempt, 'unsent', unsent.code);
    this.#exclude(out, peer, unsent);
    return false;
  }

  /** What this node says of the method holds for the attempts from now on; null: it may be called so. */
  #adopt(out: OutgoingCall, plan: Plan, peer: PeerId): Failure | null {
    const { call } = out.prepared;
    const { methods, version } = plan.offers.get(peer)!;
    const method = Object.hasOwn(methods, call.method) ? methods[call.method]! : null;
    if (method === null) return failure('METHOD_NOT_FOUND', `${call.service}@${version} has no method ${call.method}`);
    if (call.hedgeAfterMs !== undefined && !method.idempotent)
      return failure('INVALID_REQUEST', `${addressOf(call)} is not idempotent, so it must not be asked twice (hedgeAfterMs)`);
    // Of two versions the one that may not be repeated decides.
    out.idempotent = method.idempotent && (out.attempts === 0 || out.idempotent);
    return null;
  }

  #exclude(out: OutgoingCall, peer: PeerId, why: Failure): void {
    out.why = why;
    if (out.here !== null && out.prepared.call.node === undefined) {
      out.here = null;
      return;
    }
    if (out.excluded === null) out.excluded = new Set();
    out.excluded.add(peer);
  }

  // ---------------------------------------------------------------- nobody is left, for now or at all

  #nobody(out: OutgoingCall, plan: Plan, code: ChoiceRefusal, message: string): void {
    const { call } = out.prepared;
    // A second question that cannot be put harms nobody.
    if (out.open.length > 0) return;
    switch (code) {
      case 'NO_CANDIDATES': {
        const range = call.version === undefined ? '' : `@${call.version}`;
        return this.#fail(out, out.why ?? failure('SERVICE_NOT_FOUND', `no node offers ${call.service}${range}`));
      }
      case 'ALL_OPEN':
        return this.#fail(out, this.#allOpen(out, plan));
      case 'ALL_EXCLUDED':
        if (out.why?.code === 'BREAKER_OPEN') return this.#fail(out, this.#allOpen(out, plan));
        return this.#pause(out);
      case 'TOO_MANY_NODES':
        return this.#fail(out, failure('OVERLOADED', message));
      default:
        return this.#fail(out, failure('INVALID_REQUEST', `${addressOf(call)}: ${message}`));
    }
  }

  #allOpen(out: OutgoingCall, plan: Plan): Failure {
    const { service } = out.room;
    let first: Failure | null = null;
    for (const { node, breaker } of plan.list) {
      if (breaker === 'closed') continue;
      const refusal = this.#args.breakers.refusal(node, service);
      if (first === null || retryAfterOf(refusal) < retryAfterOf(first)) first = refusal;
    }
    return first ?? out.why ?? failure('BREAKER_OPEN', `the breakers of all that offer ${service} are open`);
  }

  /** All were asked: after a while they are asked again, if that is still of use. */
  #pause(out: OutgoingCall): void {
    const { clock, random } = this.#args;
    const why = out.why ?? failure('UNREACHABLE', `no node that offers ${out.room.service} can be reached`);
    const nowMs = clock.nowMs();
    const waitMs = pauseMs(out.pauses, random.uint32() / 0x1_0000_0000, retryAfterOf(why));
    const isInTime = nowMs + waitMs < out.prepared.deadlineMs;
    const mayTry = Math.max(out.attempts, out.pauses + 1) < rpcLimits.attemptsMax && out.tries < rpcLimits.triesMax && isInTime;
    if (!mayTry || !this.#pays(out)) return this.#fail(out, why);
    out.pauses++;
    out.timer?.cancel();
    out.timer = this.#scope.after(waitMs, () => {
      out.timer = null;
      out.excluded = null;
      if (!out.isOver) this.#try(out);
    });
  }

  // ---------------------------------------------------------------- an attempt ends

  failed(attempt: Attempt, how: AttemptEnd, why: Failure): void {
    const { of: out, peer } = attempt;
    this.attempts.end(attempt, how, why.code);
    if (out.isOver) return;
    if (how === 'lost') out.isInDoubt = true;
    const verdict = verdictOf(how, why.code, out.idempotent);
    // Whoever has a part of a stream cannot be given the beginning of another.
    if (verdict === 'end' || verdict === 'same' || out.items > 0) return this.#fail(out, why);
    this.#exclude(out, peer, why);
    // Another one was asked beside it.
    if (out.open.length > 0) return;
    if (!this.#mayTryElsewhere(out, verdict === 'elsewhere-costs')) return this.#fail(out, why);
    this.#try(out);
  }

  /** Once for each attempt that is a retry, whatever it waits for. */
  #pays(out: OutgoingCall): boolean {
    out.isPaid ||= takeRetry(out.room.budget, this.#args.clock.nowMs());
    return out.isPaid;
  }

  #mayTryElsewhere(out: OutgoingCall, costs: boolean): boolean {
    if (out.tries >= rpcLimits.triesMax) return false;
    return !costs || (out.attempts < rpcLimits.attemptsMax && this.#pays(out));
  }

  answered(out: OutgoingCall, value: unknown): void {
    this.#finish(out, { ok: true, value });
  }

  item(attempt: Attempt, value: unknown): void {
    const { of: out } = attempt;
    out.credit--;
    out.items++;
    // Who is first is heard.
    if (out.open.length > 1) this.#endOthers(out, attempt);
    try {
      out.prepared.on.item(value);
    } catch (error) {
      this.#threw(error);
    }
  }

  #endOthers(out: OutgoingCall, but: Attempt | null): void {
    for (const attempt of [...out.open]) {
      if (attempt === but) continue;
      this.attempts.tellCancelled(attempt);
      this.attempts.end(attempt, 'answered', 'CANCELLED');
    }
  }

  // ---------------------------------------------------------------- the end

  #fail(out: OutgoingCall, why: Failure): void {
    if (out.isOver) return;
    // What one of two says is not known of the other.
    const isInDoubt = out.isInDoubt || out.open.some(({ state }) => state !== 'waits');
    this.#finish(out, { ok: false, failure: describeFailure(out, endOf(why, isInDoubt), this.#args) });
  }

  #finish(out: OutgoingCall, outcome: Outcome<unknown>): void {
    out.isOver = true;
    out.room.calls--;
    out.timer?.cancel();
    this.#calls.delete(out);
    this.#deadlines.delete(out, out.prepared.deadlineMs);
    if (out.open.length > 0) this.#endOthers(out, null);
    const { last: peer, attempts } = out;
    const node = peer === null ? null : (this.#args.nameOf(peer) ?? peer);
    try {
      out.prepared.on.end(outcome, { node, attempts, isStream: out.items > 0 });
    } catch (error) {
      this.#threw(error);
    }
  }

  /** What the caller does with it is his own affair. */
  #threw(error: unknown): void {
    this.#args.sink.log('error', 'CALLER_THREW', error instanceof Error ? error.message : String(error), { error });
  }

  #expire(out: OutgoingCall): void {
    if (out.isOver) return;
    const address = addressOf(out.prepared.call);
    const hasLeft = out.open.some(({ state }) => state !== 'waits');
    for (const attempt of [...out.open]) {
      this.attempts.tellCancelled(attempt);
      this.attempts.end(attempt, 'answered', attempt.state === 'waits' ? 'CANCELLED' : 'OUTCOME_UNKNOWN');
    }
    if (hasLeft || out.isInDoubt)
      return this.#fail(out, failure('OUTCOME_UNKNOWN', `no answer of ${address} came in time; it may have happened`));
    const last = out.why === null ? '' : `: ${out.why.message}`;
    this.#fail(out, failure('DEADLINE_EXCEEDED', `time ran out before anybody took ${address}${last}`, out.why?.details));
  }

  // ---------------------------------------------------------------- what the caller does

  cancel(out: OutgoingCall): void {
    if (!out.isOver) this.#fail(out, failure('CANCELLED', `whoever called ${addressOf(out.prepared.call)} gave up`));
  }

  more(out: OutgoingCall, items: number): void {
    if (out.isOver || !(items >= 1)) return;
    const more = Math.min(Math.floor(items), rpcLimits.creditMax - out.credit);
    if (more === 0) return;
    out.credit += more;
    for (const attempt of out.open) this.attempts.more(attempt, more);
  }

  #hedge(out: OutgoingCall): void {
    out.timer = null;
    const { clock, sink } = this.#args;
    if (out.isOver || out.items > 0 || out.open.length !== 1 || out.attempts >= rpcLimits.attemptsMax) return;
    if (!takeRetry(out.room.budget, clock.nowMs())) return;
    sink.count('calls_hedged_total');
    if (out.excluded === null) out.excluded = new Set();
    out.excluded.add(out.open[0]!.peer);
    this.#try(out);
  }

  stop(why: Failure): void {
    for (const out of this.#calls.all()) {
      const hasLeft = out.open.some(({ state }) => state !== 'waits') || out.isInDoubt;
      const message = `${why.message}; ${addressOf(out.prepared.call)} may have happened`;
      this.#fail(out, hasLeft ? failure('OUTCOME_UNKNOWN', message) : why);
    }
  }
}
