// A feed of a topic's log: reads pages from this node's replica, or from the leader where there is none, and waits there while there is
// nothing. With a name it handles a subscription: it claims it in the log, commits what its reader has handled, and stands by while
// another feed holds it. Whoever was overtaken is fenced off, so that nothing depends on clocks or on who is thought to be dead.
import { type ErrorCode, errorTable, type Failure, failure } from '../machines/errors.ts';
import {
  type FencingToken,
  type Holder,
  type RegisterRead,
  type RegisterResult,
  type RegisterWrite,
  type TopicMessage,
  topicLimits,
} from '../machines/register/index.ts';
import type { Outcome } from './api.ts';
import type { ClockPort, SinkPort, Timer } from './ports/index.ts';
import type { FeedWanted, HostedFeed } from './topic-api.ts';
import { type Commits, createCommits } from './topic-commits.ts';
import { createFeedOutlet } from './topic-outlet.ts';

export const feedTimes = {
  /** How long a read waits at a replica; then it asks again. */
  waitMs: 20_000,
  /** An answer without news that comes sooner is not asked for again at once. */
  restMs: 100,
  retryMsMin: 100,
  retryMsMax: 2_000,
  /** How often who stands by asks this node whether the holder is still there. */
  lookMs: 1_000,
  /** What is handled has so long to come into the log when a feed ends. */
  flushMs: 2_000,
} as const;

export type FeedPorts = {
  clock: ClockPort;
  sink: SinkPort;
  write: (write: RegisterWrite, done: (outcome: Outcome<RegisterResult>) => void) => void;
  /** `here`: from this node's replica if it has one, however old; else from the leader. */
  read: (read: RegisterRead, here: boolean, done: (outcome: Outcome<RegisterResult>) => void) => void;
  holder: Holder;
  /** Its process is no more, as far as this node knows. */
  isGone: (holder: Holder) => boolean;
  /** Brings it into the log some time; outlives the feed. Null: it may have been claimed, under a token that was not told. */
  release: (subscription: string, token: FencingToken | null) => void;
  onEnd: () => void;
};

type LogWanted = Pick<FeedWanted, 'topic' | 'subscription'> & { from: number };

/** It may be otherwise the next time. */
const passes = ({ code }: Failure): boolean => code !== 'STOPPING' && (errorTable[code].retryable || maybe.has(code));
const maybe: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['OUTCOME_UNKNOWN', 'STORAGE_FAILED']);

const isSame = (a: FencingToken | null, b: FencingToken | null): boolean => a?.term === b?.term && a?.index === b?.index;

export const createLogFeed = (wanted: LogWanted, ports: FeedPorts): HostedFeed => {
  const { clock, sink } = ports;
  const { topic, subscription } = wanted;
  /** Counts standings: what was asked for in an earlier one is not looked at. */
  let standing = 0;
  let isOver = false;
  let isEnding = false;
  let id = 0;
  let since = 0;
  /** The next message to ask for; 0: not known yet. */
  let position = 0;
  /** Under which this feed handles the subscription. */
  let token: FencingToken | null = null;
  let commits: Commits | null = null;
  let isReading = false;
  let retryMs: number = feedTimes.retryMsMin;
  let timer: Timer | null = null;
  let onFlushed: (() => void) | null = null;

  // A reader that never waits must not keep the process from everything else: each page is asked for in a turn of its own.
  const outlet = createFeedOutlet({ soon: clock.soon, sink, onWanted: () => void clock.after(0, current(fetch)) });

  const finish = (): void => {
    if (isOver) return;
    isOver = true;
    standing++;
    timer?.cancel();
    ports.onEnd();
  };
  const fail = (why: Failure): void => {
    outlet.fail({ type: 'failed', failure: why });
    finish();
    onFlushed?.();
  };
  const current = <Arguments extends unknown[]>(run: (...args: Arguments) => void): ((...args: Arguments) => void) => {
    const when = standing;
    return (...args) => {
      if (when === standing && !isOver) run(...args);
    };
  };
  const later = (delayMs: number, run: () => void): void => {
    timer?.cancel();
    timer = clock.after(delayMs, current(run));
  };
  const retryLater = (why: Failure, run: () => void): void => {
    if (!passes(why)) return fail(why);
    later(retryMs, run);
    retryMs = Math.min(2 * retryMs, feedTimes.retryMsMax);
  };

  // -------------------------------------------------------------- where to begin

  const locate = (): void =>
    ports.read(
      { op: 'topic-read', topic, id: 0, from: 0, limit: 1, waitMs: 0, since: 0 },
      false,
      current((outcome) => {
        if (!outcome.ok) return retryLater(outcome.failure, locate);
        if (outcome.value.op !== 'topic-read') return;
        const { id: found, first, next, index } = outcome.value;
        [id, since] = [found, index];
        position = wanted.from === 0 ? next : wanted.from === 1 ? first : wanted.from;
        fetch();
      }),
    );

  const claim = (instead: FencingToken | null): void => {
    if (subscription === undefined) return;
    standing++;
    isReading = false;
    ports.write({ op: 'topic-subscribe', topic, subscription, from: wanted.from, holder: ports.holder, instead }, (outcome) => {
      if (isOver || isEnding) return letGo(subscription, outcome);
      if (outcome.ok) return outcome.value.op === 'topic-subscribe' ? activate(outcome.value) : undefined;
      const { failure: why } = outcome;
      if (why.code === 'LOCK_HELD') return standBy(why);
      // Too many subscriptions: the one who asks for another shall hear of it.
      if (why.code === 'OVERLOADED' && since === 0) return fail(why);
      retryLater(why, () => claim(instead));
    });
  };

  /** The claim of a feed that has ended meanwhile. */
  const letGo = (name: string, outcome: Outcome<RegisterResult>): void => {
    if (outcome.ok && outcome.value.op === 'topic-subscribe') ports.release(name, outcome.value.token);
    if (!outcome.ok && !errorTable[outcome.failure.code].definite) ports.release(name, null);
  };

  const activate = (result: Extract<RegisterResult, { op: 'topic-subscribe' }>): void => {
    retryMs = feedTimes.retryMsMin;
    [id, since, position] = [result.id, result.index, result.next];
    token = result.token;
    if (token === null) return fail(failure('INTERNAL', `'${topic}' was claimed without a token`));
    commits = createCommits({
      from: position,
      send: current((commit, done) => sendCommit(commit, done)),
      onFailed: onCommitFailed,
      onSettled: () => onFlushed?.(),
    });
    outlet.offer({ type: 'active', token, next: position });
    fetch();
  };

  // -------------------------------------------------------------- standing by

  const standBy = ({ details }: Failure): void => {
    const { node, peer, epoch, term, index } = details ?? {};
    const held = { term: Number(term), index: Number(index) };
    const holder = { node: String(node), peer: String(peer), epoch: Number(epoch), consumer: '' };
    outlet.offer({ type: 'standby', node: holder.node });
    since = Math.max(since, held.index);
    const look = (): void => (ports.isGone(holder) ? claim(held) : later(feedTimes.lookMs, look));
    const wait = (): void =>
      readHere(Number.MAX_SAFE_INTEGER, held, (outcome, isEarly) => {
        if (!outcome.ok && !passes(outcome.failure)) return fail(outcome.failure);
        const isChanged = outcome.ok && outcome.value.op === 'topic-read' && !isSame(outcome.value.token, held);
        if (isChanged) return claim(null);
        if (isEarly) clock.after(feedTimes.restMs, current(wait));
        else wait();
      });
    later(feedTimes.lookMs, look);
    wait();
  };

  /** Another feed holds it now. */
  const overtaken = (): void => {
    token = null;
    commits = null;
    outlet.clear();
    if (isEnding) return onFlushed?.();
    claim(null);
  };

  // -------------------------------------------------------------- reading

  type Page = Extract<RegisterResult, { op: 'topic-read' }>;

  const readHere = (
    from: number,
    held: FencingToken | null,
    done: (outcome: Outcome<RegisterResult>, isEarly: boolean) => void,
  ): void => {
    const startMs = clock.nowMs();
    const watching = subscription === undefined ? {} : { held: { subscription, token: held } };
    const limit = topicLimits.pageMessagesMax;
    ports.read(
      { op: 'topic-read', topic, id, from, limit, waitMs: feedTimes.waitMs, since, ...watching },
      true,
      current((outcome) => done(outcome, clock.nowMs() - startMs < feedTimes.waitMs / 2)),
    );
  };

  const fetch = (): void => {
    if (isReading || isOver || !outlet.isWanted || position === 0) return;
    if (subscription !== undefined && token === null) return;
    isReading = true;
    readHere(position, token, (outcome, isEarly) => {
      isReading = false;
      if (!outcome.ok) return retryLater(outcome.failure, fetch);
      if (outcome.value.op === 'topic-read') onPage(outcome.value, isEarly);
    });
  };

  const onPage = ({ id: found, first, messages, token: holding }: Page, isEarly: boolean): void => {
    retryMs = feedTimes.retryMsMin;
    if (subscription !== undefined && !isSame(holding, token)) return overtaken();
    if (id === 0) id = found;
    if (messages.length === 0) return isEarly ? later(feedTimes.restMs, fetch) : fetch();
    if (first > position) {
      const count = first - position;
      commits?.lost(position, first);
      sink.count('topic_messages_lost_total', {}, count);
      outlet.offer({ type: 'lost', from: position, count });
      position = first;
    }
    for (const message of messages) {
      if (message.sequence !== position)
        return fail(failure('INTERNAL', `'${topic}' has a gap before message ${message.sequence}, ${position} was expected`));
      position++;
      outlet.offer(eventOf(message));
    }
  };

  // -------------------------------------------------------------- what is handled

  const sendCommit = (commit: { from: number; next: number }, done: (why: Failure | null) => void): void => {
    if (subscription === undefined || token === null) return;
    ports.write(
      { op: 'topic-commit', topic, subscription, token, ...commit },
      current((outcome) => done(outcome.ok ? null : outcome.failure)),
    );
  };

  const onCommitFailed = (why: Failure): void => {
    if (why.code === 'FENCED') return overtaken();
    if (!passes(why)) return fail(why);
    clock.after(
      feedTimes.retryMsMin,
      current(() => commits?.retry()),
    );
  };

  const flush = (then: () => void): void => {
    if (commits === null || commits.isSettled) return then();
    const patience = clock.after(feedTimes.flushMs, () => onFlushed?.());
    onFlushed = () => {
      onFlushed = null;
      patience.cancel();
      then();
    };
  };

  if (subscription === undefined) locate();
  else claim(null);

  return {
    fail,
    next: outlet.next,
    handled(sequence) {
      if (!isOver && sequence < position) commits?.handled(sequence + 1);
    },
    end(done = () => {}) {
      outlet.close();
      if (isOver || isEnding) return done();
      isEnding = true;
      flush(() => {
        if (subscription !== undefined && token !== null) ports.release(subscription, token);
        finish();
        done();
      });
    },
  };
};

const eventOf = ({ sequence, timeMs, body }: TopicMessage) =>
  ({ type: 'message', source: null, sequence, timeMs, body }) as const;
