// Calls of services, both sides: this node's own, executed here if it offers what is called and else put to another node; and those of
// other nodes, executed here. Puts the rooms together (calls-local, calls-out, calls-in) and hands each message to its own.
import { type Failure, failure } from '../machines/errors.ts';
import type { Change, MemberView } from '../machines/membership/index.ts';
import {
  type CallMemory,
  callTypes,
  isUnfit,
  packValue,
  parseAnswer,
  parseCall,
  parseCancel,
  parseItem,
  parseMore,
  rpcLimits,
} from '../machines/rpc/index.ts';
import type { CallBreakers } from './call-breakers.ts';
import { type Candidates, createCandidates, type Plan } from './call-candidates.ts';
import type { CallingOptions } from './call-options.ts';
import { whyInvalid } from './call-request.ts';
import { CallsIn } from './calls-in.ts';
import { CallsLocal } from './calls-local.ts';
import { CallsOut, isFailure } from './calls-out.ts';
import { type Carrier, createCallPost } from './calls-post.ts';
import type { Prepared } from './outgoing-call.ts';
import type { PeerId, Ports } from './ports/index.ts';
import type { Delivery, Router } from './router.ts';
import type { CallEvents, CallHandle, CatalogApi, HostedService, ServiceCall, ServiceHost } from './service-api.ts';
import type { Component, Scope } from './supervise.ts';

export type CallsEvent =
  | { type: 'peer-open'; peer: PeerId; epoch: number }
  | { type: 'peer-close' | 'drain'; peer: PeerId }
  | { type: 'members'; changes: readonly Change[] }
  /** Whoever carried the call of this number did not hand it to that peer, nor to anybody else. */
  | { type: 'undelivered'; peer: PeerId; number: number; why: Failure }
  /** Something threw where no mailbox was. */
  | { type: 'broke'; error: unknown };

/** What is called without a mailbox, while this incarnation lives. */
export interface CallsCore {
  call(call: ServiceCall, on: CallEvents): CallHandle;
  receive(delivery: Delivery): void;
  /** Calls to or of this peer are under way. */
  isBusy(peer: PeerId): boolean;
  /** Under way: this node's own, here and elsewhere, and those of others. */
  counts(): { local: number; outgoing: number; incoming: number };
}

export type CallsArguments = {
  name: string;
  region: string;
  epoch: number;
  ports: Ports;
  router: Pick<Router, 'refuse'>;
  carrier: Carrier;
  options: CallingOptions;
  host: ServiceHost;
  find: CatalogApi['find'];
  breakers: CallBreakers;
  members: () => readonly MemberView[];
  connected: readonly { peer: PeerId; epoch: number }[];
  isConnected: (peer: PeerId) => boolean;
  /** Connected, or a message opens a connection. */
  isStraight: (peer: PeerId) => boolean;
  epochOf: (peer: PeerId) => number;
  nameOf: (peer: PeerId) => string | null;
  peerNamed: (name: string) => PeerId | null;
  /** Both outlive the actor: what was executed, and the number of the last call. */
  memory: CallMemory;
  lastNumber: number;
  /** An incarnation before this one failed. */
  hasForgotten: boolean;
  onCore: (core: CallsCore) => void;
  /** Told at the end. */
  onLastNumber: (number: number) => void;
};

export const endedCall: CallHandle = { cancel() {}, more() {} };

export const createCalls = (scope: Scope, args: CallsArguments): Component<CallsEvent> => new Calls(scope, args).component;

class Calls implements CallsCore {
  readonly #args: CallsArguments;
  readonly #candidates: Candidates;
  readonly #post: ReturnType<typeof createCallPost>;
  readonly #local: CallsLocal;
  readonly #out: CallsOut;
  readonly #in: CallsIn;
  /** What this node offers, as a list of one; by what it hosts. */
  readonly #here = new WeakMap<HostedService, Plan>();

  constructor(scope: Scope, args: CallsArguments) {
    this.#args = args;
    const { name, epoch, host, breakers } = args;
    const { clock, sink, random, network } = args.ports;
    const { self } = network;
    const { refuse } = args.router;
    const carrier = this.#withLoop(scope, args.carrier);
    const post = createCallPost(carrier, sink);
    const nameOf = (peer: PeerId): string | null => (peer === self ? name : args.nameOf(peer));
    const epochOf = (peer: PeerId): number => (peer === self ? epoch : args.epochOf(peer));
    const { members, isConnected, isStraight, find, options } = args;
    const { budget, balancer, strategy } = options;
    this.#post = post;
    this.#candidates = createCandidates({
      ...{
        self,
        region: args.region,
        clock,
        seed: () => random.uint32(),
        balancer,
        budget,
        find,
        breakers,
        members,
        isConnected,
        isStraight,
      },
    });
    this.#out = new CallsOut(scope, {
      ...{ self, epoch, clock, random, sink, carrier, post, candidates: this.#candidates, breakers, strategy, refuse },
      ...{ firstNumber: args.lastNumber, nameOf, epochOf, peerNamed: args.peerNamed },
    });
    this.#in = new CallsIn(scope, {
      ...{ name, epoch, clock, sink, post, host, memory: args.memory, hasForgotten: args.hasForgotten },
      ...{ nameOf, epochOf, refuse },
    });
    this.#local = new CallsLocal(scope, {
      ...{ name, self, clock, sink, host },
      elsewhere: (prepared, why) => this.#elsewhere(prepared, null, why, clock.nowMs()),
    });
    for (const { peer, epoch: itsEpoch } of args.connected) this.#out.attempts.opened(peer, itsEpoch);
    args.onCore(this);
  }

  /** What this node says to itself takes a turn and no wire. */
  #withLoop(scope: Scope, carrier: Carrier): Carrier {
    const { self } = this.#args.ports.network;
    return {
      send: (peer, type, body, timeLeftMs, trace, fate) => {
        if (peer !== self) return carrier.send(peer, type, body, timeLeftMs, trace, fate);
        scope.soon(() => this.receive({ peer, type, body, timeLeftMs, trace, answer: () => {} }));
        return 'queued';
      },
    };
  }

  // ---------------------------------------------------------------- a call of this node

  call(call: ServiceCall, on: CallEvents): CallHandle {
    const why = whyInvalid(call);
    if (why !== null) return this.#refuse(on, why);
    const { name, options, ports } = this.#args;
    const { within } = call;
    const nowMs = ports.clock.nowMs();
    const ownMs = nowMs + (call.timeoutMs ?? rpcLimits.timeoutMsDefault);
    const deadlineMs = within === undefined ? ownMs : Math.min(ownMs, within.deadlineMs);
    const prepared: Prepared = {
      call,
      on,
      deadlineMs,
      principal: call.principal ?? within?.principal ?? null,
      chain: within?.chain ?? nobody,
      trace: call.trace ?? within?.trace ?? '',
    };
    if (within !== undefined) {
      const wrong = this.#whyNotWithin(prepared, nowMs);
      if (wrong !== null) return this.#refuse(on, wrong);
    }
    if (call.node !== undefined && call.node !== name) return this.#elsewhere(prepared, null, null, nowMs);
    const hosted = this.#hosted(call);
    if (hosted === null && call.node === name)
      return this.#refuse(on, failure('SERVICE_NOT_FOUND', `${name} does not offer ${call.service} in that version`));
    if (hosted === null) return this.#elsewhere(prepared, null, null, nowMs);
    if (call.requestId === undefined && !options.serialize && call.hedgeAfterMs === undefined)
      return this.#local.begin(prepared, nowMs);
    return this.#elsewhere(prepared, this.#planHere(hosted), null, nowMs);
  }

  #whyNotWithin({ call, deadlineMs, chain }: Prepared, nowMs: number): Failure | null {
    if (deadlineMs <= nowMs)
      return failure(
        'DEADLINE_EXCEEDED',
        `no time is left for ${call.service}.${call.method}: the call within which it is made has none`,
      );
    if (chain.length < rpcLimits.chainMax) return null;
    return failure('LOOP_DETECTED', `${chain.length} calls within each other: ${chain.slice(-4).join(' > ')}`);
  }

  /** What this node offers of what is called. */
  #hosted(call: ServiceCall): HostedService | null {
    const hosted = this.#args.host.offers(call.service, call.version ?? null);
    if (hosted === null || (call.resources ?? call.capabilities) === undefined) return hosted;
    const { resources = {}, capabilities = [] } = call;
    const { offer } = hosted;
    const has = Object.entries(resources).every(([word, amount]) => {
      const own = Object.hasOwn(offer.resources, word) ? offer.resources[word] : undefined;
      return typeof amount === 'number' ? typeof own === 'number' && own >= amount : own === amount;
    });
    return has && capabilities.every((word) => offer.capabilities.includes(word)) ? hosted : null;
  }

  #planHere(hosted: HostedService): Plan {
    const known = this.#here.get(hosted);
    if (known !== undefined) return known;
    const { self } = this.#args.ports.network;
    const candidate = {
      node: self,
      zone: null,
      region: null,
      weight: 1,
      cost: null,
      load: null,
      breaker: 'closed',
      probes: 0,
    } as const;
    const plan: Plan = { stamp: 0, list: [candidate], around: [], offers: new Map([[self, hosted.offer]]) };
    this.#here.set(hosted, plan);
    return plan;
  }

  #elsewhere(prepared: Prepared, here: Plan | null, why: Failure | null, nowMs: number): CallHandle {
    const { on, call } = prepared;
    const input = packValue(call.input);
    if (isUnfit(input))
      return this.#refuse(
        on,
        failure(input.code, `the input of ${call.service}.${call.method}: ${input.message}`, { path: input.path }),
      );
    const begun = this.#out.begin(prepared, input, here, why, nowMs);
    return isFailure(begun) ? this.#refuse(on, begun) : begun;
  }

  #refuse(on: CallEvents, why: Failure): CallHandle {
    try {
      on.end({ ok: false, failure: why }, unasked);
    } catch (error) {
      this.#args.ports.sink.log('error', 'CALLER_THREW', error instanceof Error ? error.message : String(error), { error });
    }
    return endedCall;
  }

  // ---------------------------------------------------------------- messages

  receive({ peer, type, body, timeLeftMs, trace = '' }: Delivery): void {
    switch (type) {
      case callTypes.call: {
        const message = parseCall(body);
        if (message !== null && timeLeftMs > 0) return this.#in.called(peer, message, timeLeftMs, trace);
        break;
      }
      case callTypes.answer: {
        const message = parseAnswer(body);
        if (message !== null) return this.#out.attempts.answered(peer, message);
        break;
      }
      case callTypes.item: {
        const message = parseItem(body);
        if (message !== null) return this.#out.attempts.item(peer, message);
        break;
      }
      case callTypes.more: {
        const message = parseMore(body);
        if (message !== null) return this.#in.more(peer, message.number, message.items);
        break;
      }
      case callTypes.cancel: {
        const number = parseCancel(body);
        if (number !== null) return this.#in.cancelled(peer, number);
        break;
      }
      default:
        return this.#args.router.refuse(peer, 'TYPE_UNKNOWN', `no such message of a call: ${type.slice(0, 32)}`);
    }
    this.#args.router.refuse(peer, 'MESSAGE_MALFORMED', `what should be a message '${type}' of a call is none`);
  }

  isBusy(peer: PeerId): boolean {
    return this.#out.attempts.isAsking(peer) || this.#in.isExecutingFor(peer);
  }

  counts(): { local: number; outgoing: number; incoming: number } {
    return { local: this.#local.size, outgoing: this.#out.size, incoming: this.#in.size };
  }

  // ---------------------------------------------------------------- the actor

  #goneMembers(changes: readonly Change[]): void {
    this.#candidates.changed(changes);
    for (const { peer, after } of changes) {
      if (after === 'alive' || after === 'suspect') continue;
      this.#out.attempts.gone(peer);
      this.#in.gone(peer);
    }
  }

  // As a component; messages come another way.
  readonly component: Component<CallsEvent> = {
    receive: (event) => {
      switch (event.type) {
        case 'peer-open':
          this.#candidates.changed([]);
          this.#in.opened(event.peer, event.epoch);
          return this.#out.attempts.opened(event.peer, event.epoch);
        case 'peer-close':
          this.#candidates.changed([]);
          this.#post.closed(event.peer);
          this.#in.closed(event.peer);
          return this.#out.attempts.closed(event.peer);
        case 'drain':
          this.#post.drained(event.peer);
          return this.#in.drained(event.peer);
        case 'undelivered':
          return this.#out.attempts.undelivered(event.peer, event.number, event.why);
        case 'members':
          return this.#goneMembers(event.changes);
        case 'broke':
          throw event.error;
      }
    },
    stop: (reason) => {
      const { name } = this.#args;
      const why =
        reason === null
          ? failure('STOPPING', `${name} is stopping`)
          : failure('NOT_READY', `calls on ${name} failed and begin anew: ${reason}`);
      this.#args.onLastNumber(this.#out.attempts.lastNumber);
      this.#local.stop(why);
      this.#in.stop(why);
      this.#out.stop(why);
      this.#candidates.stop();
    },
  };
}

const nobody: readonly string[] = [];
const unasked = { node: null, attempts: 0, isStream: false } as const;
