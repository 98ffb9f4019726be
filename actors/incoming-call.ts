// A call of another node while it is executed here: who waits for it, and what of a stream may leave. Who moves it is actors/calls-in.ts.
import type { Remembered } from '../machines/rpc/index.ts';
import type { Outcome } from './api.ts';
import type { Hearer } from './call-answers.ts';
import type { Numbered } from './numbered.ts';
import type { CallEvents, CallHandle } from './service-api.ts';

/** A node whose calls are executed here. */
export type Caller = Hearer & {
  readonly name: string;
  epoch: number;
  /** By the caller's numbers. */
  readonly calls: Numbered<IncomingCall>;
};

export interface IncomingOwner {
  item(call: IncomingCall, value: unknown): void;
  ended(call: IncomingCall, outcome: Outcome<unknown>): void;
}

export class IncomingCall implements CallEvents {
  readonly address: string;
  readonly deadlineMs: number;
  /** So that the same call asked twice is executed once; null: twice does no harm. */
  readonly entry: Remembered | null;
  /** Who waits for it: its caller and, while the connection is gone, nobody; or also whoever asked for the same under the same id. */
  waiters: { readonly caller: Caller; readonly number: number }[];
  handle: CallHandle | null = null;
  /** Items that the caller asked for and the handler was not told of yet, and those that it was told of and has not made. */
  asked = 0;
  handed = 0;
  isHanding = false;
  /** Items that left. */
  items = 0;
  isStream: boolean;
  isOver = false;
  place = -1;
  /** Nobody waits; when it is cancelled for that. */
  orphanUntilMs = 0;
  readonly #owner: IncomingOwner;

  constructor(
    owner: IncomingOwner,
    call: { address: string; deadlineMs: number; entry: Remembered | null; isStream: boolean; asked: number },
    caller: Caller,
    number: number,
  ) {
    this.#owner = owner;
    this.address = call.address;
    this.deadlineMs = call.deadlineMs;
    this.entry = call.entry;
    this.isStream = call.isStream;
    this.asked = call.asked;
    this.waiters = [{ caller, number }];
  }

  item(value: unknown): void {
    this.#owner.item(this, value);
  }

  end(outcome: Outcome<unknown>): void {
    this.#owner.ended(this, outcome);
  }
}
