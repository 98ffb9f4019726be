// Calls to other nodes: whom each goes to, what becomes of its attempts, and its one end. What is tried again, and where, is said by
// machines/rpc; here it is done. No message takes a mailbox and no call a timer of its own, for there are tens of thousands a second.
import { begin, type ChoiceRefusal, choose, end, type StrategyName } from '../machines/balancer/index.ts';
import { type ErrorCode, type Failure, failure } from '../machines/errors.ts';
import {
  type AnswerMessage,
  type AttemptEnd,
  callTypes,
  endOf,
  formCall,
  formMore,
  type ItemMessage,
  noteCall,
  pauseMs,
  retryAfterOf,
  rpcLimits,
  takeRetry,
  unpackValue,
  verdictOf,
} from '../machines/rpc/index.ts';
import type { Outcome } from './api.ts';
import type { CallBreakers } from './call-breakers.ts';
import type { Candidates, Plan } from './call-candidates.ts';
import { describeFailure } from './call-failures.ts';
import { addressOf } from './call-request.ts';
import type { CallPost, Carrier } from './calls-post.ts';
import { createDeadlines } from './deadlines.ts';
import { Attempt, balancedOutcome, type CallOwner, OutgoingCall, type Prepared } from './outgoing-call.ts';
import type { ClockPort, PeerId, RandomPort, SinkPort } from './ports/index.ts';
import type { Refuse } from './refusals.ts';
import type { CallHandle } from './service-api.ts';
import type { Scope } from './supervise.ts';

export type CallsOutArguments = {
  self: PeerId;
  /** Starts of this process. */
  epoch: number;
  clock: ClockPort;
  random: RandomPort;
  sink: SinkPort;
  carrier: Carrier;
  post: CallPost;
  candidates: Candidates;
  breakers: CallBreakers;
  strategy: StrategyName;
  /** Numbers of calls begin above this, and never meet those of another process of this node. */
  firstNumber: number;
  nameOf: (peer: PeerId) => string | null;
  peerNamed: (name: string) => PeerId | null;
  /** Starts of its process, by the connection that there is; 0: there is none. */
  epochOf: (peer: PeerId) => number;
  refuse: Refuse;
};

const localTicket = -1;

export const isFailure = (value: object): value is Failure => 'code' in value && 'message' in value;

export class CallsOut implements CallOwner {
  readonly #args: CallsOutArguments;
  readonly #scope: Scope;
  readonly #calls = new Set<OutgoingCall>();
  /** By number, while somebody waits for the answer. */
  readonly #attempts = new Map<number, Attempt>();
  readonly #deadlines: ReturnType<typeof createDeadlines<OutgoingCall>>;
  readonly #reasks: ReturnType<typeof createDeadlines<Attempt>>;
  /** Of the connections that there are. */
  readonly #epochs = new Map<PeerId, number>();
  /** Number of the last answer of each. */
  readonly #heard = new Map<PeerId, number>();
  #lastNumber: number;

  constructor(scope: Scope, args: CallsOutArguments) {
    this.#scope = scope;
    this.#args = args;
    this.#lastNumber = args.firstNumber;
    this.#epochs.set(args.self, args.epoch);
    this.#deadlines = createDeadlines(scope, args.clock.nowMs, (out) => this.#expire(out));
    this.#reasks = createDeadlines(scope, args.clock.nowMs, (attempt) => this.#leaveLost(attempt, 'did not come back in time'));
  }

  get size(): number {
    return this.#calls.size;
  }

  get lastNumber(): number {
    return this.#lastNumber;
  }

  // ---------------------------------------------------------------- a call begins

  /** `here`: this node offers it, and is asked before all others; `why`: it was, and did not take it. */
  begin(prepared: Prepared, input: Uint8Array, here: Plan | null, why: Failure | null): CallHandle | Failure {
    const { candidates, clock } = this.#args;
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
    noteCall(room.budget, clock.nowMs());
    this.#try(out);
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
  #try(out: OutgoingCall): void {
    const { call } = out.prepared;
    const { balancer } = out.room;
    const plan = this.#plan(out);
    if (isFailure(plan)) return this.#fail(out, plan);
    const strategy = call.strategy ?? this.#args.strategy;
    for (;;) {
      const nowMs = this.#args.clock.nowMs();
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
    const { call } = out.prepared;
    const why = this.#adopt(out, plan, peer);
    if (why !== null) {
      this.#fail(out, why);
      return true;
    }
    // No breaker stands before this node itself.
    const ticket = out.here === null ? breakers.admit(peer, service) : localTicket;
    if (ticket === 0) {
      this.#exclude(out, peer, breakers.refusal(peer, service));
      return false;
    }
    const number = ++this.#lastNumber;
    if (out.requestId === 0) out.requestId = call.requestId ?? number;
    const attempt = new Attempt(this, out, number, peer, ticket, begin(out.room.balancer, nowMs, peer));
    this.#attempts.set(number, attempt);
    out.open.push(attempt);
    out.last = peer;
    out.tries++;
    const sent = this.#send(attempt, nowMs);
    if (sent === 'queued' || sent === 'waits') {
      out.attempts++;
      return true;
    }
    const unsent = this.#unsent(peer, sent);
    this.#end(attempt, 'unsent', unsent.code);
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

  #send(attempt: Attempt, nowMs: number): ReturnType<Carrier['send']> {
    const { of: out, number, peer, epoch } = attempt;
    const { call, deadlineMs, principal, chain, trace } = out.prepared;
    const body = formCall({
      number,
      service: call.service,
      method: call.method,
      range: call.version ?? null,
      requestId: out.requestId,
      principal,
      importance: call.importance ?? null,
      takesItems: call.takesItems,
      idempotent: out.idempotent,
      epoch,
      credit: out.credit,
      heard: this.#heard.get(peer) ?? 0,
      chain,
      input: out.input,
    });
    const timeLeftMs = Math.max(1, Math.floor(deadlineMs - nowMs));
    const sent = this.#args.carrier.send(peer, callTypes.call, body, timeLeftMs, trace, attempt);
    if (sent === 'waits') attempt.state = 'waits';
    else if (sent === 'queued') {
      attempt.state = 'sent';
      if (epoch === 0) attempt.epoch = this.#epochs.get(peer) ?? 0;
    }
    return sent;
  }

  #unsent(peer: PeerId, sent: 'full' | 'unreachable'): Failure {
    const node = this.#args.nameOf(peer) ?? peer;
    if (sent === 'full') return failure('OVERLOADED', `what is to be sent to ${node} waits already`);
    return failure('UNREACHABLE', `there is no connection to ${node}`);
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
    const rounds = Math.max(out.attempts, out.tries - 1);
    const waitMs = pauseMs(rounds, random.uint32() / 0x1_0000_0000, retryAfterOf(why));
    const isInTime = nowMs + waitMs < out.prepared.deadlineMs;
    const mayTry = out.attempts < rpcLimits.attemptsMax && out.tries < rpcLimits.triesMax && isInTime;
    if (!mayTry || !takeRetry(out.room.budget, nowMs)) return this.#fail(out, why);
    this.#args.sink.count('calls_retried_total', { why: why.code });
    out.timer?.cancel();
    out.timer = this.#scope.after(waitMs, () => {
      out.timer = null;
      out.excluded = null;
      if (!out.isOver) this.#try(out);
    });
  }

  // ---------------------------------------------------------------- an attempt ends

  /** Takes it off; breaker and balancer learn how it ended. `code` null: well. */
  #end(attempt: Attempt, how: AttemptEnd, code: ErrorCode | null): void {
    const { of: out } = attempt;
    this.#attempts.delete(attempt.number);
    const at = out.open.indexOf(attempt);
    if (at >= 0) out.open.splice(at, 1);
    if (attempt.reaskUntilMs > 0) this.#reasks.delete(attempt, attempt.reaskUntilMs);
    this.#settle(attempt, how, code);
  }

  #settle(attempt: Attempt, how: AttemptEnd, code: ErrorCode | null): void {
    if (attempt.isSettled) return;
    attempt.isSettled = true;
    const { clock, breakers, sink, nameOf } = this.#args;
    const { balancer, service } = attempt.of.room;
    const nowMs = clock.nowMs();
    const { peer, ticket, balanced } = attempt;
    if (ticket !== localTicket) breakers.settle(peer, service, ticket, code, nowMs - balanced.beganMs);
    for (const { node, why, untilMs } of end(balancer, nowMs, balanced, balancedOutcome(how, code)))
      sink.log('info', 'NODE_EJECTED', `calls of ${service} leave ${nameOf(node) ?? node} alone for a while: ${why}`, {
        ...{ peer: node, service, forMs: Math.round(untilMs - nowMs) },
      });
  }

  #failed(attempt: Attempt, how: AttemptEnd, why: Failure): void {
    const { of: out, peer } = attempt;
    this.#end(attempt, how, why.code);
    if (out.isOver) return;
    if (how === 'lost') out.isInDoubt = true;
    const verdict = verdictOf(how, why.code, out.idempotent);
    // Whoever has a part of a stream cannot be given the beginning of another.
    if (verdict === 'end' || verdict === 'same' || out.items > 0) return this.#fail(out, why);
    this.#exclude(out, peer, why);
    // Another one was asked beside it.
    if (out.open.length > 0) return;
    if (verdict === 'later') return this.#pause(out);
    if (!this.#mayTryElsewhere(out, verdict === 'elsewhere-costs')) return this.#fail(out, why);
    this.#args.sink.count('calls_retried_total', { why: why.code });
    this.#try(out);
  }

  #mayTryElsewhere(out: OutgoingCall, costs: boolean): boolean {
    if (out.tries >= rpcLimits.triesMax) return false;
    return !costs || (out.attempts < rpcLimits.attemptsMax && takeRetry(out.room.budget, this.#args.clock.nowMs()));
  }

  left(attempt: Attempt): void {
    if (attempt.state !== 'waits') return;
    attempt.state = 'sent';
    if (attempt.epoch === 0) attempt.epoch = this.#args.epochOf(attempt.peer);
  }

  /** It was carried by others, and did not get there: as if it had never left. */
  undelivered(peer: PeerId, number: number, why: Failure): void {
    const attempt = this.#attempts.get(number);
    if (attempt === undefined || attempt.peer !== peer || attempt.state === 'lost') return;
    attempt.of.attempts--;
    this.#failed(attempt, 'unsent', why);
  }

  /** No connection was made: it never left. Not so if it was asked before. */
  dropped(attempt: Attempt): void {
    if (attempt.state !== 'waits' || !this.#attempts.has(attempt.number)) return;
    if (attempt.reaskUntilMs > 0) {
      attempt.state = 'lost';
      return;
    }
    attempt.of.attempts--;
    this.#failed(attempt, 'unsent', this.#unsent(attempt.peer, 'unreachable'));
  }

  // ---------------------------------------------------------------- what comes

  #attemptOf(peer: PeerId, number: number): Attempt | null {
    const attempt = this.#attempts.get(number);
    if (attempt === undefined) this.#args.sink.count('call_answers_late_total');
    else if (attempt.peer !== peer)
      this.#args.refuse(peer, 'SPOKE_FOR_ANOTHER', `answered a call that went to ${attempt.peer}`);
    else return attempt;
    return null;
  }

  answered(peer: PeerId, { number, serial, result }: AnswerMessage): void {
    if (serial > 0) this.#heard.set(peer, serial);
    const attempt = this.#attemptOf(peer, number);
    if (attempt === null) return;
    if ('failure' in result) return this.#failed(attempt, 'answered', result.failure);
    const unpacked = unpackValue(result.value);
    const { of: out } = attempt;
    if (unpacked === null) {
      this.#args.refuse(peer, 'MESSAGE_MALFORMED', 'the result of a call is no plain data');
      return this.#failed(
        attempt,
        'answered',
        failure('INTERNAL', `the result of ${addressOf(out.prepared.call)} is malformed`),
      );
    }
    this.#end(attempt, 'answered', null);
    this.#finish(out, { ok: true, value: unpacked.value });
  }

  item(peer: PeerId, { number, at, value }: ItemMessage): void {
    const attempt = this.#attemptOf(peer, number);
    if (attempt === null) return;
    const { of: out } = attempt;
    const unpacked = unpackValue(value);
    const what =
      unpacked === null
        ? 'is no plain data'
        : at !== out.items
          ? 'is out of its order'
          : out.credit < 1
            ? 'was not asked for'
            : null;
    if (what !== null || unpacked === null) {
      this.#args.refuse(peer, 'MESSAGE_MALFORMED', `an item of a stream ${what}`);
      this.#tellCancelled(attempt);
      out.items++;
      return this.#failed(attempt, 'answered', failure('INTERNAL', `an item of ${addressOf(out.prepared.call)} ${what}`));
    }
    out.credit--;
    out.items++;
    // Who is first is heard.
    if (out.open.length > 1) this.#endOthers(out, attempt);
    this.#tell(() => out.prepared.on.item(unpacked.value));
  }

  #endOthers(out: OutgoingCall, but: Attempt | null): void {
    for (const attempt of [...out.open]) {
      if (attempt === but) continue;
      this.#tellCancelled(attempt);
      this.#end(attempt, 'answered', 'CANCELLED');
    }
  }

  #tellCancelled({ state, peer, number }: Attempt): void {
    if (state !== 'lost') this.#args.post.say(peer, callTypes.cancel, number, 0);
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
    this.#tell(() => out.prepared.on.end(outcome, { node, attempts, isStream: out.items > 0 }));
  }

  /** What the caller does with it is his own affair. */
  #tell(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#args.sink.log('error', 'CALLER_THREW', error instanceof Error ? error.message : String(error), { error });
    }
  }

  #expire(out: OutgoingCall): void {
    if (out.isOver) return;
    const address = addressOf(out.prepared.call);
    const hasLeft = out.open.some(({ state }) => state !== 'waits');
    for (const attempt of [...out.open]) {
      this.#tellCancelled(attempt);
      this.#end(attempt, 'answered', attempt.state === 'waits' ? 'CANCELLED' : 'OUTCOME_UNKNOWN');
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
    for (const { state, peer, number } of out.open)
      if (state !== 'lost') this.#args.post.say(peer, callTypes.more, formMore({ number, items: more }), 0);
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

  // ---------------------------------------------------------------- connections

  opened(peer: PeerId, epoch: number): void {
    this.#epochs.set(peer, epoch);
    for (const attempt of this.#attemptsAt(peer)) {
      if (attempt.state !== 'lost') continue;
      if (attempt.epoch !== epoch) this.#leaveLost(attempt, 'began anew, and knows nothing of it');
      else this.#reask(attempt);
    }
  }

  closed(peer: PeerId): void {
    this.#epochs.delete(peer);
    this.#heard.delete(peer);
    for (const attempt of this.#attemptsAt(peer)) if (attempt.state === 'sent') this.#lost(attempt);
  }

  /** Membership says that it is gone. */
  gone(peer: PeerId): void {
    for (const attempt of this.#attemptsAt(peer)) if (attempt.state === 'lost') this.#leaveLost(attempt, 'is gone');
  }

  #attemptsAt(peer: PeerId): Attempt[] {
    return [...this.#attempts.values()].filter((attempt) => attempt.peer === peer);
  }

  #lostFailure({ peer, of: out }: Attempt, what: string): Failure {
    const node = this.#args.nameOf(peer) ?? peer;
    return failure(
      'OUTCOME_UNKNOWN',
      `${node} ${what} while it worked on ${addressOf(out.prepared.call)}; it may have happened`,
    );
  }

  #lost(attempt: Attempt): void {
    const { of: out } = attempt;
    const why = this.#lostFailure(attempt, 'was lost');
    // Only the very process that was asked can say what became of it.
    if (out.idempotent || out.items > 0 || attempt.epoch === 0) return this.#failed(attempt, 'lost', why);
    attempt.state = 'lost';
    this.#settle(attempt, 'lost', why.code);
    if (attempt.reaskUntilMs === 0) {
      attempt.reaskUntilMs = Math.min(out.prepared.deadlineMs, this.#args.clock.nowMs() + rpcLimits.reaskMs);
      this.#reasks.add(attempt, attempt.reaskUntilMs);
    }
    this.#reask(attempt);
  }

  #reask(attempt: Attempt): void {
    const nowMs = this.#args.clock.nowMs();
    if (nowMs >= attempt.of.prepared.deadlineMs) return;
    const sent = this.#send(attempt, nowMs);
    if (sent === 'full' || sent === 'unreachable') attempt.state = 'lost';
    else this.#args.sink.count('calls_reasked_total');
  }

  #leaveLost(attempt: Attempt, what: string): void {
    // It was asked again in time, and is being worked on.
    if (attempt.state === 'sent' || !this.#attempts.has(attempt.number)) return;
    this.#failed(attempt, 'lost', this.#lostFailure(attempt, what));
  }

  stop(why: Failure): void {
    for (const out of [...this.#calls]) {
      const hasLeft = out.open.some(({ state }) => state !== 'waits') || out.isInDoubt;
      const message = `${why.message}; ${addressOf(out.prepared.call)} may have happened`;
      this.#fail(out, hasLeft ? failure('OUTCOME_UNKNOWN', message) : why);
    }
  }
}
