// A method at work: its input is checked, its handler runs, its result is checked, and whoever called hears of one end. As long as nothing of
// this is a promise it is done when `invoke` returns.

import type { SinkPort } from '../../actors/ports/index.ts';
import type { CallEvents, CallHandle, CallsApi } from '../../actors/service-api.ts';
import { type Failure, readable } from '../errors.ts';
import { ServiceContext } from './context.ts';
import { failureOf, invalidInput, invalidOutput, ServiceError } from './failures.ts';
import type { Check, Checked } from './schema.ts';

export type AnyHandler = (input: unknown, context: ServiceContext) => unknown;

export type MethodAtWork = {
  readonly handler: AnyHandler;
  readonly input: Check;
  readonly output: Check;
  readonly isStream: boolean;
  /** Of this node. */
  readonly node: string;
  readonly calls: CallsApi;
  readonly sink: SinkPort;
};

export const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';

export abstract class Invocation implements CallHandle {
  protected readonly work: MethodAtWork;
  protected readonly context: ServiceContext;
  protected readonly on: CallEvents;
  protected isOver = false;
  protected isCancelled = false;

  constructor(work: MethodAtWork, context: ServiceContext, on: CallEvents) {
    this.work = work;
    this.context = context;
    this.on = on;
  }

  /** What the handler gave. */
  protected abstract onResult(result: unknown): void;

  begin(input: unknown): void {
    const { input: check } = this.work;
    if (check === null) return this.#handle(input);
    try {
      const checked = check(input);
      if (!(checked instanceof Promise)) return this.#onChecked(checked);
      checked.then(
        (one) => this.#onChecked(one),
        (error: unknown) => this.threw(error),
      );
    } catch (error) {
      this.threw(error);
    }
  }

  #onChecked(checked: Checked): void {
    if (checked.issues === undefined) this.#handle(checked.value);
    else this.fail(invalidInput(checked.issues, this.where));
  }

  #handle(input: unknown): void {
    let result: unknown;
    let isLater: boolean;
    try {
      result = this.work.handler(input, this.context);
      isLater = isThenable(result);
    } catch (error) {
      return this.threw(error);
    }
    if (isLater) this.follow(result as PromiseLike<unknown>);
    else this.onResult(result);
  }

  /** As `await` would: what only looks like a promise may throw, or settle twice. */
  follow(result: PromiseLike<unknown>): void {
    Promise.resolve(result).then(
      (value) => this.onResult(value),
      (error: unknown) => this.threw(error),
    );
  }

  /** Checks what goes out, and then does it. */
  protected checked(value: unknown, then: (value: unknown) => void): void {
    const { output: check } = this.work;
    if (check === null) return then(value);
    const on = (checked: Checked): void => {
      if (checked.issues === undefined) return then(checked.value);
      this.#log(new TypeError(checked.issues.map(({ message }) => message).join('; ')));
      this.fail(invalidOutput(checked.issues, this.where));
    };
    try {
      const checked = check(value);
      if (!(checked instanceof Promise)) return on(checked);
      checked.then(on, (error: unknown) => this.threw(error));
    } catch (error) {
      this.threw(error);
    }
  }

  protected get where() {
    const { service, method, chain } = ServiceContext.within(this.context);
    return { service, method, chain, node: this.work.node };
  }

  threw(thrown: unknown): void {
    const error = readable(thrown);
    if (!(error instanceof ServiceError) && !this.isCancelled) this.#log(error);
    this.fail(failureOf(error, this.where, this.isCancelled));
  }

  #log(error: unknown): void {
    const { service, method } = this.where;
    const message = error instanceof Error ? error.message : String(error);
    this.work.sink.log('error', 'SERVICE_THREW', `${service}.${method}: ${message}`, { service, method, error });
  }

  protected fail(failure: Failure): void {
    this.over();
    this.on.end({ ok: false, failure });
  }

  protected succeed(value: unknown): void {
    this.over();
    this.on.end({ ok: true, value });
  }

  protected over(): void {
    this.isOver = true;
    ServiceContext.close(this.context);
  }

  cancel(): void {
    if (this.isOver || this.isCancelled) return;
    this.isCancelled = true;
    ServiceContext.cancel(this.context);
  }

  more(_items: number): void {}
}

/** One result. */
export class UnaryInvocation extends Invocation {
  protected onResult(result: unknown): void {
    if (this.work.output === null) this.succeed(result ?? null);
    else this.checked(result, (value) => this.succeed(value ?? null));
  }
}
