// The questions by which calls are put to other nodes: sent, answered, lost with a connection and asked again of the very process that was
// asked, and told to breaker and balancer when they end. What becomes of their calls is said by actors/calls-out.ts.
import { begin, end } from '../machines/balancer/index.ts';
import { type ErrorCode, type Failure, failure } from '../machines/errors.ts';
import {
  type AnswerMessage,
  type AttemptEnd,
  callTypes,
  formCall,
  formMore,
  type ItemMessage,
  rpcLimits,
  unpackValue,
} from '../machines/rpc/index.ts';
import type { CallBreakers } from './call-breakers.ts';
import { addressOf } from './call-request.ts';
import type { CallPost, Carrier } from './calls-post.ts';
import { createDeadlines } from './deadlines.ts';
import { Numbered } from './numbered.ts';
import { Attempt, type AttemptKeeper, balancedOutcome, type OutgoingCall } from './outgoing-call.ts';
import type { ClockPort, PeerId, SinkPort } from './ports/index.ts';
import type { Refuse } from './refusals.ts';
import type { Scope } from './supervise.ts';

export type CallAttemptsArguments = {
  self: PeerId;
  /** Starts of this process. */
  epoch: number;
  clock: ClockPort;
  sink: SinkPort;
  carrier: Carrier;
  post: CallPost;
  breakers: CallBreakers;
  /** Numbers of calls begin above this, and never meet those of another process of this node. */
  firstNumber: number;
  nameOf: (peer: PeerId) => string | null;
  /** Starts of its process, by the connection that there is; 0: there is none. */
  epochOf: (peer: PeerId) => number;
  refuse: Refuse;
};

export interface AttemptsOwner {
  failed(attempt: Attempt, how: AttemptEnd, why: Failure): void;
  answered(out: OutgoingCall, value: unknown): void;
  item(attempt: Attempt, value: unknown): void;
}

/** Of a question to this node itself, before which no breaker stands. */
export const localTicket = -1;

const heldOverheadBytes = 256;

export class CallAttempts implements AttemptKeeper {
  readonly #args: CallAttemptsArguments;
  readonly #owner: AttemptsOwner;
  /** By number, while somebody waits for the answer. */
  readonly #attempts = new Numbered<Attempt>();
  /** Lost ones, until when they are asked again. */
  readonly #reasks: ReturnType<typeof createDeadlines<Attempt>>;
  /** What waits behind a question that waits for a connection. */
  readonly #opening = new Map<PeerId, { attempts: Attempt[]; bytes: number }>();
  /** Of the connections that there are. */
  readonly #epochs = new Map<PeerId, number>();
  /** Number of the last answer of each. */
  readonly #heard = new Map<PeerId, number>();
  #lastNumber: number;

  constructor(scope: Scope, args: CallAttemptsArguments, owner: AttemptsOwner) {
    this.#args = args;
    this.#owner = owner;
    this.#lastNumber = args.firstNumber;
    this.#epochs.set(args.self, args.epoch);
    this.#reasks = createDeadlines(scope, args.clock.nowMs, (attempt) => this.#leave(attempt, 'did not come back in time'));
  }

  get lastNumber(): number {
    return this.#lastNumber;
  }

  // ---------------------------------------------------------------- it begins

  /** It is the call's from now on, whatever becomes of sending it. */
  open(out: OutgoingCall, peer: PeerId, ticket: number, nowMs: number): Attempt {
    const number = ++this.#lastNumber;
    if (out.requestId === 0) out.requestId = out.prepared.call.requestId ?? number;
    const attempt = new Attempt(this, out, number, peer, ticket, begin(out.room.balancer, nowMs, peer));
    this.#attempts.set(number, attempt);
    out.open.push(attempt);
    out.last = peer;
    out.tries++;
    return attempt;
  }

  /** Behind a question that waits for a connection all others to that peer wait, too: what a node may hold ready for one is little. */
  send(attempt: Attempt, nowMs: number): ReturnType<Carrier['send']> {
    const behind = this.#opening.get(attempt.peer);
    if (behind === undefined) return this.#sendNow(attempt, nowMs);
    const { byteLength } = attempt.of.input;
    if (behind.bytes > 0 && behind.bytes + byteLength > rpcLimits.outboxBytesMax) return 'full';
    behind.bytes += byteLength + heldOverheadBytes;
    behind.attempts.push(attempt);
    attempt.state = 'waits';
    attempt.isHeld = true;
    return 'waits';
  }

  #sendNow(attempt: Attempt, nowMs: number): ReturnType<Carrier['send']> {
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
    if (sent === 'waits') {
      attempt.state = 'waits';
      this.#opening.set(peer, { attempts: [], bytes: 0 });
    } else if (sent === 'queued') {
      attempt.state = 'sent';
      if (epoch === 0) attempt.epoch = this.#epochs.get(peer) ?? 0;
    }
    return sent;
  }

  unsent(peer: PeerId, sent: 'full' | 'unreachable'): Failure {
    const node = this.#args.nameOf(peer) ?? peer;
    if (sent === 'full') return failure('OVERLOADED', `what is to be sent to ${node} waits already`);
    return failure('UNREACHABLE', `there is no connection to ${node}`);
  }

  more({ state, isHeld, peer, number }: Attempt, items: number): void {
    // What has not been sent yet will say it itself.
    if (state !== 'lost' && !isHeld) this.#args.post.say(peer, callTypes.more, formMore({ number, items }), 0);
  }

  tellCancelled({ state, isHeld, peer, number }: Attempt): void {
    if (state !== 'lost' && !isHeld) this.#args.post.say(peer, callTypes.cancel, number, 0);
  }

  // ---------------------------------------------------------------- it ends

  /** Takes it off; breaker and balancer learn how it ended. `code` null: well. */
  end(attempt: Attempt, how: AttemptEnd, code: ErrorCode | null): void {
    const { open } = attempt.of;
    this.#attempts.delete(attempt.number);
    // Nearly always it is the only one.
    if (open.length === 1 && open[0] === attempt) open.pop();
    else if (open.includes(attempt)) open.splice(open.indexOf(attempt), 1);
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
    if (ticket !== localTicket) breakers.settle(peer, service, ticket, code, nowMs - balanced.beganMs, nowMs);
    for (const { node, why, untilMs } of end(balancer, nowMs, balanced, balancedOutcome(how, code)))
      sink.log('info', 'NODE_EJECTED', `calls of ${service} leave ${nameOf(node) ?? node} alone for a while: ${why}`, {
        ...{ peer: node, service, forMs: Math.round(untilMs - nowMs) },
      });
  }

  /** What waited for a connection has left. */
  left(attempt: Attempt): void {
    if (attempt.state === 'waits') {
      attempt.state = 'sent';
      if (attempt.epoch === 0) attempt.epoch = this.#args.epochOf(attempt.peer);
    }
    for (const held of this.#release(attempt.peer)) {
      const sent = this.send(held, this.#args.clock.nowMs());
      if (sent === 'full' || sent === 'unreachable') this.#neverLeft(held, this.unsent(held.peer, sent));
    }
  }

  /** No connection was made. */
  dropped(attempt: Attempt): void {
    for (const one of [attempt, ...this.#release(attempt.peer)])
      if (one.state === 'waits' && this.#attempts.has(one.number)) this.#neverLeft(one, this.unsent(one.peer, 'unreachable'));
  }

  /** Those that waited behind the first, if anybody waits for them still. */
  #release(peer: PeerId): Attempt[] {
    const behind = this.#opening.get(peer);
    this.#opening.delete(peer);
    const held = (behind?.attempts ?? []).filter(({ number }) => this.#attempts.has(number));
    for (const attempt of held) attempt.isHeld = false;
    return held;
  }

  /** It was carried by others, and did not get there: as if it had never left. */
  undelivered(peer: PeerId, number: number, why: Failure): void {
    const attempt = this.#attempts.get(number);
    if (attempt !== undefined && attempt.peer === peer && attempt.state !== 'lost') this.#neverLeft(attempt, why);
  }

  #neverLeft(attempt: Attempt, why: Failure): void {
    // Not this time; but it was asked before.
    if (attempt.reaskUntilMs > 0) {
      attempt.state = 'lost';
      return;
    }
    attempt.of.attempts--;
    this.#owner.failed(attempt, 'unsent', why);
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
    if ('failure' in result) return this.#owner.failed(attempt, 'answered', result.failure);
    const unpacked = unpackValue(result.value);
    if (unpacked === null) return this.#malformed(attempt, 'the result', 'is no plain data');
    this.end(attempt, 'answered', null);
    this.#owner.answered(attempt.of, unpacked.value);
  }

  item(peer: PeerId, { number, at, value }: ItemMessage): void {
    const attempt = this.#attemptOf(peer, number);
    if (attempt === null) return;
    const { of: out } = attempt;
    const unpacked = unpackValue(value);
    if (unpacked !== null && at === out.items && out.credit > 0) return this.#owner.item(attempt, unpacked.value);
    this.tellCancelled(attempt);
    // Something of it was there: it is not begun again.
    out.items++;
    const what = unpacked === null ? 'is no plain data' : at === out.items - 1 ? 'was not asked for' : 'is out of its order';
    this.#malformed(attempt, 'an item', what);
  }

  #malformed(attempt: Attempt, part: string, what: string): void {
    this.#args.refuse(attempt.peer, 'MESSAGE_MALFORMED', `${part} of a call ${what}`);
    const why = failure('INTERNAL', `${part} of ${addressOf(attempt.of.prepared.call)} ${what}`);
    this.#owner.failed(attempt, 'answered', why);
  }

  // ---------------------------------------------------------------- connections

  opened(peer: PeerId, epoch: number): void {
    this.#epochs.set(peer, epoch);
    for (const attempt of this.#at(peer)) {
      if (attempt.state !== 'lost') continue;
      if (attempt.epoch !== epoch) this.#leave(attempt, 'began anew, and knows nothing of it');
      else this.#reask(attempt);
    }
  }

  closed(peer: PeerId): void {
    this.#epochs.delete(peer);
    this.#heard.delete(peer);
    for (const attempt of this.#at(peer)) if (attempt.state === 'sent') this.#lost(attempt);
  }

  /** Membership says that it is gone. */
  gone(peer: PeerId): void {
    for (const attempt of this.#at(peer)) if (attempt.state === 'lost') this.#leave(attempt, 'is gone');
  }

  isAsking(peer: PeerId): boolean {
    for (const attempt of this.#attempts.values()) if (attempt.peer === peer) return true;
    return false;
  }

  #at(peer: PeerId): Attempt[] {
    return this.#attempts.values().filter((attempt) => attempt.peer === peer);
  }

  #unknown({ peer, of: out }: Attempt, what: string): Failure {
    const node = this.#args.nameOf(peer) ?? peer;
    return failure(
      'OUTCOME_UNKNOWN',
      `${node} ${what} while it worked on ${addressOf(out.prepared.call)}; it may have happened`,
    );
  }

  #lost(attempt: Attempt): void {
    const { of: out } = attempt;
    const why = this.#unknown(attempt, 'was lost');
    // Only the very process that was asked can say what became of it.
    if (out.idempotent || out.items > 0 || attempt.epoch === 0) return this.#owner.failed(attempt, 'lost', why);
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
    const sent = this.send(attempt, nowMs);
    if (sent === 'full' || sent === 'unreachable') attempt.state = 'lost';
    else this.#args.sink.count('calls_reasked_total');
  }

  #leave(attempt: Attempt, what: string): void {
    // It was asked again in time, and is being worked on.
    if (attempt.state === 'sent' || !this.#attempts.has(attempt.number)) return;
    this.#owner.failed(attempt, 'lost', this.#unknown(attempt, what));
  }
}
