// What an actor shows first to whoever looks at it, within a time.
import { type ActorEnd, type ActorsApi, actorLimits } from '../../actors/actor-api.ts';
import type { Outcome } from '../../actors/api.ts';
import { type ActorAddress, addressText } from '../../machines/entity/address.ts';
import { type Failure, failure, PolityError } from '../../machines/errors.ts';

/** How it ended, as a failure; null: in order. */
export const failureOfEnd = ({ failure: why, reason, address }: ActorEnd): Failure | null => {
  if (reason === 'done' || reason === 'stopped') return null;
  if (why !== undefined) return why;
  const code = reason === 'unreachable' ? 'UNREACHABLE' : reason === 'failed' ? 'ACTOR_FAILED' : 'ACTOR_STOPPED';
  return failure(code, `${addressText(address)} ${reason === 'never-lived' ? 'does not live' : reason}`);
};

/** Throws INVALID_REQUEST. */
export const timeoutOf = (timeoutMs: number = actorLimits.timeoutMs): number => {
  if (typeof timeoutMs === 'number' && timeoutMs >= 1 && timeoutMs <= actorLimits.timeoutMsMax) return timeoutMs;
  throw new PolityError(failure('INVALID_REQUEST', `timeoutMs is a number of milliseconds, 1 to ${actorLimits.timeoutMsMax}`));
};

/** `select`: a path as in `context.count`, or null for the whole snapshot. Returns what ends the waiting. */
export const lookOnce = (
  actors: ActorsApi,
  address: ActorAddress,
  select: string | null,
  timeoutMs: number,
  done: (outcome: Outcome<unknown>) => void,
  options: { isRedacted?: boolean } = {},
): (() => void) => {
  let isOver = false;
  let unsubscribe: (() => void) | null = null;
  const end = (): void => {
    isOver = true;
    clearTimeout(timer);
    unsubscribe?.();
  };
  const finish = (outcome: Outcome<unknown>): void => {
    if (isOver) return;
    end();
    done(outcome);
  };
  const text = addressText(address);
  const late = failure('UNREACHABLE', `${text} did not show itself in ${timeoutMs} ms`);
  const timer = setTimeout(() => finish({ ok: false, failure: late }), timeoutMs);
  unsubscribe = actors.subscribe(
    address,
    select,
    (value) => finish({ ok: true, value }),
    (how) => finish({ ok: false, failure: failureOfEnd(how) ?? failure('ACTOR_STOPPED', `${text} has ended: ${how.reason}`) }),
    options,
  );
  // It answered in this very turn.
  if (isOver) unsubscribe();
  return end;
};
