// Brings a request to the leader of its group, from any node: here, or over the calls lane with a hint to follow. Waits while
// there is no leader, tries again where that is safe, and says at the deadline whether the request surely did not happen.
import { errorTable, type Failure, failure } from '../machines/errors.ts';
import { limits } from '../machines/wire/limits.ts';
import type { Outcome } from './api.ts';
import { createDeadlines } from './deadlines.ts';
import type { ClockPort, PeerId, Timer } from './ports/index.ts';
import type { AskFailure, Router } from './router.ts';
import type { Scope } from './supervise.ts';

/** What an attempt came to. `not-leader` surely did nothing; `again`: nothing happened, try once a leader is known. */
export type Attempt<Result> =
  | { type: 'done'; outcome: Outcome<Result> }
  | { type: 'not-leader'; leader: PeerId | null }
  | { type: 'again' };

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
  /** An attempt is under way. */
  underWay: boolean;
  /** The end of an earlier attempt will never be known. */
  lost: boolean;
  attempt: number;
  open: boolean;
};

export interface Requests<Request, Result> {
  execute(request: Request, timeoutMs: number, done: (outcome: Outcome<Result>) => void): void;
  /** A request of another node: executed here if this node leads, else refused with a hint. */
  serve(body: unknown, timeLeftMs: number, answer: (body: unknown) => void): void;
  leaderChanged(): void;
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

export const createRequests = <Request, Result>(
  kind: RequestKind<Request, Result>,
  place: Place,
  ports: { scope: Scope; clock: ClockPort; router: Router },
): Requests<Request, Result> => {
  const { scope, clock, router } = ports;
  const address = `register/${place.group}`;
  const waiting = new Set<Pending<Request, Result>>();
  const open = new Set<Pending<Request, Result>>();
  let _retry: Timer | null = null;

  const finish = (pending: Pending<Request, Result>, outcome: Outcome<Result>): void => {
    if (!pending.open) return;
    pending.open = false;
    open.delete(pending);
    waiting.delete(pending);
    deadlines.delete(pending, pending.deadlineMs);
    pending.done(outcome);
  };

  const deadlines = createDeadlines<Pending<Request, Result>>(scope, clock.nowMs, (pending) => {
    const unknown = (pending.underWay || pending.lost) && kind.effect;
    const leader = place.leader();
    const why = unknown
      ? failure(
          'OUTCOME_UNKNOWN',
          `${place.nodeName} got no answer from the leader of '${place.group}' in time; it may have happened`,
        )
      : failure(
          'NO_QUORUM',
          `no leader of '${place.group}' confirmed the request in time (${place.nodeName} follows ${leader ?? 'nobody'})`,
        );
    finish(pending, { ok: false, failure: why });
  });

  const wait = (pending: Pending<Request, Result>): void => {
    if (!pending.open) return;
    waiting.add(pending);
    _retry ??= scope.after(retryMs, () => {
      _retry = null;
      again();
    });
  };

  const again = (): void => {
    const batch = [...waiting];
    waiting.clear();
    for (const pending of batch) dispatch(pending);
  };

  const onAttempt = (
    pending: Pending<Request, Result>,
    number: number,
    attempt: Attempt<Result>,
    askedPeer: PeerId | null,
  ): void => {
    if (!pending.open || pending.attempt !== number) return;
    if (attempt.type === 'done') return finish(pending, attempt.outcome);
    pending.underWay = false;
    const hint = attempt.type === 'not-leader' ? attempt.leader : null;
    if (hint !== null && askedPeer !== null && hint !== askedPeer && hint !== place.self) return askPeer(pending, hint);
    wait(pending);
  };

  const onAskFailure = (pending: Pending<Request, Result>, number: number, why: AskFailure): void => {
    if (!pending.open || pending.attempt !== number) return;
    pending.underWay = false;
    if (why.definite) {
      if (why.code !== 'NO_QUORUM')
        return finish(pending, { ok: false, failure: failure(why.code, `${place.nodeName} cannot forward more requests`) });
      return wait(pending);
    }
    pending.lost = true;
    if (kind.repeatable(pending.request)) return wait(pending);
    const message = `the leader of '${place.group}' was lost while it worked on the request; it may have happened`;
    finish(pending, { ok: false, failure: failure('OUTCOME_UNKNOWN', message) });
  };

  const askPeer = (pending: Pending<Request, Result>, peer: PeerId): void => {
    const timeLeftMs = pending.deadlineMs - clock.nowMs();
    const number = ++pending.attempt;
    pending.underWay = true;
    router.ask(
      {
        peer,
        lane: 'calls',
        source: address,
        target: address,
        type: kind.type,
        body: kind.form(pending.request),
        timeoutMs: timeLeftMs,
      },
      scope.guard((why, body) => {
        if (why !== null) return onAskFailure(pending, number, why);
        onAttempt(pending, number, parseAnswer(body), peer);
      }),
    );
  };

  const dispatch = (pending: Pending<Request, Result>): void => {
    if (!pending.open) return;
    if (clock.nowMs() >= pending.deadlineMs) return wait(pending);
    if (place.leads()) {
      const number = ++pending.attempt;
      pending.underWay = true;
      return kind.execute(pending.request, pending.deadlineMs - clock.nowMs(), (attempt) =>
        onAttempt(pending, number, attempt, null),
      );
    }
    const leader = place.leader();
    if (leader === null || leader === place.self) return wait(pending);
    askPeer(pending, leader);
  };

  const parseAnswer = (body: unknown): Attempt<Result> => {
    const malformed: Attempt<Result> = {
      type: 'done',
      outcome: { ok: false, failure: failure('INTERNAL', `a malformed answer came from the leader of '${place.group}'`) },
    };
    if (!Array.isArray(body)) return malformed;
    const [type, value] = body as unknown[];
    if (type === 'again') return { type };
    if (type === 'not-leader') return { type, leader: typeof value === 'string' ? value : null };
    if (type === 'failed') {
      const why = parseFailure(value);
      return why === null ? malformed : { type: 'done', outcome: { ok: false, failure: why } };
    }
    const result = type === 'done' ? kind.parseResult(value) : null;
    return result === null ? malformed : { type: 'done', outcome: { ok: true, value: result } };
  };

  return {
    execute(request, timeoutMs, done) {
      if (open.size >= limits.pendingCallsMax)
        return done({ ok: false, failure: failure('OVERLOADED', `${place.nodeName} has ${open.size} requests under way`) });
      const pending = {
        request,
        deadlineMs: clock.nowMs() + timeoutMs,
        done,
        underWay: false,
        lost: false,
        attempt: 0,
        open: true,
      };
      open.add(pending);
      deadlines.add(pending, pending.deadlineMs);
      dispatch(pending);
    },

    serve(body, timeLeftMs, answer) {
      const request = kind.parse(body);
      if (request === null) return answer(['failed', failure('INVALID_REQUEST', 'the request is malformed')]);
      if (!place.leads()) {
        const leader = place.leader();
        return answer(['not-leader', leader === place.self ? null : leader]);
      }
      kind.execute(request, timeLeftMs, (attempt) => {
        if (attempt.type === 'again') answer(['again', null]);
        else if (attempt.type === 'not-leader') answer(['not-leader', attempt.leader]);
        else if (attempt.outcome.ok) answer(['done', kind.formResult(attempt.outcome.value)]);
        else answer(['failed', attempt.outcome.failure]);
      });
    },

    leaderChanged: again,

    stop(why) {
      for (const pending of [...open]) {
        const unknown = (pending.underWay || pending.lost) && kind.effect;
        finish(pending, { ok: false, failure: unknown ? failure('OUTCOME_UNKNOWN', why.message) : why });
      }
    },
  };
};

const isPlain = (value: unknown): value is string | number | boolean | null =>
  value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';

/** A failure that came from a peer: a known code, bounded text, plain details. */
export const parseFailure = (value: unknown): Failure | null => {
  if (typeof value !== 'object' || value === null) return null;
  const { code, message, details } = value as Record<string, unknown>;
  if (typeof code !== 'string' || !Object.hasOwn(errorTable, code) || typeof message !== 'string') return null;
  const known = { code: code as Failure['code'], message: message.slice(0, 1_000) };
  if (typeof details !== 'object' || details === null) return known;
  const entries = Object.entries(details).filter((entry): entry is [string, string | number | boolean | null] =>
    isPlain(entry[1]),
  );
  return { ...known, details: Object.fromEntries(entries.slice(0, 16)) };
};
