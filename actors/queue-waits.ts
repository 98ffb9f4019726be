// Who waits at a group's leader for messages of a queue. A receive goes to the log only when there is something to give, and no more of
// them than there is, so that an empty queue costs nothing however many wait; and it ends empty only after a quorum confirmed that this
// node still leads, so that what was acknowledged before it was asked for is not overlooked.
import type { QueueWrite } from '../machines/queue/index.ts';
import type { RegisterResult } from '../machines/register/types.ts';
import { createDeadlines } from './deadlines.ts';
import type { ClockPort, PeerId } from './ports/index.ts';
import type { ReadEnd } from './raft.ts';
import type { Attempt } from './requests.ts';
import type { Scope } from './supervise.ts';

type Receive = Extract<QueueWrite, { op: 'queue-receive' }>;
export type ReceiveRequest = { write: Receive; idempotencyKey: string | null };
type Done = (attempt: Attempt<RegisterResult>) => void;

type Waiting = { request: ReceiveRequest; untilMs: number; done: Done };

export interface QueueWaits {
  receive(request: ReceiveRequest, timeLeftMs: number, done: Done): void;
  /** Entries were applied: there may be something for those who wait. */
  wake(): void;
  /** This node does not lead (any more): those who wait go to who does. */
  dismiss(leader: PeerId | null): void;
}

/** What an answer needs to travel back within the time of who asked. */
const marginMs = 500;

export const createQueueWaits = (args: {
  scope: Scope;
  clock: ClockPort;
  /** Messages of a queue that may be given now. */
  free: (queue: string) => number;
  /** The log knows the outcome of this id's request: it is answered whatever is there now. */
  isKnown: (idempotencyKey: string) => boolean;
  propose: (request: ReceiveRequest, done: Done) => void;
  confirm: (done: (end: ReadEnd) => void) => void;
  /** Of the applied entries. */
  at: () => { index: number; term: number };
}): QueueWaits => {
  const { scope, clock, free, confirm } = args;
  /** By queue, in the order in which they came. */
  const waiting = new Map<string, Set<Waiting>>();
  /** Messages that receives under way ask for, by queue. */
  const claimed = new Map<string, number>();

  const claim = (queue: string, messages: number): void => {
    const sum = (claimed.get(queue) ?? 0) + messages;
    if (sum === 0) claimed.delete(queue);
    else claimed.set(queue, sum);
  };
  const hasFor = (queue: string): boolean => free(queue) > (claimed.get(queue) ?? 0);

  const takeOut = (one: Waiting): boolean => {
    const { queue } = one.request.write;
    const line = waiting.get(queue);
    if (line === undefined || !line.delete(one)) return false;
    if (line.size === 0) waiting.delete(queue);
    deadlines.delete(one, one.untilMs);
    return true;
  };

  const empty = ({ write: { queue } }: ReceiveRequest): Attempt<RegisterResult> => ({
    type: 'done',
    outcome: { ok: true, value: { op: 'queue-receive', queue, messages: [], ...args.at() } },
  });

  const isEmpty = (attempt: Attempt<RegisterResult>): boolean =>
    attempt.type === 'done' &&
    attempt.outcome.ok &&
    attempt.outcome.value.op === 'queue-receive' &&
    attempt.outcome.value.messages.length === 0;

  const give = ({ request, untilMs, done }: Waiting): void => {
    const { queue, max } = request.write;
    claim(queue, max);
    args.propose(
      request,
      scope.guard((attempt) => {
        claim(queue, -max);
        // Others were faster. Under an idempotency key this is its outcome for good.
        if (isEmpty(attempt) && request.idempotencyKey === null && untilMs > clock.nowMs()) park({ request, untilMs, done });
        else done(attempt);
        wake();
      }),
    );
  };

  /** Nothing to give, and no time left to wait for it. */
  const endEmpty = (one: Waiting): void =>
    confirm(
      scope.guard((end: ReadEnd) => {
        if (end.type !== 'rejected') return free(one.request.write.queue) > 0 ? give(one) : one.done(empty(one.request));
        one.done(end.reason === 'not-leader' ? { type: 'not-leader', leader: end.leader } : { type: 'again' });
      }),
    );

  const deadlines = createDeadlines<Waiting>(scope, clock.nowMs, (one) => {
    if (takeOut(one)) endEmpty(one);
  });

  const park = (one: Waiting): void => {
    const { queue } = one.request.write;
    const line = waiting.get(queue);
    if (line === undefined) waiting.set(queue, new Set([one]));
    else line.add(one);
    deadlines.add(one, one.untilMs);
  };

  const wake = (): void => {
    for (const [queue, line] of waiting)
      for (const one of line) {
        if (!hasFor(queue)) break;
        if (takeOut(one)) give(one);
      }
  };

  return {
    receive(request, timeLeftMs, done) {
      const { queue, waitMs } = request.write;
      const leftMs = Math.min(waitMs, timeLeftMs - marginMs);
      const one = { request, untilMs: clock.nowMs() + leftMs, done };
      const isKnown = request.idempotencyKey !== null && args.isKnown(request.idempotencyKey);
      if (isKnown || hasFor(queue)) give(one);
      else if (leftMs > 0) park(one);
      else endEmpty(one);
    },
    wake,
    dismiss(leader) {
      for (const line of [...waiting.values()])
        for (const one of [...line]) if (takeOut(one)) one.done({ type: 'not-leader', leader });
    },
  };
};
