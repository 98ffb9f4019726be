// Abort signals belong to the outside world's library, which sim/ has no types of; the language's host always has them at hand. Whoever
// compiles against this door sees his own AbortSignal.

type Listener = () => void;

/** As much of an AbortSignal as is used here. */
interface SmallSignal {
  readonly aborted: boolean;
  readonly reason: unknown;
  throwIfAborted(): void;
  addEventListener(type: 'abort', listener: Listener, options?: { once?: boolean }): void;
  removeEventListener(type: 'abort', listener: Listener): void;
}

export type Signal = typeof globalThis extends { AbortSignal: { prototype: infer Real } } ? Real : SmallSignal;

type Controller = { readonly signal: Signal; abort(reason: unknown): void };

export const newController = (): Controller => {
  const { AbortController } = globalThis as unknown as { AbortController: new () => Controller };
  return new AbortController();
};
