// A call to another node and the questions by which it is put: what is true of each while it is under way. Who moves them is
// actors/calls-out.ts.
import type { Call as BalancedCall, CallOutcome } from '../machines/balancer/index.ts';
import type { ErrorCode, Failure } from '../machines/errors.ts';
import type { AttemptEnd, RequestId } from '../machines/rpc/index.ts';
import type { Plan, Room } from './call-candidates.ts';
import type { PeerId, Timer } from './ports/index.ts';
import type { Fate } from './router.ts';
import type { CallEvents, CallHandle, ServiceCall } from './service-api.ts';

/** What a call is once it is known to be well-formed, with what it has of the call within which it is made. */
export type Prepared = {
  readonly call: ServiceCall;
  readonly on: CallEvents;
  readonly deadlineMs: number;
  readonly principal: string | null;
  readonly chain: readonly string[];
  readonly trace: string;
};

export interface AttemptKeeper {
  left(attempt: Attempt): void;
  dropped(attempt: Attempt): void;
}

export interface CallOwner {
  cancel(out: OutgoingCall): void;
  more(out: OutgoingCall, items: number): void;
}

/** One question to one node. */
export class Attempt implements Fate {
  readonly number: number;
  readonly of: OutgoingCall;
  readonly peer: PeerId;
  readonly ticket: number;
  readonly balanced: BalancedCall;
  /** Of the process that was asked; 0 until it is known. */
  epoch = 0;
  /** 'waits' for a connection, 'sent', or 'lost': sent, and then the connection went. */
  state: 'waits' | 'sent' | 'lost' = 'sent';
  /** It waits here, behind another one that waits for a connection to the same node. */
  isHeld = false;
  /** Breaker and balancer were told how it ended. */
  isSettled = false;
  /** If it is lost: when nobody waits any longer for the node to come back. */
  reaskUntilMs = 0;
  readonly #keeper: AttemptKeeper;

  constructor(keeper: AttemptKeeper, of: OutgoingCall, number: number, peer: PeerId, ticket: number, balanced: BalancedCall) {
    this.#keeper = keeper;
    this.of = of;
    this.number = number;
    this.peer = peer;
    this.ticket = ticket;
    this.balanced = balanced;
  }

  left(): void {
    this.#keeper.left(this);
  }

  dropped(): void {
    this.#keeper.dropped(this);
  }
}

export class OutgoingCall implements CallHandle {
  readonly prepared: Prepared;
  readonly room: Room;
  /** Packed. */
  readonly input: Uint8Array;
  /** This node alone, which is asked first; null: it does not offer it, or was asked already. */
  here: Plan | null = null;
  /** The same for all attempts; 0 before the first. */
  requestId: RequestId = 0;
  idempotent = false;
  /** Attempts that left, or may leave; `tries` counts those that could not, too. */
  attempts = 0;
  tries = 0;
  /** Not answered yet: mostly one, two while it is hedged. */
  readonly open: Attempt[] = [];
  /** Asked in vain: others first. */
  excluded: Set<PeerId> | null = null;
  last: PeerId | null = null;
  /** Times that all had been asked, and it was waited. */
  pauses = 0;
  /** The budget has given the retry that is to come. */
  isPaid = false;
  /** An attempt may have had its effect, and nobody will ever say. */
  isInDoubt = false;
  /** Of the last attempt that failed. */
  why: Failure | null = null;
  /** Items of a stream that were asked for and have not come, and those that came. */
  credit = 0;
  items = 0;
  /** A pause before it is tried again; or before it is put to another node besides. */
  timer: Timer | null = null;
  isOver = false;
  place = -1;
  readonly #owner: CallOwner;

  constructor(owner: CallOwner, prepared: Prepared, room: Room, input: Uint8Array) {
    this.#owner = owner;
    this.prepared = prepared;
    this.room = room;
    this.input = input;
  }

  cancel(): void {
    this.#owner.cancel(this);
  }

  more(items: number): void {
    this.#owner.more(this, items);
  }
}

const gone: ReadonlySet<ErrorCode> = new Set(['STOPPING', 'NOT_READY', 'SERVICE_NOT_FOUND', 'UNREACHABLE']);
const faults: ReadonlySet<ErrorCode> = new Set(['OUTCOME_UNKNOWN', 'SERVICE_FAILED', 'INTERNAL', 'STORAGE_FAILED']);

/** What the end of an attempt says of the node, to the balancer. */
export const balancedOutcome = (end: AttemptEnd, code: ErrorCode | null): CallOutcome => {
  if (code === null || code === 'SERVICE_REFUSED') return 'ok';
  // Nobody is there any more, or he does not do this any more: no calls there for a while.
  if (end === 'lost' || gone.has(code)) return 'unreachable';
  if (code === 'OVERLOADED' || code === 'RATE_LIMITED') return end === 'answered' ? 'refused' : 'ignored';
  return faults.has(code) ? 'failed' : 'ignored';
};
