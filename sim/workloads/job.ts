// What a client may be busy with. A job knows what all its clients were told, and says in the end whether that can be true.
import type { Client } from './client.ts';

export type Job = {
  /** One round, from its first question to its last answer. */
  run(client: Client, done: () => void): void;
  /** Reads at the very end, when everybody is well; `done` once. */
  audit(auditor: Client, done: () => void): void;
  /** What was wrong, in words, or null. */
  verdict(): string | null;
};

/** What is asked for until it is told: used when everybody is well. */
export const untilTold = <Answer>(ask: (done: (answer: Answer | null) => void) => void, done: (answer: Answer) => void): void =>
  ask((answer) => (answer === null ? untilTold(ask, done) : done(answer)));

/** Does one thing after the other. */
export const inTurn = <Item>(items: readonly Item[], each: (item: Item, next: () => void) => void, done: () => void): void => {
  const [first, ...rest] = items;
  if (first === undefined) return done();
  each(first, () => inTurn(rest, each, done));
};

/**
 * Of effects that were asked for: those that were acknowledged happened once, those of unknown outcome once or never. Says what is
 * wrong with `found` of them, or null.
 */
export const countIsWrong = (what: string, found: number, acknowledged: number, unknown: number): string | null => {
  if (found < acknowledged) return `${what}: ${acknowledged} were acknowledged, but only ${found} happened`;
  if (found <= acknowledged + unknown) return null;
  return `${what}: ${found} happened, but only ${acknowledged} were acknowledged and ${unknown} are unknown`;
};
