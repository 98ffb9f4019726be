// What was let through by breakers, what was executed for it, and what was settled: these must agree in the end.
import type { PeerId } from '../../actors/ports/index.ts';
import { originOf } from '../../actors/relay-parcel.ts';
import type { BreakerTwins } from './breaker-twin.ts';
import type { Run } from './judge.ts';

/** Of one life of a node. */
export type Account = { readonly twins: BreakerTwins; readonly peer: PeerId };

/** Of a life in which no call is open. */
export const whyNotSettled = (life: string, { twins: { open } }: Account): string | null =>
  open === 0 ? null : `every call is settled: ${life} let ${open} calls through of which it never heard again`;

const raise = (counts: Map<string, number>, key: string, by: number): void => void counts.set(key, (counts.get(key) ?? 0) + by);

/** Nobody executes more calls of a peer than that peer's breakers let through, in all its lives. */
export const whyNotAdmitted = (accounts: ReadonlyMap<string, Account>, runs: readonly Run[]): string | null => {
  const admitted = new Map<string, number>();
  for (const { twins, peer } of accounts.values())
    for (const [name, count] of twins.admitted) raise(admitted, `${peer}\n${name}`, count);
  const executed = new Map<string, number>();
  for (const { caller, life, work } of runs) {
    const { peer } = accounts.get(life)!;
    // Over others it is the same breaker that lets it through.
    const origin = originOf(caller) ?? caller;
    if (origin !== peer) raise(executed, `${origin}\n${peer}\n${work.service}`, 1);
  }
  for (const [key, count] of executed) {
    const through = admitted.get(key) ?? 0;
    if (count > through)
      return `no call goes round its breaker: ${count} were executed of ${through} let through (${key.replaceAll('\n', ' ')})`;
  }
  return null;
};
