// Brings a request to the leader of its group, from any node: here, or over the calls lane with a hint to follow. Waits while
// there is no leader, tries again where that is safe, and says at the deadline whether the request surely did not happen.
import { type Failure, failure } from '../machines/errors.ts';
import { parseFailure } from '../machines/wire/failure.ts';
import { limits } from '../machines/wire/limits.ts';
import type { Outcome } from './api.ts';
import { createDeadlines } from './deadlines.ts';
import type { ClockPort, PeerId } from './ports/index.ts';
import type { AskFailure, Router } from './router.ts';
import type { Scope } from './supervise.ts';

/** What an attempt came to. */
export type Attempt<Result> =
  /** It was executed: this is the outcome, whatever became of earlier attempts. */
  | { type: 'done'; outcome: Outcome<Result> }
  /** This attempt surely did nothing, and another one would not fare better. */
  | { type: 'refused'; failure: Failure }
  /** This attempt surely did nothing; `leader` may know more. */
  | { type: 'not-leader'; leader: PeerId | null }
  /** This attempt surely did nothing: try again once a leader is known. */
  | { type: 'again' }
  /** It may have happened; this attempt will never tell. */
  | { type: 'lost' };

export type RequestKind<Request, Result> = {
  /** Type of its message on the wire. */
  type: string;
  /** True: doing it twice, or not knowing, does no harm (reads; writes under an idempotency key). */
  repeatable: (request: Request) => boolean;
  /** True: it has an effect, so an unknown end is OUTCOME_UNKNOWN. */
  effect: boolean;
  form: (request: Request) => unknown;
  parse: (body: unknown) => Request | null;
  formResult: (result: Result) => unknown;
  parseResult: (body: unknown) => Result | null;
  /** Executes on this node, which was the leader a moment ago. */
  execute: (request: Request, timeLeftMs: number, done: (attempt: Attempt<Result>) => void) => void;
};

type Pending<Request, Result> = {
  request: Request;
  deadlineMs: number;
  done: (outcome: Outcome<Result>) => void;
  /** An attempt is under way: at this peer, or at this node if null. */
  underWay: boolean;
  asked: PeerId | null;
  /** The end of an earlier attempt will never be known. */
  lost: boolean;
  attempt: number;
  /** Hints followed since the leader was last looked up here. */
  hops: number;
  open: boolean;
};

export interface Requests<Request, Result> {
  execute(request: Request, timeoutMs: number, done: (outcome: Outcome<Result>) => void): void;
  /** A request of another node: executed here if this node leads, else refused with a hint. */
  serve(body: unknown, timeLeftMs: number, answer: (body: unknown) => void): void;
  leaderChanged(): void;
  /** Somebody, here or at another node, waits for an answer. */
  readonly isBusy: boolean;
  stop(why: Failure): void;
}

type Place = {
  group: string;
  nodeName: string;
  self: PeerId;
  /** The leader's peer, or null. A node without a replica of the group names any member. */
  leader: () => PeerId | null;
  /** This node hosts a replica that leads. */
  leads: () => boolean;
};

const retryMs = 40;
/** Two nodes that each take the other for the leader must not play ball with a request. */
const hopsMax = 3;
const peerIdCharsMax = 128;

export const createRequests = <Request, Result>(
  kind: RequestKind<Request, Result>,
  place: Place,
  ports: { scope: Scope; clock: ClockPort; router: Router },
): Requests<Request, Result> => {
  const { scope, clock, router } = ports;
  const address = `register/${place.group}`;
  const waiting = new Set<Pending<Request, Result>>();
  const open = new Set<Pending<Request, Result>>();
  /** Requests of other nodes that are being executed here, by what answers them. */
  const served = new Set<(answer: unknown) => void>();
  let retrying = false;

  const finish = (pending: Pending<Request, Result>, outcome: Outcome<Result>): void => {
    if (!pending.open) return;
    pending.open = false;
    open.delete(pending);
    waiting.delete(pending);
    deadlines.delete(pending, pending.deadlineMs);
    pending.done(outcome);
  };

  /** Ends it without an outcome: `why` only if no attempt can have had an effect. */
  const giveUp = (pending: Pending<Request, Result>, why: Failure, unknown: string): void => {
    const mayHaveHappened = kind.effect && (pending.underWay || pending.lost);
    finish(pending, { ok: false, failure: mayHaveHappened ? failure('OUTCOME_UNKNOWN', unknown) : why });
  };

  const deadlines = createDeadlines<Pending<Request, Result>>(scope, clock.nowMs, (pending) => {
    const { group, nodeName } = place;
    const leader = place.leader() ?? 'nobody';
    giveUp(
      pending,
      failure('NO_QUORUM', `no leader of '${group}' confirmed the request in time (${nodeName} follows ${leader})`),
      `${nodeName} got no answer from the leader of '${group}' in time; it may have happened`,
    );
  });

  const wait = (pending: Pending<Request, Result>): void => {
    if (!pending.open) return;
    waiting.add(pending);
    if (retrying) return;
    retrying = true;
    scope.after(retryMs, () => {
      retrying = false;
      again();
    });
  };

  const again = (): void => {
    const batch = [...waiting];
    waiting.clear();
    for (const pending of batch) dispatch(pending);
  };

  const onAttempt = (pending: Pending<Request, Result>, number: number, attempt: Attempt<Result>): void => {
    if (!pending.open) return;
    // Success is success, even of an attempt that was given up.
    if (attempt.type === 'done' && attempt.outcome.ok) return finish(pending, attempt.outcome);
    if (pending.attempt !== number) return;
    if (attempt.type === 'done') return finish(pending, attempt.outcome);
    pending.underWay = false;
    if (attempt.type === 'lost') return onLost(pending);
    if (attempt.type === 'refused') return giveUp(pending, attempt.failure, attempt.failure.message);
    const hint = attempt.type === 'not-leader' ? attempt.leader : null;
    const { asked, hops } = pending;
    if (hint === null || asked === null || hint === asked || hint === place.self || hops >= hopsMax) return wait(pending);
    pending.hops++;
    askPeer(pending, hint);
  };

  const onLost = (pending: Pending<Request, Result>): void => {
    pending.lost = true;
    if (kind.repeatable(pending.request)) return wait(pending);
    const message = `the leader of '${place.group}' was lost while it worked on the request; it may have happened`;
    finish(pending, { ok: false, failure: failure('OUTCOME_UNKNOWN', message) });
  };

  /** What the router knows of a question without an answer. */
  const attemptOf = (why: AskFailure): Attempt<Result> => {
    if (!why.definite) return { type: 'lost' };
    if (why.code === 'NO_QUORUM') return { type: 'again' };
    return { type: 'refused', failure: failure(why.code, `${place.nodeName} cannot forward more requests`) };
  };

  const begin = (pending: Pending<Request, Result>, asked: PeerId | null): number => {
    pending.underWay = true;
    pending.asked = asked;
    return ++pending.attempt;
  };

  const askPeer = (pending: Pending<Request, Result>, peer: PeerId): void => {
    const number = begin(pending, peer);
    const timeoutMs = pending.deadlineMs - clock.nowMs();
    const body = kind.form(pending.request);
    router.ask(
      { peer, lane: 'calls', source: address, target: address, type: kind.type, body, timeoutMs },
      scope.guard((why, answer) => onAttempt(pending, number, why === null ? parseAnswer(answer) : attemptOf(why))),
    );
  };

  const dispatch = (pending: Pending<Request, Result>): void => {
    if (!pending.open) return;
    const timeLeftMs = pending.deadlineMs - clock.nowMs();
    if (timeLeftMs <= 0) return wait(pending);
    pending.hops = 0;
    if (place.leads()) {
      const number = begin(pending, null);
      return kind.execute(pending.request, timeLeftMs, (attempt) => onAttempt(pending, number, attempt));
    }
    const leader = place.leader();
    if (leader === null || leader === place.self) return wait(pending);
    askPeer(pending, leader);
  };

  /** A peer that was asked and leads no more may be silent for long; who can be asked twice need not wait for it. */
  const deserted = (pending: Pending<Request, Result>): boolean =>
    pending.underWay && pending.asked !== null && pending.asked !== place.leader() && kind.repeatable(pending.request);

  const parseAnswer = (body: unknown): Attempt<Result> => {
    const malformed: Attempt<Result> = {
      type: 'done',
      outcome: { ok: false, failure: failure('INTERNAL', `a malformed answer came from the leader of '${place.group}'`) },
    };
    if (!Array.isArray(body)) return malformed;
    const [type, value] = body as unknown[];
    if (type === 'again' || type === 'lost') return { type };
    if (type === 'not-leader')
      return { type, leader: typeof value === 'string' && value.length <= peerIdCharsMax ? value : null };
    if (type === 'failed' || type === 'refused') {
      const why = parseFailure(value);
      if (why === null) return malformed;
      return type === 'refused' ? { type, failure: why } : { type: 'done', outcome: { ok: false, failure: why } };
    }
    const result = type === 'done' ? kind.parseResult(value) : null;
    return result === null ? malformed : { type: 'done', outcome: { ok: true, value: result } };
  };

  const formAnswer = (attempt: Attempt<Result>): unknown => {
    if (attempt.type === 'again' || attempt.type === 'lost') return [attempt.type, null];
    if (attempt.type === 'not-leader') return ['not-leader', attempt.leader];
    if (attempt.type === 'refused') return ['refused', attempt.failure];
    return attempt.outcome.ok ? ['done', kind.formResult(attempt.outcome.value)] : ['failed', attempt.outcome.failure];
  };

  return {
    execute(request, timeoutMs, done) {
      if (open.size >= limits.pendingCallsMax)
        return done({ ok: false, failure: failure('OVERLOADED', `${place.nodeName} has ${open.size} requests under way`) });
      const pending: Pending<Request, Result> = {
        request,
        deadlineMs: clock.nowMs() + timeoutMs,
        done,
        underWay: false,
        asked: null,
        lost: false,
        attempt: 0,
        hops: 0,
        open: true,
      };
      open.add(pending);
      deadlines.add(pending, pending.deadlineMs);
      dispatch(pending);
    },

    serve(body, timeLeftMs, answer) {
      const refuse = (why: Failure): void => answer(formAnswer({ type: 'refused', failure: why }));
      const request = kind.parse(body);
      if (request === null) return refuse(failure('INVALID_REQUEST', 'the request is malformed'));
      if (!place.leads()) {
        const leader = place.leader();
        return answer(formAnswer({ type: 'not-leader', leader: leader === place.self ? null : leader }));
      }
      if (served.size >= limits.pendingCallsMax)
        return refuse(failure('OVERLOADED', `${place.nodeName} has ${served.size} requests of other nodes under way`));
      served.add(answer);
      kind.execute(request, timeLeftMs, (attempt) => {
        if (served.delete(answer)) answer(formAnswer(attempt));
      });
    },

    get isBusy() {
      return open.size > 0 || served.size > 0;
    },

    leaderChanged() {
      for (const pending of open) {
        if (!deserted(pending)) continue;
        pending.underWay = false;
        pending.lost = true;
        waiting.add(pending);
      }
      again();
    },

    stop(why) {
      for (const pending of [...open]) giveUp(pending, why, why.message);
      for (const answer of served) answer(formAnswer({ type: 'lost' }));
      served.clear();
    },
  };
};
