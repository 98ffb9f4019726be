// A method whose result is a stream: one item after the other is taken from what the handler gave, each when somebody asked for it. Whoever
// stops listening ends it: a generator's `finally` runs, and the call has ended when that has.
import { failure } from '../../machines/errors.ts';
import { Invocation, isThenable } from './invoke.ts';

type Items = AsyncIterator<unknown> | Iterator<unknown>;

/** Null: it is nothing that gives items. A text gives letters, which nobody means. */
const itemsOf = (given: unknown): Items | null => {
  if (typeof given !== 'object' || given === null) return null;
  const { [Symbol.asyncIterator]: later, [Symbol.iterator]: now } = given as Partial<
    AsyncIterable<unknown> & Iterable<unknown>
  >;
  const make: unknown = later ?? now;
  return typeof make === 'function' ? (make.call(given) as Items) : null;
};

export class StreamInvocation extends Invocation {
  #items: Items | null = null;
  #asked = 0;
  /** An item is being made, or checked. */
  #isBusy = false;
  /** Works it off in a loop: items that are there at once are no tower of calls. */
  #isLooping = false;

  protected onResult(result: unknown): void {
    let items: Items | null;
    try {
      items = itemsOf(result);
    } catch (error) {
      return this.threw(error);
    }
    if (items === null) return this.threw(new TypeError('a stream is an iterable, or an async one'));
    this.#items = items;
    if (this.isCancelled) this.#close();
    else this.#go();
  }

  override more(items: number): void {
    if (!(items > 0)) return;
    this.#asked += items;
    this.#go();
  }

  override cancel(): void {
    if (this.isOver || this.isCancelled) return;
    super.cancel();
    if (this.#items !== null) this.#close();
  }

  #go(): void {
    if (this.#isLooping || this.#items === null) return;
    this.#isLooping = true;
    while (this.#asked > 0 && !this.#isBusy && !this.isOver && !this.isCancelled) {
      this.#asked--;
      this.#isBusy = true;
      this.#take(this.#items);
    }
    this.#isLooping = false;
  }

  #take(items: Items): void {
    let next: unknown;
    let isLater: boolean;
    try {
      next = items.next();
      isLater = isThenable(next);
    } catch (error) {
      return this.#broke(error);
    }
    if (!isLater) return this.#took(next);
    Promise.resolve(next).then(
      (result) => this.#took(result),
      (error: unknown) => this.#broke(error),
    );
  }

  #took(result: unknown): void {
    if (this.isCancelled || this.isOver) return;
    let value: unknown;
    let isDone: boolean;
    let isLater: boolean;
    try {
      if (typeof result !== 'object' || result === null) throw new TypeError('an iterator gives objects with done and value');
      isDone = Boolean((result as IteratorResult<unknown>).done);
      value = isDone ? null : (result as IteratorResult<unknown>).value;
      isLater = isThenable(value);
    } catch (error) {
      return this.#broke(error);
    }
    if (isDone) {
      this.#items = null;
      return this.succeed(null);
    }
    if (!isLater) return this.#give(value);
    // A list of promises, as `for await` takes it.
    Promise.resolve(value).then(
      (one) => {
        if (!this.isCancelled && !this.isOver) this.#give(one);
      },
      (error: unknown) => {
        if (!this.isCancelled && !this.isOver) this.threw(error);
      },
    );
  }

  /** What gives items gives none any more, and is not to be closed either. What was left ends as left. */
  #broke(error: unknown): void {
    if (this.isCancelled || this.isOver) return;
    this.#items = null;
    this.threw(error);
  }

  #give(value: unknown): void {
    this.checked(value, (item) => {
      this.#isBusy = false;
      if (this.isCancelled || this.isOver) return;
      this.on.item(item ?? null);
      this.#go();
    });
  }

  /** Lets the handler clean up; what it gives to that nobody hears. */
  #close(): void {
    const items = this.#items!;
    const over = (): void => {
      if (!this.isOver) this.fail(failure('CANCELLED', 'nobody listens any more'));
    };
    try {
      const closed = items.return?.();
      if (isThenable(closed)) Promise.resolve(closed).then(over, over);
      else over();
    } catch {
      over();
    }
  }

  /** An item that is not what was promised ends the stream at this end, too. */
  protected override over(): void {
    const wasOver = this.isOver;
    super.over();
    if (wasOver || this.isCancelled || this.#items === null) return;
    const items = this.#items;
    this.#items = null;
    try {
      const closed = items.return?.();
      if (isThenable(closed)) Promise.resolve(closed).then(undefined, () => {});
    } catch {
      // It has ended as it has ended; whoever called knows why.
    }
  }
}
